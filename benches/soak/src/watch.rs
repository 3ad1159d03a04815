//! What the process looks like between two operations: its pages as the kernel has them, and its descriptors.
//!
//! Everything is opened before the first system call fails, and read by calls that never do.

use crate::Result;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};

/// No process of this kind has more descriptors.
const MOST_DESCRIPTORS: usize = 64;

/// As many bytes in a row of a secret are a secret.
const PIECE: usize = 8;

pub(crate) struct Watch {
    maps: File,
    memory: File,
    text: Vec<u8>,
    pieces: Vec<u64>,
    /// How many pages may be readable: one that could not be closed, or not given back. It is wiped.
    stuck: usize,
    /// Whether pages that could not be given back may stay locked.
    keeps_locks: bool,
    /// How many pages of fragments are readable by design.
    open: usize,
}

/// A locked range of pages, and whether there is a guard page on either side.
struct Locked {
    start: usize,
    end: usize,
    readable: bool,
    guarded: bool,
}

impl Watch {
    pub(crate) fn new(values: &[Vec<u8>], call: &str, always: bool) -> Result<Self> {
        let mut pieces: Vec<u64> = values.iter().flat_map(|value| value.windows(PIECE).map(number)).collect();
        pieces.sort_unstable();
        let stuck = match (call.contains("mprotect") || call.contains("munmap"), always) {
            (true, true) => usize::MAX,
            (true, false) => 2, // a secret of two pages is the longest
            (false, _) => 0,
        };
        Ok(Self {
            maps: File::open("/proc/self/smaps")?,
            memory: File::open("/proc/self/mem")?,
            text: Vec::with_capacity(1 << 18),
            pieces,
            stuck,
            keeps_locks: call.contains("munmap"),
            open: 0,
        })
    }

    /// Lets pages of so many fragments be readable.
    pub(crate) fn open(&mut self, fragments: usize) {
        self.open = fragments;
    }

    /// Says what is wrong with the pages of the process while no secret is borrowed.
    pub(crate) fn look(&mut self, name: &str) -> Result {
        let locked = self.locked()?;
        let status = runtime::status();
        if locked.iter().any(|pages| !pages.guarded) {
            println!("bad {name}: a page has no guard page beside it");
        }
        let bytes: usize = locked.iter().map(|pages| pages.end - pages.start).sum();
        if bytes > status.bytes_locked && !self.keeps_locks {
            println!("bad {name}: {bytes} bytes are locked, and {} counted", status.bytes_locked);
        }
        let readable = locked.iter().filter(|pages| pages.readable);
        let pages = readable.clone().map(|pages| pages.end - pages.start).sum::<usize>() / status.page_bytes;
        // Beside them that of the right shard of the root key.
        let expected = (status.pages_pooled + 1 + self.open).saturating_add(self.stuck);
        if pages > expected {
            println!("bad {name}: {pages} pages are readable, and {expected} should be");
        }
        let mut exposed = false;
        for pages in readable {
            exposed |= self.open == 0 && self.holds_a_secret(pages)?;
        }
        if exposed {
            println!("bad {name}: a secret is readable");
        }
        Ok(())
    }

    /// What a life left behind: guarded pages and descriptors.
    pub(crate) fn left(&self) -> String {
        let is_open = |number: &usize| fs::read_link(format!("/proc/self/fd/{number}")).is_ok();
        let descriptors = (0..MOST_DESCRIPTORS).filter(is_open).count();
        format!("pages {} descriptors {descriptors}", runtime::status().pages_in_use)
    }

    fn locked(&mut self) -> Result<Vec<Locked>> {
        read_again(&mut self.maps, &mut self.text)?;
        let text = std::str::from_utf8(&self.text)?;
        let mut ranges: Vec<(usize, usize, &str, bool)> = Vec::new();
        for line in text.lines() {
            if let Some(flags) = line.strip_prefix("VmFlags:") {
                let is_locked = flags.split_whitespace().any(|flag| flag == "lo");
                ranges.last_mut().ok_or("no range")?.3 = is_locked;
            } else if let Some((range, rest)) = line.split_once(' ')
                && let Some((start, end)) = range.split_once('-')
            {
                let [start, end] = [start, end].map(|number| usize::from_str_radix(number, 16));
                ranges.push((start?, end?, rest, false));
            }
        }
        let is_guard = |(_, _, access, _): &(usize, usize, &str, bool)| access.starts_with("---");
        let mut locked = Vec::new();
        for (index, (start, end, access, is_locked)) in ranges.iter().enumerate() {
            if !is_locked {
                continue;
            }
            let before = index.checked_sub(1).map(|before| &ranges[before]);
            let guarded = before.is_some_and(|before| before.1 == *start && is_guard(before))
                && ranges.get(index + 1).is_some_and(|after| after.0 == *end && is_guard(after));
            locked.push(Locked { start: *start, end: *end, readable: access.starts_with('r'), guarded });
        }
        Ok(locked)
    }

    /// Whether readable pages hold a piece of a secret; pages that the kernel reads for no one are not looked at.
    fn holds_a_secret(&self, pages: &Locked) -> Result<bool> {
        let mut bytes = vec![0; pages.end - pages.start];
        (&self.memory).seek(SeekFrom::Start(pages.start as u64))?;
        if (&self.memory).read_exact(&mut bytes).is_err() {
            return Ok(false);
        }
        Ok(bytes.windows(PIECE).any(|piece| self.pieces.binary_search(&number(piece)).is_ok()))
    }
}

fn number(piece: &[u8]) -> u64 {
    piece.try_into().map_or(0, u64::from_le_bytes)
}

/// Reads a file of `/proc` from its beginning, into a buffer that never grows: that would take a system call.
fn read_again(file: &mut File, text: &mut Vec<u8>) -> Result {
    file.seek(SeekFrom::Start(0))?;
    text.clear();
    text.resize(text.capacity(), 0);
    let mut length = 0;
    loop {
        match file.read(&mut text[length..])? {
            0 if length == text.len() => return Err("more mappings than expected".into()),
            0 => break,
            read => length += read,
        }
    }
    text.truncate(length);
    Ok(())
}
