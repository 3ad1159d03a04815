//! This workspace's side.

pub use runtime as api;

pub mod works;

use runtime::MemoryError;
use runtime::memories::ram_memory::RamMemory;

/// Uses the secret on the spot.
///
/// # Errors
/// Those of `RamMemory::with`.
pub fn with<R>(memory: &RamMemory, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
    memory.with(f)
}
