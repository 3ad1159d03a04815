//! `cargo xtask bench`: times every row beside its peer, in the same run.

use crate::rows::{ROWS, Row};
use crate::{Result, matrix, no_more, page, table, workspace};
use pico_args::Arguments;
use serde_json::Value;
use std::path::Path;
use xshell::{Shell, cmd};

/// For a first look: two seconds for each side of each row.
const QUICK: [&str; 6] = ["--warm-up-time", "0.5", "--measurement-time", "1.5", "--sample-size", "30"];

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let quick = args.contains("--quick");
    let check = args.contains("--check");
    no_more(args)?;
    let measured = workspace::target_directory(sh)?.join("criterion");
    sh.remove_path(&measured)?; // what an earlier run found is not today's
    measure(sh, "^[a-z0-9-]+/", if quick { &QUICK } else { &[] })?;
    measure(sh, if quick { ", 32 bytes/" } else { " bytes/" }, &matrix::PACE)?;

    let mut missed = 0;
    let mut lines = Vec::new();
    for row in ROWS {
        let Some(required) = row.speed_up else { continue };
        let (line, kept) = line(&measured, row, required)?;
        missed += usize::from(!kept);
        lines.push(line);
    }
    let header = ["operation", "ours, µs", "peer, µs", "ratio", "required", "verdict"];
    let mut text = table::render(&header, &[false, true, true, true, true], &lines);
    text += &floor(&measured)?;
    println!("\n{text}");
    println!(
        "medians; the peer is the published stronghold-runtime 2.0.1 unless the operation says otherwise"
    );
    let command = if quick { "cargo xtask bench --quick" } else { "cargo xtask bench" };
    let matrix = matrix::tables(&measured)?;
    println!("\n{matrix}");
    match missed {
        _ if !check => {
            page::write(sh, "bench", command, &text)?;
            page::write(sh, "matrix", command, &matrix)
        }
        0 => Ok(()),
        _ => Err(format!("{missed} required ratios are missed").into()),
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

fn line(measured: &Path, row: &Row, required: f64) -> Result<(Vec<String>, bool)> {
    let ours =
        median(&measured.join(row.name).join("ours"))?.ok_or(format!("{} was not measured", row.name))?;
    let mut line = vec![row.work.to_owned(), format!("{ours:.3}")];
    let Some(peer) = median(&measured.join(row.name).join("peer"))? else {
        line.extend(["none here", "", &format!("{required:.1}"), "not compared"].map(str::to_owned));
        return Ok((line, true));
    };
    let kept = peer / ours >= required;
    line.extend([
        format!("{peer:.3}"),
        format!("{:.1}", peer / ours),
        format!("{required:.1}"),
        table::verdict(kept),
    ]);
    Ok((line, kept))
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
