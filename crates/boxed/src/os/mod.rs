//! What the operating system is asked for beyond libsodium, one file per family; no caller ever sees a `cfg`.
//!
//! A file that is picked here offers:
//!
//! | function | what it does |
//! |---|---|
//! | `page_size` | the size of a page, in bytes |
//! | `exclude_from_dumps` | keeps pages out of core dumps |
//! | `wipe_on_fork` | lets a forked child see zeros in place of the pages |
//! | `forbid_merging` | keeps pages away from same-page merging |
//! | `lock_limit` | how many bytes this process may lock; `None` is no limit, or none that the system tells |
//! | `fork_token` | a word that reads zero in a forked child |
//! | `unmap` | takes pages away when their protection cannot be changed any more |
//! | `reserve` | sets address space aside, without access, at or near an address if there is one to wish for |
//! | `protect` | changes the protection of reserved pages |
//! | `NO_ACCESS_UNLOCKS` | whether a page that loses all access loses its lock |
//! | `lock` | locks reserved pages in RAM |
//! | `RamFile` | a file in RAM alone, which is read without being mapped readable |
//! | `map_secret` | makes pages that the kernel takes out of its own map |
//! | `move_over` | puts those in place of reserved pages |
//! | `put_zeros` | puts zeros where a forked child lacks pages |
//! | `at_every_fork` | calls functions before and after every fork |
//! | `complain` | writes a line to standard error without a lock |

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(target_os = "linux")]
mod memfd;
#[cfg(not(target_os = "linux"))]
mod no_memfd;
#[cfg(not(target_os = "linux"))]
mod no_secret;
#[cfg(unix)]
mod posix;
#[cfg(target_os = "linux")]
mod secret;
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

pub(crate) use this::{
    NO_ACCESS_UNLOCKS, complain, exclude_from_dumps, forbid_merging, fork_token, lock, lock_limit, page_size,
    protect, reserve, unmap, wipe_on_fork,
};

// An Android app's filter of system calls ends a program that makes one it does not know, and the libraries for Android lack
// what secret memory takes: both shards of the root key lie in one guarded range there.
#[cfg(target_os = "linux")]
pub(crate) use {
    memfd::RamFile,
    secret::{at_every_fork, map_secret, move_over, put_zeros},
};
#[cfg(not(target_os = "linux"))]
pub(crate) use {
    no_memfd::RamFile,
    no_secret::{at_every_fork, map_secret, move_over, put_zeros},
};
