//! `cargo xtask mutants`: small faults planted in the library, one at a time; the tests must notice each.
//!
//! What cannot be noticed, because the program with the fault does the same, has a reason in `xtask/mutants.txt`.

use crate::{Result, no_more, page, workspace};
use pico_args::Arguments;
use serde_json::Value;
use std::path::Path;
use xshell::{Shell, cmd};

/// The crates, by their directories, in the order of what they cost.
pub(crate) const CRATES: [&str; 5] =
    ["ram-memory", "sealing", "noncontiguous-memory", "file-memory", "boxed"];

/// How many of a hundred faults the tests must notice.
const REQUIRED: f64 = 90.0;

/// What lets calls fail on purpose is part of the tests, though cargo-mutants does not see that; and it takes files of other
/// systems for parts of the program.
const LEFT_OUT: [&str; 6] = [
    "**/faults.rs",
    "**/faults/**",
    "**/os/no_*.rs",
    "crates/boxed/src/os/unix.rs",
    "**/os/unsupported.rs",
    "**/os/windows.rs",
];

/// Beside the report of cargo-mutants: the faults that this run or those before it noticed.
const NOTICED: &str = "noticed.txt";

const REASONS: &str = "xtask/mutants.txt";

const HEAD: &str = "\
| crate | faults | noticed | timed out | alive | score | day | revision |
|---|---:|---:|---:|---:|---:|---|---|
";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    let only_alive = args.contains("--alive");
    let wanted: Option<String> = args.opt_free_from_str()?;
    no_more(args)?;
    let crates: Vec<&str> =
        CRATES.into_iter().filter(|name| wanted.as_deref().is_none_or(|wanted| wanted == *name)).collect();
    if crates.is_empty() {
        return Err(format!("no such crate; there are {}", CRATES.join(", ")).into());
    }
    if cmd!(sh, "cargo mutants --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        return Err("cargo-mutants is missing: cargo install cargo-mutants --locked".into());
    }
    let reasons = sh.read_file(REASONS)?;
    let built = workspace::target_directory(sh)?.join("mutants");
    let mut failed = Vec::new();
    for name in crates {
        let output = built.join(name);
        let earlier = if only_alive { noticed_earlier(sh, name, &output)? } else { Vec::new() };
        plant(sh, name, &output, only_alive)?;
        let mut found = Found::read(&sh.read_file(output.join("mutants.out/outcomes.json"))?)?;
        found.noticed.extend(earlier);
        sh.write_file(output.join(NOTICED), found.noticed.join("\n"))?;
        let (row, survivors) = (found.row(sh, name), found.survivors(&reasons));
        print!("{HEAD}{row}\n{survivors}");
        if found.score() < REQUIRED || survivors.contains(UNKNOWN) {
            failed.push(name);
        }
        if !check {
            let text = with(&page::section("mutants")?, name, &row, &survivors);
            page::record(sh, "mutants", "cargo xtask mutants", &text)?;
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("too few faults are noticed, or one is alive without a reason, in {}", failed.join(", "))
        .into())
}

/// The faults of the code as it is now that the tests noticed in earlier runs. cargo-mutants does not plant them again.
fn noticed_earlier(sh: &Shell, name: &str, output: &Path) -> Result<Vec<String>> {
    let package = format!("stronghold-{name}");
    let left_out = left_out();
    let all = cmd!(sh, "cargo mutants --list --package {package} {left_out...} --colors never").quiet();
    let all = all.ignore_stderr().read()?;
    let read = |file: &str| sh.read_file(output.join(file)).unwrap_or_default();
    let earlier = format!("{}\n{}", read(NOTICED), read("mutants.out/caught.txt")); // the last run may not have come to its end
    Ok(all
        .lines()
        .filter(|fault| earlier.lines().any(|noticed| noticed == *fault))
        .map(str::to_owned)
        .collect())
}

fn left_out() -> impl Iterator<Item = &'static str> {
    LEFT_OUT.iter().flat_map(|files| ["--exclude", files])
}

/// Lets cargo-mutants plant each fault and run the tests of the crate, those of the memories with what they share.
fn plant(sh: &Shell, name: &str, output: &Path, only_alive: bool) -> Result {
    sh.create_dir(output)?;
    let package = format!("stronghold-{name}");
    let left_out = left_out();
    let limits = ["--minimum-test-timeout", "30", "--timeout-multiplier", "4"];
    let again: &[&str] = if only_alive { &["--iterate"] } else { &[] };
    // Its exit code says that some are alive, which its report says too.
    cmd!(sh, "cargo mutants --package {package} --output {output} {left_out...} {limits...} {again...} --colors never -- --lib --tests")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_TEST_DEBUG", "0")
        .ignore_status()
        .run()?;
    Ok(())
}

/// What came of the faults of one crate.
struct Found {
    /// `file:line:column: what was changed`.
    noticed: Vec<String>,
    timed_out: usize,
    alive: Vec<String>,
}

