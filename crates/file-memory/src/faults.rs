//! System calls that fail on demand, for the tests of what happens then.

use core::cell::Cell;
use std::io::{self, ErrorKind};

/// The system calls on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Make,
    Grow,
    Write,
    Read,
    Punch,
}

thread_local! {
    static PLAN: Cell<Option<(Call, ErrorKind)>> = const { Cell::new(None) };
}

/// Runs `body` while every `call` of this thread fails.
pub(crate) fn during<R>(call: Call, kind: ErrorKind, body: impl FnOnce() -> R) -> R {
    PLAN.set(Some((call, kind)));
    let result = body();
    PLAN.set(None);
    result
}

pub(crate) fn strike(call: Call) -> io::Result<()> {
    match PLAN.get() {
        Some((planned, kind)) if planned == call => Err(kind.into()),
        _ => Ok(()),
    }
}
