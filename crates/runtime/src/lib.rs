//! The Stronghold runtime: keeps secrets safe inside a running process.
//!
//! This crate is the facade: the paths that users import, over one crate for each layer.
//!
//! | here | what | crate |
//! |---|---|---|
//! | [`memories::ram_memory::RamMemory`] | sealed bytes on the heap, or a guarded page | `stronghold-ram-memory` |
//! | [`memories::file_memory::FileMemory`] | sealed bytes in a file without a name | `stronghold-file-memory` |
//! | [`memories::noncontiguous_memory::NonContiguousMemory`] | two shards in two places | `stronghold-noncontiguous-memory` |
//! | [`memories::frag::Frag`] | plain values at random addresses | `stronghold-noncontiguous-memory` |
//! | [`memories::buffer::Buffer`] | a clear secret that lives briefly | `stronghold-locked-memory` |
//! | [`locked_memory::LockedMemory`] | what every memory can do | `stronghold-locked-memory` |
//! | [`envelope`] | the sealed form for storage: export, import | `stronghold-envelope` |
//! | [`harden_process()`], [`doctor()`] | closes the process to debuggers, looks at the machine | `stronghold-hardening` |
//! | [`Session`] | one joining of the root key for a batch of operations | `stronghold-sealing` |
//! | [`Boxed`], [`Policy`], [`Protection`], [`status()`] | guarded pages | `stronghold-boxed` |
#![forbid(unsafe_code)]

pub mod utils;

pub use ::locked_memory::{DEBUG_MSG, MemoryError, ZeroizeOnDrop};
pub use boxed::{
    AtLimit, Backing, Boxed, Bytes, ForkBehaviour, Lock, OnFork, Policy, PolicyError, Prot, Protection,
    Status, status,
};
pub use envelope;
pub use hardening::{self, doctor, harden_process};
pub use sealing::{Session, resplit};
pub use thiserror::Error as DeriveError;

/// The trait of every memory.
pub mod locked_memory {
    pub use ::locked_memory::LockedMemory;
}

/// Every kind of memory.
pub mod memories {
    /// Clear secrets that live briefly.
    pub mod buffer {
        pub use ::locked_memory::{Buffer, Ref, RefMut};
    }

    /// Secrets sealed in a file without a name.
    pub mod file_memory {
        pub use ::file_memory::FileMemory;
    }

    /// Plain values at random addresses, far from each other.
    pub mod frag {
        pub use ::noncontiguous_memory::frag::{
            Alloc, FRAG_MIN_DISTANCE, Frag, FragConfig, FragStrategy, round_up,
        };
    }

    /// Secrets as two shards in two places.
    pub mod noncontiguous_memory {
        pub use ::noncontiguous_memory::{
            NC_CONFIGURATION, NC_DATA_SIZE, NCConfig, NonContiguousMemory, Refresher, Round,
        };
    }

    /// Secrets sealed in memory.
    pub mod ram_memory {
        pub use ::ram_memory::RamMemory;
    }
}

/// The code of the workspace's README, compiled and run.
#[cfg(all(doctest, feature = "serde"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
