//! What the tests of every crate share; a development dependency only.
//!
//! * [`child`]: runs the body of a test in a process of its own and looks at how that ended.
//! * [`forked`]: runs the body of a test in a forked child.
//! * [`grants`]: what the system can show to tests.
//! * `kernel`: lets the kernel refuse what it could grant.
//! * [`mod@laws`]: what every memory does, whatever it is made of.
//! * `patience`: waits at the limit of lockable memory.
//! * [`properties`]: what holds for every sequence of operations.
//! * `scan`: counts what the memory of another process holds of a secret.
//! * [`stages`]: holds a secret through named stages while another process counts its copies.
#![forbid(unsafe_code)]

pub mod child;
#[cfg(unix)]
pub mod forked;
pub mod grants;
#[cfg(target_os = "linux")]
#[cfg_attr(target_endian = "big", path = "no_filters.rs")]
pub mod kernel;
pub mod laws;
#[cfg(target_os = "linux")]
pub mod patience;
pub mod properties;
#[cfg(target_os = "linux")]
pub mod scan;
#[cfg(target_os = "linux")]
pub mod stages;
