//! One entry per measured row: what is prepared before, and the operation itself.
//!
//! The parent module says which runtime this is compiled against: `api` is its root, and `With` its shortest way to use
//! a memory on the spot.

use super::With;
use super::api::MemoryError;
use super::api::locked_memory::LockedMemory;
use super::api::memories::buffer::Buffer;
use super::api::memories::file_memory::FileMemory;
use super::api::memories::frag::FragStrategy;
use super::api::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use super::api::memories::ram_memory::RamMemory;
use std::hint::black_box;

/// One operation, to be run over and over.
pub type Work = Box<dyn FnMut() -> Result<(), MemoryError>>;

/// The name of a row and what prepares its operation. Names are those of the table of budgets in `xtask`.
pub type Entry = (&'static str, fn() -> Result<Work, MemoryError>);

/// Every row that can be measured.
pub const WORKS: &[Entry] = &[
    ("buffer-create-drop", buffer_create_drop),
    ("buffer-borrow", buffer_borrow),
    ("ram-create-drop", ram_create_drop),
    ("ram-unlock", ram_unlock::<32>),
    ("ram-with", ram_with),
    ("file-create-drop", file_create_drop),
    ("file-unlock", file_unlock),
    ("nc-full-ram", || noncontiguous(NCConfig::FullRam)),
    ("nc-ram-and-file", || noncontiguous(NCConfig::RamAndFile)),
    ("nc-full-file", || noncontiguous(NCConfig::FullFile)),
    ("nc-frag-map", || noncontiguous(NCConfig::FragAllocation(FragStrategy::Map))),
    ("nc-frag-direct", || noncontiguous(NCConfig::FragAllocation(FragStrategy::Direct))),
    ("nc-frag-hybrid", || noncontiguous(NCConfig::FragAllocation(FragStrategy::Hybrid))),
    ("ram-unlock-1mib", ram_unlock::<0x10_0000>),
];

const SECRET: [u8; 32] = *b"a secret of thirty-two bytes....";

fn buffer_create_drop() -> Result<Work, MemoryError> {
    Ok(Box::new(|| {
        drop(Buffer::alloc(black_box(&SECRET), SECRET.len()));
        Ok(())
    }))
}

fn buffer_borrow() -> Result<Work, MemoryError> {
    let buffer = Buffer::alloc(&SECRET, SECRET.len());
    Ok(Box::new(move || {
        black_box(last_byte(&buffer.borrow()));
        Ok(())
    }))
}

fn ram_create_drop() -> Result<Work, MemoryError> {
    Ok(Box::new(|| RamMemory::alloc(black_box(&SECRET), SECRET.len()).map(drop)))
}

fn ram_unlock<const SIZE: usize>() -> Result<Work, MemoryError> {
    let memory = RamMemory::alloc(&vec![7; SIZE], SIZE)?;
    Ok(Box::new(move || unlock_and_read(&memory)))
}

fn ram_with() -> Result<Work, MemoryError> {
    let memory = RamMemory::alloc(&SECRET, SECRET.len())?;
    Ok(Box::new(move || {
        black_box(With::with(&memory, last_byte)?);
        Ok(())
    }))
}

fn file_create_drop() -> Result<Work, MemoryError> {
    Ok(Box::new(|| FileMemory::alloc(black_box(&SECRET), SECRET.len()).map(drop)))
}

fn file_unlock() -> Result<Work, MemoryError> {
    let memory = FileMemory::alloc(&SECRET, SECRET.len())?;
    Ok(Box::new(move || unlock_and_read(&memory)))
}

/// Unlocking replaces both shards.
fn noncontiguous(config: NCConfig) -> Result<Work, MemoryError> {
    let memory = NonContiguousMemory::alloc(&SECRET, SECRET.len(), config)?;
    Ok(Box::new(move || unlock_and_read(&memory)))
}

/// The operation of the rows that unlock.
///
/// # Errors
/// Those of `unlock`.
pub fn unlock_and_read(memory: &impl LockedMemory) -> Result<(), MemoryError> {
    let buffer = memory.unlock()?;
    black_box(last_byte(&buffer.borrow()));
    Ok(())
}

fn last_byte(bytes: &[u8]) -> Option<u8> {
    bytes.last().copied()
}
