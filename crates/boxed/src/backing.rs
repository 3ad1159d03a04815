//! Where pages come from. Each backing is one variant of [`Source`]; everything above sees only a range of whole pages
//! between guard pages.
#![allow(unsafe_code)]

use crate::protection::Prot;
use crate::{Error, os};
use core::ptr::NonNull;

/// What libsodium puts before the first byte it hands out, in bytes; it has been this since the first release.
const SODIUM_CANARY: usize = 16;

/// A run of pages between two guard pages, readable and writable when new.
#[derive(Debug)]
pub(crate) enum Source {
    /// `sodium_malloc`.
    Sodium(sodium::Guarded),
}

impl Source {
    /// A run of `pages` data pages.
    pub(crate) fn new(pages: usize) -> Result<Self, Error> {
        let bytes = pages.checked_mul(os::page_size()).and_then(|bytes| bytes.checked_sub(SODIUM_CANARY));
        let bytes = bytes.ok_or(Error::TooLarge { elements: pages, element_bytes: os::page_size() })?;
        let guarded = sodium::Guarded::new(bytes).map_err(|source| Error::Allocation { bytes, source })?;
        Ok(Self::Sodium(guarded))
    }

    /// The bytes from the first that is free to use to the guard page.
    pub(crate) fn usable(&self) -> NonNull<[u8]> {
        match self {
            Self::Sodium(guarded) => NonNull::slice_from_raw_parts(guarded.start(), guarded.len()),
        }
    }

    /// The data pages, whole.
    pub(crate) fn pages(&self) -> NonNull<[u8]> {
        let usable = self.usable();
        let start = usable.cast::<u8>();
        let before = start.addr().get() % os::page_size();
        // SAFETY: the page that `start` lies in is part of the same mapping from its first byte on.
        let page = unsafe { start.sub(before) };
        NonNull::slice_from_raw_parts(page, before + usable.len())
    }

    /// Changes the protection of the data pages: one system call.
    pub(crate) fn protect(&self, prot: Prot) -> Result<(), Error> {
        let refused =
            |source| Error::Refused { operation: "change the protection of a guarded page", source };
        match self {
            Self::Sodium(guarded) => {
                let access = match prot {
                    Prot::NoAccess => sodium::Access::None,
                    Prot::ReadOnly => sodium::Access::Read,
                    Prot::ReadWrite => sodium::Access::ReadWrite,
                };
                guarded.protect(access).map_err(refused)
            }
        }
    }

    /// Locks the data pages in RAM.
    pub(crate) fn lock(&self) -> Result<(), sodium::Error> {
        match self {
            Self::Sodium(guarded) => guarded.lock(),
        }
    }
}
