#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "serde")]
mod serde;

use boxed::{Boxed, Protection, Scratch};
use core::fmt;
use locked_memory::{Buffer, DEBUG_MSG, LockedMemory, MemoryError, Zeroize, ZeroizeOnDrop, check_size};
use sealing::{Error, Nonce, Place, Session};

const CREATE: &str = "create a RamMemory";
const UNLOCK: &str = "unlock a RamMemory";
const REPLACE: &str = "replace the value of a RamMemory";
const CLONE: &str = "clone a RamMemory";

/// A secret in memory: ciphertext on the heap ([`alloc`](Self::alloc)), or clear in a guarded page of its own
/// ([`guarded`](Self::guarded)).
pub struct RamMemory {
    held: Held,
}

enum Held {
    Sealed(Sealed),
    /// Boxed, so that the sealed form stays small.
    Guarded(Box<Boxed<u8>>),
    Zeroized,
}

/// The nonce lies here and the block on the heap, so that blocks swapped or rolled back behind our back do not open.
struct Sealed {
    nonce: Nonce,
    block: Box<[u8]>,
}

impl RamMemory {
    /// Seals a copy of `payload`, which has `size` bytes.
    ///
    /// The payload itself stays where it is: to move a secret in, fill a [`Buffer`] and convert that.
    ///
    /// # Errors
    /// [`MemoryError::SizeMismatch`], [`MemoryError::ZeroSizedNotAllowed`]; [`MemoryError::LockNotAvailable`] where not
    /// even the root key can be locked; [`MemoryError::EncryptionError`].
    pub fn alloc(payload: &[u8], size: usize) -> Result<Self, MemoryError> {
        check_size(payload.len(), size)?;
        Self::sealed(payload, CREATE)
    }

    /// Keeps a copy of `payload` clear in a guarded page, without access while it is not used.
    ///
    /// # Errors
    /// [`MemoryError::ZeroSizedNotAllowed`]; [`MemoryError::LockNotAvailable`] where the policy requires locked pages and
    /// the limit is reached; [`MemoryError::Allocation`].
    pub fn guarded(payload: &[u8]) -> Result<Self, MemoryError> {
        Self::in_a_page(payload, CREATE)
    }

    /// Uses the secret on the spot, without a [`Buffer`]: `f` sees it in a guarded page that is wiped, or closed,
    /// afterwards. Two system calls.
    ///
    /// # Errors
    /// Those of [`unlock`](LockedMemory::unlock).
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
        let result = self.look(UNLOCK, f)?;
        boxed::scrub(); // what `f` left on the dead stack
        Ok(result)
    }

    /// Puts `payload` in place of the secret. The old value is kept where that fails.
    ///
    /// # Errors
    /// Those of creating a memory and of borrowing `payload`.
    pub fn replace(&mut self, payload: Buffer<u8>) -> Result<(), MemoryError> {
        // Borrowed for each attempt: it is not to be open while pages are waited for.
        let new = boxed::together(|| self.sibling(&payload.try_borrow()?, REPLACE))?;
        *self = new; // drops, and so wipes, the old one
        Ok(())
    }

    /// An independent copy, kept the same way.
    ///
    /// # Errors
    /// Those of [`unlock`](LockedMemory::unlock) and of creating a memory.
    pub fn try_clone(&self) -> Result<Self, MemoryError> {
        boxed::together(|| self.look(CLONE, |bytes| self.sibling(bytes, CLONE))?)
    }

    /// How the secret is kept at rest; nothing once zeroized.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        match &self.held {
            Held::Sealed(_) => Some(Protection::of_ciphertext()),
            Held::Guarded(boxed) => Some(boxed.protection()),
            Held::Zeroized => None,
        }
    }

    fn sealed(payload: &[u8], operation: &'static str) -> Result<Self, MemoryError> {
        let sealed = Sealed::new(payload).map_err(Error::while_sealing(operation))?;
        Ok(Self { held: Held::Sealed(sealed) })
    }

    fn in_a_page(payload: &[u8], operation: &'static str) -> Result<Self, MemoryError> {
        let boxed = Boxed::new(payload.len(), |bytes| bytes.copy_from_slice(payload));
        Ok(Self { held: Held::Guarded(Box::new(boxed.map_err(MemoryError::on_page(operation))?)) })
    }

    /// A memory of `payload` that is kept the way this one is.
    fn sibling(&self, payload: &[u8], operation: &'static str) -> Result<Self, MemoryError> {
        match self.held {
            Held::Guarded(_) => Self::in_a_page(payload, operation),
            Held::Sealed(_) => Self::sealed(payload, operation),
            Held::Zeroized => Err(MemoryError::IllegalZeroizedUsage),
        }
    }

    fn look<R>(&self, operation: &'static str, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
        match &self.held {
            Held::Sealed(sealed) => Ok(f(&sealed.open().map_err(Error::while_opening(operation))?)),
            Held::Guarded(boxed) => Ok(f(&boxed.read().map_err(MemoryError::on_page(operation))?)),
            Held::Zeroized => Err(MemoryError::IllegalZeroizedUsage),
        }
    }
}

