//! Secret memory is absent in a forked child. What the child finds there is put in place when it is forked.
//!
//! A reference that was live across the fork would fault in the child, so a handler of `fork` maps zeros at the same
//! addresses. It runs while every lock may be held by a thread that the child does not have, so it takes none: it walks a
//! list that only ever grows. A child made without the C library, by a bare `clone(2)`, faults instead.
//!
//! New pages are not absent from the first moment on. A child forked before they are would share them, so two more handlers
//! count forks, and pages that a fork may have caught are given back, empty as they are.
#![allow(unsafe_code)]

use crate::os;
use crate::process::PerProcess;
use core::cell::Cell;
use core::convert::Infallible;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use sodium::Error;
use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// The first of all places, of this process and those it was forked from.
static FIRST: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());

/// Places of this process that are free to be used again.
static FREE: PerProcess<Mutex<Vec<&'static Place>>> = PerProcess::new();

/// How many forks were begun in this process, and how many of those are over.
static BEGUN: AtomicU64 = AtomicU64::new(0);
static OVER: AtomicU64 = AtomicU64::new(0);

/// How long pages are made anew, or waited with, because of forks: the kernel may be busy for seconds with the page tables of a
/// large process. The first times it may be over at once.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 10 });
const AT_ONCE: u32 = 100;

std::thread_local! {
    /// Whether this thread is in `fork`, where it may run handlers of others, and would wait for itself.
    static FORKS: Cell<bool> = const { Cell::new(false) };
}

/// What `make` makes while no fork is under way, nor begins: what is made at such a moment is given to `undo`, and made anew.
///
/// # Errors
/// Those of `make`; that of `pthread_atfork(3)`; [`ErrorKind::ResourceBusy`] where forks leave no time for it in ten
/// seconds; [`ErrorKind::Deadlock`] where this thread is forking itself.
pub(crate) fn between_forks<T>(make: impl Fn() -> Result<T, Error>, undo: impl Fn(T)) -> Result<T, Error> {
    count_forks()?;
    let busy = |kind: ErrorKind| Error::Os { call: "fork", source: kind.into() };
    if FORKS.get() {
        return Err(busy(ErrorKind::Deadlock));
    }
    let mut waits_since = None;
    for attempt in 0_u32.. {
        // In this order: where both are equal, no fork was under way when the second was read.
        let over = OVER.load(Ordering::SeqCst);
        let begun = BEGUN.load(Ordering::SeqCst);
        if begun == over {
            let made = make()?;
            if BEGUN.load(Ordering::SeqCst) == begun {
                return Ok(made);
            }
            undo(made);
        }
        if attempt < AT_ONCE {
            thread::yield_now();
        } else if waits_since.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        } else {
            break;
        }
    }
    Err(busy(ErrorKind::ResourceBusy))
}

/// Pages that a child does not get, or none: an entry of the list, never freed.
#[derive(Debug)]
struct Place {
    start: AtomicUsize,
    /// Zero where the place is free.
    bytes: AtomicUsize,
    next: *const Place,
}

// SAFETY: the list behind `next` never changes, and its places are shared through atomic operations alone.
unsafe impl Sync for Place {}
// SAFETY: as above; a place is bound to no thread.
unsafe impl Send for Place {}

/// Pages that the children of this process find zeros in place of, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Absent(&'static Place);

impl Absent {
    /// The caller has mapped the pages [between forks](between_forks), and drops this value, or calls
    /// [`clear`](Self::clear), before it unmaps them.
    pub(crate) fn new(pages: NonNull<[u8]>) -> Self {
        let reused = with_free(Vec::pop);
        let place = reused.unwrap_or_else(add_place);
        place.start.store(pages.cast::<u8>().as_ptr().expose_provenance(), Ordering::Relaxed);
        place.bytes.store(pages.len(), Ordering::Release);
        Self(place)
    }

    /// Leaves the pages to whoever gets their addresses next.
    pub(crate) fn clear(&self) {
        self.0.bytes.store(0, Ordering::Release);
    }
}

impl Drop for Absent {
    fn drop(&mut self) {
        self.clear();
        with_free(|free| free.push(self.0));
    }
}

