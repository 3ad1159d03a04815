//! What threads share state with, in one place: the models of `xtask/models` compile the sources that use it with loom's.

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicUsize, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::thread::yield_now;
pub(crate) use std::thread_local;
