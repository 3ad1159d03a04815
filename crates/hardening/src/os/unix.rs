//! Unix systems other than Linux.

use crate::{Check, Outcome};

pub(crate) use super::posix::{forbid_core_dumps, kernel};

/// `PT_DENY_ATTACH`, see `ptrace(2)` of macOS.
#[cfg(target_os = "macos")]
pub(crate) fn forbid_debuggers() -> Outcome {
    match secmem_proc::components::disable_tracing_prctl() {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Refused(std::io::Error::other(error.to_string())),
    }
}

/// `PROC_TRACE_CTL`, see `procctl(2)` of FreeBSD: forbids core dumps too.
#[cfg(target_os = "freebsd")]
pub(crate) fn forbid_debuggers() -> Outcome {
    match rustix::process::set_dumpable_behavior(None, rustix::process::DumpableBehavior::NotDumpable) {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Refused(error.into()),
    }
}

#[cfg(not(any(target_os = "macos", target_os = "freebsd")))]
pub(crate) fn forbid_debuggers() -> Outcome {
    Outcome::NotOnThisSystem
}

pub(crate) fn exceeds_lock_limit() -> bool {
    false
}

pub(crate) fn examine() -> Vec<Check> {
    Vec::new()
}
