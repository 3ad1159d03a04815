//! macOS, iOS and the BSDs.
#![allow(unsafe_code)]

use super::posix;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use std::io;

pub(crate) use super::posix::{
    NO_ACCESS_UNLOCKS, complain, lock, lock_limit, page_size, protect, reserve, unmap,
};

/// `MADV_NOCORE` on FreeBSD, see `madvise(2)`; the other systems have nothing of the kind for one range of pages.
pub(crate) fn exclude_from_dumps(pages: NonNull<[u8]>) -> io::Result<()> {
    #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
    {
        // SAFETY: the pages belong to the caller; the advice changes no byte of them.
        let code =
            unsafe { libc::madvise(pages.cast::<libc::c_void>().as_ptr(), pages.len(), libc::MADV_NOCORE) };
        if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
    #[cfg(not(any(target_os = "freebsd", target_os = "dragonfly")))]
    {
        let _ = pages;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// `minherit(2)` with `INHERIT_ZERO` on FreeBSD. Elsewhere a child inherits the pages, and this library refuses to open
/// them there.
pub(crate) fn wipe_on_fork(pages: NonNull<[u8]>) -> io::Result<()> {
    #[cfg(target_os = "freebsd")]
    {
        // SAFETY: the pages belong to the caller; the call changes no byte that this process can read.
        let code =
            unsafe { libc::minherit(pages.cast::<libc::c_void>().as_ptr(), pages.len(), libc::INHERIT_ZERO) };
        if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
    #[cfg(not(target_os = "freebsd"))]
    {
        let _ = pages;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// None of these systems merges equal pages of a process that did not ask for it.
pub(crate) fn forbid_merging(_pages: NonNull<[u8]>) {}

/// A static word, zeroed in the child by a `pthread_atfork` handler.
pub(crate) fn fork_token() -> &'static AtomicU64 {
    posix::fork_token(|| None)
}
