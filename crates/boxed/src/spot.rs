//! Where pages lie that are not taken from the pool: away from each other, at addresses no one can foretell.

use crate::backing::Kind;
use crate::pool::Pool;
use crate::region::Region;
use crate::reservation::Reservation;
use crate::{Error, os};
use core::ops::Range;

/// How often pages are asked for until some lie far enough away.
const ATTEMPTS: usize = 16;

/// The largest distance within which gaps are filled, in bytes: other threads need room meanwhile.
const FILLABLE: usize = if usize::BITS == 64 { 1 << 36 } else { 0x0100_0000 };

/// Who hands out pages at a [`Spot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A mapping of their own at a random address; where the system has no such thing, as for
    /// [`Allocated`](Self::Allocated).
    Mapped,
    /// libsodium's allocator, or secret memory, a random distance from where the system would put them next.
    Allocated,
}

/// Where new pages are to lie.
///
/// ```
/// use boxed::{Origin, Scratch, Spot};
///
/// let one = Scratch::<u8>::at(&Spot::new(Origin::Mapped), 32)?.close()?;
/// let far = Spot::new(Origin::Mapped).away_from(one.span(), 0x1000);
/// let other = Scratch::<u8>::at(&far, 32)?.close()?;
/// assert!(one.address().abs_diff(other.address()) > 0x1000);
/// # Ok::<(), boxed::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Spot {
    origin: Origin,
    away_from: Range<usize>,
    distance: usize,
}

