#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(test)]
mod faults;
pub mod frag;
mod places;
mod refresher;
#[cfg(feature = "serde")]
mod serde;
mod shard;

use core::fmt;
use frag::FragStrategy;
use locked_memory::{Buffer, DEBUG_MSG, LockedMemory, MemoryError, Zeroize, ZeroizeOnDrop, check_size};
use places::{Places, Renewed};
use sealing::{Error, Pair};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use refresher::{Refresher, Round};

/// The length of the secrets that this memory was made for at first, in bytes. It takes every length from 1 on.
pub const NC_DATA_SIZE: usize = 32;

/// Where the shards of a memory lie that is not told, such as one that is deserialised.
pub const NC_CONFIGURATION: NCConfig = NCConfig::FullRam;

const CREATE: &str = "create a NonContiguousMemory";
const UNLOCK: &str = "unlock a NonContiguousMemory";
const REFRESH: &str = "refresh a NonContiguousMemory";
const REPLACE: &str = "replace the value of a NonContiguousMemory";
const CLONE: &str = "clone a NonContiguousMemory";

/// Where the two shards of a secret lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NCConfig {
    /// Both sealed in a file.
    FullFile,
    /// Both sealed on the heap.
    FullRam,
    /// The left one sealed on the heap, the right one sealed in a file.
    RamAndFile,
    /// Both clear in guarded pages without access, at addresses far from each other.
    FragAllocation(FragStrategy),
}

/// A secret that exists as two shards in two places, neither of which says anything of it. They are replaced by new ones
/// whenever the secret is unlocked, and by [`refresh`](Self::refresh).
///
/// Any number of threads may unlock, refresh and clone one memory at once; they take turns.
pub struct NonContiguousMemory {
    /// The process that made it: in a child of that one, the lock may be held by a thread that is not there.
    generation: u64,
    config: NCConfig,
    /// `None` once zeroized.
    places: Mutex<Option<Places>>,
}

impl NonContiguousMemory {
    /// Splits a copy of `payload`, which has `size` bytes, and keeps the shards where `config` says.
    ///
    /// The payload itself stays where it is: to move a secret in, fill a [`Buffer`] and convert that, or
    /// [`replace`](Self::replace).
    ///
    /// # Errors
    /// [`MemoryError::SizeMismatch`], [`MemoryError::ZeroSizedNotAllowed`]; [`MemoryError::LockNotAvailable`] where pages
    /// cannot be locked, for `FragAllocation` those of the shards and else not even that of the root key;
    /// [`MemoryError::EncryptionError`]; [`MemoryError::FileSystemError`] where a shard lies in a file.
    pub fn alloc(payload: &[u8], size: usize, config: NCConfig) -> Result<Self, MemoryError> {
        check_size(payload.len(), size)?;
        Self::split(payload, config)
    }

    /// Replaces both shards by new ones. The secret itself appears at no moment, and where this fails both old shards stay.
    ///
    /// # Errors
    /// Those of [`unlock`](LockedMemory::unlock).
    pub fn refresh(&self) -> Result<(), MemoryError> {
        self.renew(REFRESH)?.kept
    }

