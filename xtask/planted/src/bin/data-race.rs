//! Two threads write one static without telling each other.

use std::thread;

static mut SHARED: u64 = 0;

fn main() {
    let write = || {
        for number in 0..1_000 {
            // SAFETY: not safe. This is the bug.
            unsafe { (&raw mut SHARED).write(number) };
        }
    };
    thread::scope(|scope| {
        scope.spawn(write);
        scope.spawn(write);
    });
}
