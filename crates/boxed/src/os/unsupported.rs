//! Any other system: everything compiles, libsodium decides what an allocation is worth, and the report says "no".

use crate::protection::Prot;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use std::io;

pub(crate) const NO_ACCESS_UNLOCKS: bool = false;

pub(crate) fn page_size() -> usize {
    4096
}

pub(crate) fn exclude_from_dumps(_pages: NonNull<[u8]>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn wipe_on_fork(_pages: NonNull<[u8]>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn forbid_merging(_pages: NonNull<[u8]>) {}

pub(crate) fn lock_limit() -> Option<u64> {
    None
}

pub(crate) fn fork_token() -> &'static AtomicU64 {
    static TOKEN: AtomicU64 = AtomicU64::new(0);
    &TOKEN
}

pub(crate) fn unmap(_pages: NonNull<[u8]>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not implemented: libsodium's allocator serves instead.
pub(crate) fn reserve(_bytes: usize, _at: usize) -> io::Result<NonNull<[u8]>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing is reserved, so there is nothing to protect.
pub(crate) fn protect(_pages: NonNull<[u8]>, _prot: Prot) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing is reserved, so there is nothing to lock.
pub(crate) fn lock(_pages: NonNull<[u8]>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There are no forked children here, whom a lock could stop.
pub(crate) fn complain(line: &[u8]) {
    use std::io::Write as _;
    // Nothing is left to be done where standard error is closed.
    drop(std::io::stderr().write_all(line));
}