    /// Uses the secret on the spot, without a [`Buffer`]: `f` sees it in a guarded page that is wiped afterwards. Both
    /// shards are replaced before, or kept where there is no room for new ones. `f` may use this memory, too.
    ///
    /// # Errors
    /// Those of [`unlock`](LockedMemory::unlock).
    pub fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
        let secret = self.renew(UNLOCK)?.pair.join().map_err(Error::while_opening(UNLOCK))?;
        let result = f(&secret);
        drop(secret);
        boxed::scrub(); // what `f` left on the dead stack
        Ok(result)
    }

    /// Puts `payload` in place of the secret, its shards in new places of the same kind. The old value is kept where that
    /// fails.
    ///
    /// # Errors
    /// [`MemoryError::IllegalZeroizedUsage`]; those of creating a memory and of borrowing `payload`.
    pub fn replace(&mut self, payload: Buffer<u8>) -> Result<(), MemoryError> {
        let config = self.config;
        let mut places = self.lock(REPLACE)?;
        let old = places.as_mut().ok_or(MemoryError::IllegalZeroizedUsage)?;
        // Borrowed for each attempt: it is not to be open while pages are waited for.
        let new = boxed::together(|| split(&payload.try_borrow()?, config, REPLACE))?;
        *old = new; // drops, and so wipes, the old ones
        Ok(())
    }

    /// An independent copy with shards of its own, in places of the same kind.
    ///
    /// # Errors
    /// Those of [`unlock`](LockedMemory::unlock) and of creating a memory.
    pub fn try_clone(&self) -> Result<Self, MemoryError> {
        boxed::together(|| {
            let held = self.lock(CLONE)?;
            let mut pair = held.as_ref().ok_or(MemoryError::IllegalZeroizedUsage)?.load(CLONE)?;
            drop(held);
            pair.refresh().map_err(Error::while_sealing(CLONE))?;
            Places::new(&pair, self.config, CLONE)
        })
        .map(|places| Self::of(places, self.config))
    }

    /// How the more weakly kept of both shards is kept at rest; nothing once zeroized, or in a child of the process that
    /// made it.
    #[must_use]
    pub fn protection(&self) -> Option<boxed::Protection> {
        self.lock(UNLOCK).ok()?.as_ref().map(Places::protection)
    }

    /// Where the shards lie.
    #[must_use]
    pub fn config(&self) -> NCConfig {
        self.config
    }

    fn split(payload: &[u8], config: NCConfig) -> Result<Self, MemoryError> {
        let places = boxed::together(|| split(payload, config, CREATE))?;
        Ok(Self::of(places, config))
    }

    fn of(places: Places, config: NCConfig) -> Self {
        Self { generation: boxed::generation(), config, places: Mutex::new(Some(places)) }
    }

    /// New shards, and a copy of them to work with after the lock is released.
    fn renew(&self, operation: &'static str) -> Result<Renewed, MemoryError> {
        // Nor is the lock held while pages are waited for.
        boxed::together(|| {
            let mut places = self.lock(operation)?;
            places.as_mut().ok_or(MemoryError::IllegalZeroizedUsage)?.renew(operation)
        })
    }

    fn lock(&self, operation: &'static str) -> Result<MutexGuard<'_, Option<Places>>, MemoryError> {
        if self.generation != boxed::generation() && !boxed::Policy::current().inherits() {
            return Err(MemoryError::Forked { operation });
        }
        // No code panics while it holds the lock; were it to, the places are whole all the same.
        Ok(self.places.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The shards of a copy of `payload`, where `config` says.
fn split(payload: &[u8], config: NCConfig, operation: &'static str) -> Result<Places, MemoryError> {
    let pair = Pair::split(payload).map_err(Error::while_sealing(operation))?;
    Places::new(&pair, config, operation)
}

impl LockedMemory for NonContiguousMemory {
    fn update(mut self, payload: Buffer<u8>, size: usize) -> Result<Self, MemoryError> {
        check_size(payload.len(), size)?;
        self.replace(payload)?;
        Ok(self)
    }

    /// Replaces both shards, then joins them in the page of a [`Buffer`]. Where the new ones cannot be kept, such as on a full
    /// disk, the old ones stay and the secret is at hand all the same; [`refresh`](Self::refresh) says why.
    fn unlock(&self) -> Result<Buffer<u8>, MemoryError> {
        self.renew(UNLOCK)?.pair.join().map_err(Error::while_opening(UNLOCK))?.try_into()
    }
}

impl TryFrom<Buffer<u8>> for NonContiguousMemory {
    type Error = MemoryError;

    /// Splits the content of `payload`, which is wiped, and keeps the shards as [`NC_CONFIGURATION`] says.
    fn try_from(payload: Buffer<u8>) -> Result<Self, MemoryError> {
        boxed::together(|| Self::split(&payload.try_borrow()?, NC_CONFIGURATION))
    }
}

impl Clone for NonContiguousMemory {
    /// # Panics
    /// Where [`NonContiguousMemory::try_clone`] is an error, except that the clone of a zeroized memory is zeroized.
    #[allow(clippy::panic)]
    fn clone(&self) -> Self {
        match self.try_clone() {
            Ok(clone) => clone,
            Err(MemoryError::IllegalZeroizedUsage) => {
                Self { generation: self.generation, config: self.config, places: Mutex::new(None) }
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

impl Zeroize for NonContiguousMemory {
    /// Wipes both shards. Every later use is [`MemoryError::IllegalZeroizedUsage`].
    fn zeroize(&mut self) {
        *self.places.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl ZeroizeOnDrop for NonContiguousMemory {}

impl fmt::Debug for NonContiguousMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

#[cfg(test)]
mod tests;
