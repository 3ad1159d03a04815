//! A kernel that has less than this one.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
use std::collections::BTreeMap;
use std::error::Error;

/// The number of `memfd_secret(2)`, the same on every processor the filter knows.
const MEMFD_SECRET: i64 = 447;

/// Lets `memfd_secret(2)` fail with `errno` in this process and all it starts from now on, as a kernel without it does with
/// `ENOSYS` (38), and a filter of system calls most often with `EPERM` (1).
///
/// # Errors
/// Where this system has no such filters.
pub fn deny_secret_memory(errno: u32) -> Result<(), Box<dyn Error>> {
    let filter = SeccompFilter::new(
        BTreeMap::from([(MEMFD_SECRET, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    Ok(apply_filter_all_threads(&program)?)
}
