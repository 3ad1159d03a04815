//! What a process can do for itself.

use crate::os;
use std::fmt;
use std::io;

/// What became of one measure.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It is in force.
    Done,
    /// It was in force already.
    AlreadySo,
    /// The system refused it, with its error.
    Refused(io::Error),
    /// This system has no such measure.
    NotOnThisSystem,
}

impl Outcome {
    /// Whether the measure is in force now.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        matches!(self, Self::Done | Self::AlreadySo)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::AlreadySo => f.write_str("already so"),
            Self::Refused(error) => write!(f, "REFUSED: {error}"),
            Self::NotOnThisSystem => f.write_str("not on this system"),
        }
    }
}

/// What became of each measure of [`harden_process`].
#[derive(Debug)]
#[must_use = "a measure may have been refused"]
#[non_exhaustive]
pub struct Hardening {
    /// No other process of the same user attaches a debugger or reads the memory of this one. On Linux it is not dumpable,
    /// which forbids core dumps as well (`PR_SET_DUMPABLE`, see `prctl(2)`).
    pub no_debugger: Outcome,
    /// Core dumps are limited to zero bytes, for good (`RLIMIT_CORE`, see `getrlimit(2)`). A kernel that hands them to another
    /// program does not heed that limit; on Linux the other measure covers it.
    pub no_core_dump: Outcome,
}

impl Hardening {
    /// Whether every measure is in force.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.no_debugger.is_in_force() && self.no_core_dump.is_in_force()
    }
}

impl fmt::Display for Hardening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "no debugger of the same user: {}", self.no_debugger)?;
        write!(f, "no core dump: {}", self.no_core_dump)
    }
}

/// Closes this process to debuggers of the same user and to core dumps. It takes every measure that it can, and reports each.
///
/// Call it first, before there are secrets and other threads. It cannot be undone: the process and the children it forks can
/// no longer be debugged, nor profiled by tools that attach. On Linux the files below `/proc/self` then belong to root, so that
/// an ordinary user's process may not open some of them any more. On Windows every right but to query limited information, to
/// terminate and to wait is taken from other processes of the same user.
pub fn harden_process() -> Hardening {
    Hardening { no_debugger: os::forbid_debuggers(), no_core_dump: os::forbid_core_dumps() }
}