impl Spot {
    /// Anywhere that `origin` has pages.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self { origin, away_from: 0..0, distance: 0 }
    }

    /// With at least `distance` bytes between the pages and the addresses `others`.
    #[must_use]
    pub fn away_from(self, others: Range<usize>, distance: usize) -> Self {
        Self { away_from: others, distance, ..self }
    }

    /// New pages here, counted by `pool`.
    pub(crate) fn take(&self, pool: &Pool, pages: usize) -> Result<Region, Error> {
        let kind = match self.origin {
            Origin::Mapped => Kind::Random,
            Origin::Allocated => Kind::Next,
        };
        // Kept until the end, so that what is asked for next lies elsewhere: addresses alone, for pages that are not used
        // would count against the limit of lockable memory.
        let mut in_the_way = Vec::new();
        for _ in 0..ATTEMPTS {
            let region = pool.take_new(pages, kind)?;
            let span = region.span();
            if self.suits(&span) {
                return Ok(region);
            }
            pool.discard(region);
            in_the_way.extend(Reservation::over(&span));
            self.fill_gaps(&mut in_the_way);
        }
        Err(Error::TooClose { distance: self.distance })
    }

    /// Sets addresses aside that fill the gaps within the distance, after an attempt that failed. Where the system has none
    /// to spare, the attempts must do.
    fn fill_gaps(&self, in_the_way: &mut Vec<Reservation>) {
        if self.origin == Origin::Mapped && cfg!(any(unix, windows)) {
            return;
        }
        let mut pages = if self.distance <= FILLABLE { self.distance / os::page_size() } else { 0 };
        while pages > 0 {
            in_the_way.extend(Reservation::new(pages));
            pages /= 2;
        }
    }

    fn suits(&self, span: &Range<usize>) -> bool {
        let others = &self.away_from;
        if others.is_empty() {
            return true;
        }
        let gap = if span.start >= others.end {
            span.start - others.end
        } else if others.start >= span.end {
            others.start - span.end
        } else {
            return false;
        };
        gap >= self.distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scratch;

    #[test]
    fn the_gap_counts_from_end_to_start_in_both_directions() {
        let spot = Spot::new(Origin::Mapped).away_from(1000..1100, 50);
        for (span, suits) in [
            (0..950, true),
            (0..951, false),
            (1149..2000, false),
            (1150..2000, true),
            (900..2000, false),
            (1050..1060, false),
        ] {
            assert_eq!(spot.suits(&span), suits, "{span:?}");
        }
        assert!(Spot::new(Origin::Mapped).suits(&(0..usize::MAX)));
    }

    #[test]
    fn pages_lie_as_far_apart_as_asked() {
        let one = Scratch::<u8>::at(&Spot::new(Origin::Allocated), 5000).unwrap().close().unwrap();
        let far = if usize::BITS == 64 { [1 << 30, 0x1000, 1 << 34, 1 << 26] } else { [1 << 22; 4] };
        for origin in [Origin::Mapped, Origin::Allocated] {
            for distance in [0, 0x1000, 1 << 20].into_iter().chain(far) {
                let spot = Spot::new(origin).away_from(one.span(), distance);
                let other = Scratch::<u8>::at(&spot, 5000).unwrap().close().unwrap();
                assert!(spot.suits(&other.span()), "{origin:?} {distance}");
            }
        }
    }

    /// How many distances there are between pages of the allocator that are asked for one after the other.
    fn distances() -> usize {
        let spot = Spot::new(Origin::Allocated);
        let kept: Vec<_> = (0..32).map(|_| Scratch::<u8>::at(&spot, 32).unwrap()).collect();
        let address = |scratch: &Scratch<u8>| scratch.as_ptr().addr();
        let apart = kept.windows(2).map(|pair| address(&pair[0]).abs_diff(address(&pair[1])));
        apart.collect::<std::collections::BTreeSet<_>>().len()
    }

    #[test]
    fn pages_of_the_allocator_lie_at_random_distances_too() {
        assert!(distances() > 5);
    }

    #[test]
    fn pages_of_libsodium_lie_at_random_distances_too() {
        conformance::child::run("spot::tests::pages_of_libsodium_lie_at_random_distances_too", || {
            crate::Policy::new().backing(crate::Backing::Sodium).install().unwrap();
            assert!(distances() > 5);
        })
        .succeeds();
    }

    #[test]
    fn gaps_of_every_order_of_magnitude_are_filled() {
        for (pages, gaps) in [(0, 0), (1, 1), (64, 7), (100, 7), (FILLABLE / os::page_size() + 1, 0)] {
            let mut filled = Vec::new();
            let spot = Spot::new(Origin::Allocated).away_from(0..1, pages * os::page_size());
            spot.fill_gaps(&mut filled);
            assert_eq!(filled.len(), gaps, "{pages}");
        }
        let mut filled = Vec::new();
        Spot::new(Origin::Mapped).away_from(0..1, 64 * os::page_size()).fill_gaps(&mut filled);
        assert!(filled.is_empty() || cfg!(not(any(unix, windows))));
    }

    #[test]
    fn a_distance_that_no_address_has_is_an_error() {
        let spot = |origin| Spot::new(origin).away_from(0..1, usize::MAX - (1 << 20));
        for origin in [Origin::Mapped, Origin::Allocated] {
            assert!(matches!(Scratch::<u8>::at(&spot(origin), 1), Err(Error::TooClose { .. })));
        }
    }

    #[test]
    fn pages_at_a_spot_are_counted_while_they_live_and_never_pooled() {
        conformance::child::run(
            "spot::tests::pages_at_a_spot_are_counted_while_they_live_and_never_pooled",
            || {
                for origin in [Origin::Mapped, Origin::Allocated] {
                    let kept = Scratch::<u8>::at(&Spot::new(origin), 32).unwrap().close().unwrap();
                    let status = crate::status();
                    assert_eq!((status.pages_in_use, status.pages_pooled), (1, 0));
                    assert_eq!(status.bytes_locked, status.page_bytes);
                    assert_eq!(kept.protection().locked, !os::NO_ACCESS_UNLOCKS);
                    assert!(kept.read().is_ok_and(|_borrowed| kept.protection().locked));
                    assert!(kept.protection().guard_pages);
                    #[cfg(target_os = "linux")]
                    assert_eq!(kept.protection().no_dump, conformance::grants::Grant::Advice.is_there());
                    drop(kept);
                    let status = crate::status();
                    assert_eq!((status.pages_in_use, status.pages_pooled, status.bytes_locked), (0, 0, 0));
                }
            },
        )
        .succeeds();
    }
}
