//! A thread that refreshes memories from time to time.

use crate::NonContiguousMemory;
use core::fmt;
use core::mem;
use locked_memory::MemoryError;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const WATCH: &str = "watch a NonContiguousMemory";

/// Refreshes the shards of all memories it [`watch`](Self::watch)es, once in every interval, on one thread.
///
/// Nothing starts one by itself. It holds no memory alive. Dropped, it finishes the memory at hand, ends its thread and
/// waits for that.
///
/// In a forked child there is no such thread: nothing is refreshed there.
///
/// ```
/// use noncontiguous_memory::{NC_CONFIGURATION, NonContiguousMemory, Refresher};
/// use std::{sync::Arc, time::Duration};
///
/// let refresher = Refresher::start(Duration::from_secs(10))?;
/// let key = Arc::new(NonContiguousMemory::alloc(&[7; 32], 32, NC_CONFIGURATION)?);
/// refresher.watch(&key)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Refresher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    generation: u64,
}

/// What came of refreshing every memory once.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Round {
    /// How many memories have new shards.
    pub refreshed: usize,
    /// Why others have not; they keep their old ones until the next round.
    pub failures: Vec<MemoryError>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    stop: Condvar,
}

#[derive(Default)]
struct State {
    watched: Vec<Weak<NonContiguousMemory>>,
    stopped: bool,
}

impl Refresher {
    /// Starts a thread that refreshes what it watches once in every `interval`. What fails is tried again in the next.
    ///
    /// # Errors
    /// Those of starting a thread.
    pub fn start(interval: Duration) -> io::Result<Self> {
        Self::start_with(interval, drop)
    }

    /// As [`start`](Self::start); the thread calls `report` after every round.
    ///
    /// # Errors
    /// Those of starting a thread.
    pub fn start_with(
        interval: Duration,
        mut report: impl FnMut(Round) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("stronghold-refresher".to_owned()).spawn(move || {
            while !of_thread.stopped_within(interval) {
                report(of_thread.round());
            }
        })?;
        Ok(Self { shared, thread: Some(thread), generation: boxed::generation() })
    }

    /// Refreshes `memory` from the next round on, as long as someone else holds it.
    ///
    /// # Errors
    /// [`MemoryError::Forked`] in a child of the process that started the refresher.
    pub fn watch(&self, memory: &Arc<NonContiguousMemory>) -> Result<(), MemoryError> {
        if self.is_foreign() {
            return Err(MemoryError::Forked { operation: WATCH });
        }
        self.shared.lock().watched.push(Arc::downgrade(memory));
        Ok(())
    }

    /// Whether the thread, and with it perhaps a lock, is that of a parent process.
    fn is_foreign(&self) -> bool {
        self.generation != boxed::generation()
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        let Some(handle) = self.thread.take() else { return };
        if self.is_foreign() {
            return mem::forget(handle); // there is no such thread here to wait for
        }
        self.shared.lock().stopped = true;
        self.shared.stop.notify_all();
        if handle.thread().id() != thread::current().id() {
            // A panic of `report` ended the thread before, and was reported then.
            drop(handle.join());
        }
    }
}

