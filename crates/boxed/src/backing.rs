//! Where pages come from. Each backing is one variant of [`Source`]; everything above sees only a range of whole pages
//! between guard pages.
#![allow(unsafe_code)]

use crate::protection::Prot;
use crate::reservation::Reservation;
use crate::{Error, os};
use core::ptr::NonNull;

/// What libsodium puts before the first byte it hands out, in bytes; it has been this since the first release.
const SODIUM_CANARY: usize = 16;

/// Which source is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The one that the policy chooses, at whatever address.
    Any,
    /// Pages mapped at a random address, where the system has that; else as [`Sodium`](Self::Sodium).
    Random,
    /// libsodium's allocator, whatever the policy.
    Sodium,
}

/// A run of pages between two guard pages, readable and writable when new.
#[derive(Debug)]
pub(crate) struct Source {
    memory: Memory,
    usable: NonNull<[u8]>,
    pages: NonNull<[u8]>,
}

/// Who owns the pages and gives them back when dropped.
#[derive(Debug)]
enum Memory {
    /// `sodium_malloc`.
    Sodium(sodium::Guarded),
    /// A mapping of our own.
    Mapped(Reservation),
}

// SAFETY: the addresses are those of `memory`, which may go to another thread, and no one else has them.
unsafe impl Send for Source {}
// SAFETY: `&Source` allows nothing but system calls on the range, which the kernel serialises.
unsafe impl Sync for Source {}

impl Source {
    /// A run of `pages` data pages.
    pub(crate) fn new(pages: usize, kind: Kind) -> Result<Self, Error> {
        match kind {
            Kind::Random if cfg!(unix) => Self::mapped(Reservation::at_random(pages)?),
            Kind::Any | Kind::Random | Kind::Sodium => Self::sodium(pages),
        }
    }

    fn mapped(reservation: Reservation) -> Result<Self, Error> {
        let pages = reservation.middle();
        let mapped = Self { memory: Memory::Mapped(reservation), usable: pages, pages };
        mapped.protect(Prot::ReadWrite)?;
        Ok(mapped)
    }

    fn sodium(pages: usize) -> Result<Self, Error> {
        let bytes = pages.checked_mul(os::page_size()).and_then(|bytes| bytes.checked_sub(SODIUM_CANARY));
        let bytes = bytes.ok_or(Error::TooLarge { elements: pages, element_bytes: os::page_size() })?;
        let guarded = sodium::Guarded::new(bytes).map_err(|source| Error::Allocation { bytes, source })?;
        let usable = NonNull::slice_from_raw_parts(guarded.start(), guarded.len());
        let before = guarded.start().addr().get() % os::page_size();
        // SAFETY: the page that the allocation starts in is part of the same mapping from its first byte on.
        let page = unsafe { guarded.start().sub(before) };
        let pages = NonNull::slice_from_raw_parts(page, before + guarded.len());
        Ok(Self { memory: Memory::Sodium(guarded), usable, pages })
    }

    /// The bytes from the first that is free to use to the guard page.
    #[inline]
    pub(crate) fn usable(&self) -> NonNull<[u8]> {
        self.usable
    }

    /// The data pages, whole.
    #[inline]
    pub(crate) fn pages(&self) -> NonNull<[u8]> {
        self.pages
    }

    /// Changes the protection of the data pages: one system call.
    #[inline]
    pub(crate) fn protect(&self, prot: Prot) -> Result<(), Error> {
        let refused =
            |source| Error::Refused { operation: "change the protection of a guarded page", source };
        match &self.memory {
            // `mprotect` as libsodium calls it, but for the look-up of the range, which touches one more page.
            _ if cfg!(unix) => os::protect(self.pages, prot)
                .map_err(|source| refused(sodium::Error::Os { call: "mprotect", source })),
            Memory::Sodium(guarded) => {
                let access = match prot {
                    Prot::NoAccess => sodium::Access::None,
                    Prot::ReadOnly => sodium::Access::Read,
                    Prot::ReadWrite => sodium::Access::ReadWrite,
                };
                guarded.protect(access).map_err(refused)
            }
            Memory::Mapped(reservation) => reservation
                .protect(prot)
                .map_err(|source| refused(sodium::Error::Os { call: "mprotect", source })),
        }
    }

    /// Locks the data pages in RAM.
    pub(crate) fn lock(&self) -> Result<(), sodium::Error> {
        match &self.memory {
            Memory::Sodium(guarded) => guarded.lock(),
            Memory::Mapped(reservation) => {
                reservation.lock().map_err(|source| sodium::Error::Os { call: "mlock", source })
            }
        }
    }
}
