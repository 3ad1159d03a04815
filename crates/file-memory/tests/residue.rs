//! No operation leaves a copy of the secret, or of eight bytes of it, outside guarded pages.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::stages::{Copies, SECRET_BYTES, hold, seen_in_guarded_pages};
use file_memory::FileMemory;
use locked_memory::{Buffer, LockedMemory, Zeroize as _};
use std::hint::black_box;

const NONE: Copies = Copies { whole: 0, windows: 0 };

#[test]
fn a_secret_is_nowhere_at_rest_and_once_in_use() {
    let found = hold("a_secret_is_nowhere_at_rest_and_once_in_use", |holder| {
        let buffer = Buffer::read_from(holder.secret(), SECRET_BYTES).unwrap();
        holder.at("read into a buffer");
        let mut memory = FileMemory::try_from(buffer).unwrap();
        holder.at("at rest: made");
        let sum = memory.with(|bytes| bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte))).unwrap();
        black_box(sum);
        holder.at("at rest: used on the spot");
        let buffer = memory.unlock().unwrap();
        holder.at("buffer held");
        let borrowed = buffer.borrow();
        black_box(borrowed.iter().max());
        holder.at("borrowed");
        drop(borrowed);
        drop(buffer);
        holder.at("at rest: unlocked and dropped");
        let clone = memory.clone();
        holder.at("at rest: cloned");
        memory.replace(clone.unlock().unwrap()).unwrap();
        holder.at("at rest: replaced");
        let mut memory = memory.update(clone.unlock().unwrap(), SECRET_BYTES).unwrap();
        holder.at("at rest: updated");
        memory.zeroize();
        holder.at("at rest: zeroized");
        drop(clone);
        holder.at("at rest: dropped");
    });
    assert_eq!(found.len(), 11);
    for (stage, copies) in found {
        let expected = seen_in_guarded_pages(usize::from(!stage.starts_with("at rest")));
        assert_eq!(copies.ordinary, NONE, "{stage}: {copies:?}");
        assert_eq!(copies.guarded.whole, expected, "{stage}: {copies:?}");
        assert!(expected == 1 || copies.guarded == NONE, "{stage}: {copies:?}");
    }
}