impl Sealed {
    fn new(payload: &[u8]) -> Result<Self, Error> {
        if payload.is_empty() {
            return Err(boxed::Error::ZeroSize.into());
        }
        let session = Session::begin()?;
        let length = payload.len() + session.overhead();
        let mut block = Vec::new();
        block.try_reserve_exact(length).map_err(|_| Error::OutOfMemory { bytes: length })?;
        block.resize(length, 0);
        let mut block = block.into_boxed_slice();
        let nonce = session.seal(&place(), payload, &mut block)?;
        Ok(Self { nonce, block })
    }

    fn open(&self) -> Result<Scratch<u8>, Error> {
        boxed::together(|| {
            let session = Session::begin()?;
            let mut plain = Scratch::new(self.block.len().saturating_sub(session.overhead()))?;
            session.open(&place(), self.nonce, &self.block, &mut plain)?;
            Ok(plain)
        })
    }
}

/// Every block has a nonce of its own, so one place serves all.
fn place() -> Place {
    Place::new(*b"ram-memo", 0, 0)
}

impl LockedMemory for RamMemory {
    fn update(mut self, payload: Buffer<u8>, size: usize) -> Result<Self, MemoryError> {
        check_size(payload.len(), size)?;
        self.replace(payload)?;
        Ok(self)
    }

    fn unlock(&self) -> Result<Buffer<u8>, MemoryError> {
        match &self.held {
            Held::Sealed(sealed) => Buffer::try_from(sealed.open().map_err(Error::while_opening(UNLOCK))?),
            Held::Guarded(boxed) => boxed.try_clone().map(Buffer::from).map_err(MemoryError::on_page(UNLOCK)),
            Held::Zeroized => Err(MemoryError::IllegalZeroizedUsage),
        }
    }
}

impl TryFrom<Buffer<u8>> for RamMemory {
    type Error = MemoryError;

    /// Seals the content of `payload`, which is wiped.
    fn try_from(payload: Buffer<u8>) -> Result<Self, MemoryError> {
        boxed::together(|| Self::sealed(&payload.try_borrow()?, CREATE))
    }
}

impl Clone for RamMemory {
    /// # Panics
    /// Where [`RamMemory::try_clone`] is an error.
    #[allow(clippy::panic)]
    fn clone(&self) -> Self {
        match self.try_clone() {
            Ok(clone) => clone,
            Err(MemoryError::IllegalZeroizedUsage) => Self { held: Held::Zeroized },
            Err(error) => panic!("{error:?}"),
        }
    }
}

impl Zeroize for RamMemory {
    /// Wipes what is held. Every later use is [`MemoryError::IllegalZeroizedUsage`].
    fn zeroize(&mut self) {
        if let Held::Sealed(sealed) = &mut self.held {
            sealed.block.zeroize();
        }
        self.held = Held::Zeroized;
    }
}

