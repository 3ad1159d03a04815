//! Any number of readers on any number of threads: the first opens, the last closes.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Beyond this many readers at once the gate stays open for good instead of counting on; no program gets here but by
/// forgetting guards in a loop.
const PINNED: usize = usize::MAX / 2;

/// Counts the readers of something that is closed while there are none.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    readers: AtomicUsize,
    /// Held for every step between no reader and one.
    turn: Mutex<()>,
}

impl Gate {
    /// Enters, after `open` if this is the first reader.
    pub(crate) fn enter<E>(&self, open: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        if self.step_if_open(1) {
            return Ok(());
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.step_if_open(1) {
            return Ok(());
        }
        // No reader, and none comes or goes but with the turn that is ours.
        open()?;
        // Release: whoever sees the count sees the gate opened.
        self.readers.store(1, Ordering::Release);
        Ok(())
    }

    /// Leaves, with `close` if this is the last reader. Each call answers one [`enter`](Self::enter).
    pub(crate) fn leave(&self, close: impl FnOnce()) {
        if self.step_if_open(2) {
            return;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // AcqRel: the reads of every reader that left before happen before `close`.
        if self.readers.load(Ordering::Relaxed) < PINNED && self.readers.fetch_sub(1, Ordering::AcqRel) == 1 {
            close();
        }
    }

    /// Forgets readers whose guards were leaked; `&mut` proves that none is alive.
    pub(crate) fn reset(&mut self) {
        *self.readers.get_mut() = 0;
    }

    /// One reader more (`least` 1) or one fewer (`least` 2) where that neither opens nor closes, that is where there are
    /// at least `least` readers already.
    fn step_if_open(&self, least: usize) -> bool {
        let entering = least == 1;
        let step = |readers: usize| match readers {
            PINNED.. => Some(readers),
            _ if readers < least => None,
            _ if entering => Some(readers + 1),
            _ => Some(readers - 1),
        };
        // Acquire pairs with the Release of the opening; Release hands this reader's reads to the closing.
        self.readers.fetch_update(Ordering::AcqRel, Ordering::Acquire, step).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    fn enter(gate: &Gate, opened: &Cell<u32>) {
        gate.enter(|| {
            opened.set(opened.get() + 1);
            Ok::<_, ()>(())
        })
        .unwrap();
    }

    #[test]
    fn the_first_opens_and_the_last_closes() {
        let (gate, opened, closed) = (Gate::default(), Cell::new(0), Cell::new(0));
        for round in 1..=3 {
            enter(&gate, &opened);
            enter(&gate, &opened);
            assert_eq!(opened.get(), round);
            gate.leave(|| closed.set(closed.get() + 1));
            assert_eq!(closed.get(), round - 1);
            gate.leave(|| closed.set(closed.get() + 1));
            assert_eq!(closed.get(), round);
        }
    }

    #[test]
    fn a_failed_opening_counts_no_reader() {
        let (gate, opened) = (Gate::default(), Cell::new(0));
        assert_eq!(gate.enter(|| Err("refused")), Err("refused"));
        enter(&gate, &opened);
        assert_eq!(opened.get(), 1);
        let closed = Cell::new(false);
        gate.leave(|| closed.set(true));
        assert!(closed.get());
    }

    #[test]
    fn a_count_beyond_all_reason_stays_open_and_never_wraps() {
        let gate = Gate { readers: AtomicUsize::new(PINNED - 1), ..Gate::default() };
        for _ in 0..3 {
            gate.enter(|| Err(())).unwrap();
        }
        for _ in 0..10 {
            gate.leave(|| unreachable!("a pinned gate never closes"));
        }
        assert_eq!(gate.readers.load(Ordering::Relaxed), PINNED);
    }

    #[test]
    fn a_reset_forgets_leaked_readers() {
        let (mut gate, opened) = (Gate::default(), Cell::new(0));
        enter(&gate, &opened);
        gate.reset();
        enter(&gate, &opened);
        assert_eq!(opened.get(), 2);
    }
}
