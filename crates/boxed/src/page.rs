//! A region in use: data flush with the guard page behind it, a canary right before it.
//!
//! ```text
//!  guard     |        canary  data|  guard
//!  no access | one or more pages  |  no access
//! ```
#![allow(unsafe_code)]

use crate::abort::{Fatal, abort};
use crate::pool::{self, CANARY_BYTES, Pool};
use crate::protection::{Prot, Protection};
use crate::region::Region;
use crate::spot::Spot;
use crate::{Error, os, size};
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{AtomicU8, Ordering};

/// `len` bytes of data. New, they are zeros and writable. Dropped, they are wiped and the region goes back to the pool.
#[derive(Debug)]
pub(crate) struct Page {
    region: ManuallyDrop<Region>,
    pool: &'static Pool,
    len: usize,
    /// Whether the region may serve others afterwards.
    pooled: bool,
    fate: AtomicU8,
}

/// The data is there.
const INTACT: u8 = 0;
/// The data was wiped because the page could not be closed.
const WIPED: u8 = 1;
/// The data pages were unmapped because they could not even be wiped.
const UNMAPPED: u8 = 2;

impl Page {
    /// `len` bytes, at least one, whose first is aligned for `align` if `len` is a multiple of it.
    pub(crate) fn new(len: usize, align: usize) -> Result<Self, Error> {
        Self::at(len, align, None)
    }

    /// The same in pages of their own at `spot`, which serve no one else before or after.
    pub(crate) fn at(len: usize, align: usize, spot: Option<&Spot>) -> Result<Self, Error> {
        let page = os::page_size();
        if len == 0 {
            return Err(Error::ZeroSize);
        }
        if align > page {
            return Err(Error::Alignment { align, page });
        }
        // Our canary and libsodium's fit in front of the data.
        let pages = len.checked_add(2 * CANARY_BYTES).map(|needed| needed.div_ceil(page));
        let pages = pages.filter(|pages| size::fits_a_slice(*pages));
        let pages = pages.ok_or(Error::TooLarge { elements: len, element_bytes: 1 })?;
        let pool = pool::current();
        let drawn = NonNull::from(pool.canary()?).cast::<u8>();
        let region = match spot {
            None => pool.take(pages)?,
            Some(spot) => spot.take(pool, pages)?,
        };
        let region = ManuallyDrop::new(region);
        let page = Self { region, pool, len, pooled: spot.is_none(), fate: AtomicU8::new(INTACT) };
        let canary = page.canary();
        // SAFETY: 16 bytes of the region that lie right before the data, writable now and known to no one else.
        unsafe { canary.copy_from_nonoverlapping(drawn, CANARY_BYTES) };
        Ok(page)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first byte of the data.
    #[inline]
    pub(crate) fn data(&self) -> NonNull<u8> {
        let usable = self.region.usable();
        // SAFETY: `new` took a region whose usable part is at least `len` and a canary long.
        unsafe { usable.cast::<u8>().add(usable.len() - self.len) }
    }

    fn canary(&self) -> NonNull<u8> {
        // SAFETY: `new` took a region whose usable part holds a canary before the data.
        unsafe { self.data().sub(CANARY_BYTES) }
    }

    /// Refuses a page of the parent process, and one whose content is lost.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.claim()?;
        self.check_content()
    }

    /// Refuses a page of the parent process. One that cannot be closed again after it was adopted is destroyed.
    #[inline]
    pub(crate) fn claim(&self) -> Result<(), Error> {
        if self.region.is_claimed() {
            return Ok(());
        }
        self.claim_anew()
    }

    #[cold]
    fn claim_anew(&self) -> Result<(), Error> {
        self.check_content()?; // an unmapped page may be a stranger's by now
        let before = self.prot();
        self.region.claim().inspect_err(|_| {
            if self.prot() != before {
                self.close();
            }
        })
    }

    /// Refuses a page whose content is lost.
    pub(crate) fn check_content(&self) -> Result<(), Error> {
        if self.fate.load(Ordering::Relaxed) == INTACT { Ok(()) } else { Err(Error::Lost) }
    }

    #[inline]
    pub(crate) fn is_foreign(&self) -> bool {
        self.region.is_foreign()
    }

    pub(crate) fn prot(&self) -> Prot {
        self.region.prot()
    }

    pub(crate) fn protection(&self) -> Protection {
        self.region.protection()
    }

    /// Changes the protection. Callers make sure that no reference into the data outlives the access it needs.
    #[inline]
    pub(crate) fn protect(&self, prot: Prot) -> Result<(), Error> {
        self.region.protect(prot)
    }

    /// Closes the page after a borrow, at any price: where the system refuses, the data is destroyed rather than left
    /// readable, and [`check`](Self::check) says so from then on.
    #[inline]
    pub(crate) fn close(&self) {
        if self.region.protect(Prot::NoAccess).is_ok() {
            return;
        }
        if self.region.protect(Prot::ReadWrite).is_ok() {
            self.wipe();
            self.fate.store(WIPED, Ordering::Relaxed);
        } else if self.region.unmap().is_ok() {
            self.fate.store(UNMAPPED, Ordering::Relaxed);
        } else {
            abort(Fatal::Exposed);
        }
    }

    /// Zeros canary and data; the page must be writable and not borrowed.
    fn wipe(&self) {
        // SAFETY: canary and data are one range of the region, writable as the callers made sure, without references.
        sodium::memzero(unsafe {
            slice::from_raw_parts_mut(self.canary().as_ptr(), CANARY_BYTES + self.len)
        });
    }

    fn canary_is_whole(&self) -> bool {
        // SAFETY: the canary is part of the region, readable as the caller made sure, and no one writes to it.
        let canary = unsafe { self.canary().cast::<[u8; CANARY_BYTES]>().read() };
        self.pool.canary().is_ok_and(|drawn| *drawn == canary)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.is_foreign() {
            return; // the parent's: the child's copy of the mapping stays as the kernel left it
        }
        let mut fate = self.fate.load(Ordering::Relaxed);
        if fate != UNMAPPED && self.region.protect(Prot::ReadWrite).is_err() {
            if self.region.unmap().is_err() {
                abort(Fatal::Exposed);
            }
            fate = UNMAPPED;
        }
        if fate == INTACT && !self.canary_is_whole() {
            abort(Fatal::Canary);
        }
        if fate == INTACT {
            self.wipe();
        }
        // SAFETY: the region is not used again: this is the drop.
        let region = unsafe { ManuallyDrop::take(&mut self.region) };
        if fate == UNMAPPED {
            self.pool.lose(region);
        } else if self.pooled {
            self.pool.put(region);
        } else {
            self.pool.discard(region);
        }
    }
}
