//! One secret of 32 bytes in each of the libraries, and where it lies.

use crate::count::{Lies, hold};
use peers::{Keep, Memsafe, Memsec, MemsecSecret, Secrets, Sodium};
use published::memories as theirs;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use runtime::memories::ram_memory::RamMemory;
use runtime::{Lock, Policy, Protection};
use std::error::Error;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const SECRET: [u8; 32] = *b"a secret of thirty-two bytes....";
const SIZE: usize = SECRET.len();

/// The name of a library, and what holds as many of its secrets as are asked for.
type Library = (&'static str, fn(usize) -> Result);

/// Every library. Names are those of the table in `xtask`.
pub(crate) const ALL: &[Library] = &[
    ("ram", |most| hold(most, ram)),
    ("ram-best-effort", |most| {
        Policy::new().lock(Lock::BestEffort).install()?;
        hold(most, ram)
    }),
    ("file", |most| {
        hold(most, || {
            let memory = FileMemory::alloc(&SECRET, SIZE)?;
            let report = memory.protection();
            Ok((memory, sealed(report)))
        })
    }),
    ("full-ram", |most| {
        hold(most, || {
            let memory = NonContiguousMemory::alloc(&SECRET, SIZE, NCConfig::FullRam)?;
            let report = memory.protection();
            Ok((memory, sealed(report)))
        })
    }),
    ("guarded", |most| {
        hold(most, || {
            let memory = RamMemory::guarded(&SECRET)?;
            let lies = Lies::At(memory.with(address)?);
            Ok((memory, lies))
        })
    }),
    ("buffer", |most| {
        hold(most, || {
            let buffer = Buffer::try_alloc(&SECRET, SIZE)?;
            let lies = Lies::At(address(&buffer.borrow()));
            Ok((buffer, lies))
        })
    }),
    ("libsodium", |most| hold(most, keep::<Sodium>)),
    ("secrets", |most| hold(most, keep::<Secrets>)),
    ("memsafe", |most| hold(most, keep::<Memsafe<SIZE>>)),
    ("memsec", |most| hold(most, keep::<Memsec>)),
    ("memsec-secret", |most| hold(most, keep::<MemsecSecret>)),
    ("published-buffer", |most| {
        hold(most, || {
            let buffer = theirs::buffer::Buffer::alloc(&SECRET, SIZE);
            let lies = Lies::At(address(&buffer.borrow()));
            Ok((buffer, lies))
        })
    }),
    ("published-ram", |most| {
        hold(most, || Ok((theirs::ram_memory::RamMemory::alloc(&SECRET, SIZE)?, Lies::InPages(1))))
    }),
    ("published-file", |most| {
        hold(most, || Ok((theirs::file_memory::FileMemory::alloc(&SECRET, SIZE)?, Lies::OnHeap)))
    }),
    ("published-full-ram", |most| {
        hold(most, || {
            let config = theirs::noncontiguous_memory::NCConfig::FullRam;
            let memory = theirs::noncontiguous_memory::NonContiguousMemory::alloc(&SECRET, SIZE, config)?;
            Ok((memory, Lies::InPages(2)))
        })
    }),
];

fn ram() -> Result<(RamMemory, Lies)> {
    let memory = RamMemory::alloc(&SECRET, SIZE)?;
    let report = memory.protection();
    Ok((memory, sealed(report)))
}

fn keep<K: Keep>() -> Result<(K, Lies)> {
    let mut lies = None;
    let secret = K::new(SIZE, |bytes| {
        bytes.copy_from_slice(&SECRET);
        lies = Some(Lies::At(address(bytes)));
    })?;
    Ok((secret, lies.ok_or("the secret was not written")?))
}

fn sealed(report: Option<Protection>) -> Lies {
    if report.is_some_and(|report| report.sealed) { Lies::Sealed } else { Lies::OnHeap }
}

fn address(bytes: &[u8]) -> usize {
    bytes.as_ptr().addr()
}
