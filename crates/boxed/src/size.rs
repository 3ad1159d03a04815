//! How many pages serve a request.

use crate::os;

/// The class that serves `pages`: exact up to 8 pages, then four classes for each doubling, so that at most a quarter
/// more than needed is locked.
pub(crate) fn size_class(pages: usize) -> usize {
    if pages <= 8 {
        return pages.max(1);
    }
    let step = 1 << (pages.ilog2() - 2);
    pages.checked_next_multiple_of(step).unwrap_or(pages)
}

/// Whether a region of `pages`, rounded up to its class and with all that lies around it, is as short as a slice has to be:
/// `isize::MAX` bytes. The address space of 32-bit systems has room for longer ones.
pub(crate) fn fits_a_slice(pages: usize) -> bool {
    const AROUND: usize = 4; // two guards, libsodium's page for its own ends, and one to round up
    let bytes = size_class(pages).checked_add(AROUND).and_then(|pages| pages.checked_mul(os::page_size()));
    bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_are_exact_when_small_and_waste_at_most_a_quarter() {
        for pages in 1..=8 {
            assert_eq!(size_class(pages), pages);
        }
        assert_eq!(size_class(257), 320);
        for pages in 9..5000 {
            let class = size_class(pages);
            assert!(class >= pages && class * 4 <= pages * 5, "{pages} -> {class}");
            assert_eq!(size_class(class), class);
        }
        assert_eq!(size_class(usize::MAX), usize::MAX);
    }
}
