//! Which process this is: a forked child must notice that it is one, without a system call and without a lock.
#![allow(unsafe_code)]

use crate::os;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::fmt;

/// The generation of this process: never zero, and different in a forked child from what it was in its parent, under
/// any policy.
///
/// It costs no system call: a word that reads zero after a fork holds it, and the first caller in a child draws the next
/// number. Two children of one parent may have the same generation.
#[inline]
#[must_use]
pub fn generation() -> u64 {
    let token = os::fork_token();
    match token.load(Ordering::Acquire) {
        0 => draw_generation(token),
        now => now,
    }
}

#[cold]
fn draw_generation(token: &AtomicU64) -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let next = LAST.fetch_add(1, Ordering::AcqRel) + 1;
    match token.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => next,
        Err(drawn_by_another_thread) => drawn_by_another_thread,
    }
}

/// A value that every process makes for itself: a forked child does not see that of its parent.
///
/// Locks inside the value are safe across a fork for the same reason: a lock that some thread of the parent held is
/// part of the parent's value, which the child never touches. With [`OnFork::Inherit`](crate::OnFork::Inherit) in the
/// process's policy the child keeps the parent's value instead.
///
/// The value is made on first use and lives as long as the process.
pub struct PerProcess<T> {
    current: AtomicPtr<Made<T>>,
}

struct Made<T> {
    generation: u64,
    value: T,
}

impl<T: Send + Sync + 'static> PerProcess<T> {
    /// A value not made yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { current: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The value of this process, made with `make` if this is the first use.
    ///
    /// Where several threads are first at once, each may call `make`, and all get the same one of the results.
    ///
    /// # Errors
    /// That of `make`; the next call tries again.
    pub fn get_or_try_init<E>(&'static self, make: impl FnOnce() -> Result<T, E>) -> Result<&'static T, E> {
        let generation = generation();
        let seen = self.current.load(Ordering::Acquire);
        if let Some(made) = Self::usable(seen, generation) {
            return Ok(made);
        }
        let new = Box::into_raw(Box::new(Made { generation, value: make()? }));
        // What `seen` points to stays allocated after it is replaced: it is the parent's, and may hold its locks.
        match self.current.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: `new` came from `Box::into_raw` and, published, is never freed.
            Ok(_) => Ok(unsafe { &(*new).value }),
            Err(other) => {
                // SAFETY: `new` came from `Box::into_raw` above and no one else has seen it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: `other` is not `seen`, so it was published by a thread of this process and is never freed.
                Ok(unsafe { &(*other).value })
            }
        }
    }

    /// The value of this process, if it was made.
    #[must_use]
    pub fn get(&'static self) -> Option<&'static T> {
        Self::usable(self.current.load(Ordering::Acquire), generation())
    }

    fn usable(made: *mut Made<T>, generation: u64) -> Option<&'static T> {
        // SAFETY: the pointer is null or was published by `get_or_try_init`, which never frees what it published.
        let made = unsafe { made.as_ref() }?;
        (made.generation == generation || crate::Policy::current().inherits()).then_some(&made.value)
    }
}

impl<T: Send + Sync + 'static> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerProcess")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::convert::Infallible;

    #[test]
    fn the_generation_is_stable_and_never_zero() {
        assert_ne!(generation(), 0);
        assert_eq!(generation(), generation());
    }

    #[test]
    fn a_zeroed_token_is_a_new_generation() {
        // In a child of its own: zeroing the token makes every other value of this process foreign.
        conformance::child::run("process::tests::a_zeroed_token_is_a_new_generation", || {
            static VALUE: PerProcess<u64> = PerProcess::new();
            let before = generation();
            assert_eq!(VALUE.get_or_try_init(|| Ok::<_, Infallible>(1)), Ok(&1));
            assert_eq!(VALUE.get_or_try_init(|| Ok::<_, Infallible>(2)), Ok(&1));
            os::fork_token().store(0, Ordering::SeqCst);
            assert_ne!(generation(), before);
            assert_eq!(VALUE.get_or_try_init(|| Ok::<_, Infallible>(3)), Ok(&3));
        })
        .succeeds();
    }

    /// A child that the C library does not know of, for which it calls no handlers.
    #[test]
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    #[allow(unsafe_code)]
    fn a_child_of_the_bare_system_call_is_a_new_generation_too() {
        if conformance::grants::Grant::Advice.is_lacking() {
            return;
        }
        conformance::child::run(
            "process::tests::a_child_of_the_bare_system_call_is_a_new_generation_too",
            || {
                let before = generation();
                // SAFETY: without flags it is a fork; the child calls nothing but this module and `_exit`.
                let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
                if child == 0 {
                    // SAFETY: ends the child.
                    unsafe { libc::_exit(i32::from(generation() == before)) };
                }
                let mut status = -1;
                // SAFETY: waits for the child just made, and fills the status.
                unsafe { libc::waitpid(libc::pid_t::try_from(child).unwrap(), &raw mut status, 0) };
                assert_eq!(status, 0);
            },
        )
        .succeeds();
    }

    #[test]
    fn a_failed_making_is_tried_again() {
        static VALUE: PerProcess<u64> = PerProcess::new();
        assert_eq!(VALUE.get_or_try_init(|| Err("no")), Err("no"));
        assert_eq!(VALUE.get_or_try_init(|| Ok::<_, &str>(4)), Ok(&4));
    }

    #[test]
    fn threads_that_are_first_at_once_get_one_value() {
        static VALUE: PerProcess<std::thread::ThreadId> = PerProcess::new();
        let seen: Vec<_> = std::thread::scope(|scope| {
            let first =
                || *VALUE.get_or_try_init(|| Ok::<_, Infallible>(std::thread::current().id())).unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(first)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(seen.iter().all(|id| *id == seen[0]));
    }
}
