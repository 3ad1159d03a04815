//! The published runtime's side.

pub(crate) use published as api;

#[allow(unreachable_pub)]
#[path = "../../src/ours/works.rs"]
pub(crate) mod works;

use published::MemoryError;
use published::locked_memory::LockedMemory as _;
use published::memories::ram_memory::RamMemory;

/// There is no way past a Buffer.
fn with<R>(memory: &RamMemory, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
    let buffer = memory.unlock()?;
    let result = f(&buffer.borrow());
    Ok(result)
}
