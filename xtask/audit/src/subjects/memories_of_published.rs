//! The published Stronghold runtime 2.0.1, led by the same source.

use published as api;

#[allow(clippy::duplicate_mod)] // the same stages for both runtimes
#[path = "memories.rs"]
mod memories;

use super::{Subject, peer};
use memories::{BUFFER, MEMORIES, With};
use published::MemoryError;
use published::locked_memory::LockedMemory;

/// There is no way past a Buffer.
impl<M: LockedMemory> With for M {
    fn with(&self, f: impl FnOnce(&[u8])) -> Result<(), MemoryError> {
        f(&self.unlock()?.borrow());
        Ok(())
    }
}

pub(super) fn all() -> impl Iterator<Item = Subject> {
    let entries = [BUFFER].into_iter().chain(MEMORIES);
    entries.map(|(what, hold)| peer("stronghold-runtime 2.0.1", what, hold))
}
