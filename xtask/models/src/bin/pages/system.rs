//! What the pool's source asks of the rest of its crate: a system that lets one page be locked.

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const PAGE_BYTES: usize = 4096;

loom::lazy_static! {
    /// The kernel counts under a lock of its own: no order between threads comes from here.
    static ref LOCKED: AtomicUsize = AtomicUsize::new(0);
    /// One page, unless the model says otherwise.
    static ref LIMIT: AtomicUsize = AtomicUsize::new(PAGE_BYTES);
}

/// Lets so many pages be locked in this model.
pub(crate) fn allow(pages: usize) {
    LIMIT.store(pages * PAGE_BYTES, Relaxed);
}

/// How many bytes are locked.
pub(crate) fn locked() -> usize {
    LOCKED.load(Relaxed)
}

pub(crate) mod os {
    pub(crate) fn page_size() -> usize {
        super::PAGE_BYTES
    }
}

/// A policy that waits at the limit for as long as it takes.
pub(crate) struct Policy;

impl Policy {
    pub(crate) fn current() -> Self {
        Self
    }

    pub(crate) fn patience(&self) -> std::time::Duration {
        std::time::Duration::MAX
    }

    pub(crate) fn pool_bound(&self) -> usize {
        0
    }
}

pub(crate) mod process {
    pub(crate) use boxed::PerProcess;
}

pub(crate) mod backing {
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Kind {
        Any,
        Next,
    }

    pub(crate) enum RegionError {
        Unlockable(sodium::Error),
        Other(boxed::Error),
    }
}

pub(crate) mod region {
    use super::backing::{Kind, RegionError};
    use super::{LIMIT, LOCKED, PAGE_BYTES};
    use boxed::Error;
    use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};

    #[derive(Debug)]
    pub(crate) struct Region {
        bytes: usize,
        used: AtomicBool,
    }

    impl Region {
        pub(crate) fn new(pages: usize, _: Kind) -> Result<Self, RegionError> {
            // Page by page, as some kernels do: what is refused in the end has some of them for a moment.
            for had in 0..pages {
                let grown = |locked| Some(locked + PAGE_BYTES).filter(|now| *now <= LIMIT.load(Relaxed));
                if LOCKED.fetch_update(Relaxed, Relaxed, grown).is_err() {
                    LOCKED.fetch_sub(had * PAGE_BYTES, Relaxed);
                    return Err(RegionError::Unlockable(sodium::Error::Unavailable));
                }
            }
            Ok(Self { bytes: pages * PAGE_BYTES, used: AtomicBool::new(false) })
        }

        /// Panics where another thread has the region too, or what it did is not seen yet.
        pub(crate) fn use_alone(&self) {
            assert!(!self.used.load(Relaxed), "one region for two");
            self.used.store(true, Relaxed);
            loom::thread::yield_now();
            self.used.store(false, Relaxed);
        }

        pub(crate) fn claim(&self) -> Result<(), Error> {
            Ok(())
        }

        pub(crate) fn bytes(&self) -> usize {
            self.bytes
        }

        pub(crate) fn is_locked(&self) -> bool {
            true
        }
    }

    impl Drop for Region {
        fn drop(&mut self) {
            LOCKED.fetch_sub(self.bytes, Relaxed);
        }
    }

    pub(crate) fn lock_limit(needed: usize, locked: usize, source: sodium::Error) -> Error {
        Error::LockLimit { needed, locked, limit: None, source }
    }
}
