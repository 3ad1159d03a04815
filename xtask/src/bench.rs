//! `cargo xtask bench`: times every row beside its peer, in the same run.

use crate::plots::{self, Ratio};
use crate::rows::{ROWS, Row};
use crate::{Result, compare, matrix, no_more, page, table, workspace};
use pico_args::Arguments;
use serde_json::Value;
use std::path::Path;
use xshell::{Shell, cmd};

/// For a first look: two seconds for each side of each row.
pub(crate) const QUICK: [&str; 6] =
    ["--warm-up-time", "0.5", "--measurement-time", "1.5", "--sample-size", "30"];

/// For figures to be kept: four seconds, in each of the runs.
const THOROUGH: [&str; 6] = ["--warm-up-time", "1", "--measurement-time", "3", "--sample-size", "50"];

/// How often a thorough run measures each row; the least ratio counts.
const RUNS: usize = 3;

const COMMAND: &str = "cargo xtask bench";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    if args.contains("--compare") {
        let (old, new) = (args.free_from_str()?, args.free_from_str()?);
        no_more(args)?;
        return compare::run(sh, old, new);
    }
    let quick = args.contains("--quick");
    let check = args.contains("--check");
    no_more(args)?;
    let measured = workspace::target_directory(sh)?.join("criterion");
    sh.remove_path(&measured)?; // what an earlier run found is not today's
    let (runs, pace) = if quick { (1, &QUICK) } else { (RUNS, &THOROUGH) };
    let rows: Vec<(&Row, f64)> = ROWS.iter().filter_map(|row| Some((row, row.speed_up?))).collect();
    let mut timed: Vec<Timed> = Vec::new();
    for number in 1..=runs {
        eprintln!("\nrows beside their peer, run {number} of {runs}");
        measure(sh, "^[a-z0-9-]+/", pace)?;
        for (index, (row, _)) in rows.iter().enumerate() {
            let now = Timed::read(&measured, row)?;
            match timed.get_mut(index) {
                Some(before) => before.keep_slower(now),
                None => timed.push(now),
            }
        }
    }
    eprintln!("\nevery operation of every library");
    measure(sh, if quick { ", 32 bytes/" } else { " bytes/" }, &matrix::PACE)?;

    let lines: Vec<Vec<String>> =
        rows.iter().zip(&timed).map(|((row, required), timed)| timed.line(row, *required)).collect();
    let header = ["operation", "ours, µs", "peer, µs", "ratio", "required", "verdict"];
    let mut text = table::render(&header, &[false, true, true, true, true], &lines);
    if !quick {
        text += &format!("\nThe least ratio of {RUNS} runs, and the times of that run.\n");
    }
    text += &floor(&measured)?;
    println!("\n{text}");
    println!(
        "medians; the peer is the published stronghold-runtime 2.0.1 unless the operation says otherwise"
    );
    println!("memguard is not measured: it is written in Go, and this takes what cargo builds");
    let matrix = matrix::tables(&measured)?;
    println!("\n{matrix}");
    let missed = rows.iter().zip(&timed).filter(|((_, required), timed)| !timed.keeps(*required)).count();
    match missed {
        0 if check => Ok(()),
        _ if check => Err(format!("{missed} required ratios are missed").into()),
        _ if quick => Ok(()),
        _ => {
            page::write(sh, "bench", COMMAND, &text)?;
            page::write(sh, "matrix", COMMAND, &matrix)?;
            let ratios: Vec<Ratio> = rows
                .iter()
                .zip(&timed)
                .filter_map(|((row, required), timed)| {
                    Some(Ratio { work: row.work.to_owned(), ratio: timed.ratio()?, required: *required })
                })
                .collect();
            page::draw("ratios", &plots::ratios(&ratios)?)?;
            for (operation, name) in matrix::PLOTTED {
                page::draw(name, &plots::sizes(operation, &matrix::times(&measured, operation)?)?)?;
            }
            Ok(())
        }
    }
}

/// Both sides of a row in one run, in microseconds.
struct Timed {
    ours: f64,
    /// Nothing where the peer does not build.
    peer: Option<f64>,
}

impl Timed {
    fn read(measured: &Path, row: &Row) -> Result<Self> {
        let side = |side| median(&measured.join(row.name).join(side));
        Ok(Self { ours: side("ours")?.ok_or(format!("{} was not measured", row.name))?, peer: side("peer")? })
    }

    /// Of two runs, the one that compares worse.
    fn keep_slower(&mut self, other: Self) {
        if other.ratio() < self.ratio() {
            *self = other;
        }
    }

    fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| peer / self.ours)
    }

    fn keeps(&self, required: f64) -> bool {
        self.ratio().is_none_or(|ratio| ratio >= required)
    }

    fn line(&self, row: &Row, required: f64) -> Vec<String> {
        let ours = format!("{:.3}", self.ours);
        let required_of = format!("{required:.1}");
        let [peer, ratio, verdict] = match (self.peer, self.ratio()) {
            (Some(peer), Some(ratio)) => {
                [format!("{peer:.3}"), format!("{ratio:.2}"), table::verdict(self.keeps(required))]
            }
            _ => ["none here", "", "not compared"].map(str::to_owned),
        };
        vec![row.work.to_owned(), ours, peer, ratio, required_of, verdict]
    }
}

/// Runs the benchmarks whose name matches `filter`.
fn measure(sh: &Shell, filter: &str, pace: &[&str]) -> Result {
    // A libsodium from elsewhere may be built without an optimiser; cargo's own is not.
    cmd!(sh, "cargo bench -p stronghold-benches --bench peers -- --noplot {pace...} {filter}")
        .env_remove("SODIUM_LIB_DIR")
        .run()?;
    Ok(())
}

/// What the kernel alone makes of two threads.
fn floor(measured: &Path) -> Result<String> {
    let [one, two] = ["one", "two"].map(|threads| median(&measured.join("two-threads-floor").join(threads)));
    let (Some(one), Some(two)) = (one?, two?) else { return Err("the floor was not measured".into()) };
    Ok(format!(
        "\nThe floor of the last row: four changes of protection alone, as many as an unlocking makes, take {one:.3} µs on one \
         thread and {two:.3} µs where two share them, a ratio of {:.1}.\n",
        one / two
    ))
}

/// The median time of one operation in microseconds, from criterion's estimates below `directory`.
pub(crate) fn median(directory: &Path) -> Result<Option<f64>> {
    let path = directory.join("new/estimates.json");
    if !path.exists() {
        return Ok(None);
    }
    let estimates: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    let nanoseconds = estimates["median"]["point_estimate"].as_f64();
    let nanoseconds = nanoseconds.ok_or(format!("{} holds no median", path.display()))?;
    Ok(Some(nanoseconds / 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_runs_the_worst_ratio_counts() {
        let mut timed = Timed { ours: 1.0, peer: Some(9.0) };
        timed.keep_slower(Timed { ours: 2.0, peer: Some(16.0) });
        timed.keep_slower(Timed { ours: 1.0, peer: Some(20.0) });
        assert_eq!(timed.ratio(), Some(8.0));
        assert!(timed.keeps(8.0) && !timed.keeps(8.1));
    }
}
