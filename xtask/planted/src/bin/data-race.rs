//! Two threads write one static without telling each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

static mut SHARED: u64 = 0;

fn main() {
    let (begun, through) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let write = || {
        both(&begun);
        for number in 0..1_000 {
            // SAFETY: not safe. This is the bug.
            unsafe { (&raw mut SHARED).write(number) };
        }
        both(&through);
    };
    thread::scope(|scope| {
        scope.spawn(write);
        scope.spawn(write);
    });
}

/// Waits for the other thread, relaxed: a lock would order what the threads do, if one is through before the other wakes.
fn both(arrived: &AtomicUsize) {
    arrived.fetch_add(1, Ordering::Relaxed);
    while arrived.load(Ordering::Relaxed) < 2 {
        thread::yield_now();
    }
}
