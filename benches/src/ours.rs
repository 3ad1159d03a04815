//! This workspace's side.

pub use runtime as api;

pub mod matrix;
pub mod works;

use runtime::MemoryError;
use runtime::locked_memory::LockedMemory;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::NonContiguousMemory;
use runtime::memories::ram_memory::RamMemory;

/// The shortest way to use a secret on the spot.
pub trait With: LockedMemory {
    /// Shows the secret to `f`.
    ///
    /// # Errors
    /// Those of `with` of the memory.
    fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError>;
}

macro_rules! with {
    ($($memory:ty),*) => {$(
        impl With for $memory {
            fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
                <$memory>::with(self, f)
            }
        }
    )*};
}

with!(RamMemory, FileMemory, NonContiguousMemory);
