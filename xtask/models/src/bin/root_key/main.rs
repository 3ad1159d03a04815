//! A model of `sealing`: sessions that share one joining of the root key, while its shards are replaced.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "a model does not use all of a source")]

#[path = "../../../../../crates/sealing/src/root.rs"]
mod root;
mod shards;

use loom::thread;
use models::{check, sync};
use root::Root;
use sealing::Error;
use std::sync::Arc;

fn main() {
    check("root key: two sessions", 2, None, || sessions(1, 0));
    check("root key: two sessions, shards replaced", 3, Some(3), || sessions(1, 1));
    check("root key: three sessions", 3, Some(3), || sessions(2, 0));
}

/// All see the key and share one joining, for none has ended when the last begins; no nonce is given out twice.
fn sessions(others: usize, replacers: usize) {
    let root = Arc::new(Root::new().unwrap());
    let session = |root: &Root| {
        let joined = root.join().unwrap();
        assert!(joined.joint.is_the_key(), "not the key");
        let nonce = root.nonce(joined.generation).unwrap();
        (joined, nonce)
    };
    let replacers: Vec<_> = (0..replacers)
        .map(|_| {
            let root = Arc::clone(&root);
            thread::spawn(move || root.resplit().unwrap())
        })
        .collect();
    let threads: Vec<_> = (0..others)
        .map(|_| {
            let root = Arc::clone(&root);
            thread::spawn(move || session(&root))
        })
        .collect();
    let mut begun = vec![session(&root)];
    begun.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    replacers.into_iter().for_each(|thread| thread.join().unwrap());
    let (joinings, mut nonces): (Vec<_>, Vec<_>) = begun.into_iter().unzip();
    assert!(joinings.iter().all(|joined| Arc::ptr_eq(joined, &joinings[0])), "joined twice");
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), joinings.len(), "a nonce was given out twice");
}
