//! Two numbers in place of the shards, of which the key is the sum.

use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sealing::Error;

const KEY: u64 = 77;

/// Every access is the weakest that loom knows: only the lock around it orders it.
pub(crate) struct Shards {
    left: AtomicU64,
    right: AtomicU64,
}

pub(crate) struct Joint {
    key: AtomicU64,
}

impl Joint {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { key: AtomicU64::new(0) })
    }

    pub(crate) fn is_the_key(&self) -> bool {
        self.key.load(Relaxed) == KEY
    }
}

impl Shards {
    pub(crate) fn of_a_random_key() -> Result<Self, Error> {
        Ok(Self { left: AtomicU64::new(70), right: AtomicU64::new(7) })
    }

    pub(crate) fn join(&self, joint: &mut Joint) -> Result<(), Error> {
        joint.key.store(self.left.load(Relaxed) + self.right.load(Relaxed), Relaxed);
        Ok(())
    }

    pub(crate) fn join_and_resplit(&mut self, joint: &mut Joint) -> Result<(), Error> {
        let (left, right) = (self.left.load(Relaxed), self.right.load(Relaxed));
        joint.key.store(left + right, Relaxed);
        self.left.store(right, Relaxed);
        loom::thread::yield_now();
        self.right.store(left, Relaxed);
        Ok(())
    }
}
