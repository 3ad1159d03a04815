//! One value of any type in guarded pages of its own, open for as long as it lives.
#![allow(unsafe_code)]

use crate::page::Page;
use crate::{DEBUG_MSG, Error, Protection, Spot};
use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::NonNull;

/// A value of `T` in guarded pages at a [`Spot`]: locked, between guard pages, behind a canary, out of core dumps and
/// forked children. Dropped, the value is dropped and its bytes are wiped.
///
/// Unlike a [`Boxed`](crate::Boxed) it hands out a plain `&T`, which no guard closes, and `T` may be anything. So its
/// pages stay readable and writable for as long as it lives, and what `T` owns elsewhere, such as the buffer of a
/// `Vec`, lies elsewhere.
///
/// A child of the process that made it gets an error, and the value is not dropped there: it reads as zeros, which need
/// not be a valid `T`. A reference got before the fork must not be used in the child.
///
/// ```
/// use boxed::{Fragment, Origin, Spot};
///
/// let mut number = Fragment::new(7_u64, &Spot::new(Origin::Mapped))?;
/// *number.get_mut()? += 1;
/// assert_eq!(*number.get()?, 8);
/// # Ok::<(), boxed::Error>(())
/// ```
///
/// It is `Send` and `Sync` where `T` is, and only there:
///
/// ```compile_fail,E0277
/// fn sendable<T: Send>() {}
/// sendable::<boxed::Fragment<std::rc::Rc<u8>>>();
/// ```
///
/// ```compile_fail,E0277
/// fn shareable<T: Sync>() {}
/// shareable::<boxed::Fragment<std::cell::Cell<u8>>>();
/// ```
pub struct Fragment<T> {
    page: Page,
    _value: PhantomData<T>,
}

/// Room for one value of `T` in guarded pages at a [`Spot`]: two values that are to be had together need the pages of both
/// before either is moved.
///
/// ```
/// use boxed::{Origin, Spot, Vacant};
///
/// let (one, other) = boxed::together(|| {
///     let one = Vacant::<u8>::new(&Spot::new(Origin::Mapped))?;
///     let far = Spot::new(Origin::Mapped).away_from(one.span(), 0x1000);
///     Ok::<_, boxed::Error>((one, Vacant::<u8>::new(&far)?))
/// })?;
/// let (one, other) = (one.fill(1)?, other.fill(2)?);
/// assert_eq!((*one.get()?, *other.get()?), (1, 2));
/// # Ok::<(), boxed::Error>(())
/// ```
pub struct Vacant<T> {
    page: Page,
    _value: PhantomData<fn(T)>,
}

impl<T> Vacant<T> {
    /// Takes the pages.
    ///
    /// # Errors
    /// Those of [`Scratch::at`](crate::Scratch::at), but for a size of zero, which is allowed.
    pub fn new(spot: &Spot) -> Result<Self, Error> {
        // A value without bytes has an address all the same.
        let page = Page::at(size_of::<T>().max(align_of::<T>()), align_of::<T>(), Some(spot))?;
        Ok(Self { page, _value: PhantomData })
    }

    /// Moves `value` here.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that took the pages; the value is dropped then.
    pub fn fill(self, value: T) -> Result<Fragment<T>, Error> {
        self.page.check()?;
        let fragment = Fragment { page: self.page, _value: PhantomData };
        // SAFETY: the page is writable, long enough and aligned for a `T`, and holds none yet.
        unsafe { fragment.value().write(value) };
        crate::scrub();
        Ok(fragment)
    }

    /// The addresses that the value will have.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        span::<T>(&self.page)
    }
}

impl<T> fmt::Debug for Vacant<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vacant")
    }
}

fn span<T>(page: &Page) -> Range<usize> {
    let start = page.data().addr().get();
    start..start + size_of::<T>()
}

// SAFETY: the page belongs to this value alone, which owns a `T` as a box does.
unsafe impl<T: Send> Send for Fragment<T> {}
// SAFETY: `&Fragment` gives out `&T` alone.
unsafe impl<T: Sync> Sync for Fragment<T> {}

impl<T> Fragment<T> {
    /// Moves `value` to `spot`.
    ///
    /// # Errors
    /// Those of [`Scratch::at`](crate::Scratch::at), but for a size of zero, which is allowed.
    pub fn new(value: T, spot: &Spot) -> Result<Self, Error> {
        Vacant::new(spot)?.fill(value)
    }

    /// The value.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that made it.
    pub fn get(&self) -> Result<&T, Error> {
        self.page.check()?;
        // SAFETY: `new` wrote a `T` here; the page is open as long as this value lives; writers need `&mut self`.
        Ok(unsafe { self.value().as_ref() })
    }

    /// The value, to change it in place.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub fn get_mut(&mut self) -> Result<&mut T, Error> {
        self.page.check()?;
        // SAFETY: as in `get`; `&mut self` makes the reference the only one.
        Ok(unsafe { self.value().as_mut() })
    }

    /// The addresses of the value.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        span::<T>(&self.page)
    }

    /// What the system granted for the value.
    #[must_use]
    pub fn protection(&self) -> Protection {
        self.page.protection()
    }

    /// Where the value lies: flush with the guard page, and so aligned, for its size is a multiple of its alignment.
    fn value(&self) -> NonNull<T> {
        self.page.data().cast::<T>()
    }
}

