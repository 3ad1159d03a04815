//! The one way this library ends a process.

use crate::os;

/// What cannot be survived.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fatal {
    /// Something wrote before the first byte of a secret.
    Canary,
    /// A readable page can neither be closed, nor wiped, nor unmapped.
    Exposed,
}

/// Writes one line to standard error and aborts.
///
/// Memory is corrupt or a secret lies open: unwinding would run more code over it, and return to who did it.
pub(crate) fn abort(reason: Fatal) -> ! {
    let line: &[u8] = match reason {
        Fatal::Canary => {
            b"stronghold: the canary of a guarded page is damaged: something wrote before the start of a secret; aborting\n"
        }
        Fatal::Exposed => {
            b"stronghold: the page of a secret can neither be closed, wiped nor unmapped; aborting\n"
        }
    };
    os::complain(line);
    std::process::abort();
}
