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

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(unix)]
mod posix;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
mod unix;
#[cfg(not(any(unix, windows)))]
mod unsupported;
#[cfg(windows)]
mod windows;

#[cfg(any(target_os = "linux", target_os = "android"))]
use linux as this;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
use unix as this;
#[cfg(not(any(unix, windows)))]
use unsupported as this;
#[cfg(windows)]
use windows as this;

pub(crate) use this::{examine, exceeds_lock_limit, forbid_core_dumps, forbid_debuggers, kernel};