impl<T> Drop for Fragment<T> {
    fn drop(&mut self) {
        if self.page.is_foreign() {
            return; // the parent's: here it reads as zeros
        }
        // SAFETY: `new` wrote a `T` here, which nothing uses after this.
        unsafe { self.value().drop_in_place() };
    }
}

impl<T> fmt::Debug for Fragment<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Origin, Prot};
    use std::sync::Arc;

    fn fragment<T>(value: T) -> Fragment<T> {
        Fragment::new(value, &Spot::new(Origin::Mapped)).unwrap()
    }

    #[test]
    fn values_of_any_type_are_kept_changed_and_dropped_once() {
        let counted = Arc::new(());
        let mut pair = fragment((Arc::clone(&counted), String::from("text")));
        pair.get_mut().unwrap().1.push_str(" and more");
        assert_eq!(pair.get().unwrap().1, "text and more");
        assert_eq!(Arc::strong_count(&counted), 2);
        *pair.get_mut().unwrap() = (Arc::clone(&counted), String::new());
        assert_eq!(Arc::strong_count(&counted), 2);
        drop(pair);
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn values_are_aligned_and_end_with_the_page() {
        #[repr(align(1024))]
        struct Wide([u8; 1024]);
        let wide = fragment(Wide([3; 1024]));
        assert_eq!((wide.span().start % 1024, wide.span().end % crate::page_size()), (0, 0));
        assert_eq!(wide.get().unwrap().0, [3; 1024]);
        #[repr(align(4096))] // the least page of any system
        struct Page([u8; 4096]);
        assert_eq!(fragment(Page([4; 4096])).get().unwrap().0, [4; 4096]);
        let nothing = fragment(());
        assert_eq!(*nothing.get().unwrap(), ());
        assert!(nothing.span().is_empty());
        let many = fragment([9_u16; 5000]);
        assert_eq!(*many.get().unwrap(), [9; 5000]);
    }

    #[test]
    fn an_alignment_beyond_a_page_is_an_error_and_drops_the_value() {
        #[repr(align(131072))]
        struct TooWide(Arc<()>);
        let counted = Arc::new(());
        let refused = Fragment::new(TooWide(Arc::clone(&counted)), &Spot::new(Origin::Mapped));
        assert!(matches!(refused, Err(Error::Alignment { .. })));
        assert_eq!(Arc::strong_count(&counted), 1);
        drop(TooWide(counted).0);
    }

    #[test]
    fn a_value_with_inner_mutability_is_written_through_a_shared_reference() {
        let cell = fragment(std::sync::atomic::AtomicU8::new(1));
        cell.get().unwrap().store(2, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(cell.get().unwrap().load(std::sync::atomic::Ordering::Relaxed), 2);
        assert_eq!(cell.protection().at_rest, Prot::ReadWrite);
    }

    #[test]
    #[cfg(unix)]
    fn reading_past_the_end_faults() {
        use conformance::child::{SIGSEGV, run};
        run("fragment::tests::reading_past_the_end_faults", || {
            let bytes = fragment([1_u8; 32]);
            let past = bytes.span().end as *const u8;
            // SAFETY: the read faults; that is what the child is for.
            println!("{}", unsafe { past.read_volatile() });
        })
        .dies_of(SIGSEGV, "");
    }

    #[test]
    #[cfg(unix)]
    fn writing_before_the_start_ends_the_process() {
        use conformance::child::{SIGABRT, run};
        run("fragment::tests::writing_before_the_start_ends_the_process", || {
            let bytes = fragment([1_u8; 32]);
            let before = (bytes.span().start - 1) as *mut u8;
            // SAFETY: it is not; the canary has to notice.
            unsafe { before.write_volatile(0xee) };
            drop(bytes);
        })
        .dies_of(SIGABRT, "canary");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_forked_child_gets_an_error_and_drops_nothing() {
        conformance::child::run("fragment::tests::a_forked_child_gets_an_error_and_drops_nothing", || {
            let mut text = fragment(String::from("of the parent"));
            // SAFETY: the child calls nothing but this library and `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let refused =
                    matches!(text.get(), Err(Error::Forked)) && matches!(text.get_mut(), Err(Error::Forked));
                let inherited = text.protection().on_fork == crate::ForkBehaviour::Inherited;
                // SAFETY: the bytes are mapped and readable, in the child too.
                let word = unsafe { (text.span().start as *const usize).read_volatile() };
                let as_reported = inherited != (word == 0);
                drop(text);
                // SAFETY: ends the child.
                unsafe { libc::_exit(i32::from(!(refused && as_reported))) };
            }
            let mut status = 0;
            // SAFETY: waits for the child just made.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(status, 0);
            assert_eq!(text.get_mut().unwrap(), "of the parent");
        })
        .succeeds();
    }
}
