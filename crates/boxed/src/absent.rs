//! Secret memory is absent in a forked child. What the child finds there is put in place when it is forked.
//!
//! A reference that was live across the fork would fault in the child, so a handler of `fork` maps zeros at the same
//! addresses. It runs while every lock may be held by a thread that the child does not have, so it takes none: it walks a
//! list that only ever grows. A child made without the C library, by a bare `clone(2)`, faults instead.
#![allow(unsafe_code)]

use crate::os;
use crate::process::PerProcess;
use core::convert::Infallible;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The first of all places, of this process and those it was forked from.
static FIRST: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());

/// Places of this process that are free to be used again.
static FREE: PerProcess<Mutex<Vec<&'static Place>>> = PerProcess::new();

/// Pages that a child does not get, or none: an entry of the list, never freed.
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
pub(crate) struct Absent(&'static Place);

impl Absent {
    /// The caller has mapped the pages, and drops this value, or calls [`clear`](Self::clear), before it unmaps them.
    pub(crate) fn new(pages: NonNull<[u8]>) -> Self {
        register_handler();
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

impl core::fmt::Debug for Absent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Absent")
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

fn register_handler() {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    // No lock, which a fork could find taken: threads that are first at once register it twice, which does no harm.
    if !REGISTERED.load(Ordering::Acquire) {
        os::in_every_child(put_zeros);
        REGISTERED.store(true, Ordering::Release);
    }
}

extern "C" fn put_zeros() {
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
