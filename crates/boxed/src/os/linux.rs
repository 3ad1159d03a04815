//! Linux and Android.
#![allow(unsafe_code)]

use super::posix;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::io;

pub(crate) use super::posix::{
    NO_ACCESS_UNLOCKS, complain, lock, lock_limit, page_size, protect, reserve, unmap,
};

/// `MADV_DONTDUMP`, see `madvise(2)`.
pub(crate) fn exclude_from_dumps(pages: NonNull<[u8]>) -> io::Result<()> {
    advise(pages, Advice::LinuxDontDump)
}

/// `MADV_WIPEONFORK`, Linux 4.14 and later, see `madvise(2)`.
pub(crate) fn wipe_on_fork(pages: NonNull<[u8]>) -> io::Result<()> {
    advise(pages, Advice::LinuxWipeOnFork)
}

/// `MADV_UNMERGEABLE`, see `madvise(2)`. A kernel that refuses does not merge; a page is merged only where some other code asked
/// for it before.
pub(crate) fn forbid_merging(pages: NonNull<[u8]>) {
    advise(pages, Advice::LinuxUnmergeable).unwrap_or_default();
}

/// A word in a page of its own with `MADV_WIPEONFORK`, which catches every way to fork, and with a `pthread_atfork`
/// handler besides for kernels that do not know the advice.
#[inline]
pub(crate) fn fork_token() -> &'static AtomicU64 {
    posix::fork_token(wiped_page)
}

/// Whether what `madvise(2)` says is worth anything: emulators of a processor answer that all is done and do nothing. They
/// say so of advice that does not exist, too, which is asked for once.
pub(crate) fn advice_is_heeded() -> bool {
    const UNKNOWN: u8 = 0;
    const HEEDED: u8 = 1;
    const IGNORED: u8 = 2;
    static KNOWN: AtomicU8 = AtomicU8::new(UNKNOWN);
    match KNOWN.load(Ordering::Relaxed) {
        UNKNOWN => {
            // SAFETY: no page is in a range of no bytes, and the kernel looks at the advice first.
            let heeded = unsafe { libc::madvise(ptr::null_mut(), 0, -1) } != 0;
            KNOWN.store(if heeded { HEEDED } else { IGNORED }, Ordering::Relaxed);
            heeded
        }
        known => known == HEEDED,
    }
}

fn wiped_page() -> Option<&'static AtomicU64> {
    let flags = MapFlags::PRIVATE;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice disturbs no other.
    let page = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), page_size(), access, flags) }.ok()?;
    let page = NonNull::new(page.cast::<u8>())?;
    if wipe_on_fork(NonNull::slice_from_raw_parts(page, page_size())).is_err() {
        return None; // the caller's static word serves; this one page stays mapped and unused
    }
    // SAFETY: the mapping is zeroed, page-aligned, large enough for the word and never unmapped; an `AtomicU64` may
    // hold any bits and is shared only through atomic operations.
    Some(unsafe { page.cast::<AtomicU64>().as_ref() })
}

fn advise(pages: NonNull<[u8]>, advice: Advice) -> io::Result<()> {
    #[cfg(all(test, target_os = "linux"))]
    crate::faults::strike("madvise")?;
    if !advice_is_heeded() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: the pages belong to the caller; the three pieces of advice used here change no byte that this process
    // can read.
    unsafe { rustix::mm::madvise(pages.cast::<c_void>().as_ptr(), pages.len(), advice) }?;
    Ok(())
}