impl Drop for RamMemory {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for RamMemory {}

impl fmt::Debug for RamMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_takes_few_bytes() {
        let memory = RamMemory::alloc(&[7; 32], 32).unwrap();
        let Held::Sealed(sealed) = &memory.held else { unreachable!() };
        // The allocator rounds a block up to 16 bytes after its own 8.
        assert!(size_of::<RamMemory>() + (sealed.block.len() + 8).next_multiple_of(16) <= 128);
    }

    #[test]
    fn swapped_and_altered_blocks_do_not_open_and_say_so() {
        let [mut a, mut b] = [1, 2].map(|byte| RamMemory::alloc(&[byte; 32], 32).unwrap());
        let (Held::Sealed(in_a), Held::Sealed(in_b)) = (&mut a.held, &mut b.held) else { unreachable!() };
        core::mem::swap(&mut in_a.block, &mut in_b.block);
        assert!(matches!(a.unlock(), Err(MemoryError::DecryptionError { .. })));
        assert!(matches!(b.with(<[u8]>::len), Err(MemoryError::DecryptionError { .. })));
        assert!(matches!(b.try_clone(), Err(MemoryError::DecryptionError { operation: CLONE, .. })));
        let (Held::Sealed(in_a), Held::Sealed(in_b)) = (&mut a.held, &mut b.held) else { unreachable!() };
        core::mem::swap(&mut in_a.block, &mut in_b.block);
        in_b.block[40] ^= 1;
        assert_eq!(*a.unlock().unwrap().borrow(), [1; 32]);
        assert!(matches!(b.unlock(), Err(MemoryError::DecryptionError { .. })));
    }

    #[test]
    fn the_ciphertext_says_nothing_of_the_secret() {
        let memory = RamMemory::alloc(b"a secret of some length", 23).unwrap();
        let Held::Sealed(sealed) = &memory.held else { unreachable!() };
        assert!(
            !sealed
                .block
                .windows(4)
                .any(|window| b"a secret of some length".windows(4).any(|part| part == window))
        );
    }

    /// The allocator keeps a small block mapped, and writes its own words into the first 16 bytes of one that is free.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_ciphertext_is_wiped_when_dropped() {
        use std::os::unix::fs::FileExt;
        let memory = RamMemory::alloc(&[7; 200], 200).unwrap();
        let Held::Sealed(sealed) = &memory.held else { unreachable!() };
        let address = sealed.block.as_ptr() as u64;
        let (mut before, mut after) = ([0; 200], [0; 200]);
        let process = std::fs::File::open("/proc/self/mem").unwrap();
        process.read_exact_at(&mut before, address).unwrap();
        assert_eq!(before, sealed.block[..200]);
        drop(memory);
        process.read_exact_at(&mut after, address).unwrap();
        assert_eq!(after[16..], [0; 184]);
    }

    #[test]
    fn each_kind_reports_how_it_is_kept_and_nothing_once_zeroized() {
        let mut sealed = RamMemory::alloc(b"secret", 6).unwrap();
        assert_eq!(sealed.protection(), Some(Protection::of_ciphertext()));
        let guarded = RamMemory::guarded(b"secret").unwrap();
        assert_eq!(guarded.protection().unwrap().at_rest, boxed::Prot::NoAccess);
        assert!(!guarded.protection().unwrap().sealed);
        sealed.zeroize();
        assert_eq!(sealed.protection(), None);
        assert_eq!(sealed.clone().protection(), None);
    }

    #[test]
    #[should_panic(expected = "DecryptionError")]
    fn cloning_what_was_altered_panics() {
        let mut memory = RamMemory::alloc(b"secret", 6).unwrap();
        let Held::Sealed(sealed) = &mut memory.held else { unreachable!() };
        sealed.block[0] ^= 1;
        drop(memory.clone());
    }

    #[test]
    fn a_failed_replace_keeps_the_old_value() {
        let mut gone = Buffer::<u8>::zero(1);
        gone.zeroize();
        for mut memory in [RamMemory::alloc(b"old", 3).unwrap(), RamMemory::guarded(b"old").unwrap()] {
            assert!(matches!(memory.replace(gone.clone()), Err(MemoryError::IllegalZeroizedUsage)));
            assert_eq!(*memory.unlock().unwrap().borrow(), *b"old");
        }
    }
}
