//! A secret whose length is not known in advance, gathered in guarded memory.

use crate::Buffer;
use boxed::{Bytes, Error, Scratch};

/// What two canaries take from the first page, in bytes.
const OVERHEAD: usize = 32;

/// Values in guarded pages that double when full. Every page left behind is wiped.
pub(crate) struct Growing<T: Bytes> {
    /// Longer than what it holds.
    room: Scratch<T>,
    len: usize,
}

impl<T: Bytes> Growing<T> {
    /// Nothing yet, with room for `expected` values, but for one page at most: who claims a length need not be believed.
    pub(crate) fn new(expected: usize) -> Result<Self, Error> {
        let element = size_of::<T>().max(1);
        let one_page = (boxed::page_size() - OVERHEAD) / element;
        let room = if expected == 0 { one_page } else { expected.min(one_page) };
        Ok(Self { room: Scratch::new(room.max(1))?, len: 0 })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Room for at least one more value.
    pub(crate) fn spare(&mut self) -> Result<&mut [T], Error> {
        if self.len == self.room.len() {
            let mut larger = Scratch::new(self.len.saturating_mul(2))?;
            larger[..self.len].copy_from_slice(&self.room);
            self.room = larger;
        }
        Ok(&mut self.room[self.len..])
    }

    /// Counts in `values` that were written to the front of [`spare`](Self::spare).
    pub(crate) fn advance(&mut self, values: usize) {
        self.len = self.room.len().min(self.len + values);
    }

    /// Closes what was gathered.
    pub(crate) fn finish(self) -> Result<Buffer<T>, Error> {
        if self.len == 0 {
            return Err(Error::ZeroSize);
        }
        if self.len == self.room.len() {
            return self.room.close().map(Buffer::from);
        }
        let mut exact = Scratch::new(self.len)?;
        exact.copy_from_slice(&self.room[..self.len]);
        boxed::scrub(); // copies of memory pass through vector registers
        drop(self.room);
        exact.close().map(Buffer::from)
    }
}
