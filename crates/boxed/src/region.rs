//! A run of pages and what the system granted for it.
#![allow(unsafe_code)]

use crate::backing::{Kind, RegionError, Source};
use crate::protection::{ForkBehaviour, Prot, Protection};
use crate::{Error, Policy, os, pool, process};
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A run of guarded pages. New, it is writable and all zeros.
#[derive(Debug)]
pub(crate) struct Region {
    source: Source,
    /// The protection last set, as [`Prot`].
    prot: AtomicU8,
    /// The process that made, or under [`OnFork::Inherit`](crate::OnFork::Inherit) adopted, the region.
    generation: AtomicU64,
    locked: AtomicBool,
    /// Whether the last lock that was lost with all access was had again with access.
    relocked: AtomicBool,
    no_dump: bool,
    on_fork: ForkBehaviour,
}

impl Region {
    /// Makes a region of `pages` data pages under the policy in force.
    pub(crate) fn new(pages: usize, kind: Kind) -> Result<Self, RegionError> {
        let policy = Policy::current();
        let source = Source::new(pages, kind)?;
        // `sodium_malloc` locks too and ignores a failure; the kernel counts a page locked twice once.
        let locked = match source.lock() {
            Ok(()) => true,
            Err(source) if policy.requires_lock() => return Err(RegionError::Unlockable(source)),
            Err(_) => false,
        };
        let range = source.pages();
        let no_dump = os::exclude_from_dumps(range).is_ok();
        let on_fork = match policy.inherits() {
            _ if source.is_secret() => ForkBehaviour::Absent,
            false if cfg!(windows) => ForkBehaviour::NoFork,
            false if os::wipe_on_fork(range).is_ok() => ForkBehaviour::Wiped,
            _ => ForkBehaviour::Inherited,
        };
        os::forbid_merging(range);
        let mut usable = source.usable();
        // SAFETY: a new region is writable, and no one else knows of it.
        sodium::memzero(unsafe { usable.as_mut() });
        Ok(Self {
            source,
            prot: AtomicU8::new(Prot::ReadWrite as u8),
            generation: AtomicU64::new(process::generation()),
            locked: AtomicBool::new(locked),
            relocked: AtomicBool::new(true),
            no_dump,
            on_fork,
        })
    }

    /// The bytes free to use, flush with the guard page behind them.
    #[inline]
    pub(crate) fn usable(&self) -> NonNull<[u8]> {
        self.source.usable()
    }

    /// The addresses of the data pages.
    pub(crate) fn span(&self) -> Range<usize> {
        let pages = self.source.pages();
        pages.addr().get()..pages.addr().get() + pages.len()
    }

    /// The size of the data pages, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.source.pages().len()
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }

    /// Whether the region is this process's, made or adopted here.
    #[inline]
    pub(crate) fn is_claimed(&self) -> bool {
        // Acquire pairs with the Release of the adoption: whoever sees it made sees the protection that it left.
        self.generation.load(Ordering::Acquire) == process::generation()
    }

    /// Refuses a region of the parent process, or adopts it where the policy says so.
    #[inline]
    pub(crate) fn claim(&self) -> Result<(), Error> {
        if self.is_claimed() { Ok(()) } else { self.adopt() }
    }

    #[cold]
    fn adopt(&self) -> Result<(), Error> {
        /// Adoption changes protections back and forth. No thread held it across the fork: that is what a policy that
        /// inherits asks for.
        static ADOPTION: Mutex<()> = Mutex::new(());
        let policy = Policy::current();
        if !policy.inherits() {
            return Err(Error::Forked);
        }
        let _adoption = ADOPTION.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_claimed() {
            return Ok(()); // by another thread meanwhile
        }
        // A child does not inherit memory locks, see `mlock(2)`.
        let prot = self.prot();
        // Pages that no one can access cannot be locked either.
        self.protect(Prot::ReadWrite)?;
        let locked = self.source.lock();
        self.protect(prot)?;
        if let Err(source) = locked {
            if self.locked.swap(false, Ordering::Relaxed) {
                pool::current().count_unlocked(self.bytes());
            }
            if policy.requires_lock() {
                return Err(lock_limit(self.bytes(), 0, source));
            }
        }
        self.generation.store(process::generation(), Ordering::Release);
        Ok(())
    }

    /// Whether the region belongs to the parent of this process and is not to be touched here.
    #[inline]
    pub(crate) fn is_foreign(&self) -> bool {
        self.generation.load(Ordering::Relaxed) != process::generation() && !Policy::current().inherits()
    }

    #[inline]
    pub(crate) fn prot(&self) -> Prot {
        match self.prot.load(Ordering::Relaxed) {
            0 => Prot::NoAccess,
            1 => Prot::ReadOnly,
            _ => Prot::ReadWrite,
        }
    }

    /// Changes the protection: one system call, none where nothing changes, and one more where the lock was lost meanwhile.
    /// Callers order their calls among themselves.
    #[inline]
    pub(crate) fn protect(&self, prot: Prot) -> Result<(), Error> {
        let before = self.prot();
        if before == prot {
            return Ok(());
        }
        self.source.protect(prot)?;
        self.prot.store(prot as u8, Ordering::Relaxed);
        if os::NO_ACCESS_UNLOCKS && before == Prot::NoAccess && self.is_locked() {
            // Where it is refused the report says so: the page has been without a lock already.
            self.relocked.store(self.source.lock().is_ok(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Takes the data pages away from the process and leaves their addresses to others. The kernel wipes the memory before
    /// it serves anyone else.
    pub(crate) fn unmap(&self) -> Result<(), std::io::Error> {
        self.source.unmap()
    }

    pub(crate) fn protection(&self) -> Protection {
        let keeps_lock =
            !os::NO_ACCESS_UNLOCKS || self.prot() != Prot::NoAccess && self.relocked.load(Ordering::Relaxed);
        Protection {
            locked: self.is_locked() && self.is_claimed() && keeps_lock,
            no_dump: self.no_dump,
            on_fork: self.on_fork,
            secret_memory: self.source.is_secret(),
            guard_pages: true,
            sealed: false,
            at_rest: self.prot(),
        }
    }
}

/// The error of a lock that failed while `locked` bytes were locked.
pub(crate) fn lock_limit(needed: usize, locked: usize, source: sodium::Error) -> Error {
    Error::LockLimit { needed, locked, limit: os::lock_limit(), source }
}
