//! A guarded page for work in progress: open from first to last, wiped when dropped.
#![allow(unsafe_code)]

use crate::page::Page;
use crate::{Boxed, Bytes, DEBUG_MSG, Error, Prot, Spot};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::slice;
use zeroize::ZeroizeOnDrop;

/// Values of `T` in a guarded page that stays readable and writable: for secrets in the middle of an operation, such as
/// a key while it is in use or a plain text while it is decrypted.
///
/// In the steady state it makes no system call: its page comes open from the pool and goes back wiped. What is to be kept
/// becomes a [`Boxed`] with [`close`](Self::close).
///
/// ```
/// let mut scratch = boxed::Scratch::<u8>::new(5)?;
/// scratch.copy_from_slice(b"12345");
/// let kept = scratch.close()?;
/// assert_eq!(*kept.read()?, *b"12345");
/// # Ok::<(), boxed::Error>(())
/// ```
pub struct Scratch<T: Bytes> {
    page: Page,
    len: usize,
    _values: PhantomData<T>,
}

// SAFETY: the page belongs to this value alone; what it holds is plain data of `T`.
unsafe impl<T: Bytes + Send> Send for Scratch<T> {}
// SAFETY: `&Scratch` gives out `&[T]` alone.
unsafe impl<T: Bytes + Sync> Sync for Scratch<T> {}

impl<T: Bytes> Scratch<T> {
    /// `len` values of zero bytes.
    ///
    /// # Errors
    /// [`Error::ZeroSize`], [`Error::TooLarge`], [`Error::Alignment`]; [`Error::LockLimit`] where the policy requires
    /// locked pages and the limit is reached; [`Error::Refused`].
    pub fn new(len: usize) -> Result<Self, Error> {
        let bytes = len.checked_mul(size_of::<T>());
        let bytes = bytes.ok_or(Error::TooLarge { elements: len, element_bytes: size_of::<T>() })?;
        let page = Page::new(bytes, align_of::<T>())?;
        Ok(Self { page, len, _values: PhantomData })
    }

    /// `len` values of zero bytes in new pages at `spot`, which serve no other secret before or after.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), and [`Error::TooClose`] where no pages are to be had at the distance.
    pub fn at(spot: &Spot, len: usize) -> Result<Self, Error> {
        let bytes = len.checked_mul(size_of::<T>());
        let bytes = bytes.ok_or(Error::TooLarge { elements: len, element_bytes: size_of::<T>() })?;
        let page = Page::at(bytes, align_of::<T>(), Some(spot))?;
        Ok(Self { page, len, _values: PhantomData })
    }

    /// Refuses in a child of the process that made the values: there they read as zeros.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn check(&self) -> Result<(), Error> {
        self.page.check()
    }

    /// Closes the page: one system call.
    ///
    /// # Errors
    /// [`Error::Refused`]; the content is then wiped. [`Error::Forked`] in a child of the process that made it.
    pub fn close(self) -> Result<Boxed<T>, Error> {
        self.page.check()?;
        self.page.protect(Prot::NoAccess)?;
        Ok(Boxed::from_closed(self.page, self.len))
    }
}

impl<T: Bytes> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the page holds `len` values of `T`, aligned because their size is a multiple of their alignment and
        // they end with a page; it is open as long as this value lives; any bytes are valid values.
        unsafe { slice::from_raw_parts(self.page.data().cast::<T>().as_ptr(), self.len) }
    }
}

impl<T: Bytes> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` makes the reference the only one.
        unsafe { slice::from_raw_parts_mut(self.page.data().cast::<T>().as_ptr(), self.len) }
    }
}

impl<T: Bytes> fmt::Debug for Scratch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

impl<T: Bytes> ZeroizeOnDrop for Scratch<T> {}
