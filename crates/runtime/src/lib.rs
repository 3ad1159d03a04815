//! The Stronghold runtime: keeps secrets safe inside a running process.
//!
//! This crate is the facade: the paths that users import, over one crate for each layer.
//!
//! | here | what | crate |
//! |---|---|---|
//! | [`memories::ram_memory::RamMemory`] | sealed bytes on the heap, or a guarded page | `stronghold-ram-memory` |
//! | [`memories::buffer::Buffer`] | a clear secret that lives briefly | `stronghold-locked-memory` |
//! | [`locked_memory::LockedMemory`] | what every memory can do | `stronghold-locked-memory` |
//! | [`Session`] | one joining of the root key for a batch of operations | `stronghold-sealing` |
//! | [`Boxed`], [`Policy`], [`Protection`], [`status()`] | guarded pages | `stronghold-boxed` |
#![forbid(unsafe_code)]

pub mod utils;

pub use ::locked_memory::{DEBUG_MSG, MemoryError, ZeroizeOnDrop};
pub use boxed::{
    AtLimit, Backing, Boxed, Bytes, ForkBehaviour, Lock, OnFork, Policy, PolicyInUse, Prot, Protection,
    Status, status,
};
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

    /// Secrets sealed in memory.
    pub mod ram_memory {
        pub use ::ram_memory::RamMemory;
    }
}

/// The code of the workspace's README, compiled and run.
#[cfg(all(doctest, feature = "serde"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
