//! The two places of the shards of one secret.

use crate::NCConfig;
use crate::frag::FRAG_MIN_DISTANCE;
use crate::shard::{Block, Shard, Slots};
use boxed::{Boxed, Origin, Protection, Scratch, Spot};
use core::sync::atomic::{AtomicU64, Ordering};
use locked_memory::MemoryError;
use sealing::{Error, Pair, Place, Session};

/// Where two shards are kept.
pub(crate) enum Places {
    Ram(Sealed<Block, Block>),
    RamAndFile(Sealed<Block, Slots>),
    File(Sealed<Slots, Slots>),
    Apart(Apart),
}

/// Two shards, each sealed for its side of its memory at its time: no block opens in the place of another.
pub(crate) struct Sealed<L, R> {
    memory: u64,
    refreshes: u64,
    len: usize,
    left: L,
    right: R,
}

/// Two shards clear in guarded pages, far from each other and without access.
pub(crate) struct Apart {
    left: Boxed<u8>,
    right: Boxed<u8>,
}

/// New shards to work with.
pub(crate) struct Renewed {
    pub(crate) pair: Pair,
    /// Why these are not those that are kept.
    pub(crate) kept: Result<(), MemoryError>,
}

impl Places {
    /// Keeps the shards of `pair` where `config` says.
    pub(crate) fn new(pair: &Pair, config: NCConfig, operation: &'static str) -> Result<Self, MemoryError> {
        match config {
            NCConfig::FullRam => Sealed::new(pair, operation).map(Self::Ram),
            NCConfig::RamAndFile => Sealed::new(pair, operation).map(Self::RamAndFile),
            NCConfig::FullFile => Sealed::new(pair, operation).map(Self::File),
            NCConfig::FragAllocation(strategy) => {
                let (left, right) = strategy.origins();
                #[cfg(test)]
                crate::faults::strike()?;
                Apart::new(pair, left, right).map(Self::Apart).map_err(MemoryError::on_page(operation))
            }
        }
    }

    /// A copy of the pair to work with.
    pub(crate) fn load(&self, operation: &'static str) -> Result<Pair, MemoryError> {
        match self {
            Self::Ram(sealed) => sealed.load(operation),
            Self::RamAndFile(sealed) => sealed.load(operation),
            Self::File(sealed) => sealed.load(operation),
            Self::Apart(apart) => apart.load(operation),
        }
    }

    /// Replaces both shards by new ones of the same secret and returns a copy of these to work with, as well as why the
    /// old ones stayed where the new ones could not be kept.
    pub(crate) fn renew(&mut self, operation: &'static str) -> Result<Renewed, MemoryError> {
        match self {
            Self::Ram(sealed) => sealed.renew(operation),
            Self::RamAndFile(sealed) => sealed.renew(operation),
            Self::File(sealed) => sealed.renew(operation),
            Self::Apart(apart) => apart.renew(operation),
        }
    }

    /// How the more weakly kept of both shards is kept.
    pub(crate) fn protection(&self) -> Protection {
        match self {
            Self::Ram(_) | Self::RamAndFile(_) | Self::File(_) => Protection::of_ciphertext(),
            Self::Apart(Apart { left, right }) => weaker(left.protection(), right.protection()),
        }
    }
}

/// What is granted to both.
fn weaker(mut one: Protection, other: Protection) -> Protection {
    one.locked &= other.locked;
    one.no_dump &= other.no_dump;
    one.secret_memory &= other.secret_memory;
    one
}

impl<L: Shard, R: Shard> Sealed<L, R> {
    fn new(pair: &Pair, operation: &'static str) -> Result<Self, MemoryError> {
        static MEMORIES: AtomicU64 = AtomicU64::new(0);
        let memory = MEMORIES.fetch_add(1, Ordering::Relaxed);
        let session = Session::begin().map_err(Error::while_sealing(operation))?;
        let places = places(memory, 0);
        Ok(Self {
            memory,
            refreshes: 0,
            len: pair.right().len(),
            left: L::new(&session, &places[0], pair.left(), operation)?,
            right: R::new(&session, &places[1], pair.right(), operation)?,
        })
    }

    fn load(&self, operation: &'static str) -> Result<Pair, MemoryError> {
        let session = Session::begin().map_err(Error::while_opening(operation))?;
        self.load_in(&session, operation)
    }

