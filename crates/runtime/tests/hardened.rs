//! Every memory works in a process that has closed itself, whoever it runs as.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::child::{Conditions, run_under};
use runtime::MemoryError;
use runtime::locked_memory::LockedMemory;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::NonContiguousMemory;
use runtime::memories::ram_memory::RamMemory;

fn works<M: LockedMemory + TryFrom<Buffer<u8>, Error = MemoryError>>() {
    let memory = M::try_from(Buffer::alloc(b"kept", 4)).unwrap();
    let memory = memory.clone().update(Buffer::alloc(b"other", 5), 5).unwrap();
    assert_eq!(*memory.unlock().unwrap().borrow(), *b"other");
}

#[test]
fn a_hardened_process_of_an_ordinary_user_keeps_secrets() {
    let user = Conditions { ordinary_user: true, lock_limit_kib: Some(8192) };
    run_under(user, "a_hardened_process_of_an_ordinary_user_keeps_secrets", || {
        let hardening = runtime::harden_process();
        assert!(hardening.is_complete(), "{hardening}");
        works::<RamMemory>();
        works::<FileMemory>();
        works::<NonContiguousMemory>();
    })
    .succeeds();
}
