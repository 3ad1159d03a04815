//! `cargo xtask fuzz`: arbitrary input against what must hold for every input, one target after another.
//!
//! The targets are a workspace of their own, built by cargo-fuzz with libFuzzer and, but for one, AddressSanitizer. What libFuzzer finds
//! worth keeping stays beside the build, so that the next run goes on where this one ended; `xtask/fuzz/seeds` is where the
//! first one begins.

use crate::{Result, no_more, page, workspace};
use pico_args::Arguments;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use xshell::{Shell, cmd};

struct Target {
    name: &'static str,
    /// The longest input, in bytes.
    longest: u32,
    /// AddressSanitizer makes `mlock` do nothing, which is no good where limits of lockable memory are the matter.
    sanitizer: &'static str,
}

const TARGETS: [Target; 5] = [
    Target { name: "operations", longest: 400, sanitizer: "address" },
    Target { name: "envelope", longest: 400, sanitizer: "address" },
    Target { name: "serde", longest: 2000, sanitizer: "address" },
    Target { name: "slots", longest: 400, sanitizer: "address" },
    Target { name: "policy", longest: 200, sanitizer: "none" },
];

const PLACE: &str = "xtask/fuzz";
const SECONDS: u32 = 600;
/// An input that takes longer than this is a finding.
const SECONDS_OF_ONE: u32 = 20;

const HEAD: &str = "\
| target | seconds | executions | edges covered | findings | day | revision |
|---|---:|---:|---:|---:|---|---|
";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    let seconds = args.opt_value_from_str("--time")?.unwrap_or(SECONDS);
    let wanted: Option<String> = args.opt_free_from_str()?;
    no_more(args)?;
    let is_wanted = |target: &Target| wanted.as_deref().is_none_or(|wanted| wanted == target.name);
    let targets: Vec<_> = TARGETS.into_iter().filter(is_wanted).collect();
    if targets.is_empty() {
        let names = TARGETS.map(|target| target.name).join(", ");
        return Err(format!("no such target; there are {names}").into());
    }
    let built = workspace::target_directory(sh)?.join("fuzz");
    check_tools(sh)?;
    let mut findings = 0;
    for target in targets {
        let row = Row::measured(sh, &built, &target, seconds)?;
        findings += row.findings;
        print!("{HEAD}{}", row.line(sh));
        if !check {
            let rows = with(&page::section("fuzz")?, target.name, &row.line(sh));
            page::record(sh, "fuzz", "cargo xtask fuzz", &format!("{HEAD}{rows}"))?;
        }
    }
    if findings > 0 {
        return Err(format!("{findings} findings, in {}", built.join("findings").display()).into());
    }
    Ok(())
}

fn check_tools(sh: &Shell) -> Result {
    let has = |command: xshell::Cmd<'_>| command.quiet().ignore_stdout().ignore_stderr().run().is_ok();
    if !has(cmd!(sh, "cargo +nightly --version")) {
        return Err("a nightly compiler is missing: rustup toolchain install nightly".into());
    }
    if !has(cmd!(sh, "cargo +nightly fuzz --version")) {
        return Err("cargo-fuzz is missing: cargo install cargo-fuzz --locked".into());
    }
    Ok(())
}

/// The program of `target`.
fn build(sh: &Shell, built: &Path, target: &Target) -> Result<PathBuf> {
    let Target { name, sanitizer, .. } = target;
    let directory = built.join(sanitizer);
    let place = ["--fuzz-dir", PLACE, "--sanitizer", sanitizer];
    cmd!(sh, "cargo +nightly fuzz build {place...} --target-dir {directory} {name}").run()?;
    let host = cmd!(sh, "rustc +nightly --print host-tuple").quiet().read()?;
    Ok(directory.join(host).join("release").join(name))
}

/// What came of one target.
struct Row {
    name: &'static str,
    seconds: u64,
    executions: u64,
    edges: u64,
    findings: usize,
    revision: String,
}

impl Row {
    fn measured(sh: &Shell, built: &Path, target: &Target, seconds: u32) -> Result<Self> {
        let revision = page::revision(sh); // of what is built now, whatever is committed while it runs
        let binary = build(sh, built, target)?;
        let Target { name, longest, .. } = *target;
        let (corpus, found) = (built.join("corpus").join(name), built.join("findings").join(name));
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&found)?;
        let prefix = format!("-artifact_prefix={}/", found.display());
        let limits = [
            format!("-max_total_time={seconds}"),
            format!("-max_len={longest}"),
            format!("-timeout={SECONDS_OF_ONE}"),
        ];
        let before = fs::read_dir(&found)?.count();
        let began = Instant::now();
        let fixed = ["-fork=0", "-jobs=0", "-rss_limit_mb=4096", "-print_final_stats=1"];
        println!("{name}: {seconds} seconds");
        let output = cmd!(sh, "{binary} {corpus} {PLACE}/seeds/{name} {prefix} {fixed...} {limits...}")
            .quiet()
            .ignore_status()
            .output()?;
        let log = String::from_utf8_lossy(&output.stderr);
        let findings = fs::read_dir(&found)?.count() - before + usize::from(!output.status.success());
        if findings > 0 {
            let lines: Vec<_> = log.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(80)..].join("\n"));
        }
        Ok(Self {
            name,
            seconds: began.elapsed().as_secs(),
            executions: number(&log, "stat::number_of_executed_units:"),
            edges: number(&log, " cov:"),
            findings: findings.min(1), // libFuzzer ends with the first
            revision,
        })
    }

    fn line(&self, sh: &Shell) -> String {
        let day = cmd!(sh, "date -u +%F").quiet().read().unwrap_or_default();
        let Self { name, seconds, executions, edges, findings, revision } = self;
        format!("| `{name}` | {seconds} | {executions} | {edges} | {findings} | {day} | {revision} |\n")
    }
}

/// The number behind the last `label`; 0 where there is none.
fn number(log: &str, label: &str) -> u64 {
    let digits = log.rsplit_once(label).map(|(_, rest)| rest.trim_start());
    digits.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The rows of `section`, that of `name` replaced by `row`.
fn with(section: &str, name: &str, row: &str) -> String {
    let of = |name: &str| format!("| `{name}` |");
    let rows = TARGETS.map(|target| match target.name == name {
        true => row.to_owned(),
        false => section
            .lines()
            .find(|line| line.starts_with(&of(target.name)))
            .map_or_else(String::new, |l| format!("{l}\n")),
    });
    rows.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_behind_a_label_is_read() {
        let log = "#2\tINITED cov: 5 ft: 6\n#9\tDONE   cov: 71 ft: 9\nstat::number_of_executed_units: 90\n";
        assert_eq!((number(log, " cov:"), number(log, "stat::number_of_executed_units:")), (71, 90));
        assert_eq!(number(log, "none"), 0);
    }

    #[test]
    fn one_row_is_replaced_and_the_others_kept_in_order() {
        let section = "words\n| `slots` | 1 |\n| `serde` | 2 |\n";
        let rows = with(section, "serde", "| `serde` | 3 |\n");
        assert_eq!(rows, "| `serde` | 3 |\n| `slots` | 1 |\n");
        assert_eq!(with(&rows, "policy", "| `policy` | 4 |\n"), format!("{rows}| `policy` | 4 |\n"));
    }
}
