//! What systems do differently: positioned reads and writes, holes, limits, and how a directory is recognised.

#[cfg(unix)]
mod unix;
#[cfg(not(any(unix, windows)))]
mod unsupported;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as this;
#[cfg(not(any(unix, windows)))]
use unsupported as this;
#[cfg(windows)]
use windows as this;

pub(crate) use this::{Id, identity, make_private, punch, read_exact_at, size_limit, write_all_at};

/// Whether this library makes holes in files here: elsewhere it overwrites.
#[cfg(test)]
pub(crate) const HAS_HOLES: bool = cfg!(any(target_os = "linux", target_os = "android"));
