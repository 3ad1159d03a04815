//! What was really got: the report on one secret, and on the process.

use crate::{os, pool};

/// The three states of a page, libsodium's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Prot {
    /// Any access faults.
    NoAccess = 0,
    /// Reads succeed, writes fault.
    ReadOnly = 1,
    /// Reads and writes succeed.
    ReadWrite = 2,
}

/// What a forked child finds in place of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForkBehaviour {
    /// Zeros: the kernel wipes the child's copy.
    Wiped,
    /// No page: the kernel leaves it out. After `fork` of the C library there are zeros in its place, after a bare
    /// `clone(2)` reading there faults.
    Absent,
    /// The bytes, which this library refuses to open there.
    Inherited,
    /// There is no fork on this system.
    NoFork,
}

/// How the bytes of one secret are kept while no one uses them.
///
/// It reports what the system granted, call by call, not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protection {
    /// Locked in RAM: never written to swap. Windows unlocks a page that no one may access, so there it is `false` at rest.
    pub locked: bool,
    /// Left out of core dumps.
    pub no_dump: bool,
    /// What a forked child finds.
    pub on_fork: ForkBehaviour,
    /// Taken out of the kernel's own map, so that not even a root debugger reads it.
    pub secret_memory: bool,
    /// Between two guard pages, with a canary before it.
    pub guard_pages: bool,
    /// Kept as ciphertext, so that whoever reads it has nothing; the fields above then speak of ciphertext.
    pub sealed: bool,
    /// Access of the process to the bytes at rest.
    pub at_rest: Prot,
}

impl Protection {
    /// The report on ciphertext in ordinary memory: it needs none of the other protections, and has none.
    #[must_use]
    pub const fn of_ciphertext() -> Self {
        Self {
            locked: false,
            no_dump: false,
            on_fork: ForkBehaviour::Inherited,
            secret_memory: false,
            guard_pages: false,
            sealed: true,
            at_rest: Prot::ReadWrite,
        }
    }
}

/// The guarded pages of this process, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The size of a page, in bytes.
    pub page_bytes: usize,
    /// Data pages that hold something: secrets, keys, work in progress.
    pub pages_in_use: usize,
    /// Empty data pages kept for reuse.
    pub pages_pooled: usize,
    /// Bytes of both that are locked in RAM; on Windows those that are locked while they can be accessed.
    pub bytes_locked: usize,
    /// How many bytes the process may lock; `None` where there is no limit, or the system tells none.
    pub lock_limit: Option<u64>,
}

/// Counts the guarded pages of this process. It settles no policy.
///
/// In a child that inherits ([`OnFork::Inherit`](crate::OnFork::Inherit)), a page counts as it did in its parent until it is
/// first used there.
#[must_use]
pub fn status() -> Status {
    let counts = pool::counts();
    Status {
        page_bytes: os::page_size(),
        pages_in_use: counts.in_use,
        pages_pooled: counts.pooled,
        bytes_locked: counts.bytes_locked,
        lock_limit: os::lock_limit(),
    }
}
