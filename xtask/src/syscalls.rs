//! `cargo xtask syscalls`: counts system calls with strace, none estimated.
//!
//! The worker runs twice under `strace -c -f`, with no operation and with many; the difference is what the operations
//! cost, in every thread of the process.

use crate::rows::ROWS;
use crate::{Result, no_more, page, table, worker};
use pico_args::Arguments;
use std::collections::BTreeMap;
use std::path::Path;
use xshell::{Shell, cmd};

const OPERATIONS: u32 = 2_000;

const NO_STRACE: &str = "\
strace is missing. Install it with your package manager, for example:
  apt-get install strace
  dnf install strace
It works on Linux alone.";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    no_more(args)?;
    need_strace(sh)?;
    let worker = worker::build(sh)?;
    let mut missed = 0;
    let mut lines = Vec::new();
    for row in ROWS {
        let Some(budget) = row.calls else { continue };
        let before = count(sh, &worker, row.name, 0)?;
        let after = count(sh, &worker, row.name, OPERATIONS)?;
        let calls = difference(&before, &after);
        let total: f64 = calls.iter().map(|(_, per_operation)| per_operation).sum();
        let kept = is_kept(total, budget);
        missed += usize::from(!kept);
        lines.push(vec![
            row.work.to_owned(),
            format!("{budget}"),
            format!("{total:.2}"),
            table::verdict(kept),
            calls.iter().map(|(name, calls)| format!("{name} {calls:.4}")).collect::<Vec<_>>().join(", "),
        ]);
    }
    let header = ["operation", "budget", "system calls", "verdict", "which"];
    let text = table::render(&header, &[false, true, true], &lines);
    println!("{text}");
    println!("per operation, over {OPERATIONS} operations after warm-up, every thread counted");
    match missed {
        _ if !check => page::write(sh, "syscalls", "cargo xtask syscalls", &text),
        0 => Ok(()),
        _ => Err(format!("{missed} budgets of system calls are missed").into()),
    }
}

/// An error that says where it comes from if there is no strace.
pub(crate) fn need_strace(sh: &Shell) -> Result {
    match cmd!(sh, "strace -V").quiet().ignore_stdout().ignore_stderr().run() {
        Ok(()) => Ok(()),
        Err(_) => Err(NO_STRACE.into()),
    }
}

/// Compared to the hundredth that is shown: splitting the root key anew adds four calls to a thousand sessions.
fn is_kept(total: f64, budget: f64) -> bool {
    (total * 100.0).round() <= budget * 100.0
}

type Counts = BTreeMap<String, i64>;

fn count(sh: &Shell, worker: &Path, row: &str, operations: u32) -> Result<Counts> {
    let operations = operations.to_string();
    let directory = sh.create_temp_dir()?;
    let summary = directory.path().join("summary");
    cmd!(sh, "strace -c -f -o {summary} {worker} repeat {row} {operations}").quiet().run()?;
    parse(&sh.read_file(&summary)?)
}

/// Reads lines of `% time, seconds, usecs/call, calls, [errors,] name`.
fn parse(summary: &str) -> Result<Counts> {
    let mut counts = Counts::new();
    for line in summary.lines() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let (Some(first), Some(name)) = (cells.first(), cells.last()) else { continue };
        if first.parse::<f64>().is_err() || *name == "total" {
            continue;
        }
        let calls = cells.get(3).and_then(|calls| calls.parse().ok());
        counts.insert((*name).to_owned(), calls.ok_or(format!("not a summary of strace: {line}"))?);
    }
    if counts.is_empty() { Err("strace counted nothing".into()) } else { Ok(counts) }
}

/// Calls per operation, the most frequent first; those that cost nothing are left out.
fn difference(before: &Counts, after: &Counts) -> Vec<(String, f64)> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let calls = |counts: &Counts, name| counts.get(name).copied().unwrap_or(0);
    let mut differences: Vec<(String, i64)> = names
        .into_iter()
        .map(|name| (name.clone(), calls(after, name) - calls(before, name)))
        .filter(|(_, calls)| *calls != 0)
        .collect();
    differences.sort_by_key(|(_, calls)| -calls);
    differences.into_iter().map(|(name, calls)| (name, calls as f64 / f64::from(OPERATIONS))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           1       600           mprotect
 40.00    0.000400          10        40         2 madvise
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           1       640         2 total
";

    #[test]
    fn a_summary_is_read_with_and_without_errors() {
        let counts = parse(SUMMARY).unwrap();
        assert_eq!(counts, Counts::from([("mprotect".into(), 600), ("madvise".into(), 40)]));
        assert!(parse("strace: cannot attach").is_err());
    }

    #[test]
    fn one_call_in_a_hundred_operations_counts() {
        assert!(is_kept(5.004, 5.0));
        assert!(!is_kept(5.01, 5.0));
    }

    #[test]
    fn calls_of_both_runs_cancel_out() {
        let before = Counts::from([("mprotect".into(), 100), ("brk".into(), 3)]);
        let twice = 100 + 2 * i64::from(OPERATIONS);
        let after = Counts::from([("mprotect".into(), twice), ("brk".into(), 3), ("read".into(), 1)]);
        let once = 1.0 / f64::from(OPERATIONS);
        assert_eq!(difference(&before, &after), [("mprotect".into(), 2.0), ("read".into(), once)]);
    }
}