fn with_free<R>(f: impl FnOnce(&mut Vec<&'static Place>) -> R) -> R {
    let Ok(free) = FREE.get_or_try_init(|| Ok::<_, Infallible>(Mutex::default()));
    // No code panics while it holds the lock.
    f(&mut free.lock().unwrap_or_else(PoisonError::into_inner))
}

fn add_place() -> &'static Place {
    let place = Box::leak(Box::new(Place {
        start: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
        next: ptr::null(),
    }));
    let mut first = FIRST.load(Ordering::Acquire);
    loop {
        place.next = first;
        match FIRST.compare_exchange(first, place, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return place,
            Err(now) => first = now,
        }
    }
}

fn count_forks() -> Result<(), Error> {
    static COUNTED: AtomicBool = AtomicBool::new(false);
    // No lock, which a fork could find taken: threads that are first at once register the handlers twice, and every fork
    // then counts as two.
    if !COUNTED.load(Ordering::Acquire) {
        os::at_every_fork(before_fork, in_parent, in_child)?;
        COUNTED.store(true, Ordering::Release);
    }
    Ok(())
}

extern "C" fn before_fork() {
    FORKS.set(true);
    BEGUN.fetch_add(1, Ordering::SeqCst);
}

extern "C" fn in_parent() {
    OVER.fetch_add(1, Ordering::SeqCst);
    FORKS.set(false);
}

extern "C" fn in_child() {
    // The forks that other threads had begun are none of the child's.
    OVER.store(BEGUN.load(Ordering::SeqCst), Ordering::SeqCst);
    FORKS.set(false);
    put_zeros();
}

