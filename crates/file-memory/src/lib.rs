#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
#[cfg(test)]
mod faults;
mod os;
mod room;
#[cfg(feature = "serde")]
mod serde;
mod slot;
mod store;
mod stores;
mod sync;

pub use error::{Directory, FileError, Step};
pub use slot::Slot;

use boxed::{Protection, Scratch};
use core::fmt;
use locked_memory::{Buffer, DEBUG_MSG, LockedMemory, MemoryError, Zeroize, ZeroizeOnDrop, check_size};
use sealing::{Error, Session};
use std::path::Path;

const CREATE: &str = "create a FileMemory";
const UNLOCK: &str = "unlock a FileMemory";
const REPLACE: &str = "replace the value of a FileMemory";
const CLONE: &str = "clone a FileMemory";

/// A secret in a file: ciphertext in a slot of the one unlinked file of its directory.
pub struct FileMemory {
    /// `None` once zeroized.
    slot: Option<Slot>,
}

impl FileMemory {
    /// Seals a copy of `payload`, which has `size` bytes, into the file of the default directory.
    ///
    /// That is [`std::env::temp_dir`] as the first call finds it: on Unix the variable `TMPDIR`, else `/tmp`.
    ///
    /// The payload itself stays where it is: to move a secret in, fill a [`Buffer`] and convert that.
    ///
    /// # Errors
    /// [`MemoryError::SizeMismatch`], [`MemoryError::ZeroSizedNotAllowed`]; [`MemoryError::FileSystemError`] with a
    /// [`FileError`] that names the step, the directory and the cause: the directory is missing or read-only, the disk
    /// full, the limit of the file size or of descriptors reached; [`MemoryError::LockNotAvailable`] where not even the
    /// root key can be locked; [`MemoryError::EncryptionError`].
    pub fn alloc(payload: &[u8], size: usize) -> Result<Self, MemoryError> {
        check_size(payload.len(), size)?;
        Self::sealed(payload, CREATE, || Slot::by_default(payload.len(), CREATE))
    }

    /// Seals a copy of `payload` into the file of the directory `dir`. One system call more than [`alloc`](Self::alloc).
    ///
    /// The file goes with the last secret in it.
    ///
    /// # Errors
    /// Those of [`alloc`](Self::alloc).
    pub fn alloc_in(dir: impl AsRef<Path>, payload: &[u8]) -> Result<Self, MemoryError> {
        Self::sealed(payload, CREATE, || Slot::given(dir.as_ref(), payload.len(), CREATE))
    }

    /// Uses the secret on the spot, without a [`Buffer`]: `f` sees it in a guarded page that is wiped afterwards. Two
    /// system calls.
    ///
    /// # Errors
    /// Those of [`unlock`](LockedMemory::unlock).
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
        let result = f(&self.open(UNLOCK)?);
        boxed::scrub(); // what `f` left on the dead stack
        Ok(result)
    }

    /// Puts `payload` in place of the secret, in the same directory. The old value is kept where that fails, for the new
    /// one is written beside it: both need room for a moment.
    ///
    /// # Errors
    /// Those of [`alloc`](Self::alloc) and of borrowing `payload`.
    pub fn replace(&mut self, payload: Buffer<u8>) -> Result<(), MemoryError> {
        // Borrowed for each attempt: it is not to be open while pages are waited for.
        let new = boxed::together(|| self.sibling(&payload.try_borrow()?, REPLACE))?;
        *self = new; // drops, and so wipes, the old one
        Ok(())
    }

    /// An independent copy in the same directory.
    ///
    /// # Errors
    /// Those of [`unlock`](LockedMemory::unlock) and [`alloc`](Self::alloc).
    pub fn try_clone(&self) -> Result<Self, MemoryError> {
        boxed::together(|| self.sibling(&self.open(CLONE)?, CLONE))
    }

    /// How the secret is kept at rest; nothing once zeroized.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        self.slot.as_ref().map(|_| Protection::of_ciphertext())
    }

    fn sealed(
        payload: &[u8],
        operation: &'static str,
        slot: impl FnOnce() -> Result<Slot, MemoryError>,
    ) -> Result<Self, MemoryError> {
        let mut slot = slot()?;
        let session = Session::begin().map_err(Error::while_sealing(operation))?;
        slot.write_for(&session, payload, operation)?;
        Ok(Self { slot: Some(slot) })
    }

    /// A memory of `payload` in the same directory.
    fn sibling(&self, payload: &[u8], operation: &'static str) -> Result<Self, MemoryError> {
        let slot = self.slot.as_ref().ok_or(MemoryError::IllegalZeroizedUsage)?;
        Self::sealed(payload, operation, || slot.sibling(payload.len(), operation))
    }

    fn open(&self, operation: &'static str) -> Result<Scratch<u8>, MemoryError> {
        let slot = self.slot.as_ref().ok_or(MemoryError::IllegalZeroizedUsage)?;
        boxed::together(|| {
            let session = Session::begin().map_err(Error::while_opening(operation))?;
            let mut plain = Scratch::new(slot.len()).map_err(MemoryError::on_page(operation))?;
            slot.read_for(&session, &mut plain, operation)?;
            Ok(plain)
        })
    }
}

impl LockedMemory for FileMemory {
    fn update(mut self, payload: Buffer<u8>, size: usize) -> Result<Self, MemoryError> {
        check_size(payload.len(), size)?;
        self.replace(payload)?;
        Ok(self)
    }

    fn unlock(&self) -> Result<Buffer<u8>, MemoryError> {
        Buffer::try_from(self.open(UNLOCK)?)
    }
}

impl TryFrom<Buffer<u8>> for FileMemory {
    type Error = MemoryError;

    /// Seals the content of `payload`, which is wiped, into the file of the default directory.
    fn try_from(payload: Buffer<u8>) -> Result<Self, MemoryError> {
        boxed::together(|| {
            let bytes = payload.try_borrow()?;
            Self::alloc(&bytes, bytes.len())
        })
    }
}

impl Clone for FileMemory {
    /// # Panics
    /// Where [`FileMemory::try_clone`] is an error.
    #[allow(clippy::panic)]
    fn clone(&self) -> Self {
        match self.try_clone() {
            Ok(clone) => clone,
            Err(MemoryError::IllegalZeroizedUsage) => Self { slot: None },
            Err(error) => panic!("{error:?}"),
        }
    }
}

impl Zeroize for FileMemory {
    /// Wipes the slot. Every later use is [`MemoryError::IllegalZeroizedUsage`].
    fn zeroize(&mut self) {
        self.slot = None;
    }
}

/// The slot does it.
impl ZeroizeOnDrop for FileMemory {}

impl fmt::Debug for FileMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}
