//! A kernel that has less than this one.

use std::error::Error;

/// Whether filters can be made for this processor.
pub(crate) const HAS_FILTERS: bool =
    cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"));

/// Lets `memfd_secret(2)` fail with `errno` in this process and all it starts from now on, as a kernel without it does with
/// `ENOSYS` (38), and a filter of system calls most often with `EPERM` (1).
///
/// # Errors
/// Where this system has no such filters.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
pub fn deny_secret_memory(errno: u32) -> Result<(), Box<dyn Error>> {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
    /// The number of `memfd_secret(2)`, the same on each of them.
    const MEMFD_SECRET: i64 = 447;
    let filter = SeccompFilter::new(
        std::collections::BTreeMap::from([(MEMFD_SECRET, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    Ok(apply_filter_all_threads(&program)?)
}

/// There is nothing that makes a filter for this processor.
///
/// # Errors
/// Always.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
pub fn deny_secret_memory(_errno: u32) -> Result<(), Box<dyn Error>> {
    Err("there are no filters of system calls for this processor".into())
}
