//! This workspace, in both of its page backings.

use runtime as api;

#[allow(clippy::duplicate_mod)] // the same stages for both runtimes
#[path = "memories.rs"]
mod memories;

use super::{Claim, Clear, Subject};
use memories::{BUFFER, Entry, MEMORIES, With, memory};
use runtime::MemoryError;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::NonContiguousMemory;
use runtime::memories::ram_memory::RamMemory;

macro_rules! with {
    ($($memory:ty),*) => {$(
        impl With for $memory {
            fn with(&self, f: impl FnOnce(&[u8])) -> Result<(), MemoryError> {
                <$memory>::with(self, f)
            }
        }
    )*};
}

with!(RamMemory, FileMemory, NonContiguousMemory);

/// What the published runtime does not have.
const GUARDED: Entry = ("RamMemory, guarded", |holder| memory(holder, RamMemory::guarded));

pub(super) fn in_secret_memory() -> impl Iterator<Item = Subject> {
    all("this one, secret memory", |_| Claim::Secret)
}

pub(super) fn in_ordinary_pages() -> impl Iterator<Item = Subject> {
    all("this one, ordinary pages", Claim::Ordinary)
}

fn all(library: &'static str, claim: fn(Clear) -> Claim) -> impl Iterator<Item = Subject> {
    let clear = [BUFFER, GUARDED].map(|entry| (entry, Clear::Always));
    let sealed = MEMORIES.map(|entry| (entry, Clear::WhileUnlocked));
    let entries = clear.into_iter().chain(sealed);
    entries.map(move |((what, hold), clear)| {
        let claim = claim(clear);
        Subject { library, what, needs_secret_memory: claim == Claim::Secret, claim, hold }
    })
}
