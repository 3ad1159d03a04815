//! Reads one byte past the end of a vector.

use std::hint::black_box;

fn main() {
    let bytes = vec![1_u8; 16];
    let start = black_box(bytes.as_ptr());
    // SAFETY: not safe. This is the bug.
    let past = unsafe { start.add(16).read() };
    println!("{past}");
}
