//! Failures on demand, for the tests of this crate.

use core::cell::Cell;
use locked_memory::MemoryError;

thread_local! {
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Lets `writes` more shards of this thread be written, and fails the next.
pub(crate) fn after(writes: u32) {
    LEFT.set(Some(writes));
}

/// Called before a shard is written.
pub(crate) fn strike() -> Result<(), MemoryError> {
    match LEFT.get() {
        Some(0) => {
            LEFT.set(None);
            let source = std::io::ErrorKind::StorageFull.into();
            Err(MemoryError::FileSystemError { operation: "write a shard", source })
        }
        left => {
            LEFT.set(left.map(|left| left - 1));
            Ok(())
        }
    }
}