    fn load_in(&self, session: &Session, operation: &'static str) -> Result<Pair, MemoryError> {
        let places = places(self.memory, self.refreshes);
        let mut pair = Pair::room(self.len).map_err(Error::while_opening(operation))?;
        let (left, right) = pair.shards_mut();
        self.left.read(session, &places[0], left, operation)?;
        self.right.read(session, &places[1], right, operation)?;
        Ok(pair)
    }

    fn renew(&mut self, operation: &'static str) -> Result<Renewed, MemoryError> {
        let session = Session::begin().map_err(Error::while_opening(operation))?;
        let mut pair = self.load_in(&session, operation)?;
        pair.refresh().map_err(Error::while_sealing(operation))?;
        let kept = self.keep(&pair, &session, operation);
        Ok(Renewed { pair, kept })
    }

    /// Puts the shards of `pair` in place of the old ones: both, or none.
    fn keep(&mut self, pair: &Pair, session: &Session, operation: &'static str) -> Result<(), MemoryError> {
        let places = places(self.memory, self.refreshes + 1);
        let left = self.left.prepare(session, &places[0], pair.left(), operation)?;
        let right = self.right.prepare(session, &places[1], pair.right(), operation)?;
        self.left.commit(left);
        self.right.commit(right);
        self.refreshes += 1;
        Ok(())
    }
}

/// What binds the blocks of both shards of a memory to their place and time.
fn places(memory: u64, refreshes: u64) -> [Place; 2] {
    [*b"nc-left_", *b"nc-right"].map(|side| Place::new(side, memory, refreshes))
}

impl Apart {
    fn new(pair: &Pair, left: Origin, right: Origin) -> Result<Self, boxed::Error> {
        let left = filled(&Spot::new(left), pair.left())?;
        let spot = Spot::new(right).away_from(left.span(), FRAG_MIN_DISTANCE);
        Ok(Self { right: filled(&spot, pair.right())?, left })
    }

    fn load(&self, operation: &'static str) -> Result<Pair, MemoryError> {
        let mut pair = Pair::room(self.right.len()).map_err(Error::while_opening(operation))?;
        let (left, right) = pair.shards_mut();
        left.copy_from_slice(&self.left.read().map_err(MemoryError::on_page(operation))?);
        right.copy_from_slice(&self.right.read().map_err(MemoryError::on_page(operation))?);
        Ok(pair)
    }

    fn renew(&mut self, operation: &'static str) -> Result<Renewed, MemoryError> {
        // Before the shards are open, for it may wait.
        let mut pair = Pair::room(self.right.len()).map_err(Error::while_opening(operation))?;
        // Both pages are open before either changes, and then there is nothing left that can fail.
        let mut left = self.left.write().map_err(MemoryError::on_page(operation))?;
        let mut right = self.right.write().map_err(MemoryError::on_page(operation))?;
        let (left_copy, right_copy) = pair.shards_mut();
        left_copy.copy_from_slice(&left);
        right_copy.copy_from_slice(&right);
        #[cfg(test)]
        crate::faults::strike()?;
        pair.refresh().map_err(Error::while_sealing(operation))?;
        left.copy_from_slice(pair.left());
        right.copy_from_slice(pair.right());
        Ok(Renewed { pair, kept: Ok(()) })
    }
}

fn filled(spot: &Spot, bytes: &[u8]) -> Result<Boxed<u8>, boxed::Error> {
    let mut scratch = Scratch::at(spot, bytes.len())?;
    scratch.copy_from_slice(bytes);
    scratch.close()
}

#[cfg(test)]
impl<L, R> Sealed<L, R> {
    pub(crate) fn shards(&mut self) -> (&mut L, &mut R) {
        (&mut self.left, &mut self.right)
    }
}

#[cfg(test)]
impl Apart {
    pub(crate) fn spans(&self) -> (core::ops::Range<usize>, core::ops::Range<usize>) {
        (self.left.span(), self.right.span())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_place_lacks_is_not_promised_of_both() {
        let nothing = Protection::of_ciphertext();
        let mut all = nothing;
        (all.locked, all.no_dump, all.secret_memory) = (true, true, true);
        assert_eq!(weaker(all, all), all);
        assert_eq!(weaker(all, nothing), nothing);
        assert_eq!(weaker(nothing, all), nothing);
    }
}
