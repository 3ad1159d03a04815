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
pub fn deny_secret_memory(errno: u32) -> Result<(), Box<dyn Error>> {
    filter::deny_secret_memory(errno)
}

/// Lets every `mprotect(2)` of this thread that would give exactly `access` fail with `ENOMEM`, as that of a process with no
/// mapping left does: 0 is none, 3 to read and to write.
///
/// # Errors
/// Those of [`deny_secret_memory`].
pub fn deny_protection(access: u64) -> Result<(), Box<dyn Error>> {
    filter::deny_protection(access)
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod filter {
    use super::Error;
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, apply_filter, apply_filter_all_threads,
    };
    use std::collections::BTreeMap;

    /// The number of `memfd_secret(2)`, the same on each of these processors.
    const MEMFD_SECRET: i64 = 447;
    /// The number of `mprotect(2)`.
    const MPROTECT: i64 = if cfg!(target_arch = "x86_64") { 10 } else { 226 };

    pub(super) fn deny_secret_memory(errno: u32) -> Result<(), Box<dyn Error>> {
        Ok(apply_filter_all_threads(&denying(MEMFD_SECRET, Vec::new(), errno)?)?)
    }

    pub(super) fn deny_protection(access: u64) -> Result<(), Box<dyn Error>> {
        const ENOMEM: u32 = 12;
        let this_one = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, access)?;
        Ok(apply_filter(&denying(MPROTECT, vec![SeccompRule::new(vec![this_one])?], ENOMEM)?)?)
    }

    /// Lets a call fail, or if there are `rules` one that meets any of them.
    fn denying(call: i64, rules: Vec<SeccompRule>, errno: u32) -> Result<BpfProgram, Box<dyn Error>> {
        let filter = SeccompFilter::new(
            BTreeMap::from([(call, rules)]),
            SeccompAction::Allow,
            SeccompAction::Errno(errno),
            std::env::consts::ARCH.try_into()?,
        )?;
        Ok(filter.try_into()?)
    }
}

/// There is nothing that makes filters for this processor.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod filter {
    use super::Error;

    const NONE: &str = "there are no filters of system calls for this processor";

    pub(super) fn deny_secret_memory(_: u32) -> Result<(), Box<dyn Error>> {
        Err(NONE.into())
    }

    pub(super) fn deny_protection(_: u64) -> Result<(), Box<dyn Error>> {
        Err(NONE.into())
    }
}
