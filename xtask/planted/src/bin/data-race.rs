//! Two threads write one static without telling each other.

use std::sync::Barrier;
use std::thread;

static mut SHARED: u64 = 0;

fn main() {
    // So that neither has ended before the other begins: a race with a thread that is gone is not always seen.
    let both = Barrier::new(2);
    let write = || {
        both.wait();
        for number in 0..1_000 {
            // SAFETY: not safe. This is the bug.
            unsafe { (&raw mut SHARED).write(number) };
        }
        both.wait();
    };
    thread::scope(|scope| {
        scope.spawn(write);
        scope.spawn(write);
    });
}
