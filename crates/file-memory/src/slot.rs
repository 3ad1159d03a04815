//! Room for one sealed secret in a file.

use crate::error::{Directory, FileError, Step};
use crate::room::slot_size;
use crate::store::{Extent, Store};
use crate::stores;
use core::fmt;
use locked_memory::{DEBUG_MSG, MemoryError};
use sealing::{Error, Nonce, Place, Session};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

const MAKE: &str = "make a slot of a file";
const WRITE: &str = "write a slot of a file";
const READ: &str = "read a slot of a file";

/// More than any cipher adds to a secret, in bytes.
const MOST_OVERHEAD: usize = 64;

/// Room for a secret of one length in the file of a directory: for memories that are built on this crate.
///
/// The session is the caller's, so that several slots can be written and read under one joining of the root key:
///
/// ```
/// use file_memory::Slot;
/// use sealing::Session;
///
/// let mut slots = [Slot::new(4)?, Slot::new(4)?];
/// let session = Session::begin().map_err(sealing::Error::while_sealing("keep two halves"))?;
/// for (slot, half) in slots.iter_mut().zip([b"left", b"rght"]) {
///     slot.write(&session, half)?; // two system calls
/// }
/// let mut plain = boxed::Scratch::<u8>::new(4).map_err(locked_memory::MemoryError::on_page("join two halves"))?;
/// slots[1].read(&session, &mut plain)?; // one system call
/// assert_eq!(*plain, *b"rght");
/// # Ok::<(), locked_memory::MemoryError>(())
/// ```
///
/// What was truncated, altered, swapped with another slot or rolled back to older content does not open. Dropped, a slot
/// is wiped and reused; dropped in a forked child, it is left as it is, for it is the parent's.
pub struct Slot {
    store: Arc<Store>,
    extent: Extent,
    len: usize,
    directory: Chosen,
    state: State,
}

/// What a slot holds.
#[derive(Clone, Copy)]
enum State {
    /// Nothing was ever written.
    Empty,
    /// The last write failed: any part of it may have arrived.
    Broken,
    Written {
        nonce: Nonce,
        generation: u64,
    },
}

/// Who chose the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    Default,
    Given,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the slot was never written, or the last write failed")]
    NotWritten,
    #[error("the file was truncated")]
    Truncated,
    #[error("the cipher adds more than a slot has room for")]
    NoRoom,
}

impl Slot {
    /// A slot for `plain_len` bytes in the default directory. No system call where a slot of the size is free.
    ///
    /// # Errors
    /// [`MemoryError::ZeroSizedNotAllowed`]; [`MemoryError::FileSystemError`] with a [`FileError`] where there is no file
    /// and none can be made, or it cannot grow.
    pub fn new(plain_len: usize) -> Result<Self, MemoryError> {
        Self::by_default(plain_len, MAKE)
    }

