//! Unix: `pread`, `pwrite`, and `fallocate` where the system is Linux.

use std::fs::{File, Permissions, metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Device and inode.
pub(crate) type Id = (u64, u64);

/// What tells a directory from all others, by whatever path it is reached. One system call.
pub(crate) fn identity(directory: &Path) -> io::Result<Id> {
    let metadata = metadata(directory)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Takes the file away from other users.
pub(crate) fn make_private(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))
}

pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(bytes, offset)
}

pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Turns `len` bytes from `offset` into a hole: they read as zeros, and whole blocks go back to the file system.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn punch(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::io::retry_on_intr(|| fallocate(file, flags, offset, len))?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn punch(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How long a file of this process may become. A write beyond would end the process with `SIGXFSZ`.
pub(crate) fn size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}
