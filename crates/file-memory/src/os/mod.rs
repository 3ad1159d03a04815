//! What systems do differently: positioned reads and writes, holes, limits, and how a directory is recognised.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(unix, windows)), path = "unsupported.rs")]
mod this;

pub(crate) use this::{Id, identity, make_private, punch, read_exact_at, size_limit, write_all_at};

/// Whether this library makes holes in files here: elsewhere it overwrites.
#[cfg(test)]
pub(crate) const HAS_HOLES: bool = cfg!(any(target_os = "linux", target_os = "android"));
