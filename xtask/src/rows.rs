//! The budgets: what each operation may cost, in one table.

/// One measured operation on a secret of 32 bytes, unless its text says otherwise.
pub(crate) struct Row {
    /// The name that the worker and the benchmark know it by.
    pub(crate) name: &'static str,
    /// What is done, in words.
    pub(crate) work: &'static str,
    /// The most system calls per operation; `None` is not counted.
    pub(crate) calls: Option<f64>,
    /// The most instructions per operation, outside the kernel: a tenth more than were counted last, so that a slowdown shows
    /// on a machine of any speed; `None` is not counted.
    pub(crate) instructions: Option<i64>,
    /// How many times faster than the peer it must be; `None` is not timed.
    pub(crate) speed_up: Option<f64>,
}

const fn row(name: &'static str, work: &'static str, budget: (f64, i64), speed_up: f64) -> Row {
    let (calls, instructions) = budget;
    Row { name, work, calls: Some(calls), instructions: Some(instructions), speed_up: Some(speed_up) }
}

const fn timed(name: &'static str, work: &'static str, speed_up: f64) -> Row {
    Row { name, work, calls: None, instructions: None, speed_up: Some(speed_up) }
}

/// Every row. Each needs an entry in `benches/src/ours/works.rs`; `two-threads` alone is a benchmark of its own.
pub(crate) const ROWS: &[Row] = &[
    row("buffer-create-drop", "Buffer create + drop", (2.0, 5430), 10.0),
    row("buffer-borrow", "Buffer borrow + release", (2.0, 220), 1.0),
    row("ram-create-drop", "RamMemory create + drop", (2.0, 8_100), 12.0),
    row("ram-unlock", "RamMemory unlock + read + drop", (6.0, 8_800), 6.0),
    row("ram-with", "RamMemory with", (4.0, 13_000), 8.0),
    row("file-create-drop", "FileMemory create + drop", (5.0, 8_800), 20.0),
    row("file-unlock", "FileMemory unlock + read + drop", (7.0, 9_200), 5.0),
    row("nc-full-ram", "NonContiguous FullRam unlock + refresh + read", (8.0, 44_000), 20.0),
    row("nc-ram-and-file", "NonContiguous RamAndFile, the same", (10.0, 44_500), 25.0),
    row("nc-full-file", "NonContiguous FullFile, the same", (12.0, 44_900), 25.0),
    row("nc-frag-map", "NonContiguous Frag Map, the same", (12.0, 20_000), 3.0),
    row("nc-frag-direct", "NonContiguous Frag Direct, the same", (12.0, 20_000), 3.0),
    row("nc-frag-hybrid", "NonContiguous Frag Hybrid, the same", (12.0, 20_000), 3.0),
    timed("ram-unlock-1mib", "RamMemory of 1 MiB unlock + read + drop", 3.0),
    timed("two-threads", "RamMemory unlock on two threads (peer: on one)", 1.3),
];
