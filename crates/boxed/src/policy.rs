//! What the process wants of its pages: set once, before first use, every default the strong one.

use crate::os;
use core::time::Duration;
use once_cell::race::OnceBox;

/// Set without a lock, which a child forked in the meantime would wait for.
static POLICY: OnceBox<Policy> = OnceBox::new();

/// Where pages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Backing {
    /// The strongest the system grants: [`SecretMem`](Self::SecretMem), or else [`Sodium`](Self::Sodium).
    /// [`Protection::secret_memory`](crate::Protection) says which it was.
    #[default]
    Auto,
    /// `sodium_malloc`: ordinary anonymous memory between guard pages.
    Sodium,
    /// `memfd_secret(2)`, Linux 5.14 and later: pages that the kernel takes out of its own map, so that it reads them for no
    /// one, not for a root debugger either. An error where the kernel does not grant them: it lacks the call, it was booted
    /// with `secretmem.enable=0`, or a filter of system calls forbids it. A system does not hibernate while there are any.
    SecretMem,
}

/// What to do when a page cannot be locked in RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lock {
    /// Refuse to keep a secret in it: an error, before the secret is stored.
    #[default]
    Require,
    /// Keep it all the same; [`Protection::locked`](crate::Protection) says that it is not locked.
    BestEffort,
}

/// What to do when the limit of lockable memory is reached and [`Lock::Require`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AtLimit {
    /// An error at once.
    #[default]
    Error,
    /// Wait, at most this long, for another thread to drop a secret; then an error. Operations of memories take no page of
    /// their own and open none while they wait. What a thread has beside them it keeps: secrets while it makes more, the
    /// payload that is to become a memory, the bytes read so far of a secret of unknown length, the key of an envelope while
    /// its secret is fetched or made. Two such threads may wait for each other, until their time is over.
    Wait(Duration),
}

/// What a forked child gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnFork {
    /// Zeros in place of the pages where the system can do that, and an error from every use of what its parent made.
    #[default]
    Wipe,
    /// A copy of every page, usable, for programs that fork once to become a daemon. The child locks a page again when
    /// it first uses it. Pages are then those of [`Backing::Sodium`]: secret memory cannot be copied. Fork while no other
    /// thread uses this library: its locks are inherited as they are.
    Inherit,
}

/// The process-wide choices, made once.
///
/// ```
/// use boxed::{AtLimit, Lock, Policy};
/// use std::time::Duration;
///
/// Policy::new().lock(Lock::Require).at_limit(AtLimit::Wait(Duration::from_secs(1))).install()?;
/// # Ok::<(), boxed::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Policy {
    backing: Backing,
    lock: Lock,
    at_limit: AtLimit,
    on_fork: OnFork,
    pool_bytes: Option<usize>,
}

/// Why a policy was not installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A policy was installed, or the first page made under the default one, before.
    #[error("the policy is already in use: install it before the first secret")]
    InUse,
    /// [`OnFork::Inherit`] with [`Backing::SecretMem`]: parent and child would write to the same pages.
    #[error(
        "a forked child cannot inherit secret memory: choose Backing::Auto or Backing::Sodium, or OnFork::Wipe"
    )]
    NotInherited,
}

/// Whether pages are to be secret memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretMemory {
    Never,
    WhereGranted,
    Always,
}

impl Policy {
    /// The default: strongest backing, locking required, an error at the limit, wiped on fork.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses where pages come from.
    #[must_use]
    pub fn backing(self, backing: Backing) -> Self {
        Self { backing, ..self }
    }

    /// Chooses what happens when a page cannot be locked.
    #[must_use]
    pub fn lock(self, lock: Lock) -> Self {
        Self { lock, ..self }
    }

    /// Chooses what happens when the limit of lockable memory is reached.
    #[must_use]
    pub fn at_limit(self, at_limit: AtLimit) -> Self {
        Self { at_limit, ..self }
    }

    /// Chooses what a forked child gets.
    #[must_use]
    pub fn on_fork(self, on_fork: OnFork) -> Self {
        Self { on_fork, ..self }
    }

    /// Bounds the pool of empty pages kept for reuse, in bytes; 0 keeps none.
    ///
    /// The default is a quarter of the limit of lockable memory, at most 4 MiB.
    #[must_use]
    pub fn pool_bytes(self, bytes: usize) -> Self {
        Self { pool_bytes: Some(bytes), ..self }
    }

    /// Makes this the policy of the process.
    ///
    /// # Errors
    /// [`PolicyError::InUse`] after a policy was installed or the first page made; [`PolicyError::NotInherited`].
    pub fn install(self) -> Result<(), PolicyError> {
        if self.backing == Backing::SecretMem && self.inherits() {
            return Err(PolicyError::NotInherited);
        }
        POLICY.set(Box::new(self)).map_err(|_| PolicyError::InUse)
    }

    /// The policy in force. The first call settles it.
    #[must_use]
    pub fn current() -> &'static Self {
        POLICY.get_or_init(Box::default)
    }

    pub(crate) fn secret_memory(&self) -> SecretMemory {
        match self.backing {
            Backing::Sodium => SecretMemory::Never,
            Backing::Auto if self.inherits() => SecretMemory::Never,
            Backing::Auto => SecretMemory::WhereGranted,
            Backing::SecretMem => SecretMemory::Always,
        }
    }

    pub(crate) fn requires_lock(&self) -> bool {
        self.lock == Lock::Require
    }

    pub(crate) fn patience(&self) -> Duration {
        match self.at_limit {
            AtLimit::Error => Duration::ZERO,
            AtLimit::Wait(duration) => duration,
        }
    }

    /// Whether a forked child may use what its parent made.
    #[must_use]
    pub fn inherits(&self) -> bool {
        self.on_fork == OnFork::Inherit
    }

    pub(crate) fn pool_bound(&self) -> usize {
        const MOST: usize = 4 << 20;
        self.pool_bytes.unwrap_or_else(|| match os::lock_limit() {
            Some(limit) => usize::try_from(limit / 4).unwrap_or(MOST).min(MOST),
            None => MOST,
        })
    }
}
