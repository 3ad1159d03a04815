//! Initialising libsodium, at no moment of a fork.
//!
//! `sodium_init` takes a lock. A child forked while another thread holds it would wait for it without end, so forks wait for
//! the first call to be over, and the first call for forks.
#![allow(unsafe_code)]

use crate::Error;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

static READY: AtomicBool = AtomicBool::new(false);

/// How many forks are under way, or [`INITIALISING`].
static FORKS: AtomicU32 = AtomicU32::new(0);

/// No fork is under way, nor begins.
const INITIALISING: u32 = u32::MAX;

/// Initialises libsodium; cheap after the first call, callable from any thread.
///
/// Every wrapper of this crate that needs an initialised libsodium calls it. A fork that another thread begins during the
/// first call takes place after it, see `pthread_atfork(3)`.
///
/// # Errors
/// [`Error::Unavailable`] where the system has no source of random bytes; [`Error::Os`] where it has no memory for what is to
/// be called at a fork.
#[inline]
pub fn init() -> Result<(), Error> {
    if READY.load(Ordering::Acquire) { Ok(()) } else { first() }
}

#[cold]
fn first() -> Result<(), Error> {
    notice_forks()?;
    let code = between_forks(|| {
        // SAFETY: `sodium_init` takes no arguments, may be called from several threads at once and more than once.
        let code = unsafe { libsodium_sys::sodium_init() };
        READY.fetch_or(code >= 0, Ordering::Release);
        code
    });
    if code < 0 { Err(Error::Unavailable) } else { Ok(()) }
}

fn between_forks<R>(f: impl FnOnce() -> R) -> R {
    while FORKS.compare_exchange(0, INITIALISING, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        thread::yield_now();
    }
    let result = f();
    FORKS.store(0, Ordering::Release);
    result
}

/// Threads that are first at once may each get here: a fork is then counted, and counted out, more than once.
fn notice_forks() -> Result<(), Error> {
    #[cfg(unix)]
    {
        // SAFETY: the handlers stay valid for the life of the program and use atomic operations alone.
        let code = unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
        if code != 0 {
            let source = std::io::Error::from_raw_os_error(code);
            return Err(Error::Os { call: "pthread_atfork", source });
        }
    }
    Ok(())
}

#[cfg(unix)]
extern "C" fn before_fork() {
    let one_more = |forks| (forks != INITIALISING).then(|| forks + 1);
    while FORKS.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more).is_err() {
        thread::yield_now();
    }
}

#[cfg(unix)]
extern "C" fn in_parent() {
    FORKS.fetch_sub(1, Ordering::Release);
}

/// The forks that other threads had begun are none of the child's.
#[cfg(unix)]
extern "C" fn in_child() {
    FORKS.store(0, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initialising_twice_is_fine() {
        init().unwrap();
        init().unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_fork_waits_for_the_first_initialisation() {
        use conformance::{child, forked};
        use std::sync::Barrier;
        use std::time::Duration;
        child::run("init::tests::a_fork_waits_for_the_first_initialisation", || {
            static OVER: AtomicBool = AtomicBool::new(false);
            notice_forks().unwrap();
            notice_forks().unwrap(); // two threads were first
            let begun = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    between_forks(|| {
                        begun.wait();
                        thread::sleep(Duration::from_millis(50)); // gives a fork that does not wait its chance
                        OVER.store(true, Ordering::Release);
                    });
                });
                begun.wait();
                assert!(forked::succeeds(|| {
                    assert!(OVER.load(Ordering::Acquire));
                    init().unwrap();
                    assert!(forked::succeeds(|| init().unwrap()));
                }));
            });
            assert_eq!(FORKS.load(Ordering::Acquire), 0);
        })
        .succeeds();
    }
}
