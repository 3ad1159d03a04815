//! A model of `file-memory`: slots of one file, taken, written, read and given back by several threads.
#![forbid(unsafe_code)]
#![allow(dead_code, unused_imports, reason = "a model does not use all of a source")]

#[path = "../../../../../crates/file-memory/src/os/mod.rs"]
mod os;
#[path = "../../../../../crates/file-memory/src/room.rs"]
mod room;
#[path = "../../../../../crates/file-memory/src/store.rs"]
mod store;

use loom::thread;
use models::{check, sync};
use std::sync::Arc;
use store::Store;

const BYTES: [u64; 3] = [100, 100, 5000];

fn main() {
    check("slots: two threads", 2, None, || keepers(1));
    check("slots: three threads", 3, Some(2), || keepers(2));
}

/// Each finds what it wrote, and nothing is left of it.
fn keepers(others: usize) {
    let store = Arc::new(Store::new(&std::env::temp_dir()).unwrap());
    let threads: Vec<_> = (1..=others)
        .map(|number| {
            let store = Arc::clone(&store);
            thread::spawn(move || keep(&store, number))
        })
        .collect();
    keep(&store, 0);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn keep(store: &Store, number: usize) {
    let bytes = vec![u8::try_from(number + 1).unwrap(); usize::try_from(BYTES[number]).unwrap()];
    let size = room::slot_size(BYTES[number]).unwrap();
    let extent = store.take(size).unwrap();
    store.write(&bytes, extent.offset).unwrap();
    thread::yield_now();
    let mut found = vec![0; bytes.len()];
    store.read(&mut found, extent.offset).unwrap();
    assert!(found == bytes, "a slot for two");
    store.give_back(extent, BYTES[number], false);
}
