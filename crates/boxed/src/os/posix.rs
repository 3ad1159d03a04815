//! What every Unix shares.
#![allow(unsafe_code)]

use crate::protection::Prot;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use rustix::process::{Resource, getrlimit};
use std::io;

/// A locked page stays so whatever its protection.
pub(crate) const NO_ACCESS_UNLOCKS: bool = false;

/// `sysconf(_SC_PAGESIZE)`, asked for once.
#[inline]
pub(crate) fn page_size() -> usize {
    static KNOWN: AtomicUsize = AtomicUsize::new(0);
    match KNOWN.load(Ordering::Relaxed) {
        0 => {
            let page = rustix::param::page_size();
            KNOWN.store(page, Ordering::Relaxed);
            page
        }
        known => known,
    }
}

/// The soft limit `RLIMIT_MEMLOCK`, see `getrlimit(2)`.
pub(crate) fn lock_limit() -> Option<u64> {
    getrlimit(Resource::Memlock).current
}

/// Whether a file of this process may have `bytes`, which a file in RAM is bound by, too: making it longer than
/// `RLIMIT_FSIZE` is not only an error, but ends the process with `SIGXFSZ`. See `getrlimit(2)`.
#[cfg(target_os = "linux")]
pub(crate) fn file_may_have(bytes: usize) -> Result<(), rustix::io::Errno> {
    match getrlimit(Resource::Fsize).current {
        Some(limit) if limit < bytes as u64 => Err(rustix::io::Errno::FBIG),
        _ => Ok(()),
    }
}

/// `munmap(2)`.
pub(crate) fn unmap(pages: NonNull<[u8]>) -> io::Result<()> {
    #[cfg(all(test, target_os = "linux"))]
    crate::faults::strike("munmap")?;
    // SAFETY: the pages belong to the caller, who never touches them again.
    unsafe { rustix::mm::munmap(pages.cast::<c_void>().as_ptr(), pages.len()) }?;
    Ok(())
}

/// `mmap(2)` with `PROT_NONE`. The address is a wish: what lies there already is left alone.
pub(crate) fn reserve(bytes: usize, at: usize) -> io::Result<NonNull<[u8]>> {
    #[cfg(all(test, target_os = "linux"))]
    crate::faults::strike("mmap")?;
    let wish = ptr::without_provenance_mut::<c_void>(at);
    // SAFETY: without `MAP_FIXED` a new mapping disturbs no other, whatever address it is given.
    let start = unsafe { rustix::mm::mmap_anonymous(wish, bytes, ProtFlags::empty(), MapFlags::PRIVATE) }?;
    let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok(NonNull::slice_from_raw_parts(start, bytes))
}

/// `mprotect(2)`.
pub(crate) fn protect(pages: NonNull<[u8]>, prot: Prot) -> io::Result<()> {
    let access = match prot {
        Prot::NoAccess => MprotectFlags::empty(),
        Prot::ReadOnly => MprotectFlags::READ,
        Prot::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
    };
    #[cfg(all(test, target_os = "linux"))]
    crate::faults::strike("mprotect")?;
    // SAFETY: the pages belong to the caller, who makes sure that no reference needs the access that is taken away.
    unsafe { rustix::mm::mprotect(pages.cast::<c_void>().as_ptr(), pages.len(), access) }?;
    Ok(())
}

/// `write(2)` to standard error: the standard library's takes a lock, which a thread that a child does not have may hold.
pub(crate) fn complain(line: &[u8]) {
    // Nothing is left to be done where standard error is closed.
    rustix::io::write(rustix::stdio::stderr(), line).unwrap_or_default();
}

/// `mlock(2)`.
pub(crate) fn lock(pages: NonNull<[u8]>) -> io::Result<()> {
    #[cfg(all(test, target_os = "linux"))]
    crate::faults::strike("mlock")?;
    // SAFETY: the pages belong to the caller; the call changes no byte of them.
    unsafe { rustix::mm::mlock(pages.cast::<c_void>().as_ptr(), pages.len()) }?;
    Ok(())
}

static TOKEN: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// The word that reads zero in a forked child: the one `special` makes, else a static one. A `pthread_atfork` handler
/// zeros either.
///
/// It takes no lock, so a fork at any moment finds it usable.
#[inline]
pub(crate) fn fork_token(special: fn() -> Option<&'static AtomicU64>) -> &'static AtomicU64 {
    known_token().unwrap_or_else(|| make_token(special))
}

#[cold]
fn make_token(special: fn() -> Option<&'static AtomicU64>) -> &'static AtomicU64 {
    static PLAIN: AtomicU64 = AtomicU64::new(0);
    let special = special();
    let made = special.unwrap_or(&PLAIN);
    // Before anyone relies on the token. Threads that are first at once register it twice, which does no harm.
    // SAFETY: the handler stays valid for the life of the program and does what a handler may: one atomic store.
    let registered = unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) } == 0;
    // A plain word without its handler would tell no child what it is: the next call tries again.
    if registered || special.is_some() {
        let address = ptr::from_ref(made).cast_mut();
        TOKEN
            .compare_exchange(ptr::null_mut(), address, Ordering::AcqRel, Ordering::Acquire)
            .unwrap_or_default(); // else another thread's is there
    }
    known_token().unwrap_or(made)
}

#[inline]
fn known_token() -> Option<&'static AtomicU64> {
    // SAFETY: the pointer is null or that of a word that lives as long as the program.
    unsafe { TOKEN.load(Ordering::Acquire).as_ref() }
}

extern "C" fn in_the_child() {
    if let Some(token) = known_token() {
        token.store(0, Ordering::SeqCst);
    }
}
