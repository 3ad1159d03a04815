//! System calls that fail on demand, for the tests of what happens then.

#[cfg(all(test, target_os = "linux"))]
mod tests;

use core::cell::Cell;
use std::io::{self, ErrorKind};

/// The system calls on a file and its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Find,
    Make,
    Close,
    Grow,
    Write,
    /// A write that fails when half of it has arrived.
    Tear,
    Read,
    Punch,
}

/// Which calls of this thread fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) call: Call,
    pub(crate) error: Failure,
    /// How many of them come through before.
    pub(crate) after: usize,
    /// Whether all that follow fail, or one alone.
    pub(crate) for_good: bool,
}

/// What a call says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Kind(ErrorKind),
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))] // the tests that use it are Linux's
    Code(i32),
}

thread_local! {
    static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

/// Runs `body` while every `call` of this thread fails.
pub(crate) fn during<R>(call: Call, kind: ErrorKind, body: impl FnOnce() -> R) -> R {
    let plan = Plan { call, error: Failure::Kind(kind), after: 0, for_good: true };
    under(plan, body).0
}

/// Runs `body` under `plan`, and says how often it made the call.
pub(crate) fn under<R>(plan: Plan, body: impl FnOnce() -> R) -> (R, usize) {
    SEEN.set(0);
    PLAN.set(Some(plan));
    let result = body();
    PLAN.set(None);
    (result, SEEN.get())
}

/// Called before each system call.
pub(crate) fn strike(call: Call) -> io::Result<()> {
    let Some(plan) = PLAN.get().filter(|plan| plan.call == call) else { return Ok(()) };
    let before = SEEN.replace(SEEN.get() + 1);
    if before == plan.after || plan.for_good && before > plan.after {
        return Err(match plan.error {
            Failure::Kind(kind) => kind.into(),
            Failure::Code(code) => io::Error::from_raw_os_error(code),
        });
    }
    Ok(())
}
