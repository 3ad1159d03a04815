//! The budgets: what each operation may cost, in one table.

/// One measured operation on a secret of 32 bytes, unless its text says otherwise.
pub(crate) struct Row {
    /// The name that the worker and the benchmark know it by.
    pub(crate) name: &'static str,
    /// What is done, in words.
    pub(crate) work: &'static str,
    /// The most system calls per operation; `None` is not counted.
    pub(crate) calls: Option<f64>,
    /// How many times faster than the peer it must be; `None` is not timed.
    pub(crate) speed_up: Option<f64>,
}

const fn row(name: &'static str, work: &'static str, calls: Option<f64>, speed_up: Option<f64>) -> Row {
    Row { name, work, calls, speed_up }
}

/// Every row. Each needs an entry in `benches/src/ours/works.rs`; `two-threads` alone is a benchmark of its own.
pub(crate) const ROWS: &[Row] = &[
    row("buffer-create-drop", "Buffer create + drop", Some(2.0), Some(10.0)),
    row("buffer-borrow", "Buffer borrow + release", Some(2.0), Some(1.0)),
    row("ram-create-drop", "RamMemory create + drop", Some(2.0), Some(12.0)),
    row("ram-unlock", "RamMemory unlock + read + drop", Some(6.0), Some(6.0)),
    row("ram-with", "RamMemory with", Some(4.0), Some(8.0)),
    row("file-create-drop", "FileMemory create + drop", Some(5.0), Some(20.0)),
    row("file-unlock", "FileMemory unlock + read + drop", Some(7.0), Some(5.0)),
    row("nc-full-ram", "NonContiguous FullRam unlock + refresh + read", Some(8.0), Some(20.0)),
    row("nc-ram-and-file", "NonContiguous RamAndFile, the same", Some(10.0), Some(25.0)),
    row("nc-full-file", "NonContiguous FullFile, the same", Some(12.0), Some(25.0)),
    row("nc-frag-map", "NonContiguous Frag Map, the same", Some(12.0), Some(3.0)),
    row("nc-frag-direct", "NonContiguous Frag Direct, the same", Some(12.0), Some(3.0)),
    row("nc-frag-hybrid", "NonContiguous Frag Hybrid, the same", Some(12.0), Some(3.0)),
    row("ram-unlock-1mib", "RamMemory of 1 MiB unlock + read + drop", None, Some(3.0)),
    row("two-threads", "RamMemory unlock on two threads (peer: on one)", None, Some(1.3)),
];
