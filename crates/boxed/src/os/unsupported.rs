//! Any other system: everything compiles, libsodium decides what an allocation is worth, and the report says "no".

use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use std::io;

pub(crate) fn page_size() -> usize {
    4096
}

pub(crate) fn exclude_from_dumps(_pages: NonNull<[u8]>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn wipe_on_fork(_pages: NonNull<[u8]>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn forbid_merging(_pages: NonNull<[u8]>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

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
