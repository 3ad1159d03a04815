//! Windows.

use crate::{Check, Outcome};

/// An access control list of the process that grants the same user next to nothing.
pub(crate) fn forbid_debuggers() -> Outcome {
    match secmem_proc::components::set_default_dacl_winapi() {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Refused(std::io::Error::other(error.to_string())),
    }
}

/// Dumps are made by another process, which the access control list keeps out.
pub(crate) fn forbid_core_dumps() -> Outcome {
    Outcome::NotOnThisSystem
}

pub(crate) fn kernel() -> String {
    "Windows".to_owned()
}

pub(crate) fn exceeds_lock_limit() -> bool {
    false
}

pub(crate) fn examine() -> Vec<Check> {
    Vec::new()
}
