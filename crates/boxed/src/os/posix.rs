//! What every Unix shares.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use rustix::process::{Resource, getrlimit};
use std::io;

/// `sysconf(_SC_PAGESIZE)`.
pub(crate) fn page_size() -> usize {
    rustix::param::page_size()
}

/// The soft limit `RLIMIT_MEMLOCK`, see `getrlimit(2)`.
pub(crate) fn lock_limit() -> Option<u64> {
    getrlimit(Resource::Memlock).current
}

/// `munmap(2)`.
pub(crate) fn unmap(pages: NonNull<[u8]>) -> io::Result<()> {
    // SAFETY: the pages belong to the caller, who never touches them again.
    unsafe { rustix::mm::munmap(pages.cast::<c_void>().as_ptr(), pages.len()) }?;
    Ok(())
}

static TOKEN: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// The word that reads zero in a forked child: the one `special` makes, else a static one. A `pthread_atfork` handler
/// zeros either.
///
/// It takes no lock, so a fork at any moment finds it usable.
pub(crate) fn fork_token(special: fn() -> Option<&'static AtomicU64>) -> &'static AtomicU64 {
    static PLAIN: AtomicU64 = AtomicU64::new(0);
    if let Some(token) = known_token() {
        return token;
    }
    let made = special().unwrap_or(&PLAIN);
    let address = ptr::from_ref(made).cast_mut();
    if TOKEN.compare_exchange(ptr::null_mut(), address, Ordering::AcqRel, Ordering::Acquire).is_ok() {
        // SAFETY: the handler stays valid for the life of the program and does what a handler may: one atomic store.
        unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) };
    }
    known_token().unwrap_or(made)
}

fn known_token() -> Option<&'static AtomicU64> {
    // SAFETY: the pointer is null or that of a word that lives as long as the program.
    unsafe { TOKEN.load(Ordering::Acquire).as_ref() }
}

extern "C" fn in_the_child() {
    if let Some(token) = known_token() {
        token.store(0, Ordering::SeqCst);
    }
}
