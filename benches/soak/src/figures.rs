//! What the process takes of the system.

use crate::Result;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Taken while no other thread runs and no memory is held.
pub(crate) struct Figures {
    resident: u64,
    locked: u64,
    mappings: u64,
    pages_in_use: u64,
    descriptors: u64,
    file_blocks: u64,
    file_length: u64,
}

impl Figures {
    pub(crate) fn now() -> Result<Self> {
        let (mut descriptors, mut file_blocks, mut file_length) = (0, 0, 0);
        for entry in fs::read_dir("/proc/self/fd")? {
            let path = entry?.path();
            descriptors += 1;
            // The directory that is being read is gone by now, if it comes up here.
            let Ok(target) = fs::read_link(&path) else { continue };
            let target = target.to_string_lossy();
            if target.ends_with("(deleted)") && !target.starts_with("/memfd:") {
                let data = fs::metadata(&path)?;
                file_blocks += data.blocks() * 512; // whatever the blocks of the file system are, see stat(2)
                file_length += data.len();
            }
        }
        Ok(Self {
            resident: status_line("VmRSS")?,
            locked: status_line("VmLck")?,
            mappings: fs::read_to_string("/proc/self/maps")?.lines().count() as u64,
            pages_in_use: runtime::status().pages_in_use as u64,
            descriptors,
            file_blocks,
            file_length,
        })
    }

    /// One line for each, with `when` before its name.
    pub(crate) fn print(&self, when: &str) {
        println!("{when}-resident {}", self.resident);
        println!("{when}-locked {}", self.locked);
        println!("{when}-mappings {}", self.mappings);
        println!("{when}-pages {}", self.pages_in_use);
        println!("{when}-descriptors {}", self.descriptors);
        println!("{when}-file-blocks {}", self.file_blocks);
        println!("{when}-file-length {}", self.file_length);
    }
}

/// A line of `/proc/self/status`, in bytes.
fn status_line(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()).ok_or("no such line")?.parse()?;
    Ok(kib * 1024)
}
