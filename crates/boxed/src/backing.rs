//! Where pages come from. Each backing is one variant of [`Source`]; everything above sees only a range of whole pages
//! between guard pages.
#![allow(unsafe_code)]

use crate::absent::Absent;
use crate::policy::SecretMemory;
use crate::protection::Prot;
use crate::reservation::{self, Reservation};
use crate::{Error, Policy, os, pool};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, ErrorKind};

/// What libsodium puts before the first byte it hands out, in bytes; it has been this since the first release.
const SODIUM_CANARY: usize = 16;

/// Where pages are to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Wherever there are any, used before or not.
    Any,
    /// New ones a random distance from where the system would put them next.
    Next,
    /// New ones at a random address, where the system has that; else as [`Next`](Self::Next).
    Random,
}

/// Why there are no new pages.
#[derive(Debug)]
pub(crate) enum RegionError {
    /// They could not be locked, and the policy requires it.
    Unlockable(sodium::Error),
    /// Anything else.
    Other(Error),
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
    /// An ordinary mapping of our own.
    Mapped(Reservation),
    /// Secret memory in a mapping of our own, which no child gets: forgotten there first, then unmapped.
    Secret(Absent, Reservation),
}

// SAFETY: the addresses are those of `memory`, which may go to another thread, and no one else has them.
unsafe impl Send for Source {}
// SAFETY: `&Source` allows nothing but system calls on the range, which the kernel serialises.
unsafe impl Sync for Source {}

impl Source {
    /// A run of `pages` data pages, of the kind of memory that the policy chooses.
    pub(crate) fn new(pages: usize, kind: Kind) -> Result<Self, RegionError> {
        match Policy::current().secret_memory() {
            SecretMemory::Never => {}
            SecretMemory::Always => return Self::secret(pages, kind),
            SecretMemory::WhereGranted => {
                if let Some(secret) = Self::secret_where_granted(pages, kind) {
                    return Ok(secret);
                }
            }
        }
        let made = match kind {
            Kind::Random if cfg!(any(unix, windows)) => Reservation::at_random(pages).and_then(Self::mapped),
            Kind::Next | Kind::Random => {
                // Dropped when libsodium has its pages. Where there are no addresses to spare, it takes the next.
                let _in_the_way = Reservation::new(reservation::random_distance());
                Self::sodium(pages)
            }
            Kind::Any => Self::sodium(pages),
        };
        made.map_err(RegionError::Other)
    }

    fn secret_where_granted(pages: usize, kind: Kind) -> Option<Self> {
        /// Whether the kernel said no for as long as this process runs.
        static REFUSED: AtomicBool = AtomicBool::new(false);
        if REFUSED.load(Ordering::Relaxed) {
            return None;
        }
        let refusal = match Self::secret(pages, kind) {
            Ok(secret) => return Some(secret),
            Err(RegionError::Other(error)) => error.os_error().map(io::Error::kind),
            Err(RegionError::Unlockable(_)) => None, // other pages may come free
        };
        let for_good = matches!(refusal, Some(ErrorKind::Unsupported | ErrorKind::PermissionDenied));
        REFUSED.fetch_or(for_good, Ordering::Relaxed);
        None
    }

    fn secret(pages: usize, kind: Kind) -> Result<Self, RegionError> {
        let reservation = match kind {
            Kind::Any => Reservation::new(pages),
            Kind::Next => Reservation::below(pages, reservation::random_distance()),
            Kind::Random => Reservation::at_random(pages),
        };
        let reservation = reservation.map_err(RegionError::Other)?;
        let reservation = reservation.fill_with_secret_memory().map_err(|source| match &source {
            // What `mmap` says of a mapping that is locked by nature, at the limit of lockable memory.
            sodium::Error::Os { source: error, .. } if error.kind() == ErrorKind::WouldBlock => {
                RegionError::Unlockable(source)
            }
            _ => RegionError::Other(Error::Refused { operation: "make secret memory", source }),
        })?;
        let pages = reservation.middle();
        Ok(Self { memory: Memory::Secret(Absent::new(pages), reservation), usable: pages, pages })
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
        if cfg!(unix) {
            close_guards(pages)?;
        }
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
            Memory::Mapped(reservation) | Memory::Secret(_, reservation) => reservation
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
            Memory::Secret(..) => Ok(()), // by nature
        }
    }

    /// Whether the kernel has no access to the pages either.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.memory, Memory::Secret(..))
    }

    /// Takes the pages away from the process and leaves their addresses to others.
    pub(crate) fn unmap(&self) -> io::Result<()> {
        if let Memory::Secret(absent, _) = &self.memory {
            absent.clear();
        }
        os::unmap(self.pages)
    }
}

/// Takes all access from the page on either side of `pages`. `sodium_malloc` did, or tried to: it does not look whether the
/// system refused.
fn close_guards(pages: NonNull<[u8]>) -> Result<(), Error> {
    let page = os::page_size();
    // SAFETY: libsodium's mapping begins two pages before.
    let before = unsafe { pages.cast::<u8>().sub(page) };
    // SAFETY: libsodium's mapping ends one page behind.
    let behind = unsafe { pages.cast::<u8>().add(pages.len()) };
    for guard in [before, behind] {
        os::protect(NonNull::slice_from_raw_parts(guard, page), Prot::NoAccess).map_err(|source| {
            let source = sodium::Error::Os { call: "mprotect", source };
            Error::Refused { operation: "close a guard page", source }
        })?;
    }
    Ok(())
}

/// Makes a page of secret memory, and gives it back.
pub(crate) fn probe_secret_memory() -> Result<(), Error> {
    match pool::aside(|| Source::secret(1, Kind::Any).map(drop)) {
        Ok(()) => Ok(()),
        Err(RegionError::Unlockable(source)) => {
            Err(Error::Refused { operation: "make secret memory", source })
        }
        Err(RegionError::Other(error)) => Err(error),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_probe_says_what_the_kernel_says() {
        // SAFETY: the call takes one integer and touches no memory of this process.
        let file = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
        let granted = file >= 0 && conformance::grants::Grant::Advice.is_there();
        assert_eq!(crate::secret_memory().is_ok(), granted);
        if let Ok(file) = i32::try_from(file)
            && file >= 0
        {
            // SAFETY: just opened, and no one else knows of it.
            unsafe { libc::close(file) };
        }
    }
}
