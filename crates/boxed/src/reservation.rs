//! Address space set aside: pages that someone opens, between two guard pages.
//!
//! ```text
//!  guard     |  middle                          |  guard
//!  no access |  no access until opened or mapped |  no access
//! ```
#![allow(unsafe_code)]

use crate::protection::Prot;
use crate::{Error, absent, os};
use core::ops::Range;
use core::ptr::NonNull;
use std::io;

/// How many random addresses are tried before the system chooses one.
const ATTEMPTS: u32 = 16;

/// A random distance is less than two to the power of this, in pages.
const DISTANCE_BITS: usize = 16;

/// Addresses of this process that no one else gets. New, none of them is accessible. Dropped, whatever is mapped there
/// goes back to the system, unwiped.
#[derive(Debug)]
pub(crate) struct Reservation {
    /// Guard, middle, guard.
    all: NonNull<[u8]>,
}

// SAFETY: the addresses belong to this value alone, and the system calls it makes are bound to no thread.
unsafe impl Send for Reservation {}
// SAFETY: `&Reservation` allows nothing but system calls on the range, which the kernel serialises.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// A middle of `pages` pages at an address of the system's choice.
    pub(crate) fn new(pages: usize) -> Result<Self, Error> {
        Self::reserve(pages, 0)
    }

    /// The addresses `middle`, whole pages, and a page on either side, or what the system has in place of them.
    pub(crate) fn over(middle: &Range<usize>) -> Result<Self, Error> {
        let page = os::page_size();
        Self::reserve(middle.len() / page, middle.start.saturating_sub(page))
    }

    /// A middle of `pages` pages, `distance` pages below an address of the system's choice, or at that address where there is
    /// no room for both.
    pub(crate) fn below(pages: usize, distance: usize) -> Result<Self, Error> {
        let Ok(mut larger) = Self::reserve(pages.saturating_add(distance), 0) else {
            return Self::new(pages);
        };
        let length = (pages + 2) * os::page_size(); // fits, as more did
        // SAFETY: the larger reservation is at least as long.
        let above = unsafe { larger.all.cast::<u8>().add(length) };
        let above = NonNull::slice_from_raw_parts(above, larger.all.len() - length);
        if above.is_empty() || os::unmap(above).is_ok() {
            larger.all = NonNull::slice_from_raw_parts(larger.all.cast(), length);
            return Ok(larger);
        }
        drop(larger);
        Self::new(pages)
    }

    /// A middle of `pages` pages at a random address: anywhere in the user part of a 64-bit address space, and anywhere in
    /// its lower parts on systems that have less of it.
    pub(crate) fn at_random(pages: usize) -> Result<Self, Error> {
        for attempt in 0..ATTEMPTS {
            let wish = random_address(attempt)?;
            // An address that is taken, or that this system does not have, gives another or an error.
            if let Ok(reservation) = Self::reserve(pages, wish)
                && reservation.all.addr().get() == wish
            {
                return Ok(reservation);
            }
        }
        Self::new(pages)
    }

    /// The pages between the guards.
    pub(crate) fn middle(&self) -> NonNull<[u8]> {
        let page = os::page_size();
        // SAFETY: the reservation is at least two pages long.
        let start = unsafe { self.all.cast::<u8>().add(page) };
        NonNull::slice_from_raw_parts(start, self.all.len() - 2 * page)
    }

    /// Changes the protection of the middle. Opened for the first time, it is anonymous memory of zeros.
    pub(crate) fn protect(&self, prot: Prot) -> io::Result<()> {
        os::protect(self.middle(), prot)
    }

    /// Puts secret memory in the middle: writable, of any content, and locked by nature.
    pub(crate) fn fill_with_secret_memory(self) -> Result<Self, sodium::Error> {
        let middle = self.middle();
        let secret = absent::between_forks(|| os::map_secret(middle.len()), |pages| drop(os::unmap(pages)))?;
        match os::move_over(secret, middle) {
            Ok(()) => Ok(self),
            Err(error) => {
                drop(os::unmap(secret));
                core::mem::forget(self); // the addresses may be another's by now; they are left alone for good
                Err(error)
            }
        }
    }

    /// Locks the middle in RAM.
    pub(crate) fn lock(&self) -> io::Result<()> {
        os::lock(self.middle())
    }

    fn reserve(pages: usize, at: usize) -> Result<Self, Error> {
        let page = os::page_size();
        let bytes = pages.checked_add(2).and_then(|pages| pages.checked_mul(page));
        let bytes = bytes.filter(|bytes| isize::try_from(*bytes).is_ok()); // as long as a slice may be
        let bytes = bytes.ok_or(Error::TooLarge { elements: pages, element_bytes: page })?;
        match os::reserve(bytes, at) {
            Ok(all) => Ok(Self { all }),
            Err(source) => {
                Err(Error::Allocation { bytes, source: sodium::Error::Os { call: "mmap", source } })
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // The system refuses only addresses that were never mapped, or when it is out of memory for a split that this is
        // not; what it refuses stays as it is, without harm but for the room it takes.
        drop(os::unmap(self.all));
    }
}

/// A random number of pages, of every order of magnitude: a gap that is smaller than what is set aside goes to others. Zero
/// where the system has no random bytes.
pub(crate) fn random_distance() -> usize {
    let mut bytes = [0; size_of::<usize>()];
    if sodium::random_bytes(&mut bytes).is_err() {
        return 0;
    }
    let random = usize::from_ne_bytes(bytes);
    random / DISTANCE_BITS % (1 << (DISTANCE_BITS - random % DISTANCE_BITS))
}

/// A random multiple of the page size; the more attempts were made, the nearer to zero.
fn random_address(attempt: u32) -> Result<usize, Error> {
    let mut bytes = [0; size_of::<usize>()];
    sodium::random_bytes(&mut bytes)
        .map_err(|source| Error::Refused { operation: "draw a random address", source })?;
    Ok(address_of(usize::from_ne_bytes(bytes), attempt))
}

fn address_of(random: usize, attempt: u32) -> usize {
    // A quarter of what x86-64 and most others give a process, down to what the smallest 64-bit systems give.
    let (lowest, bits) = if usize::BITS == 64 { (1 << 32, 45 - attempt / 2) } else { (0x1000_0000, 30) };
    // Where a reservation may begin on Windows, whose pages are smaller.
    let unit = if cfg!(windows) { 0x1_0000 } else { os::page_size() };
    (lowest + random % ((1 << bits) - lowest)) / unit * unit
}

#[cfg(all(test, any(unix, windows)))]
mod tests {
    use super::*;

    #[test]
    fn the_middle_opens_and_closes_and_is_as_long_as_asked() {
        let reservation = Reservation::new(3).unwrap();
        assert_eq!(reservation.middle().len(), 3 * os::page_size());
        assert_eq!(reservation.middle().addr().get(), reservation.all.addr().get() + os::page_size());
        reservation.protect(Prot::ReadWrite).unwrap();
        let mut middle = reservation.middle();
        // SAFETY: open, owned by this test, without other references.
        let bytes = unsafe { middle.as_mut() };
        assert!(bytes.iter().all(|byte| *byte == 0));
        bytes.fill(7);
        reservation.protect(Prot::ReadOnly).unwrap();
        // SAFETY: readable, owned by this test, without other references.
        assert_eq!(unsafe { middle.as_ref() }[3 * os::page_size() - 1], 7);
    }

    #[test]
    fn a_middle_not_opened_faults() {
        use conformance::child::{SIGSEGV, run};
        run("reservation::tests::a_middle_not_opened_faults", || {
            let reservation = Reservation::new(1).unwrap();
            // SAFETY: the read faults; that is what the child is for.
            println!("{}", unsafe { reservation.middle().cast::<u8>().read_volatile() });
        })
        .dies_of(SIGSEGV, "");
    }

    #[test]
    fn a_guard_of_an_open_middle_faults() {
        use conformance::child::{SIGSEGV, run};
        run("reservation::tests::a_guard_of_an_open_middle_faults", || {
            let reservation = Reservation::new(1).unwrap();
            reservation.protect(Prot::ReadWrite).unwrap();
            let guard = (reservation.middle().addr().get() - 1) as *const u8;
            // SAFETY: the read faults; that is what the child is for.
            println!("{}", unsafe { guard.read_volatile() });
        })
        .dies_of(SIGSEGV, "");
    }

    #[test]
    #[cfg(target_os = "linux")] // where a wish for free addresses is granted
    fn the_addresses_above_are_given_back() {
        conformance::child::run("reservation::tests::the_addresses_above_are_given_back", || {
            for distance in [0, 1, 2, 1000] {
                let reservation = Reservation::below(3, distance).unwrap();
                assert_eq!(reservation.all.len(), 5 * os::page_size());
                let above = reservation.all.addr().get() + reservation.all.len();
                let next = Reservation::reserve(distance.saturating_sub(2), above).unwrap();
                assert!(distance < 2 || next.all.addr().get() == above, "whoever asks for them gets them");
            }
        })
        .succeeds();
        assert!(matches!(Reservation::below(usize::MAX, 1), Err(Error::TooLarge { .. })));
        // Where there is no room for both, the distance is given up.
        assert_eq!(
            Reservation::below(3, usize::MAX / os::page_size() - 8).unwrap().all.len(),
            5 * os::page_size()
        );
    }

    #[test]
    #[cfg(target_os = "linux")] // where a wish for free addresses is granted
    fn addresses_given_back_are_had_again() {
        conformance::child::run("reservation::tests::addresses_given_back_are_had_again", || {
            let middle = Reservation::new(3).unwrap().middle(); // given back at once
            let start = middle.addr().get();
            let again = Reservation::over(&(start..start + middle.len())).unwrap();
            assert_eq!((again.middle().addr().get(), again.middle().len()), (start, middle.len()));
        })
        .succeeds();
    }

    #[test]
    fn random_distances_are_of_every_order_of_magnitude() {
        let distances: Vec<_> = (0..1000).map(|_| random_distance()).collect();
        for bits in [2, 6, 10, 14] {
            let (low, high) = (1 << bits, 1 << (bits + 2));
            assert!(distances.iter().any(|distance| (low..high).contains(distance)), "{low}..{high}");
        }
        assert!(distances.iter().all(|distance| *distance < 1 << DISTANCE_BITS));
    }

    #[test]
    fn random_addresses_are_spread_over_the_address_space() {
        let kept: Vec<_> = (0..64).map(|_| Reservation::at_random(1).unwrap()).collect();
        let mut starts: Vec<_> = kept.iter().map(|reservation| reservation.all.addr().get()).collect();
        starts.sort_unstable();
        let spread = starts[63] - starts[0];
        assert!(spread > if usize::BITS == 64 { 1 << 37 } else { 1 << 27 }, "{spread:#x}");
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 3 * os::page_size()));
    }

    #[test]
    fn wishes_are_whole_pages_within_the_user_part() {
        for attempt in 0..ATTEMPTS {
            for random in [0, 1, usize::MAX / 3, usize::MAX] {
                let address = address_of(random, attempt);
                assert!(address.is_multiple_of(os::page_size()));
                let end = 1 << if usize::BITS == 64 { 45 } else { 30 };
                assert!((1 << 28..end).contains(&address));
            }
        }
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn every_other_attempt_wishes_for_half_as_much() {
        for (attempt, bits) in [(0, 45), (1, 45), (2, 44), (3, 44), (4, 43), (9, 41)] {
            let highest = (1 << bits) - (1 << 32) - 1;
            assert_eq!(address_of(highest, attempt) >> 16, ((1 << bits) - 1) >> 16);
            assert_eq!(address_of(highest + 1, attempt), 1 << 32);
        }
    }

    #[test]
    fn more_than_there_is_is_an_error() {
        // In a child of its own: on systems of 32 bits there is little left beside the longest.
        conformance::child::run("reservation::tests::more_than_there_is_is_an_error", || {
            // As long as a slice may be, which may be had once, and a page longer.
            let longest = isize::MAX as usize / os::page_size() - 2;
            let _had_once = Reservation::at_random(longest);
            assert!(matches!(Reservation::at_random(longest), Err(Error::Allocation { .. })));
            assert!(matches!(Reservation::at_random(longest + 1), Err(Error::TooLarge { .. })));
            assert!(matches!(Reservation::new(usize::MAX), Err(Error::TooLarge { .. })));
        })
        .succeeds();
    }
}
