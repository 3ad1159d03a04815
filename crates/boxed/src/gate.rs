//! Any number of readers on any number of threads: the first opens, the last closes.

use crate::sync::{AtomicUsize, Ordering, spin_loop, yield_now};

/// No reader.
const CLOSED: usize = 0;
/// One thread is opening or closing; the others wait for the system call it makes.
const BUSY: usize = usize::MAX;
/// Beyond this many readers at once the gate stays open for good instead of counting on; no program gets here but by
/// forgetting guards in a loop.
const PINNED: usize = usize::MAX / 2;

/// Counts the readers of something that is closed while there are none.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// How many readers there are, or [`BUSY`].
    readers: AtomicUsize,
}

impl Gate {
    /// Enters, after `open` if this is the first reader.
    #[inline]
    pub(crate) fn enter<E>(&self, open: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        // Acquire pairs with the Release of the opening: a reader that is not the first sees the gate opened.
        let before = self.step(Ordering::Acquire, |readers| match readers {
            CLOSED => BUSY,
            PINNED.. => readers,
            _ => readers + 1,
        });
        if before != CLOSED {
            return Ok(());
        }
        let opened = open();
        self.readers.store(if opened.is_ok() { 1 } else { CLOSED }, Ordering::Release);
        opened
    }

    /// Leaves, with `close` if this is the last reader. Each call answers one [`enter`](Self::enter).
    #[inline]
    pub(crate) fn leave(&self, close: impl FnOnce()) {
        // AcqRel: what every reader did before it left happens before the closing.
        let before = self.step(Ordering::AcqRel, |readers| match readers {
            1 => BUSY,
            PINNED.. => readers,
            _ => readers - 1,
        });
        if before == 1 {
            close();
            self.readers.store(CLOSED, Ordering::Release);
        }
    }

    /// Forgets readers whose guards were leaked; `&mut` proves that none is alive.
    pub(crate) fn reset(&mut self) {
        self.readers = AtomicUsize::new(CLOSED);
    }

    /// Steps from the count of readers to the `next` one, as soon as no one is opening or closing; returns the count before.
    #[inline]
    fn step(&self, success: Ordering, next: impl Fn(usize) -> usize) -> usize {
        let mut readers = self.readers.load(Ordering::Relaxed);
        let mut spins = 0;
        loop {
            if readers == BUSY {
                wait(&mut spins);
                readers = self.readers.load(Ordering::Relaxed);
                continue;
            }
            match self.readers.compare_exchange_weak(readers, next(readers), success, Ordering::Relaxed) {
                Ok(before) => return before,
                Err(now) => readers = now,
            }
        }
    }
}

/// Waits for a thread that is inside one system call: on its processor for a moment, then for the scheduler.
fn wait(spins: &mut u32) {
    *spins += 1;
    if *spins < 100 {
        spin_loop();
    } else {
        yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use core::sync::atomic::AtomicBool;
    use std::thread;

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
        let gate = Gate { readers: AtomicUsize::new(PINNED - 1) };
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

    #[test]
    fn no_thread_is_inside_while_the_gate_is_closed() {
        let (gate, open) = (Gate::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let opening = || {
                            assert!(!open.swap(true, Ordering::SeqCst), "opened twice");
                            Ok::<_, ()>(())
                        };
                        gate.enter(opening).unwrap();
                        assert!(open.load(Ordering::SeqCst), "inside, but closed");
                        gate.leave(|| assert!(open.swap(false, Ordering::SeqCst), "closed twice"));
                    }
                });
            }
        });
        assert!(!open.load(Ordering::SeqCst));
    }
}
