//! `cargo xtask bench --compare OLD NEW`: what a change of the library did to every row.

use crate::bench::{QUICK, median};
use crate::rows::ROWS;
use crate::{Result, table, workspace};
use std::path::PathBuf;
use xshell::{Shell, cmd};

/// Each revision is measured so often, in turns, and the fastest counts: what else the machine does only slows.
const TURNS: usize = 2;

/// A revision, and where it is built and measured.
struct Side {
    revision: String,
    source: PathBuf,
    built: PathBuf,
    times: PathBuf,
}

pub(crate) fn run(sh: &Shell, old: String, new: String) -> Result {
    let directory = workspace::target_directory(sh)?.join("compare");
    let checked_out = |name: &str, revision: String| -> Result<Side> {
        let [source, built, times] =
            ["source", "target", "times"].map(|what| directory.join(name).join(what));
        // What an interrupted comparison left.
        cmd!(sh, "git worktree remove --force {source}").quiet().ignore_status().ignore_stderr().run()?;
        cmd!(sh, "git worktree add --detach {source} {revision}").run()?;
        Ok(Side { revision, source, built, times })
    };
    let sides = [checked_out("old", old)?, checked_out("new", new)?];
    let compared = measured(sh, &sides);
    for side in &sides {
        let source = &side.source;
        cmd!(sh, "git worktree remove --force {source}").run()?;
    }
    let [old, new] = compared?;

    let lines: Vec<Vec<String>> = ROWS
        .iter()
        .zip(old.iter().zip(&new))
        .filter(|(_, (old, new))| old.is_some() || new.is_some())
        .map(|(row, (old, new))| line(row.work, *old, *new))
        .collect();
    let [of_old, of_new] = [&sides[0], &sides[1]].map(|side| format!("{}, µs", side.revision));
    let header = ["operation", &of_old, &of_new, "times as fast"];
    println!("\n{}", table::render(&header, &[false, true, true, true], &lines));
    println!("medians, the faster of {TURNS} runs in turns");
    Ok(())
}

type Times = Vec<Option<f64>>;

fn measured(sh: &Shell, sides: &[Side; 2]) -> Result<[Times; 2]> {
    let mut fastest = [vec![None; ROWS.len()], vec![None; ROWS.len()]];
    for turn in 1..=TURNS {
        for (side, fastest) in sides.iter().zip(&mut fastest) {
            eprintln!("\n{}, run {turn} of {TURNS}", side.revision);
            bench(sh, side)?;
            for (row, fastest) in ROWS.iter().zip(fastest) {
                let time = median(&side.times.join(row.name).join("ours"))?;
                *fastest = [*fastest, time].into_iter().flatten().reduce(f64::min);
            }
        }
    }
    Ok(fastest)
}

fn bench(sh: &Shell, side: &Side) -> Result {
    sh.remove_path(&side.times)?;
    let _there = sh.push_dir(&side.source);
    cmd!(sh, "cargo bench -p stronghold-benches --bench peers -- --noplot {QUICK...} ^[a-z0-9-]+/ours")
        .env("CARGO_TARGET_DIR", &side.built)
        .env("CRITERION_HOME", &side.times)
        .env_remove("SODIUM_LIB_DIR")
        .run()?;
    Ok(())
}

fn line(work: &str, old: Option<f64>, new: Option<f64>) -> Vec<String> {
    let time = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.3}"));
    let ratio = old.zip(new).map_or_else(String::new, |(old, new)| format!("{:.2}", old / new));
    vec![work.to_owned(), time(old), time(new), ratio]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_one_revision_lacks_has_no_ratio() {
        assert_eq!(line("read", Some(2.0), Some(4.0)), ["read", "2.000", "4.000", "0.50"]);
        assert_eq!(line("read", None, Some(4.0)), ["read", "-", "4.000", ""]);
    }
}
