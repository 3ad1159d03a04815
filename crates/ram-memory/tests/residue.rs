//! No operation leaves a copy of the secret, or of eight bytes of it, outside guarded pages.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::stages::{Copies, Found, Holder, SECRET_BYTES, hold};
use locked_memory::{Buffer, LockedMemory};
use ram_memory::RamMemory;
use std::hint::black_box;

const NONE: Copies = Copies { whole: 0, windows: 0 };

/// Every operation of a memory that `make` makes of a secret in a buffer, each with a stage behind it.
fn all_operations(holder: &mut Holder, make: fn(Buffer<u8>) -> RamMemory) {
    let buffer = Buffer::read_from(holder.secret(), SECRET_BYTES).unwrap();
    holder.at("read into a buffer");
    let mut memory = make(buffer);
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
    let memory = memory.update(clone.unlock().unwrap(), SECRET_BYTES).unwrap();
    holder.at("at rest: updated");
    let compared = memory.unlock().unwrap() == clone.unlock().unwrap();
    assert!(compared);
    holder.at("at rest: compared");
    drop(memory);
    drop(clone);
    holder.at("dropped");
}

fn outside_guarded_pages(found: &[(String, Found)]) {
    assert_eq!(found.len(), 11);
    for (stage, copies) in found {
        assert_eq!(copies.ordinary, NONE, "{stage}: {copies:?}");
    }
}

#[test]
fn a_sealed_secret_is_nowhere_at_rest_and_once_in_use() {
    let found = hold("a_sealed_secret_is_nowhere_at_rest_and_once_in_use", |holder| {
        all_operations(holder, |buffer| RamMemory::try_from(buffer).unwrap());
    });
    outside_guarded_pages(&found);
    for (stage, copies) in found {
        let expected = usize::from(!(stage.starts_with("at rest") || stage == "dropped"));
        assert_eq!(copies.guarded.whole, expected, "{stage}: {copies:?}");
        assert!(expected == 1 || copies.guarded == NONE, "{stage}: {copies:?}");
    }
}

#[test]
fn a_guarded_secret_is_in_guarded_pages_alone_and_gone_when_dropped() {
    let found = hold("a_guarded_secret_is_in_guarded_pages_alone_and_gone_when_dropped", |holder| {
        all_operations(holder, |buffer| RamMemory::guarded(&buffer.borrow()).unwrap());
    });
    outside_guarded_pages(&found);
    let (stage, copies) = &found[10];
    assert_eq!((stage.as_str(), copies.guarded), ("dropped", NONE));
}

#[test]
fn the_scanner_sees_a_copy_on_the_heap() {
    let found = hold("the_scanner_sees_a_copy_on_the_heap", |holder| {
        let memory = RamMemory::try_from(Buffer::read_from(holder.secret(), SECRET_BYTES).unwrap()).unwrap();
        let leaked = memory.with(<[u8]>::to_vec).unwrap();
        holder.at("a copy made by the user");
        black_box(leaked);
    });
    assert_eq!(found[0].1.ordinary.whole, 1, "{found:?}");
}
