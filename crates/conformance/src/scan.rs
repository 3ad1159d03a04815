//! Counts what another process's memory holds of a secret, through `/proc/PID/mem`.

use core::ops::Range;
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

/// The length of the shortest piece that counts, in bytes.
const WINDOW: usize = 8;

/// What was found in memory of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Complete copies of the secret.
    pub whole: usize,
    /// Pieces of eight bytes of it, those of complete copies included.
    pub windows: usize,
}

/// What a process holds of a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In ordinary memory: heap, stacks, static data, whatever is not guarded.
    pub ordinary: Copies,
    /// In guarded pages: those that are left out of core dumps.
    pub guarded: Copies,
}

/// Reads all memory of process `pid` and counts what it holds of `secret`.
///
/// # Errors
/// Where the process is gone, or may not be looked at.
pub fn scan(pid: u32, secret: &[u8]) -> std::io::Result<Found> {
    let needle = Needle::new(secret);
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let pages = File::open(format!("/proc/{pid}/pagemap"))?;
    let mut found = Found::default();
    for mapping in mappings(&fs::read_to_string(format!("/proc/{pid}/smaps"))?) {
        let copies = if mapping.guarded { &mut found.guarded } else { &mut found.ordinary };
        for run in runs(&pages, &mapping)? {
            needle.count(&read(&memory, run), copies);
        }
    }
    Ok(found)
}

/// The pages of a mapping that hold anything, as runs of neighbours: a mapping can be larger than the machine.
fn runs(pages: &File, mapping: &Mapping) -> std::io::Result<Vec<Range<usize>>> {
    /// In RAM or in swap, see `/proc/PID/pagemap` in `proc(5)`.
    const THERE: u64 = 0b11 << 62;
    const ENTRY: usize = size_of::<u64>();
    let page = boxed::page_size();
    let mut entries = vec![0; (mapping.end - mapping.start) / page * ENTRY];
    let first = mapping.start / page * ENTRY;
    if pages.read_exact_at(&mut entries, first as u64).is_err() {
        return Ok(Vec::new()); // the mapping at the end of the address space, which is the kernel's
    }
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (number, entry) in entries.chunks_exact(ENTRY).enumerate() {
        if entry.try_into().map_or(0, u64::from_ne_bytes) & THERE == 0 {
            continue;
        }
        let at = mapping.start + number * page;
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += page,
            _ => runs.push(at..at + page),
        }
    }
    Ok(runs)
}

/// Reads a run of pages, and has zeros where one cannot be read: secret memory, and the kernel's own such as `[vvar]`.
fn read(memory: &File, run: Range<usize>) -> Vec<u8> {
    let mut bytes = vec![0; run.len()];
    if memory.read_exact_at(&mut bytes, run.start as u64).is_err() {
        for (at, page) in run.step_by(boxed::page_size()).zip(bytes.chunks_mut(boxed::page_size())) {
            if memory.read_exact_at(page, at as u64).is_err() {
                page.fill(0);
            }
        }
    }
    bytes
}

/// A secret to search for.
pub struct Needle<'a> {
    secret: &'a [u8],
    windows: HashSet<[u8; WINDOW]>,
    /// Which first two bytes a window may have: most bytes of most processes are ruled out here.
    likely: Vec<bool>,
}

impl<'a> Needle<'a> {
    /// Prepares the search for `secret`.
    ///
    /// # Panics
    /// Where it is shorter than the shortest piece that counts, eight bytes.
    #[must_use]
    pub fn new(secret: &'a [u8]) -> Self {
        assert!(secret.len() >= WINDOW, "a secret to search for has at least {WINDOW} bytes");
        let windows: HashSet<[u8; WINDOW]> =
            secret.windows(WINDOW).filter_map(|window| window.try_into().ok()).collect();
        let mut likely = vec![false; 1 << 16];
        for window in &windows {
            likely[usize::from(u16::from_le_bytes([window[0], window[1]]))] = true;
        }
        Self { secret, windows, likely }
    }

    /// Adds what `bytes` hold of it to `copies`.
    pub fn count(&self, bytes: &[u8], copies: &mut Copies) {
        for (at, window) in bytes.windows(WINDOW).enumerate() {
            if self.likely[usize::from(u16::from_le_bytes([window[0], window[1]]))]
                && self.windows.contains(window)
            {
                copies.windows += 1;
                copies.whole += usize::from(bytes[at..].starts_with(self.secret));
            }
        }
    }
}

impl std::fmt::Debug for Needle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Needle").field("bytes", &self.secret.len()).finish_non_exhaustive()
    }
}

struct Mapping {
    start: usize,
    end: usize,
    guarded: bool,
}

/// The mappings that hold anything, from the text of `/proc/PID/smaps`.
fn mappings(smaps: &str) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    let mut range = None;
    let mut resident = false;
    for line in smaps.lines() {
        if let Some(parsed) = parse_range(line) {
            range = Some(parsed);
        } else if let Some(kib) = line.strip_prefix("Rss:") {
            resident = kib.trim().trim_end_matches(" kB") != "0";
        } else if let Some(flags) = line.strip_prefix("VmFlags:") {
            let guarded = flags.split_whitespace().any(|flag| flag == "dd");
            if let (Some((start, end)), true) = (range.take(), resident) {
                mappings.push(Mapping { start, end, guarded });
            }
        }
    }
    mappings
}

/// What the kernel says of the mapping at `address` of this process, see `VmFlags` in `proc(5)`.
///
/// # Panics
/// Where there is none.
#[must_use]
#[allow(clippy::expect_used)]
pub fn flags(address: usize) -> Vec<String> {
    let smaps = fs::read_to_string("/proc/self/smaps").expect("a process may look at itself");
    let mut lines = smaps.lines();
    lines.find(|line| parse_range(line).is_some_and(|(start, end)| (start..end).contains(&address)));
    let flags = lines.find_map(|line| line.strip_prefix("VmFlags:")).expect("the address is mapped");
    flags.split_whitespace().map(str::to_owned).collect()
}

fn parse_range(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_copies_and_pieces_are_counted() {
        let secret: Vec<u8> = (1..=32).collect();
        let mut bytes = vec![0; 200];
        bytes[10..42].copy_from_slice(&secret);
        bytes[101..110].copy_from_slice(&secret[20..29]);
        bytes[150..157].copy_from_slice(&secret[..7]);
        let mut copies = Copies::default();
        Needle::new(&secret).count(&bytes, &mut copies);
        assert_eq!(copies, Copies { whole: 1, windows: 25 + 2 });
    }

    #[test]
    fn a_copy_in_this_process_is_found() {
        // The needle itself lies on the heap: the scanner must be able to see what it is made to find.
        let secret = b"scanned for in its own process..".to_vec();
        assert!(scan(std::process::id(), &secret).unwrap().ordinary.whole >= 1);
    }

    #[test]
    fn mappings_without_resident_pages_are_passed_over() {
        let smaps = "1000-3000 rw-p 0 0:0 0\nRss:  8 kB\nVmFlags: rd wr dd\n\
                     5000-6000 ---p 0 0:0 0\nRss:  0 kB\nVmFlags: mr mw\n";
        let mappings = mappings(smaps);
        assert_eq!(mappings.len(), 1);
        assert!(mappings[0].guarded && mappings[0].start == 0x1000 && mappings[0].end == 0x3000);
    }
}
