//! What the process takes, as the kernel counts it: `proc_pid_status(5)`, `proc_pid_smaps(5)`.

use std::error::Error;
use std::fs;

/// The size of the pages that libraries lock, in bytes, where it is the smallest that Linux has.
pub(crate) const PAGE: usize = 4096;

/// Resident bytes.
pub(crate) fn resident() -> Result<u64, Box<dyn Error>> {
    status("VmRSS")
}

/// Locked bytes.
pub(crate) fn locked() -> Result<u64, Box<dyn Error>> {
    status("VmLck")
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()).ok_or("no such line")?.parse()?;
    Ok(kib * 1024)
}

/// Ranges of addresses, in order.
pub(crate) struct Ranges(Vec<(usize, usize)>);

impl Ranges {
    /// Those that the kernel keeps in memory.
    pub(crate) fn locked() -> Result<Self, Box<dyn Error>> {
        Ok(Self(parse(&fs::read_to_string("/proc/self/smaps")?)))
    }

    pub(crate) fn contain(&self, address: usize) -> bool {
        let after = self.0.partition_point(|(begin, _)| *begin <= address);
        after.checked_sub(1).is_some_and(|last| address < self.0[last].1)
    }
}

/// The first line of a mapping begins with its range, the last, `VmFlags`, holds `lo` where it is locked.
fn parse(smaps: &str) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let mut range = None;
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            ranges.extend(range.take().filter(|_| flags.split_whitespace().any(|flag| flag == "lo")));
        } else if let Some(begins) = range_of(line) {
            range = Some(begins);
        }
    }
    ranges
}

fn range_of(line: &str) -> Option<(usize, usize)> {
    let (begin, end) = line.split_once(' ')?.0.split_once('-')?;
    Some((usize::from_str_radix(begin, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}
