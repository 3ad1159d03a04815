#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cost;
mod error;
mod header;
mod key;
mod seal;

pub use cost::{Limits, Params};
pub use error::{Error, Part};
pub use key::{Key, KeyKind};
pub use seal::{open, seal};

use locked_memory::{Buffer, LockedMemory, MemoryError};

/// Writes a memory as an envelope. Every [`LockedMemory`] can.
pub trait Export: LockedMemory {
    /// The secret in an envelope under `key`; a passphrase at the [default cost](Params::default).
    ///
    /// # Errors
    /// Those of [`export_with`](Self::export_with).
    fn export(&self, key: Key<'_>) -> Result<Vec<u8>, Error> {
        self.export_with(key, Params::default())
    }

    /// The secret in an envelope under `key`. `params` is what deriving a key from a passphrase costs, here and at every
    /// import; with [`Key::Bytes`] it means nothing.
    ///
    /// The memory is unlocked after the derivation, for the time of the encryption alone.
    ///
    /// # Errors
    /// [`Error::Memory`] where the memory cannot be unlocked, [`Error::EmptyPassphrase`], [`Error::Derivation`],
    /// [`Error::OutOfMemory`].
    fn export_with(&self, key: Key<'_>, params: Params) -> Result<Vec<u8>, Error> {
        seal::seal_late(key, params, || self.unlock())
    }
}

impl<M: LockedMemory> Export for M {}

/// Makes a memory from an envelope. Every [`LockedMemory`] can that is made from a [`Buffer`].
pub trait Import: Sized {
    /// The memory of the secret in `envelope`, opened with `key`, within the [default limits](Limits::default).
    ///
    /// # Errors
    /// Those of [`open`], and [`Error::Memory`] where the memory cannot be made.
    fn import(envelope: &[u8], key: Key<'_>) -> Result<Self, Error> {
        Self::import_with(envelope, key, Limits::default())
    }

    /// The memory of the secret in `envelope`, opened with `key`, within `limits`.
    ///
    /// # Errors
    /// Those of [`import`](Self::import).
    fn import_with(envelope: &[u8], key: Key<'_>, limits: Limits) -> Result<Self, Error>;
}

impl<M: LockedMemory + TryFrom<Buffer<u8>, Error = MemoryError>> Import for M {
    fn import_with(envelope: &[u8], key: Key<'_>, limits: Limits) -> Result<Self, Error> {
        Ok(Self::try_from(open(envelope, key, limits)?)?)
    }
}
