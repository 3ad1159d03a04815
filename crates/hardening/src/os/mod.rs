//! What the operating system is asked, one file per family; no caller ever sees a `cfg`.
//!
//! A file that is picked here offers:
//!
//! | function | what it does |
//! |---|---|
//! | `forbid_debuggers` | closes this process to debuggers of the same user |
//! | `forbid_core_dumps` | limits core dumps to zero bytes |
//! | `kernel` | name and release of the system |
//! | `exceeds_lock_limit` | whether this process may lock more than its limit |
//! | `examine` | looks at what only this family of systems has |

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "linux.rs")]
#[cfg_attr(all(unix, not(any(target_os = "linux", target_os = "android"))), path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(unix, windows)), path = "unsupported.rs")]
mod imp;

pub(crate) use imp::{examine, exceeds_lock_limit, forbid_core_dumps, forbid_debuggers, kernel};
