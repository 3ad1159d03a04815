//! `cargo xtask coverage`: which lines of the library its tests reach.
//!
//! Only lines of the library count: not those of tests, which would flatter it, and not those compiled for other systems.

use crate::mutants::CRATES;
use crate::{Result, library, no_more, page, table, workspace};
use pico_args::Arguments;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use xshell::{Shell, cmd};

/// How many of a hundred lines the tests of a crate must reach.
const REQUIRED: f64 = 95.0;

/// The counts live in files mapped into each process, so that those of a process count which ends by a signal or without
/// cleaning up, as forked children do.
const COUNTED_IN_FILES: &str = "-Cllvm-args=-runtime-counter-relocation";
const FILES_OF_COUNTS: &str = "stronghold-%p%c.profraw";

/// Where the compiler's own tools of LLVM are not installed, a distribution's of the same version do.
const LLVM: [(&str, &str); 2] = [("LLVM_COV", "llvm-cov"), ("LLVM_PROFDATA", "llvm-profdata")];

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    no_more(args)?;
    if cmd!(sh, "cargo llvm-cov --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        return Err("cargo-llvm-cov is missing: cargo install cargo-llvm-cov --locked".into());
    }
    let target = workspace::target_directory(sh)?;
    let (report, counts) = (target.join("coverage.lcov"), target.join("llvm-cov-target"));
    sh.create_dir(&counts)?;
    workspace::open_to_all(sh, &counts)?;
    let mut measured =
        cmd!(sh, "cargo llvm-cov --quiet --locked --lib --tests --lcov --output-path {report}")
            .args(library::packages(&CRATES))
            .env("RUSTFLAGS", COUNTED_IN_FILES)
            .env("LLVM_PROFILE_FILE_NAME", FILES_OF_COUNTS);
    for (variable, tool) in tools(sh)? {
        measured = measured.env(variable, tool);
    }
    measured.run()?;
    let lines = Lines::read(&fs::read_to_string(report)?, &workspace::root());
    let mut rows = Vec::new();
    let mut kept = true;
    for name in CRATES {
        let (reached, all) = lines.of_crate(name);
        let share = 100.0 * reached as f64 / all.max(1) as f64;
        kept &= share >= REQUIRED;
        let verdict = table::verdict(share >= REQUIRED);
        rows.push(vec![
            format!("`{name}`"),
            all.to_string(),
            reached.to_string(),
            format!("{share:.1}%"),
            verdict,
        ]);
    }
    let header = ["crate", "lines", "reached", "share", "verdict"];
    let mut text = table::render(&header, &[false, true, true, true], &rows);
    text += &lines.not_reached();
    println!("{text}");
    if kept && !check {
        page::record(sh, "coverage", "cargo xtask coverage", &text)?;
    }
    if kept { Ok(()) } else { Err("too few lines are reached".into()) }
}

/// The tools of LLVM to name to cargo-llvm-cov: none where rustup has the compiler's own.
fn tools(sh: &Shell) -> Result<Vec<(&'static str, String)>> {
    let compiler = cmd!(sh, "rustc -vV").quiet().read()?;
    let sysroot = cmd!(sh, "rustc --print sysroot").quiet().read()?;
    let field = |name: &str| compiler.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let own = Path::new(&sysroot).join("lib/rustlib").join(field("host: ")).join("bin/llvm-cov");
    if own.exists() {
        return Ok(Vec::new());
    }
    let major = field("LLVM version: ").split('.').next().unwrap_or_default();
    Ok(LLVM.map(|(variable, tool)| (variable, format!("{tool}-{major}"))).into())
}

/// The lines of each source file, and how often each was reached.
#[derive(Debug, Default, PartialEq)]
struct Lines(BTreeMap<String, BTreeMap<usize, u64>>);

impl Lines {
    /// Reads a report of `SF:file` and `DA:line,count`, below `root`, without the lines of tests.
    fn read(report: &str, root: &Path) -> Self {
        let mut files = BTreeMap::new();
        let (mut file, mut tests) = (String::new(), 0..0);
        for line in report.lines() {
            if let Some(path) = line.strip_prefix("SF:") {
                let path = Path::new(path);
                file = path.strip_prefix(root).unwrap_or(path).display().to_string();
                tests = of_tests(&fs::read_to_string(path).unwrap_or_default());
            } else if let Some((number, count)) =
                line.strip_prefix("DA:").and_then(|rest| rest.split_once(','))
            {
                let number = number.parse().unwrap_or(0);
                if !is_test(&file) && !tests.contains(&number) {
                    let lines: &mut BTreeMap<_, _> = files.entry(file.clone()).or_default();
                    lines.insert(number, count.parse().unwrap_or(0));
                }
            }
        }
        Self(files)
    }

    /// How many lines of a crate are reached, and how many there are.
    fn of_crate(&self, name: &str) -> (usize, usize) {
        let begin = format!("crates/{name}/");
        let files = self.0.iter().filter(|(file, _)| file.starts_with(&begin));
        let counts: Vec<u64> = files.flat_map(|(_, lines)| lines.values().copied()).collect();
        (counts.iter().filter(|count| **count > 0).count(), counts.len())
    }

    /// A list of those that are not reached.
    fn not_reached(&self) -> String {
        let mut text = "\nNot reached:\n\n".to_owned();
        for (file, lines) in &self.0 {
            if !CRATES.iter().any(|name| file.starts_with(&format!("crates/{name}/"))) {
                continue;
            }
            let missed: Vec<usize> =
                lines.iter().filter(|(_, count)| **count == 0).map(|(line, _)| *line).collect();
            if !missed.is_empty() {
                text += &format!("* `{file}`: {}\n", ranges(&missed));
            }
        }
        text
    }
}

/// Files that are compiled for tests alone.
fn is_test(file: &str) -> bool {
    ["/tests/", "/tests.rs", "/faults/", "/faults.rs"].iter().any(|part| file.contains(part))
}

/// The lines of the module of tests, which ends a file.
fn of_tests(source: &str) -> std::ops::Range<usize> {
    let lines: Vec<&str> = source.lines().collect();
    let is_module = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {");
    let begin = lines.windows(2).position(is_module).map_or(usize::MAX, |at| at + 1);
    begin..usize::MAX
}

/// `1, 3-5` of 1, 3, 4 and 5.
fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let words = ranges
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tests_and_of_other_crates_do_not_count() {
        let report = "SF:/w/crates/boxed/src/a.rs\nDA:1,2\nDA:2,0\nDA:3,0\nDA:5,0\nend_of_record\n\
                      SF:/w/crates/boxed/src/faults.rs\nDA:1,0\nend_of_record\n\
                      SF:/w/crates/other/src/a.rs\nDA:1,0\nend_of_record\n";
        let lines = Lines::read(report, Path::new("/w"));
        assert_eq!(lines.of_crate("boxed"), (1, 4));
        assert_eq!(lines.of_crate("sealing"), (0, 0));
        assert_eq!(lines.not_reached(), "\nNot reached:\n\n* `crates/boxed/src/a.rs`: 2-3, 5\n");
    }

    #[test]
    fn the_module_of_tests_begins_at_its_attribute() {
        assert!(of_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n").contains(&2));
        assert!(!of_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n").contains(&1));
        assert!(!of_tests("#[cfg(test)]\nmod tests;\nfn a() {}\n").contains(&3));
    }
}