fn put_zeros() {
    let mut next = FIRST.load(Ordering::Acquire).cast_const();
    // SAFETY: the pointer is null or that of a place, which is never freed.
    while let Some(place) = unsafe { next.as_ref() } {
        let bytes = place.bytes.load(Ordering::Acquire);
        let start = ptr::with_exposed_provenance_mut::<u8>(place.start.load(Ordering::Relaxed));
        if let (Some(start), 1..) = (NonNull::new(start), bytes) {
            os::put_zeros(NonNull::slice_from_raw_parts(start, bytes));
        }
        next = place.next;
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use crate::{Backing, Boxed, Policy};
    use conformance::{child, forked};
    use core::cell::Cell;
    use std::sync::atomic::{AtomicBool, Ordering};

    const SECRET: u8 = 0x5a;

    /// Whether the parent's secret appears in a page that this child shares with it.
    fn sees_the_parents_secret() -> bool {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let shared = maps.lines().filter(|line| line.contains("secretmem"));
        let ends = shared.map(|line| line.split_once('-').unwrap().1.split_once(' ').unwrap().0);
        ends.map(|end| usize::from_str_radix(end, 16).unwrap()).any(|end| {
            let last = core::ptr::with_exposed_provenance::<u8>(end - 1);
            (0..200).any(|_| {
                std::thread::sleep(std::time::Duration::from_micros(50));
                // SAFETY: a byte of a mapping that is readable, as all new secret memory is, and that no one unmaps.
                unsafe { last.read_volatile() == SECRET }
            })
        })
    }

    #[test]
    fn a_child_forked_while_pages_are_made_shares_none_that_come_into_use() {
        child::run(
            "absent::tests::a_child_forked_while_pages_are_made_shares_none_that_come_into_use",
            || {
                Policy::new().backing(Backing::Auto).pool_bytes(0).install().unwrap();
                let done = AtomicBool::new(false);
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        while !done.load(Ordering::Relaxed) {
                            let secret = |_| Boxed::<u8>::new(32, |bytes| bytes.fill(SECRET)).unwrap();
                            drop((0..100).map(secret).collect::<Vec<_>>());
                        }
                    });
                    let unseen = (0..400).all(|_| forked::succeeds(|| assert!(!sees_the_parents_secret())));
                    done.store(true, Ordering::Relaxed);
                    assert!(unseen);
                });
            },
        )
        .succeeds();
    }

    #[test]
    fn what_a_fork_may_have_caught_is_made_anew() {
        child::run("absent::tests::what_a_fork_may_have_caught_is_made_anew", || {
            let (made, undone) = (Cell::new(0), Cell::new(0));
            let make = || {
                made.set(made.get() + 1);
                assert!(made.get() > 1 || forked::succeeds(|| ()));
                Ok(made.get())
            };
            assert!(matches!(super::between_forks(make, |number| undone.set(number)), Ok(2)));
            assert_eq!((made.get(), undone.get()), (2, 1));
            // A child begins with no fork under way.
            assert!(forked::succeeds(|| assert!(matches!(super::between_forks(|| Ok(1), drop), Ok(1)))));
        })
        .succeeds();
    }

    #[test]
    fn a_thread_that_forks_does_not_wait_for_itself() {
        child::run("absent::tests::a_thread_that_forks_does_not_wait_for_itself", || {
            assert!(matches!(super::between_forks(|| Ok(1), drop), Ok(1)));
            super::before_fork();
            let Err(sodium::Error::Os { call: "fork", source }) = super::between_forks(|| Ok(2), drop) else {
                unreachable!("made while this thread forks")
            };
            assert_eq!(source.kind(), std::io::ErrorKind::Deadlock);
            super::in_parent();
            assert!(matches!(super::between_forks(|| Ok(3), drop), Ok(3)));
            super::before_fork();
            super::in_child();
            assert!(matches!(super::between_forks(|| Ok(4), drop), Ok(4)));
        })
        .succeeds();
    }

    #[test]
    fn a_fork_that_takes_long_is_waited_for() {
        child::run("absent::tests::a_fork_that_takes_long_is_waited_for", || {
            super::BEGUN.fetch_add(1, Ordering::SeqCst);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(std::time::Duration::from_millis(300));
                    super::OVER.fetch_add(1, Ordering::SeqCst);
                });
                assert!(matches!(super::between_forks(|| Ok(1), drop), Ok(1)));
            });
        })
        .succeeds();
    }

    #[test]
    fn a_fork_that_is_never_over_is_an_error() {
        child::run("absent::tests::a_fork_that_is_never_over_is_an_error", || {
            super::BEGUN.fetch_add(1, Ordering::SeqCst);
            let Err(sodium::Error::Os { call: "fork", source }) = super::between_forks(|| Ok(1), drop) else {
                unreachable!("made while a fork is under way")
            };
            assert_eq!(source.kind(), std::io::ErrorKind::ResourceBusy);
        })
        .succeeds();
    }

    fn is_mapped(address: usize) -> bool {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().any(|line| {
            let (start, rest) = line.split_once('-').unwrap();
            let [start, end] = [start, rest.split_once(' ').unwrap().0]
                .map(|number| usize::from_str_radix(number, 16).unwrap());
            (start..end).contains(&address)
        })
    }

    #[test]
    fn where_pages_were_given_back_a_child_finds_nothing() {
        child::run("absent::tests::where_pages_were_given_back_a_child_finds_nothing", || {
            Policy::new().pool_bytes(0).install().unwrap();
            let secret = Boxed::<u8>::random(32).unwrap();
            let (address, is_absent) = (secret.address(), secret.protection().secret_memory);
            assert!(forked::succeeds(|| assert!(is_mapped(address))));
            drop(secret);
            assert!(!is_mapped(address));
            assert!(forked::succeeds(|| assert!(!is_mapped(address))));
            if !is_absent {
                println!("skipped: the kernel grants no secret memory");
            }
        })
        .succeeds();
    }

    #[test]
    fn what_lies_where_pages_are_absent_stays() {
        let mut there = crate::Scratch::<u8>::new(32).unwrap();
        there.fill(SECRET);
        let page = there.as_ptr().addr() / crate::page_size() * crate::page_size();
        let page = core::ptr::with_exposed_provenance_mut::<u8>(page);
        let page = core::ptr::slice_from_raw_parts_mut(page, crate::page_size());
        crate::os::put_zeros(core::ptr::NonNull::new(page).unwrap());
        assert_eq!(*there, [SECRET; 32]);
    }
}
