//! The part of `cargo xtask bench` that compares every operation of every library over sizes.

use crate::bench::median;
use crate::plots::Times;
use crate::{Result, table};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// For many operations: half a second for each.
pub(crate) const PACE: [&str; 6] =
    ["--warm-up-time", "0.1", "--measurement-time", "0.4", "--sample-size", "10"];

/// The operations, in the order of their tables, as the benchmark names them.
const OPERATIONS: [&str; 7] =
    ["create + drop", "borrow", "unlock + read", "with", "update", "clone", "refresh"];

/// The sizes in bytes, and as they are written.
const SIZES: [(usize, &str); 5] =
    [(32, "32 B"), (256, "256 B"), (4 << 10, "4 KiB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB")];

/// The operations that are drawn over sizes, and the names of their plots.
pub(crate) const PLOTTED: [(&str, &str); 2] =
    [("create + drop", "create-drop"), ("unlock + read", "unlock-read")];

/// What is left out of plots, where it would hide the rest: all kinds of fragments cost alike.
const NOT_PLOTTED: [&str; 3] = ["Frag Direct", "Frag Hybrid", "RamAndFile"];

type Measured = BTreeMap<String, [Option<f64>; SIZES.len()]>;

/// A table for each operation: medians in microseconds, libraries down, sizes across.
pub(crate) fn tables(measured: &Path) -> Result<String> {
    let mut text = String::new();
    for operation in OPERATIONS {
        text += &format!("{operation}, µs\n\n{}\n", one(read(measured, operation)?));
    }
    Ok(text)
}

/// The times of one operation, to be drawn.
pub(crate) fn times(measured: &Path, operation: &str) -> Result<Vec<Times>> {
    let mut times: Vec<Times> = read(measured, operation)?
        .into_iter()
        .filter(|(library, _)| !NOT_PLOTTED.iter().any(|hidden| library.ends_with(hidden)))
        .map(|(library, row)| {
            let points = SIZES.iter().zip(row).filter_map(|((size, _), time)| Some((*size, time?)));
            Times { library, points: points.collect() }
        })
        .filter(|times| times.points.len() > 1)
        .collect();
    times.sort_by_key(|times| is_peer(&times.library));
    Ok(times)
}

fn read(measured: &Path, operation: &str) -> Result<Measured> {
    let mut times = Measured::new();
    for (column, (size, _)) in SIZES.iter().enumerate() {
        let group = measured.join(format!("{operation}, {size} bytes"));
        if !group.exists() {
            continue; // not of a quick run
        }
        for library in fs::read_dir(group)? {
            let library = library?;
            if let Some(time) = median(&library.path())? {
                let row = times.entry(library.file_name().to_string_lossy().into_owned()).or_default();
                row[column] = Some(time);
            }
        }
    }
    Ok(times)
}

/// Those of this workspace first, then the fastest first.
fn one(times: Measured) -> String {
    let measured = |column: usize| times.values().any(|row| row[column].is_some());
    let columns: Vec<usize> = (0..SIZES.len()).filter(|column| measured(*column)).collect();
    let mut rows: Vec<_> = times.iter().collect();
    rows.sort_by(|(a, of_a), (b, of_b)| {
        let time = |row: &[Option<f64>]| row[0].unwrap_or(f64::INFINITY);
        is_peer(a).cmp(&is_peer(b)).then(time(&of_a[..]).total_cmp(&time(&of_b[..])))
    });
    let header: Vec<&str> =
        std::iter::once("kept in").chain(columns.iter().map(|column| SIZES[*column].1)).collect();
    let right: Vec<bool> = (0..header.len()).map(|column| column > 0).collect();
    let lines: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(library, row)| {
            let cell = |column: &usize| row[*column].map_or_else(String::new, |time| format!("{time:.2}"));
            std::iter::once(library.clone()).chain(columns.iter().map(cell)).collect()
        })
        .collect();
    table::render(&header, &right, &lines)
}

fn is_peer(library: &str) -> bool {
    !["Buffer", "RamMemory", "FileMemory", "NonContiguous"].iter().any(|own| library.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memories_come_first_and_sizes_not_measured_are_left_out() {
        let row = |time| [Some(time), None, None, None, Some(time * 100.0)];
        let times = BTreeMap::from([
            ("libsodium".to_owned(), row(2.0)),
            ("published RamMemory".to_owned(), row(1.0)),
            ("RamMemory".to_owned(), row(3.0)),
        ]);
        assert_eq!(
            one(times),
            "\
| kept in             | 32 B |  1 MiB |
| ------------------- | ---: | -----: |
| RamMemory           | 3.00 | 300.00 |
| published RamMemory | 1.00 | 100.00 |
| libsodium           | 2.00 | 200.00 |
"
        );
    }
}