    /// A slot for `plain_len` bytes in `dir`. One system call where a slot of the size is free.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn new_in(dir: &Path, plain_len: usize) -> Result<Self, MemoryError> {
        Self::given(dir, plain_len, MAKE)
    }

    /// A slot for `plain_len` bytes in the directory of this one: for a new value beside the old.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn beside(&self, plain_len: usize) -> Result<Self, MemoryError> {
        self.sibling(plain_len, MAKE)
    }

    /// Seals `plain`, of [`len`](Self::len) bytes, into the slot. Two system calls.
    ///
    /// Where the write fails, the slot counts as not written, and the old value is lost: to keep it, write to a slot
    /// [`beside`](Self::beside). In a forked child the value goes to a new slot, in a file of the child.
    ///
    /// # Errors
    /// [`MemoryError::SizeMismatch`], [`MemoryError::EncryptionError`]; [`MemoryError::FileSystemError`] with a
    /// [`FileError`]; [`MemoryError::Forked`] where the parent of this process began the session.
    pub fn write(&mut self, session: &Session, plain: &[u8]) -> Result<(), MemoryError> {
        self.write_for(session, plain, WRITE)
    }

    /// Opens the content of the slot into `plain`, of [`len`](Self::len) bytes. One system call.
    ///
    /// # Errors
    /// [`MemoryError::DecryptionError`] where the slot was not written, or what is read is not what was written last;
    /// `plain` then holds nothing of the secret. [`MemoryError::SizeMismatch`], [`MemoryError::FileSystemError`];
    /// [`MemoryError::Forked`] where the parent of this process wrote the slot.
    pub fn read(&self, session: &Session, plain: &mut [u8]) -> Result<(), MemoryError> {
        self.read_for(session, plain, READ)
    }

    /// How many bytes the slot takes; never zero.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // what would be empty is the length, not the slot
    pub fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn by_default(len: usize, operation: &'static str) -> Result<Self, MemoryError> {
        Self::checked(len)?;
        let store = stores::default().map_err(FileError::during(operation))?;
        Self::take(store, Chosen::Default, len, operation)
    }

    pub(crate) fn given(dir: &Path, len: usize, operation: &'static str) -> Result<Self, MemoryError> {
        Self::checked(len)?;
        let store = stores::of(dir).map_err(FileError::during(operation))?;
        Self::take(store, Chosen::Given, len, operation)
    }

    pub(crate) fn sibling(&self, len: usize, operation: &'static str) -> Result<Self, MemoryError> {
        Self::checked(len)?;
        match (self.store.is_foreign(), self.directory) {
            (false, chosen) => Self::take(self.store.clone(), chosen, len, operation),
            (true, Chosen::Default) => Self::by_default(len, operation),
            (true, Chosen::Given) => Self::given(self.store.directory(), len, operation),
        }
    }

    pub(crate) fn write_for(
        &mut self,
        session: &Session,
        plain: &[u8],
        operation: &'static str,
    ) -> Result<(), MemoryError> {
        self.check_len(plain)?;
        let length = plain.len().saturating_add(session.overhead());
        if length as u64 > self.extent.size {
            return Err(MemoryError::EncryptionError { operation, source: Cause::NoRoom.into() });
        }
        if self.store.is_foreign() {
            *self = self.sibling(self.len, operation)?;
        }
        let generation = self.store.next_generation();
        let sealed = room_for(length).and_then(|mut block| {
            let nonce = session.seal(&self.place(generation), plain, &mut block)?;
            Ok((nonce, block))
        });
        let (nonce, block) = sealed.map_err(Error::while_sealing(operation))?;
        self.state = State::Broken;
        let written = self.store.write(&block, self.extent.offset);
        written.map_err(|error| self.failed(Step::Write, error, operation))?;
        self.state = State::Written { nonce, generation };
        Ok(())
    }

    pub(crate) fn read_for(
        &self,
        session: &Session,
        plain: &mut [u8],
        operation: &'static str,
    ) -> Result<(), MemoryError> {
        self.check_len(plain)?;
        let damaged = |cause: Cause| MemoryError::DecryptionError { operation, source: cause.into() };
        if self.store.is_foreign() && !boxed::Policy::current().inherits() {
            return Err(MemoryError::Forked { operation });
        }
        let State::Written { nonce, generation } = self.state else { return Err(damaged(Cause::NotWritten)) };
        let length = plain.len().saturating_add(session.overhead());
        let mut block = room_for(length).map_err(Error::while_opening(operation))?;
        self.store.read(&mut block, self.extent.offset).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => damaged(Cause::Truncated),
            _ => self.failed(Step::Read, error, operation),
        })?;
        let opened = session.open(&self.place(generation), nonce, &block, plain);
        opened.map_err(Error::while_opening(operation))
    }

    fn take(
        store: Arc<Store>,
        directory: Chosen,
        len: usize,
        operation: &'static str,
    ) -> Result<Self, MemoryError> {
        let size = len.checked_add(MOST_OVERHEAD).and_then(|bytes| slot_size(bytes as u64));
        let taken = size.ok_or(ErrorKind::FileTooLarge.into()).and_then(|size| store.take(size));
        match taken {
            Ok(extent) => Ok(Self { store, extent, len, directory, state: State::Empty }),
            Err(error) => Err(failed(&store, directory, Step::Grow, error, operation)),
        }
    }

    fn checked(len: usize) -> Result<(), MemoryError> {
        if len == 0 { Err(MemoryError::ZeroSizedNotAllowed) } else { Ok(()) }
    }

    fn check_len(&self, plain: &[u8]) -> Result<(), MemoryError> {
        locked_memory::check_size(self.len, plain.len())
    }

    fn place(&self, generation: u64) -> Place {
        Place::new(*b"file-mem", self.extent.offset, generation)
    }

    fn failed(&self, step: Step, source: io::Error, operation: &'static str) -> MemoryError {
        failed(&self.store, self.directory, step, source, operation)
    }
}

fn failed(
    store: &Store,
    directory: Chosen,
    step: Step,
    source: io::Error,
    operation: &'static str,
) -> MemoryError {
    let path = store.directory().to_owned();
    let directory = match directory {
        Chosen::Default => Directory::Default(path),
        Chosen::Given => Directory::Given(path),
    };
    FileError::during(operation)(FileError { step, directory, source })
}

/// Heap for ciphertext.
fn room_for(length: usize) -> Result<Vec<u8>, Error> {
    let mut block = Vec::new();
    block.try_reserve_exact(length).map_err(|_| Error::OutOfMemory { bytes: length })?;
    block.resize(length, 0);
    Ok(block)
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.store.is_foreign() {
            return; // the parent may still need it
        }
        let used = match self.state {
            State::Empty => 0,
            State::Broken | State::Written { .. } => (self.len + MOST_OVERHEAD) as u64,
        };
        self.store.give_back(self.extent, used, matches!(self.state, State::Broken));
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

#[cfg(test)]
mod tests;
