//! Every operation of every memory, for secrets of any size.
//!
//! The parent module says which runtime this is compiled against: `api` is its root, and `With` its shortest way to use a
//! memory on the spot.

use super::With;
use super::api::MemoryError;
use super::api::memories::buffer::Buffer;
use super::api::memories::file_memory::FileMemory;
use super::api::memories::frag::FragStrategy;
use super::api::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use super::api::memories::ram_memory::RamMemory;
use super::works::{Work, unlock_and_read};
use std::hint::black_box;
use std::rc::Rc;

/// One operation on one memory.
pub struct Entry {
    /// The operation, of those in [`OPERATIONS`](crate::OPERATIONS).
    pub operation: &'static str,
    /// The memory.
    pub memory: &'static str,
    /// Prepares the operation on a secret of so many bytes.
    pub prepare: Box<dyn Fn(usize) -> Result<Work, MemoryError>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("operation", &self.operation)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

/// Every operation of every memory that both runtimes have.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let mut entries = buffer();
    entries.extend(of("RamMemory", |bytes| RamMemory::alloc(bytes, bytes.len())));
    entries.extend(of("FileMemory", |bytes| FileMemory::alloc(bytes, bytes.len())));
    let configs: [(_, fn() -> NCConfig); 6] = [
        ("NonContiguous FullRam", || NCConfig::FullRam),
        ("NonContiguous FullFile", || NCConfig::FullFile),
        ("NonContiguous RamAndFile", || NCConfig::RamAndFile),
        ("NonContiguous Frag Map", || NCConfig::FragAllocation(FragStrategy::Map)),
        ("NonContiguous Frag Direct", || NCConfig::FragAllocation(FragStrategy::Direct)),
        ("NonContiguous Frag Hybrid", || NCConfig::FragAllocation(FragStrategy::Hybrid)),
    ];
    for (memory, config) in configs {
        let make = move |bytes: &[u8]| NonContiguousMemory::alloc(bytes, bytes.len(), config());
        entries.extend(of(memory, make));
        entries.push(entry("refresh", memory, move |size| {
            let memory = make(&secret(size))?;
            Ok(Box::new(move || memory.refresh()))
        }));
    }
    entries
}

/// Every operation of one memory that `make` makes of the bytes of a secret.
pub fn of<M: With + 'static>(
    memory: &'static str,
    make: impl Fn(&[u8]) -> Result<M, MemoryError> + 'static,
) -> [Entry; 5] {
    let make = Rc::new(make);
    let [to_make, to_unlock, to_use, to_update, to_clone] = std::array::from_fn(|_| make.clone());
    [
        entry("create + drop", memory, move |size| {
            let (secret, make) = (secret(size), to_make.clone());
            Ok(Box::new(move || make(black_box(&secret)).map(drop)))
        }),
        entry("unlock + read", memory, move |size| {
            let memory = to_unlock(&secret(size))?;
            Ok(Box::new(move || unlock_and_read(&memory)))
        }),
        entry("with", memory, move |size| {
            let memory = to_use(&secret(size))?;
            Ok(Box::new(move || {
                black_box(memory.with(|bytes| bytes.last().copied())?);
                Ok(())
            }))
        }),
        entry("update", memory, move |size| {
            let secret = secret(size);
            let mut memory = Some(to_update(&secret)?);
            Ok(Box::new(move || {
                let payload = Buffer::alloc(black_box(&secret), secret.len());
                if let Some(old) = memory.take() {
                    memory = Some(old.update(payload, secret.len())?);
                }
                Ok(())
            }))
        }),
        entry("clone", memory, move |size| {
            let memory = to_clone(&secret(size))?;
            Ok(Box::new(move || {
                drop(black_box(memory.clone()));
                Ok(())
            }))
        }),
    ]
}

fn buffer() -> Vec<Entry> {
    let make = |size| {
        let secret: Vec<u8> = secret(size);
        Buffer::alloc(&secret, secret.len())
    };
    vec![
        entry("create + drop", "Buffer", |size| {
            let secret = secret(size);
            Ok(Box::new(move || {
                drop(Buffer::alloc(black_box(&secret), secret.len()));
                Ok(())
            }))
        }),
        entry("borrow", "Buffer", move |size| {
            let buffer = make(size);
            Ok(Box::new(move || {
                black_box(buffer.borrow().last().copied());
                Ok(())
            }))
        }),
        entry("clone", "Buffer", move |size| {
            let buffer = make(size);
            Ok(Box::new(move || {
                drop(black_box(buffer.clone()));
                Ok(())
            }))
        }),
    ]
}

fn entry(
    operation: &'static str,
    memory: &'static str,
    prepare: impl Fn(usize) -> Result<Work, MemoryError> + 'static,
) -> Entry {
    Entry { operation, memory, prepare: Box::new(prepare) }
}

fn secret(size: usize) -> Vec<u8> {
    vec![7; size]
}
