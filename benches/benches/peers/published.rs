//! The published runtime's side.

pub(crate) use published as api;

#[allow(unreachable_pub)]
#[path = "../../src/ours/works.rs"]
pub(crate) mod works;

#[allow(unreachable_pub)]
#[path = "../../src/ours/matrix.rs"]
pub(crate) mod matrix;

use published::MemoryError;
use published::locked_memory::LockedMemory;

/// There is no way past a Buffer.
pub(crate) trait With: LockedMemory {
    fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
        let buffer = self.unlock()?;
        let result = f(&buffer.borrow());
        Ok(result)
    }
}

impl<M: LockedMemory> With for M {}
