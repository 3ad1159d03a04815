//! Windows; there is no fork.
#![allow(unsafe_code)]

use crate::protection::Prot;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicU64;
use std::io;
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE,
    VirtualAlloc, VirtualFree, VirtualLock, VirtualProtect,
};
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};

/// A locked page that loses all access is unlocked, as the status `STATUS_WAS_UNLOCKED` of `ntstatus.h` is there to say.
pub(crate) const NO_ACCESS_UNLOCKS: bool = true;

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
pub(crate) fn forbid_merging(_pages: NonNull<[u8]>) {}

/// The working-set quota bounds `VirtualLock`; libsodium's caller sees it as a failed lock.
pub(crate) fn lock_limit() -> Option<u64> {
    None
}

/// A word that no fork ever zeros.
pub(crate) fn fork_token() -> &'static AtomicU64 {
    static TOKEN: AtomicU64 = AtomicU64::new(0);
    &TOKEN
}

/// `VirtualFree`: a whole reservation is given back. Of a part of one the pages are, and its addresses stay set aside.
pub(crate) fn unmap(pages: NonNull<[u8]>) -> io::Result<()> {
    // SAFETY: the pages belong to the caller, who never touches them again; where they do not begin a reservation, the call
    // does nothing.
    let released = unsafe { VirtualFree(address(pages), 0, MEM_RELEASE) };
    if released != 0 {
        return Ok(());
    }
    // SAFETY: as above; the range is that of the pages.
    succeeded(unsafe { VirtualFree(address(pages), pages.len(), MEM_DECOMMIT) })
}

/// `VirtualAlloc` with `MEM_RESERVE`. An address that is wished for and taken is an error.
pub(crate) fn reserve(bytes: usize, at: usize) -> io::Result<NonNull<[u8]>> {
    let wish = ptr::without_provenance::<c_void>(at);
    // SAFETY: a new reservation disturbs no other, whatever address it is given.
    let start = unsafe { VirtualAlloc(wish, bytes, MEM_RESERVE, PAGE_NOACCESS) };
    let start = NonNull::new(start.cast::<u8>()).ok_or_else(io::Error::last_os_error)?;
    Ok(NonNull::slice_from_raw_parts(start, bytes))
}

/// `VirtualProtect`, and for pages that were never opened `VirtualAlloc` with `MEM_COMMIT`.
pub(crate) fn protect(pages: NonNull<[u8]>, prot: Prot) -> io::Result<()> {
    let access = match prot {
        Prot::NoAccess => PAGE_NOACCESS,
        Prot::ReadOnly => PAGE_READONLY,
        Prot::ReadWrite => PAGE_READWRITE,
    };
    let mut before = 0;
    // SAFETY: the pages belong to the caller, who makes sure that no reference needs the access that is taken away.
    let changed = unsafe { VirtualProtect(address(pages), pages.len(), access, &raw mut before) };
    if changed != 0 {
        return Ok(());
    }
    // SAFETY: as above; pages that exist already keep their bytes, and new ones are zeros.
    let made = unsafe { VirtualAlloc(address(pages), pages.len(), MEM_COMMIT, access) };
    if made.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `VirtualLock`, bounded by the least size of the working set.
pub(crate) fn lock(pages: NonNull<[u8]>) -> io::Result<()> {
    // SAFETY: the pages belong to the caller; the call changes no byte of them.
    succeeded(unsafe { VirtualLock(address(pages), pages.len()) })
}

fn succeeded(code: i32) -> io::Result<()> {
    if code == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn address(pages: NonNull<[u8]>) -> *mut c_void {
    pages.cast::<c_void>().as_ptr()
}

/// There are no forked children here, whom a lock could stop.
pub(crate) fn complain(line: &[u8]) {
    use std::io::Write as _;
    // Nothing is left to be done where standard error is closed.
    drop(std::io::stderr().write_all(line));
}
