//! One sealed shard in the place where it is kept.

use core::mem;
use file_memory::Slot;
use locked_memory::{MemoryError, Zeroize};
use sealing::{Error, Nonce, Place, Session};

/// A place for one shard as ciphertext.
///
/// A new value is written beside the old one, which stays in force until [`commit`](Self::commit). That cannot fail, so
/// two shards change together or not at all.
pub(crate) trait Shard: Sized {
    /// A new value that is not yet in force.
    type Next;

    /// Keeps `plain`, sealed for `place`.
    fn new(
        session: &Session,
        place: &Place,
        plain: &[u8],
        operation: &'static str,
    ) -> Result<Self, MemoryError>;

    /// Opens the value into `plain`.
    fn read(
        &self,
        session: &Session,
        place: &Place,
        plain: &mut [u8],
        operation: &'static str,
    ) -> Result<(), MemoryError>;

    /// Writes a new value of the same length, sealed for `place`.
    fn prepare(
        &mut self,
        session: &Session,
        place: &Place,
        plain: &[u8],
        operation: &'static str,
    ) -> Result<Self::Next, MemoryError>;

    /// Puts what was prepared in force.
    fn commit(&mut self, next: Self::Next);
}

/// A sealed block on the ordinary heap. Dropped, it is wiped.
pub(crate) struct Block {
    nonce: Nonce,
    bytes: Box<[u8]>,
}

impl Block {
    fn seal(session: &Session, place: &Place, plain: &[u8]) -> Result<Self, Error> {
        let length = plain.len() + session.overhead();
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(|_| Error::OutOfMemory { bytes: length })?;
        bytes.resize(length, 0);
        let mut bytes = bytes.into_boxed_slice();
        let nonce = session.seal(place, plain, &mut bytes)?;
        Ok(Self { nonce, bytes })
    }

    #[cfg(test)]
    pub(crate) fn copy(&self) -> Self {
        Self { nonce: self.nonce, bytes: self.bytes.clone() }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&mut self) -> &mut Box<[u8]> {
        &mut self.bytes
    }
}

impl Shard for Block {
    type Next = Self;

    fn new(
        session: &Session,
        place: &Place,
        plain: &[u8],
        operation: &'static str,
    ) -> Result<Self, MemoryError> {
        #[cfg(test)]
        crate::faults::strike()?;
        Self::seal(session, place, plain).map_err(Error::while_sealing(operation))
    }

    fn read(
        &self,
        session: &Session,
        place: &Place,
        plain: &mut [u8],
        operation: &'static str,
    ) -> Result<(), MemoryError> {
        session.open(place, self.nonce, &self.bytes, plain).map_err(Error::while_opening(operation))
    }

    fn prepare(
        &mut self,
        session: &Session,
        place: &Place,
        plain: &[u8],
        operation: &'static str,
    ) -> Result<Self, MemoryError> {
        Self::new(session, place, plain, operation)
    }

    fn commit(&mut self, next: Self) {
        *self = next;
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Two slots of a file, of which one holds the value and the other is free for the next. Each slot binds its content to
/// itself and its time.
pub(crate) struct Slots {
    current: Slot,
    spare: Slot,
}

impl Shard for Slots {
    type Next = ();

    fn new(session: &Session, _: &Place, plain: &[u8], _: &'static str) -> Result<Self, MemoryError> {
        #[cfg(test)]
        crate::faults::strike()?;
        let mut slots = Self { current: Slot::new(plain.len())?, spare: Slot::new(plain.len())? };
        slots.current.write(session, plain)?;
        Ok(slots)
    }

    fn read(
        &self,
        session: &Session,
        _: &Place,
        plain: &mut [u8],
        _: &'static str,
    ) -> Result<(), MemoryError> {
        self.current.read(session, plain)
    }

    fn prepare(
        &mut self,
        session: &Session,
        _: &Place,
        plain: &[u8],
        _: &'static str,
    ) -> Result<(), MemoryError> {
        #[cfg(test)]
        crate::faults::strike()?;
        self.spare.write(session, plain)
    }

    fn commit(&mut self, (): ()) {
        mem::swap(&mut self.current, &mut self.spare);
    }
}
