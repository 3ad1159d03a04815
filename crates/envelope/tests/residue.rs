//! After exporting and importing, a process holds no part of the secret, the passphrase or the key.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use conformance::grants::Grant;
use conformance::stages::{Copies, Found, Holder, SECRET_BYTES, hold, seen_in_guarded_pages};
use envelope::{Export as _, Import as _, Key, Params};
use locked_memory::{Buffer, LockedMemory as _};
use ram_memory::RamMemory;

fn read(holder: &mut Holder) -> Buffer<u8> {
    Buffer::read_from(holder.secret(), SECRET_BYTES).unwrap()
}

/// Large enough for Argon2id to take every path.
fn cost() -> Params {
    Params::new(2, 256).unwrap()
}

#[test]
fn no_part_of_an_exported_and_imported_secret_is_left() {
    if Grant::OutsideView.is_lacking() {
        return;
    }
    let found = hold("no_part_of_an_exported_and_imported_secret_is_left", |holder| {
        let memory = RamMemory::try_from(read(holder)).unwrap();
        for key in [Key::Passphrase(b"passphrase"), Key::Bytes(&[7; 32])] {
            let envelope = memory.export_with(key, cost()).unwrap();
            holder.at("exported");
            let imported = RamMemory::import(&envelope, key).unwrap();
            holder.at("imported");
            assert!(RamMemory::import(&envelope[1..], key).is_err());
            drop(imported);
            holder.at("dropped");
        }
        let copy = memory.unlock().unwrap().borrow().to_vec();
        holder.at("a copy is made");
        drop(copy);
    });
    let (last, before) = found.split_last().unwrap();
    assert_eq!(before.len(), 6);
    for (stage, found) in before {
        assert_eq!(*found, Found::default(), "{stage}");
    }
    assert_eq!(last.1.ordinary.whole, 1, "the search sees what is there");
}

#[test]
fn no_copy_of_a_passphrase_or_a_key_is_left_but_that_of_the_caller() {
    if Grant::OutsideView.is_lacking() {
        return;
    }
    let found = hold("no_copy_of_a_passphrase_or_a_key_is_left_but_that_of_the_caller", |holder| {
        let held = read(holder);
        let memory = RamMemory::alloc(b"another secret", 14).unwrap();
        for kind in ["passphrase", "key"] {
            let opened = held.borrow();
            let key = match kind {
                "key" => Key::Bytes(opened.first_chunk().unwrap()),
                _ => Key::Passphrase(&opened),
            };
            let envelope = memory.export_with(key, cost()).unwrap();
            RamMemory::import(&envelope, key).unwrap();
            holder.at(kind);
        }
    });
    assert_eq!(found.len(), 2);
    for (stage, found) in found {
        assert_eq!(found.ordinary, Copies::default(), "{stage}");
        // The caller's own, in a guarded page.
        assert_eq!(found.guarded.whole, seen_in_guarded_pages(1), "{stage}");
    }
}
