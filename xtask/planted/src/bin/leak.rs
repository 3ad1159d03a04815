//! Forgets memory that nothing refers to any more.

use std::hint::black_box;

fn main() {
    // More than one: the last address may still lie on the stack.
    for number in 0..16 {
        std::mem::forget(black_box(vec![number; 1_000]));
    }
}
