//! Guarded allocations: `sodium_malloc` and what undoes it.
#![allow(unsafe_code)]

use crate::Error;
use core::ffi::{c_int, c_void};
use core::ptr::NonNull;
use std::io;

/// The three protection states of a guarded allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Any access faults.
    None,
    /// Reads succeed, writes fault.
    Read,
    /// Reads and writes succeed.
    ReadWrite,
}

/// An allocation of `sodium_malloc`: between two inaccessible guard pages, with libsodium's canary before it, ending
/// flush with the second guard page, and locked in RAM where the system allowed it.
///
/// It is handed out as an address, not as a slice, because its protection changes under the reader's feet. It begins
/// readable and writable, filled with `0xdb`. Dropping it checks libsodium's canary (a damaged one ends the process),
/// wipes it, unlocks it and gives the memory back.
///
/// Reference: <https://doc.libsodium.org/memory_management#guarded-heap-allocations>.
#[derive(Debug)]
pub struct Guarded {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the allocation is owned by this value alone, and libsodium's allocator has no per-thread state.
unsafe impl Send for Guarded {}
// SAFETY: `&Guarded` allows nothing but system calls on the range, which the kernel serialises.
unsafe impl Sync for Guarded {}

impl Guarded {
    /// Allocates `len` bytes.
    ///
    /// `sodium_malloc` ignores a failed `mlock`; ask [`lock`](Self::lock) for the outcome.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Os`] where the system has no memory or no mapping left.
    pub fn new(len: usize) -> Result<Self, Error> {
        crate::init()?;
        // SAFETY: libsodium is initialised; a length too large to serve gives NULL.
        let start = unsafe { libsodium_sys::sodium_malloc(len) };
        let start = NonNull::new(start.cast::<u8>())
            .ok_or_else(|| Error::Os { call: "sodium_malloc", source: io::Error::last_os_error() })?;
        Ok(Self { start, len })
    }

    /// The address of the first byte.
    #[must_use]
    #[inline]
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The length in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // a length to compute with, not a collection
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Changes the protection of the whole allocation: one system call.
    ///
    /// # Errors
    /// [`Error::Os`]; the protection is then what it was.
    #[inline]
    pub fn protect(&self, access: Access) -> Result<(), Error> {
        let start = self.start.as_ptr().cast::<c_void>();
        match access {
            Access::None => outcome(
                "sodium_mprotect_noaccess",
                // SAFETY: `start` came from `sodium_malloc` and is not yet freed.
                unsafe { libsodium_sys::sodium_mprotect_noaccess(start) },
            ),
            Access::Read => outcome(
                "sodium_mprotect_readonly",
                // SAFETY: `start` came from `sodium_malloc` and is not yet freed.
                unsafe { libsodium_sys::sodium_mprotect_readonly(start) },
            ),
            Access::ReadWrite => outcome(
                "sodium_mprotect_readwrite",
                // SAFETY: `start` came from `sodium_malloc` and is not yet freed.
                unsafe { libsodium_sys::sodium_mprotect_readwrite(start) },
            ),
        }
    }

    /// Locks every page of the allocation in RAM and says whether that worked: a locked page is never swapped out.
    ///
    /// The pages stay locked until they are freed. Locking twice is harmless and counts once.
    ///
    /// # Errors
    /// [`Error::Os`] with the system's reason, most often the limit of lockable memory (`RLIMIT_MEMLOCK`).
    pub fn lock(&self) -> Result<(), Error> {
        outcome(
            "sodium_mlock",
            // SAFETY: the range is mapped and owned by `self`; the call changes no byte of it.
            unsafe { libsodium_sys::sodium_mlock(self.start.as_ptr().cast::<c_void>(), self.len) },
        )
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: `start` came from `sodium_malloc`, and only this drop frees it.
        unsafe { libsodium_sys::sodium_free(self.start.as_ptr().cast::<c_void>()) };
    }
}

#[inline]
fn outcome(call: &'static str, code: c_int) -> Result<(), Error> {
    if code == 0 { Ok(()) } else { Err(Error::Os { call, source: io::Error::last_os_error() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_begins_writable_and_changes_state() {
        let guarded = Guarded::new(100).unwrap();
        // SAFETY: the allocation is 100 bytes long and writable until `protect` below.
        unsafe { guarded.start().write_bytes(7, 100) };
        guarded.protect(Access::Read).unwrap();
        // SAFETY: readable, written above.
        assert_eq!(unsafe { guarded.start().read() }, 7);
        guarded.protect(Access::None).unwrap();
        guarded.protect(Access::ReadWrite).unwrap();
        // SAFETY: readable again, never written since.
        assert_eq!(unsafe { guarded.start().read() }, 7);
    }

    #[test]
    fn a_length_no_machine_has_is_an_error() {
        assert!(matches!(Guarded::new(usize::MAX - 5), Err(Error::Os { call: "sodium_malloc", .. })));
    }
}
