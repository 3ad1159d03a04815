//! Pages that the kernel takes out of its own map, see `memfd_secret(2)`.
#![allow(unsafe_code)]

use super::linux::advice_is_heeded;
use super::posix::{file_may_have, page_size, unmap};
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use rustix::fd::{FromRawFd as _, OwnedFd, RawFd};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use sodium::Error;

/// New secret memory of `bytes`, whole pages: writable, of any content, locked by nature and left out of core dumps. No one
/// finds it by a descriptor, and a child has nothing in its place, unless it is forked while this function runs.
pub(crate) fn map_secret(bytes: usize) -> Result<NonNull<[u8]>, Error> {
    file_may_have(bytes).map_err(failed("getrlimit"))?;
    if !advice_is_heeded() {
        return Err(failed("madvise")(Errno::NOSYS)); // children would have the pages
    }
    let file = memfd_secret().map_err(failed("memfd_secret"))?;
    #[cfg(all(test, target_os = "linux"))]
    crate::faults::strike("ftruncate").map_err(failed("ftruncate"))?;
    rustix::fs::ftruncate(&file, bytes as u64).map_err(failed("ftruncate"))?;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    #[cfg(all(test, target_os = "linux"))]
    crate::faults::strike("mmap").map_err(failed("mmap"))?;
    // SAFETY: a new mapping at an address of the kernel's choice disturbs no other.
    let start = unsafe { rustix::mm::mmap(ptr::null_mut(), bytes, access, MapFlags::SHARED, &file, 0) };
    let start = NonNull::new(start.map_err(failed("mmap"))?.cast::<u8>()).ok_or(Errno::FAULT);
    let pages = NonNull::slice_from_raw_parts(start.map_err(failed("mmap"))?, bytes);
    // The mapping is shared, so that the kernel cannot wipe a child's: it has none instead.
    // SAFETY: the pages are those just mapped; the advice changes no byte of them.
    let advised = unsafe { rustix::mm::madvise(address(pages), bytes, Advice::LinuxDontFork) };
    #[cfg(all(test, target_os = "linux"))]
    let advised = crate::faults::strike("madvise").and(advised);
    let made = advised.map_err(failed("madvise")).and_then(|()| make_all(pages).map_err(failed("getrandom")));
    match made {
        Ok(()) => Ok(pages),
        Err(error) => {
            drop(unmap(pages));
            Err(error)
        }
    }
}

/// Lets the kernel write into every page, which has it make them. Newer kernels, and older ones that were mended, count secret
/// memory against the limit of lockable memory then, and not when it is mapped: beyond the limit a write of the kernel's is an
/// error, and one of this process would end it with `SIGBUS`.
fn make_all(pages: NonNull<[u8]>) -> Result<(), Errno> {
    let flags = libc::GRND_NONBLOCK | libc::GRND_INSECURE; // what is written is wiped
    for at in (0..pages.len()).step_by(page_size()) {
        #[cfg(all(test, target_os = "linux"))]
        crate::faults::strike("getrandom")?;
        // SAFETY: within the pages.
        let byte = unsafe { pages.cast::<u8>().add(at) };
        let write = || {
            // SAFETY: the pages were just mapped, writable, and no one else knows of them; the call writes one byte.
            let written = unsafe { libc::syscall(libc::SYS_getrandom, byte.as_ptr(), 1, flags) };
            if written == 1 { Ok(()) } else { Err(last_error()) }
        };
        // What the kernel says where it could not write, and what `mmap` says at the limit.
        let refused = |error| if error == Errno::FAULT { Errno::AGAIN } else { error };
        rustix::io::retry_on_intr(write).map_err(refused)?;
    }
    Ok(())
}

/// Moves the mapping `new` over `reserved` pages of the same size. After an error both are where they were, or `reserved` is
/// lost: no one may rely on its addresses any more, nor give them back.
///
/// Secret memory is not mapped over them directly, because at the limit of lockable memory kernels before 6.12 refuse that
/// only after they have taken away what lay there, and leave a hole for another thread's mapping to fall into.
pub(crate) fn move_over(new: NonNull<[u8]>, reserved: NonNull<[u8]>) -> Result<(), Error> {
    let (from, to) = (address(new), address(reserved));
    #[cfg(all(test, target_os = "linux"))]
    crate::faults::strike("mremap").map_err(failed("mremap"))?;
    // The C library's own call: rustix asks it for `MAP_FIXED` in place of `MREMAP_FIXED` where it does not make system calls
    // itself, as on s390x, and that is refused.
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: the caller owns both, and no one refers to either.
    let moved = unsafe { libc::mremap(from, new.len(), reserved.len(), flags, to) };
    if moved == libc::MAP_FAILED { Err(failed("mremap")(last_error())) } else { Ok(()) }
}

/// Puts zeros where pages are absent, in a child: one system call and no lock, as a handler of `fork` needs it. What lies
/// there already stays: zeros of an earlier fork, or what someone mapped in a process that knows nothing of the pages.
pub(crate) fn put_zeros(pages: NonNull<[u8]>) {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE; // older than secret memory
    // SAFETY: the new mapping replaces no other.
    let zeros = unsafe { rustix::mm::mmap_anonymous(address(pages), pages.len(), access, flags) };
    zeros.map(|_| ()).unwrap_or_default(); // without them, reading there faults
}

/// Calls `before` every `fork` of the C library, and after it `in_parent` or `in_child`, until the program ends. See
/// `pthread_atfork(3)`.
pub(crate) fn at_every_fork(
    before: extern "C" fn(),
    in_parent: extern "C" fn(),
    in_child: extern "C" fn(),
) -> Result<(), Error> {
    // SAFETY: the handlers stay valid for the life of the program and do what handlers may.
    match unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) } {
        0 => Ok(()),
        code => Err(Error::Os { call: "pthread_atfork", source: std::io::Error::from_raw_os_error(code) }),
    }
}

fn memfd_secret() -> Result<OwnedFd, Errno> {
    #[cfg(all(test, target_os = "linux"))]
    crate::faults::strike("memfd_secret")?;
    // SAFETY: the call takes one integer and touches no memory of this process.
    let file = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    match RawFd::try_from(file) {
        // SAFETY: a descriptor just opened, which no one else knows of.
        Ok(file) if file >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(file) }),
        _ => Err(last_error()),
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOSYS)
}

fn failed(call: &'static str) -> impl Fn(Errno) -> Error {
    move |error| Error::Os { call, source: error.into() }
}

fn address(pages: NonNull<[u8]>) -> *mut c_void {
    pages.cast::<c_void>().as_ptr()
}
