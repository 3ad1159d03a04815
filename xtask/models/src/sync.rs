//! loom's atomics and locks, as the library's crates name them.

/// loom's, which knows no constant initial values.
pub use crate::thread_local;
pub use loom::hint::spin_loop;
pub use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub use loom::sync::{Mutex, MutexGuard};
pub use loom::thread::yield_now;
/// loom has no weak references. Counting is not what the models are about: whatever a count guards is behind a lock.
pub use std::sync::{Arc, Weak};

#[macro_export]
macro_rules! thread_local {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = const { $value:expr };) => {
        loom::thread_local! { $(#[$attribute])* static $name: $type = $value; }
    };
}

use std::sync::LockResult;
use std::time::Duration;

/// A condition that nobody is ever too late for: time does not pass in a model, so a wakeup that is lost is a deadlock, which
/// loom finds.
#[derive(Debug)]
pub struct Condvar(loom::sync::Condvar);

/// What came of waiting.
pub struct WaitTimeoutResult;

impl WaitTimeoutResult {
    pub fn timed_out(&self) -> bool {
        false
    }
}

impl Condvar {
    #[expect(clippy::new_without_default, reason = "the standard library's is made like this")]
    pub fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }

    pub fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        _: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        while condition(&mut guard) {
            guard = self.0.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        Ok((guard, WaitTimeoutResult))
    }
}
