//! What threads share state with, in one place: the models of `xtask/models` compile the sources that use it with loom's.

pub(crate) use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};
