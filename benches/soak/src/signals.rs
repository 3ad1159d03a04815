//! Signals whose handler does not let the system restart the call that it interrupts.

use crate::Result;
use libc::{c_int, c_void, siginfo_t};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use vmm_sys_util::signal::{Killable as _, SIGRTMIN, register_signal_handler};

static HANDLED: AtomicU64 = AtomicU64::new(0);

/// Sets the handler: without `SA_RESTART`, so that a call which can be interrupted ends with `EINTR`.
pub(crate) fn handle() -> Result {
    register_signal_handler(SIGRTMIN(), count)
        .map_err(|error| format!("cannot handle signals: {error}").into())
}

/// Sends one to a thread.
pub(crate) fn send<T>(thread: &JoinHandle<T>) -> Result {
    thread.kill(SIGRTMIN()).map_err(|error| format!("cannot signal a thread: {error}").into())
}

/// How many were handled.
pub(crate) fn handled() -> u64 {
    HANDLED.load(Ordering::Relaxed)
}

extern "C" fn count(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}
