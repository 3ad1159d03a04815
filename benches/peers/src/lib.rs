//! Other libraries that keep secrets, behind one safe interface, to be measured and audited beside this workspace's.
//!
//! Each is led as its documentation says: no access while no one uses the secret, where it has such a state.

#[cfg(target_os = "linux")]
mod raw;
#[cfg(target_os = "linux")]
mod safe;

#[cfg(target_os = "linux")]
pub use raw::{Memsec, MemsecSecret, Sodium};
#[cfg(target_os = "linux")]
pub use safe::{Memsafe, Secrets};

/// What a peer refused to do. Few of them say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{library} refused to {operation}")]
pub struct Refused {
    /// The library.
    pub library: &'static str,
    /// What it was asked for.
    pub operation: &'static str,
}

/// Bytes in the memory of another library. Dropped, they are wiped and given back as it does.
pub trait Keep: Sized {
    /// The library.
    const LIBRARY: &'static str;
    /// Which of its allocations.
    const WHAT: &'static str;

    /// `len` bytes, at least one, which `fill` writes in place.
    ///
    /// # Errors
    /// Where the library says that it failed.
    ///
    /// # Panics
    /// Where that is how the library says so.
    fn new(len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Self, Refused>;

    /// Opens the bytes for `f`.
    ///
    /// # Errors
    /// Where the library says that it failed.
    fn read<R>(&mut self, f: impl FnOnce(&[u8]) -> R) -> Result<R, Refused>;

    /// Opens the bytes for `f`, to be written.
    ///
    /// # Errors
    /// Where the library says that it failed.
    fn write<R>(&mut self, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Refused>;
}
