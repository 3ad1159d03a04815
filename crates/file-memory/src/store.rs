//! One unlinked file of one process, and the slots in it.

#[cfg(test)]
use crate::faults::{self, Call};
use crate::os;
use crate::room::{BLOCK, Room};
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// A file without a name, open to this process alone, for all secrets in one directory.
pub(crate) struct Store {
    file: File,
    directory: PathBuf,
    /// The process that made it; a forked child leaves the file alone.
    generation: u64,
    /// How many blocks were ever sealed for this file.
    writes: AtomicU64,
    /// Whether the file system has no holes.
    no_holes: AtomicBool,
    room: Mutex<Room>,
}

/// A part of the file of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl Store {
    /// Makes the file.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        #[cfg(test)]
        faults::strike(Call::Make)?;
        let generation = boxed::generation();
        // Found again by a child, wherever the process goes.
        let directory = std::path::absolute(directory)?;
        let file = tempfile::tempfile_in(&directory)?;
        #[cfg(test)]
        faults::strike(Call::Close)?;
        os::make_private(&file)?;
        Ok(Self {
            file,
            directory,
            generation,
            writes: AtomicU64::new(0),
            no_holes: AtomicBool::new(false),
            room: Mutex::default(),
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the parent of this process made the file.
    pub(crate) fn is_foreign(&self) -> bool {
        self.generation != boxed::generation()
    }

    /// A number that no other block of this file was sealed with.
    pub(crate) fn next_generation(&self) -> u64 {
        self.writes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes a free extent of `size` bytes, or a new one at the end of the file: the limit of the file size is looked at
    /// then.
    pub(crate) fn take(&self, size: u64) -> io::Result<Extent> {
        let mut room = self.room();
        if let Some(offset) = room.take(size) {
            return Ok(Extent { offset, size });
        }
        #[cfg(test)]
        faults::strike(Call::Grow)?;
        let end = room.end_with(size).filter(|end| is_allowed(*end)).ok_or(ErrorKind::FileTooLarge)?;
        Ok(Extent { offset: room.grow(size, end), size })
    }

    /// Frees an extent, of which the first `used` bytes may have been written; `broken` where the last write failed.
    pub(crate) fn give_back(&self, extent: Extent, used: u64, broken: bool) {
        if used > 0 {
            self.wipe(extent, used);
        }
        let mut room = self.room();
        if let Some(block) = room.give_back(extent.size, extent.offset, broken) {
            // While no one else can take a slot of it. What is in there was wiped before: only space is at stake.
            self.punch(block, BLOCK).unwrap_or_default();
        }
    }

    /// Makes `used` bytes of an extent read as zeros. A hole in part of a block would free nothing, and several file
    /// systems would first write the block out to the disk.
    fn wipe(&self, extent: Extent, used: u64) {
        let wiped = if extent.size < BLOCK {
            self.overwrite(extent.offset, used).or_else(|_| self.punch(extent.offset, extent.size))
        } else {
            self.punch(extent.offset, extent.size).or_else(|_| self.overwrite(extent.offset, used))
        };
        // Where both fail, ciphertext without a key stays until the slot is written again or the file goes.
        wiped.unwrap_or_default();
    }

    fn overwrite(&self, offset: u64, len: u64) -> io::Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut done = 0;
        while done < len {
            let part =
                &ZEROS[..usize::try_from(len - done).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()))];
            self.write(part, offset + done)?;
            done += part.len() as u64;
        }
        Ok(())
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        if self.no_holes.load(Ordering::Relaxed) {
            return Err(ErrorKind::Unsupported.into());
        }
        let punched = || {
            #[cfg(test)]
            faults::strike(Call::Punch)?;
            os::punch(&self.file, offset, len)
        };
        punched().inspect_err(|error| {
            self.no_holes.fetch_or(error.kind() == ErrorKind::Unsupported, Ordering::Relaxed);
        })
    }

    /// Two system calls: the limit of the file size may have been lowered since the last write, and one beyond it would end
    /// the process.
    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        faults::strike(Call::Write)?;
        if !is_allowed(offset + bytes.len() as u64) {
            return Err(ErrorKind::FileTooLarge.into());
        }
        #[cfg(test)]
        if let Err(error) = faults::strike(Call::Tear) {
            os::write_all_at(&self.file, &bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        os::write_all_at(&self.file, bytes, offset)
    }

    pub(crate) fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        faults::strike(Call::Read)?;
        os::read_exact_at(&self.file, bytes, offset)
    }

    #[cfg(test)]
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        // No code panics while it holds the lock.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this process may write to a file as far as `end`.
fn is_allowed(end: u64) -> bool {
    os::size_limit().is_none_or(|limit| end <= limit)
}
