//! What every Unix shares.

use crate::Outcome;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::ErrorKind;

const NONE: Rlimit = Rlimit { current: Some(0), maximum: Some(0) };

/// `setrlimit(2)` of `RLIMIT_CORE`, soft and hard.
pub(crate) fn forbid_core_dumps() -> Outcome {
    if getrlimit(Resource::Core) == NONE {
        return Outcome::AlreadySo;
    }
    match setrlimit(Resource::Core, NONE) {
        Ok(()) if getrlimit(Resource::Core) != NONE => Outcome::Refused(ErrorKind::Unsupported.into()),
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Refused(error.into()),
    }
}

/// `uname(2)`.
pub(crate) fn kernel() -> String {
    let system = rustix::system::uname();
    [system.sysname(), system.release(), system.machine()].map(|part| part.to_string_lossy()).join(" ")
}
