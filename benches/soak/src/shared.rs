//! Memories that every thread uses and a refresher renews in the background.

use crate::Result;
use crate::episode::{Done, granted};
use fastrand::Rng;
use runtime::MemoryError;
use runtime::locked_memory::LockedMemory as _;
use runtime::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory, Refresher};
use runtime::memories::ram_memory::RamMemory;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often the refresher renews them.
const INTERVAL: Duration = Duration::from_millis(10);

const VALUE: [u8; 48] = *b"a value of 48 bytes that nothing ever replaces..";

/// What they hold, and how they fared.
pub(crate) struct Shared {
    shards: Vec<Arc<NonContiguousMemory>>,
    pub(crate) guarded: RamMemory,
    pub(crate) refreshed: Arc<AtomicU64>,
    broken: Arc<AtomicU64>,
    // Last, so that it ends before what it counts in.
    _refresher: Refresher,
}

impl Shared {
    pub(crate) fn new() -> Result<Self> {
        let (refreshed, broken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counted, failed) = (Arc::clone(&refreshed), Arc::clone(&broken));
        let refresher = Refresher::start_with(INTERVAL, move |round| {
            counted.fetch_add(round.refreshed as u64, Ordering::Relaxed);
            let is_failure = |error: &&MemoryError| !matches!(error, MemoryError::LockNotAvailable { .. });
            failed.fetch_add(round.failures.iter().filter(is_failure).count() as u64, Ordering::Relaxed);
        })?;
        let mut shards = Vec::new();
        for config in [NCConfig::FullRam, NCConfig::RamAndFile, NCConfig::FullFile] {
            let memory = Arc::new(NonContiguousMemory::alloc(&VALUE, VALUE.len(), config)?);
            refresher.watch(&memory)?;
            shards.push(memory);
        }
        let guarded = RamMemory::guarded(&VALUE)?;
        Ok(Self { shards, guarded, refreshed, broken, _refresher: refresher })
    }

    /// Looks at one of them.
    pub(crate) fn look(&self, random: &mut Rng, done: &mut Done) -> Result {
        let memory = &self.shards[random.usize(..self.shards.len())];
        match granted(done, memory.with(|bytes| bytes == VALUE))? {
            Some(false) => Err("a memory that was only refreshed gives other bytes".into()),
            _ => Ok(()),
        }
    }

    /// That every one of them still holds what it was given, and no refresh failed.
    pub(crate) fn end(&self) -> Result {
        for memory in &self.shards {
            if *memory.unlock()?.borrow() != VALUE {
                return Err("a memory does not hold at the end what it was given".into());
            }
        }
        match self.broken.load(Ordering::Relaxed) {
            0 => Ok(()),
            broken => Err(format!("{broken} refreshes failed").into()),
        }
    }

    /// Panics where this process, a forked child, gets anything from any of them.
    pub(crate) fn refuse(&self) {
        for memory in &self.shards {
            assert!(matches!(memory.with(<[u8]>::len), Err(MemoryError::Forked { .. })));
            assert!(matches!(memory.unlock(), Err(MemoryError::Forked { .. })));
            assert!(matches!(memory.refresh(), Err(MemoryError::Forked { .. })));
        }
        assert!(matches!(self.guarded.unlock(), Err(MemoryError::Forked { .. })));
    }
}
