//! A file that exists in RAM alone, see `memfd_create(2)`.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr::NonNull;
use rustix::fs::{MemfdFlags, Mode};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::io;
use std::os::fd::OwnedFd;

/// A nameless file in RAM: open in this process and the children it forks, closed on `exec`, and without permission for
/// anyone to open it again.
#[derive(Debug)]
pub(crate) struct RamFile(OwnedFd);

impl RamFile {
    /// A file of `bytes` zero bytes.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        super::posix::file_may_have(bytes)?;
        if !super::linux::advice_is_heeded() {
            return Err(io::ErrorKind::Unsupported.into()); // children would have the pages
        }
        #[cfg(all(test, target_os = "linux"))]
        crate::faults::strike("memfd_create")?;
        let file = rustix::fs::memfd_create("stronghold", MemfdFlags::CLOEXEC)?;
        rustix::fs::fchmod(&file, Mode::empty())?;
        #[cfg(all(test, target_os = "linux"))]
        crate::faults::strike("ftruncate")?;
        rustix::fs::ftruncate(&file, bytes as u64)?;
        Ok(Self(file))
    }

    /// Maps the file over `pages`, writable, shared with its readers, and absent in forked children.
    pub(crate) fn map(&self, pages: NonNull<[u8]>) -> io::Result<()> {
        let (start, access) = (pages.cast::<c_void>().as_ptr(), ProtFlags::READ | ProtFlags::WRITE);
        #[cfg(all(test, target_os = "linux"))]
        crate::faults::strike("mmap")?;
        // SAFETY: the caller reserved the pages, so that replacing what is mapped there disturbs no one.
        unsafe {
            rustix::mm::mmap(start, pages.len(), access, MapFlags::SHARED | MapFlags::FIXED, &self.0, 0)
        }?;
        #[cfg(all(test, target_os = "linux"))]
        crate::faults::strike("madvise")?;
        // SAFETY: the pages are those just mapped; the advice changes no byte of them.
        unsafe { rustix::mm::madvise(start, pages.len(), Advice::LinuxDontFork) }?;
        Ok(())
    }

    /// Lets the descriptor alone: it may be another file by now.
    pub(crate) fn leave_open(self) {
        core::mem::forget(self.0);
    }

    /// Reads from byte `at` of the file on: one system call.
    pub(crate) fn read(&self, bytes: &mut [u8], at: usize) -> io::Result<usize> {
        let read = || {
            #[cfg(all(test, target_os = "linux"))]
            crate::faults::strike("pread")?;
            rustix::io::pread(&self.0, &mut *bytes, at as u64)
        };
        Ok(rustix::io::retry_on_intr(read)?)
    }
}

#[cfg(test)]
impl std::os::fd::AsFd for RamFile {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}
