//! The memories of a Stronghold runtime. The parent module says of which one: `api` is its root.

use super::api::MemoryError;
use super::api::locked_memory::LockedMemory;
use super::api::memories::buffer::Buffer;
use super::api::memories::file_memory::FileMemory;
use super::api::memories::frag::FragStrategy;
use super::api::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use super::api::memories::ram_memory::RamMemory;
use crate::holder::{Holder, SECRET_BYTES};
use crate::stage::Stage;
use crate::subjects::{Result, keep_in_own_frame};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hint::black_box;
use zeroize::Zeroize as _;

/// The name of one kind of memory, and how it holds a secret.
pub(super) type Entry = (&'static str, fn(&mut Holder) -> Result);

pub(super) const BUFFER: Entry = ("Buffer", buffer);

/// The shortest way to use the secret of a memory.
pub(super) trait With: LockedMemory {
    fn with(&self, f: impl FnOnce(&[u8])) -> std::result::Result<(), MemoryError>;
}

/// Every memory that both runtimes have.
pub(super) const MEMORIES: [Entry; 8] = [
    ("RamMemory", |holder| memory(holder, |secret| RamMemory::alloc(secret, SECRET_BYTES))),
    ("FileMemory", |holder| memory(holder, |secret| FileMemory::alloc(secret, SECRET_BYTES))),
    ("NonContiguous FullRam", |holder| noncontiguous(holder, NCConfig::FullRam)),
    ("NonContiguous FullFile", |holder| noncontiguous(holder, NCConfig::FullFile)),
    ("NonContiguous RamAndFile", |holder| noncontiguous(holder, NCConfig::RamAndFile)),
    ("NonContiguous Frag Map", |holder| noncontiguous(holder, NCConfig::FragAllocation(FragStrategy::Map))),
    ("NonContiguous Frag Direct", |holder| {
        noncontiguous(holder, NCConfig::FragAllocation(FragStrategy::Direct))
    }),
    ("NonContiguous Frag Hybrid", |holder| {
        noncontiguous(holder, NCConfig::FragAllocation(FragStrategy::Hybrid))
    }),
];

fn noncontiguous(holder: &mut Holder, config: NCConfig) -> Result {
    memory(holder, |secret| NonContiguousMemory::alloc(secret, SECRET_BYTES, config))
}

/// Has the secret read into an array, as a caller would, and wipes that array.
fn handed_over<T>(holder: &mut Holder, take: impl FnOnce(&[u8]) -> T) -> Result<T> {
    let mut secret = [0; SECRET_BYTES];
    holder.secret(&mut secret)?;
    let taken = take(&secret);
    secret.zeroize();
    Ok(taken)
}

pub(super) fn memory<M>(
    holder: &mut Holder,
    make: impl FnOnce(&[u8]) -> std::result::Result<M, MemoryError>,
) -> Result
where
    M: With + Serialize + DeserializeOwned,
{
    let memory = handed_over(holder, make)??;
    holder.at(Stage::AtRest)?;
    memory.with(keep_in_own_frame)?;
    holder.at(Stage::Used)?;
    let buffer = memory.unlock()?;
    black_box(buffer.borrow()[0]);
    drop(buffer);
    holder.at(Stage::AfterUnlock)?;
    let buffer = memory.unlock()?;
    holder.at(Stage::BufferHeld)?;
    let borrowed = buffer.borrow();
    black_box(borrowed[0]);
    holder.at(Stage::Borrowed)?;
    drop(borrowed);
    drop(buffer);
    let clone = memory.clone();
    holder.at(Stage::Cloned)?;
    drop(clone);
    let same = memory.unlock()?;
    let memory = memory.update(same, SECRET_BYTES)?;
    holder.at(Stage::Updated)?;
    written_and_read(&memory)?;
    holder.at(Stage::Serialised)?;
    drop(memory);
    Ok(holder.at(Stage::Dropped)?)
}

fn buffer(holder: &mut Holder) -> Result {
    let buffer = handed_over(holder, |secret| Buffer::alloc(secret, SECRET_BYTES))?;
    holder.at(Stage::AtRest)?;
    let borrowed = buffer.borrow();
    black_box(borrowed[0]);
    holder.at(Stage::Borrowed)?;
    drop(borrowed);
    let clone = buffer.clone();
    holder.at(Stage::Cloned)?;
    drop(clone);
    written_and_read(&buffer)?;
    holder.at(Stage::Serialised)?;
    drop(buffer);
    Ok(holder.at(Stage::Dropped)?)
}

fn written_and_read<T: Serialize + DeserializeOwned>(value: &T) -> Result {
    let mut written = bincode::serialize(value)?;
    let again: T = bincode::deserialize(&written)?;
    written.zeroize();
    drop(again);
    Ok(())
}
