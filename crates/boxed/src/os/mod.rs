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

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "linux.rs")]
#[cfg_attr(all(unix, not(any(target_os = "linux", target_os = "android"))), path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(unix, windows)), path = "unsupported.rs")]
mod imp;

pub(crate) use imp::{
    NO_ACCESS_UNLOCKS, RamFile, at_every_fork, complain, exclude_from_dumps, forbid_merging, fork_token,
    lock, lock_limit, map_secret, move_over, page_size, protect, put_zeros, reserve, unmap, wipe_on_fork,
};
