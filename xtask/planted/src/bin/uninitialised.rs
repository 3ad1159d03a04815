//! Decides by a byte that no one has written.

use std::hint::black_box;

fn main() {
    let memory = Box::<[u8; 16]>::new_uninit();
    let start = black_box(memory.as_ptr().cast::<u8>());
    // SAFETY: not safe. This is the bug.
    if unsafe { start.read() } == 7 {
        println!("seven");
    }
}
