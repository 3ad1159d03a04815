//! Systems that offer none of it.

use crate::{Check, Outcome};

pub(crate) fn forbid_debuggers() -> Outcome {
    Outcome::NotOnThisSystem
}

pub(crate) fn forbid_core_dumps() -> Outcome {
    Outcome::NotOnThisSystem
}

pub(crate) fn kernel() -> String {
    std::env::consts::OS.to_owned()
}

pub(crate) fn exceeds_lock_limit() -> bool {
    false
}

pub(crate) fn examine() -> Vec<Check> {
    Vec::new()
}