impl Shared {
    /// Waits for the end of `interval`, or to be stopped.
    fn stopped_within(&self, interval: Duration) -> bool {
        let waited = self.stop.wait_timeout_while(self.lock(), interval, |state| !state.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    fn round(&self) -> Round {
        let mut round = Round::default();
        for watched in self.watched() {
            if self.lock().stopped {
                break;
            }
            let Some(memory) = watched.upgrade() else { continue };
            match memory.refresh() {
                Ok(()) => round.refreshed += 1,
                Err(MemoryError::IllegalZeroizedUsage) => (),
                Err(error) => round.failures.push(error),
            }
        }
        round
    }

    /// The memories that someone else still holds, none of them held here. The lock is free while they are refreshed.
    fn watched(&self) -> Vec<Weak<NonContiguousMemory>> {
        let mut state = self.lock();
        state.watched.retain(|memory| memory.strong_count() > 0);
        state.watched.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; were it to, the list is whole all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refresher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LockedMemory as _, NC_CONFIGURATION};
    use std::sync::mpsc;

    /// A refresher without pause whose every round is waited for: its thread stands still until the test listens.
    fn stepped() -> (Refresher, mpsc::Receiver<Round>) {
        let (sender, rounds) = mpsc::sync_channel(0);
        let report = move |round| drop(sender.send(round));
        (Refresher::start_with(Duration::ZERO, report).unwrap(), rounds)
    }

    /// The first round that began after the call.
    fn next(rounds: &mpsc::Receiver<Round>) -> Round {
        rounds.recv().unwrap();
        rounds.recv().unwrap()
    }

    fn memory() -> Arc<NonContiguousMemory> {
        Arc::new(NonContiguousMemory::alloc(&[7; 32], 32, NC_CONFIGURATION).unwrap())
    }

    #[test]
    fn every_round_refreshes_every_memory_watched() {
        let (refresher, rounds) = stepped();
        assert_eq!(next(&rounds).refreshed, 0);
        let memories = [memory(), memory()];
        memories.iter().for_each(|memory| refresher.watch(memory).unwrap());
        for _ in 0..3 {
            let before = memories.each_ref().map(|memory| memory.shards());
            let round = next(&rounds);
            assert_eq!((round.refreshed, round.failures.len()), (2, 0));
            for (memory, before) in memories.iter().zip(before) {
                let now = memory.shards();
                assert!(now.0 != before.0 && now.1 != before.1);
                assert_eq!(*memory.unlock().unwrap().borrow(), [7; 32]);
            }
        }
        assert_eq!(format!("{refresher:?}"), "Refresher");
        drop(rounds);
    }

    #[test]
    fn a_memory_that_is_dropped_is_forgotten() {
        let (refresher, rounds) = stepped();
        let (kept, dropped) = (memory(), memory());
        refresher.watch(&kept).unwrap();
        refresher.watch(&dropped).unwrap();
        drop(dropped);
        assert_eq!(next(&rounds).refreshed, 1);
        assert_eq!(refresher.shared.lock().watched.len(), 1);
        drop(rounds);
    }

    #[test]
    fn a_failure_is_reported_and_the_others_are_refreshed_all_the_same() {
        let (refresher, rounds) = stepped();
        let (whole, damaged) = (memory(), memory());
        damaged.damage();
        refresher.watch(&damaged).unwrap();
        refresher.watch(&whole).unwrap();
        let round = next(&rounds);
        assert_eq!(round.refreshed, 1);
        assert!(matches!(round.failures[..], [MemoryError::DecryptionError { .. }]));
        drop(rounds);
    }

    #[test]
    fn a_drop_ends_the_thread_in_the_middle_of_an_interval() {
        let refresher = Refresher::start(Duration::from_secs(1 << 40)).unwrap();
        let memory = memory();
        refresher.watch(&memory).unwrap();
        let shared = Arc::downgrade(&refresher.shared);
        drop(refresher);
        assert_eq!(shared.strong_count(), 0, "the thread still holds what it shares");
        assert_eq!(Arc::strong_count(&memory), 1);
    }

    #[test]
    fn a_drop_on_its_own_thread_does_not_wait_for_itself() {
        let place = Arc::new(Mutex::new(None));
        let (sender, dropped) = mpsc::channel();
        let of_thread = Arc::clone(&place);
        let report = move |_| {
            if let Some(refresher) = of_thread.lock().unwrap().take() {
                drop::<Refresher>(refresher);
                sender.send(()).unwrap();
            }
        };
        *place.lock().unwrap() = Some(Refresher::start_with(Duration::ZERO, report).unwrap());
        dropped.recv().unwrap();
    }
}