impl Found {
    /// Reads the report of cargo-mutants.
    fn read(report: &str) -> Result<Self> {
        let report: Value = serde_json::from_str(report)?;
        let outcomes = report["outcomes"].as_array().ok_or("not a report of cargo-mutants")?;
        let mut found = Self { noticed: Vec::new(), timed_out: 0, alive: Vec::new() };
        for outcome in outcomes {
            let name = || outcome["scenario"]["Mutant"]["name"].as_str().ok_or("a fault without a name");
            match outcome["summary"].as_str() {
                Some("CaughtMutant") => found.noticed.push(name()?.to_owned()),
                Some("Timeout") => found.timed_out += 1,
                Some("MissedMutant") => found.alive.push(name()?.to_owned()),
                Some("Failure") => return Err("the tests fail without any fault".into()),
                _ => {} // those that do not compile, and the run without a fault
            }
        }
        Ok(found)
    }

    fn faults(&self) -> usize {
        self.noticed.len() + self.timed_out + self.alive.len()
    }

    /// How many of a hundred are noticed. A test that never ends is noticed by whoever waits for it.
    fn score(&self) -> f64 {
        100.0 * (self.noticed.len() + self.timed_out) as f64 / self.faults().max(1) as f64
    }

    fn row(&self, sh: &Shell, name: &str) -> String {
        let day = cmd!(sh, "date -u +%F").quiet().read().unwrap_or_default();
        let (faults, alive, score, revision) =
            (self.faults(), self.alive.len(), self.score(), page::revision(sh));
        let (noticed, timed_out) = (self.noticed.len(), self.timed_out);
        format!(
            "| `{name}` | {faults} | {noticed} | {timed_out} | {alive} | {score:.1}% | {day} | {revision} |\n"
        )
    }

    /// One line for each that is alive, with its reason.
    fn survivors(&self, reasons: &str) -> String {
        let line = |alive: &String| format!("* `{alive}`: {}\n", reason(reasons, alive).unwrap_or(UNKNOWN));
        self.alive.iter().map(line).collect()
    }
}

const UNKNOWN: &str = "**no reason is known**";

/// The reason of the first line of `reasons`, `pattern => reason`, whose pattern is in `alive`.
fn reason<'a>(reasons: &'a str, alive: &str) -> Option<&'a str> {
    reasons.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (pattern, reason) = line.split_once(" => ")?;
        alive.contains(pattern).then_some(reason)
    })
}

/// `section` with another row and other survivors of one crate.
fn with(section: &str, name: &str, row: &str, survivors: &str) -> String {
    let mut rows = String::new();
    let mut all_survivors = String::new();
    for each in CRATES {
        let (begin, place) = (format!("| `{each}` |"), format!("* `crates/{each}/"));
        let before = |begin: &str| -> String {
            section.lines().filter(|line| line.starts_with(begin)).map(|line| format!("{line}\n")).collect()
        };
        if each == name {
            rows += row;
            all_survivors += survivors;
        } else {
            rows += &before(&begin);
            all_survivors += &before(&place);
        }
    }
    format!("{HEAD}{rows}\nAlive:\n\n{all_survivors}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"outcomes": [
        {"scenario": "Baseline", "summary": "Success"},
        {"scenario": {"Mutant": {"name": "crates/boxed/src/a.rs:1:2: replace f with ()"}}, "summary": "MissedMutant"},
        {"scenario": {"Mutant": {"name": "crates/boxed/src/a.rs:2:2: replace + with -"}}, "summary": "CaughtMutant"},
        {"scenario": {"Mutant": {"name": "crates/boxed/src/a.rs:3:2: delete !"}}, "summary": "Timeout"},
        {"scenario": {"Mutant": {"name": "crates/boxed/src/a.rs:4:2: replace g"}}, "summary": "Unviable"}]}"#;

    #[test]
    fn those_that_do_not_compile_do_not_count() {
        let found = Found::read(REPORT).unwrap();
        assert_eq!((found.faults(), found.noticed.len(), found.timed_out, found.alive.len()), (3, 1, 1, 1));
        assert!((found.score() - 66.7).abs() < 0.1);
        assert!(Found::read("{}").is_err());
        assert!(Found::read(r#"{"outcomes": [{"scenario": "Baseline", "summary": "Failure"}]}"#).is_err());
    }

    #[test]
    fn a_survivor_stands_with_its_reason() {
        let found = Found::read(REPORT).unwrap();
        let known = found.survivors("# why\nreplace f with => it only counts\n");
        assert_eq!(known, "* `crates/boxed/src/a.rs:1:2: replace f with ()`: it only counts\n");
        assert!(found.survivors("replace h => other\n").contains(UNKNOWN));
    }

    #[test]
    fn one_crate_is_replaced_and_the_others_kept() {
        let section = with("", "boxed", "| `boxed` | 1 |\n", "* `crates/boxed/src/a.rs`: b\n");
        let both = with(&section, "sealing", "| `sealing` | 2 |\n", "");
        assert!(both.contains("| `sealing` | 2 |\n| `boxed` | 1 |\n"));
        assert!(both.ends_with("Alive:\n\n* `crates/boxed/src/a.rs`: b\n"));
    }
}
