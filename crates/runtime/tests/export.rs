//! Every memory can be exported, and imported into every other.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use runtime::MemoryError;
use runtime::envelope::{Error, Export, Import, Key};
use runtime::locked_memory::LockedMemory;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::NonContiguousMemory;
use runtime::memories::ram_memory::RamMemory;

const SECRET: &[u8] = b"a secret that outlives its process";
const KEY: [u8; 32] = [7; 32];

fn exported<M: LockedMemory + TryFrom<Buffer<u8>, Error = MemoryError>>() -> Vec<u8> {
    let memory = M::try_from(Buffer::alloc(SECRET, SECRET.len())).unwrap();
    memory.export(Key::Bytes(&KEY)).unwrap()
}

fn imports<M: Import + LockedMemory>(envelopes: &[Vec<u8>]) {
    for envelope in envelopes {
        let memory = M::import(envelope, Key::Bytes(&KEY)).unwrap();
        assert_eq!(*memory.unlock().unwrap().borrow(), *SECRET);
        assert!(matches!(M::import(envelope, Key::Bytes(&[8; 32])), Err(Error::WrongKey { .. })));
        assert!(matches!(
            M::import(&envelope[..envelope.len() - 1], Key::Bytes(&KEY)),
            Err(Error::Truncated { .. })
        ));
    }
}

#[test]
fn every_memory_imports_what_every_memory_exported() {
    let envelopes = [exported::<RamMemory>(), exported::<FileMemory>(), exported::<NonContiguousMemory>()];
    for envelope in &envelopes {
        assert!(!envelope.windows(8).any(|window| SECRET.windows(8).any(|part| part == window)));
    }
    imports::<RamMemory>(&envelopes);
    imports::<FileMemory>(&envelopes);
    imports::<NonContiguousMemory>(&envelopes);
}
