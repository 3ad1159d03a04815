//! Counts what another process's memory holds of a secret, through `/proc/PID/mem`.

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
pub(crate) fn scan(pid: u32, secret: &[u8]) -> std::io::Result<Found> {
    let needle = Needle::new(secret);
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut found = Found::default();
    let mut bytes = Vec::new();
    for mapping in mappings(&fs::read_to_string(format!("/proc/{pid}/smaps"))?) {
        bytes.clear();
        bytes.resize(mapping.end - mapping.start, 0);
        // A mapping such as [vvar] cannot be read; it is the kernel's and holds nothing of ours.
        if memory.read_exact_at(&mut bytes, mapping.start as u64).is_err() {
            continue;
        }
        let copies = if mapping.guarded { &mut found.guarded } else { &mut found.ordinary };
        needle.count(&bytes, copies);
    }
    Ok(found)
}

struct Needle<'a> {
    secret: &'a [u8],
    windows: HashSet<[u8; WINDOW]>,
    /// Which first two bytes a window may have: most bytes of most processes are ruled out here.
    likely: Vec<bool>,
}

impl<'a> Needle<'a> {
    fn new(secret: &'a [u8]) -> Self {
        assert!(secret.len() >= WINDOW, "a secret to search for has at least {WINDOW} bytes");
        let windows: HashSet<[u8; WINDOW]> =
            secret.windows(WINDOW).filter_map(|window| window.try_into().ok()).collect();
        let mut likely = vec![false; 1 << 16];
        for window in &windows {
            likely[usize::from(u16::from_le_bytes([window[0], window[1]]))] = true;
        }
        Self { secret, windows, likely }
    }

    fn count(&self, bytes: &[u8], copies: &mut Copies) {
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
