//! No operation leaves a copy of the secret, or of eight bytes of it, outside guarded pages.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::grants::Grant;
use conformance::stages::{self, Copies, SECRET_BYTES, hold};
use conformance::subject;
use locked_memory::Buffer;
use ram_memory::RamMemory;
use std::hint::black_box;

#[test]
fn a_sealed_secret_is_nowhere_at_rest_and_once_in_use() {
    if Grant::OutsideView.is_lacking() {
        return;
    }
    let subject = subject!(RamMemory, |secret| RamMemory::alloc(secret, secret.len()));
    stages::leave_nothing_at_rest(&stages::of_every_operation(
        "a_sealed_secret_is_nowhere_at_rest_and_once_in_use",
        &subject,
    ));
}

#[test]
fn a_guarded_secret_is_in_guarded_pages_alone_and_gone_when_dropped() {
    if Grant::OutsideView.is_lacking() {
        return;
    }
    let subject = subject!(RamMemory, RamMemory::guarded);
    let test = "a_guarded_secret_is_in_guarded_pages_alone_and_gone_when_dropped";
    let found = stages::of_every_operation(test, &subject);
    for (stage, copies) in &found {
        assert_eq!(copies.ordinary, Copies::default(), "{stage}: {copies:?}");
        let expected = usize::from(stage != "zeroized");
        let seen = usize::from(copies.guarded != Copies::default());
        assert_eq!(seen, stages::seen_in_guarded_pages(expected), "{stage}: {copies:?}");
    }
}

#[test]
fn the_scanner_sees_a_copy_on_the_heap() {
    if Grant::OutsideView.is_lacking() {
        return;
    }
    let found = hold("the_scanner_sees_a_copy_on_the_heap", |holder| {
        let memory = RamMemory::try_from(Buffer::read_from(holder.secret(), SECRET_BYTES).unwrap()).unwrap();
        let leaked = memory.with(<[u8]>::to_vec).unwrap();
        holder.at("a copy made by the user");
        black_box(leaked);
    });
    assert_eq!(found[0].1.ordinary.whole, 1, "{found:?}");
}
