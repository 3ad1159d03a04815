//! `cargo xtask instructions`: counts instructions with valgrind, the same whatever else the machine does.
//!
//! The worker runs twice under callgrind, with no operation and with many; the difference is what the operations cost.
//! Valgrind knows no secret memory, so these are ordinary pages, and what the kernel does is not counted.

use crate::rows::ROWS;
use crate::{Result, no_more, page, table, worker};
use pico_args::Arguments;
use std::path::Path;
use xshell::{Shell, cmd};

const OPERATIONS: u32 = 1_000;

const NO_VALGRIND: &str = "\
valgrind is missing. Install it with your package manager, for example:
  apt-get install valgrind
  dnf install valgrind";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    no_more(args)?;
    if cmd!(sh, "valgrind --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        return Err(NO_VALGRIND.into());
    }
    let worker = worker::build(sh)?;
    let mut missed = 0;
    let mut lines = Vec::new();
    for row in ROWS {
        let Some(budget) = row.instructions else { continue };
        let each = (count(sh, &worker, row.name, OPERATIONS)? - count(sh, &worker, row.name, 0)?)
            / i64::from(OPERATIONS);
        let kept = each <= budget;
        missed += usize::from(!kept);
        lines.push(vec![row.work.to_owned(), budget.to_string(), each.to_string(), table::verdict(kept)]);
    }
    let header = ["operation", "budget", "instructions", "verdict"];
    let text = table::render(&header, &[false, true, true], &lines);
    println!("{text}");
    println!("per operation, over {OPERATIONS} operations after warm-up, outside the kernel");
    match missed {
        _ if !check => page::write(sh, "instructions", "cargo xtask instructions", &text),
        0 => Ok(()),
        _ => Err(format!("{missed} budgets of instructions are missed").into()),
    }
}

fn count(sh: &Shell, worker: &Path, row: &str, operations: u32) -> Result<i64> {
    let operations = operations.to_string();
    let directory = sh.create_temp_dir()?;
    let out = directory.path().join("profile");
    cmd!(
        sh,
        "valgrind --quiet --tool=callgrind --callgrind-out-file={out} {worker} repeat {row} {operations}"
    )
    .quiet()
    .ignore_stderr()
    .run()?;
    total(&sh.read_file(&out)?)
}

/// What a profile of callgrind says in its line `totals: N`.
fn total(profile: &str) -> Result<i64> {
    let total = profile.lines().find_map(|line| line.strip_prefix("totals:"));
    Ok(total.ok_or("not a profile of callgrind")?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_profile_is_read() {
        assert_eq!(total("version: 1\nsummary: 12\n\ntotals: 12\n").unwrap(), 12);
        assert!(total("version: 1\n").is_err());
    }
}
