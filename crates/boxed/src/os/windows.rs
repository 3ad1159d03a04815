//! Windows: pages are locked (`VirtualLock`) and protected through libsodium; there is no fork.
#![allow(unsafe_code)]

#[path = "no_memfd.rs"]
mod no_memfd;
#[path = "no_secret.rs"]
mod no_secret;

use crate::protection::Prot;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use std::io;
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};

pub(crate) use no_memfd::RamFile;
pub(crate) use no_secret::{at_every_fork, map_secret, move_over, put_zeros};

/// `GetSystemInfo`.
pub(crate) fn page_size() -> usize {
    let mut info = MaybeUninit::<SYSTEM_INFO>::zeroed();
    // SAFETY: the function fills the structure it is given.
    unsafe { GetSystemInfo(info.as_mut_ptr()) };
    // SAFETY: zeroed before and filled by the call; every bit pattern of its integers and pointers is valid.
    let info = unsafe { info.assume_init() };
    info.dwPageSize as usize
}

/// Windows has no such call for plain pages: a full crash dump may hold them.
pub(crate) fn exclude_from_dumps(_pages: NonNull<[u8]>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is no fork to wipe for.
#[allow(clippy::unnecessary_wraps)] // the signature is that of every system
pub(crate) fn wipe_on_fork(_pages: NonNull<[u8]>) -> io::Result<()> {
    Ok(())
}

/// Page combining works on pages of one process alone and is off for locked ones.
#[allow(clippy::unnecessary_wraps)] // the signature is that of every system
pub(crate) fn forbid_merging(_pages: NonNull<[u8]>) -> io::Result<()> {
    Ok(())
}

/// The working-set quota bounds `VirtualLock`; libsodium's caller sees it as a failed lock.
pub(crate) fn lock_limit() -> Option<u64> {
    None
}

/// A word that no fork ever zeros.
pub(crate) fn fork_token() -> &'static AtomicU64 {
    static TOKEN: AtomicU64 = AtomicU64::new(0);
    &TOKEN
}

/// Part of an allocation cannot be released on Windows; the caller ends the process instead.
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
