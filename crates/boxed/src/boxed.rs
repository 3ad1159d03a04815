//! Values in guarded memory, unreadable until borrowed.
#![allow(unsafe_code)]

use crate::gate::Gate;
use crate::page::Page;
use crate::{Bytes, DEBUG_MSG, Error, Prot, Protection, Scratch};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut, Range};
use core::slice;
use zeroize::ZeroizeOnDrop;

/// Values of `T` in guarded memory: locked, between guard pages, behind a canary, out of core dumps and forked children,
/// and without any access until borrowed with [`read`](Self::read) or [`write`](Self::write).
///
/// The guards close what they opened; there is no pair of calls to balance. Any number of threads may read at once: the
/// first opens the page and the last closes it. A guard that is leaked leaves the page readable until the next exclusive
/// borrow or the drop, which wipes it all the same.
///
/// [`protection`](Self::protection) tells what the system granted.
///
/// ```
/// use boxed::{Boxed, Prot};
///
/// let secret = Boxed::<u64>::new(3, |values| values.copy_from_slice(&[1, 2, 3]))?;
/// assert_eq!(secret.prot(), Prot::NoAccess);
/// assert_eq!(*secret.read()?, [1, 2, 3]);
/// # Ok::<(), boxed::Error>(())
/// ```
///
/// A guard cannot outlive what it guards:
///
/// ```compile_fail,E0505
/// let secret = boxed::Boxed::<u8>::random(8).unwrap();
/// let borrowed = secret.read().unwrap();
/// drop(secret);
/// println!("{}", borrowed.len());
/// ```
///
/// Nor can anyone write while readers exist:
///
/// ```compile_fail,E0502
/// let mut secret = boxed::Boxed::<u8>::random(8).unwrap();
/// let borrowed = secret.read().unwrap();
/// secret.write().unwrap()[0] = 1;
/// println!("{}", borrowed.len());
/// ```
pub struct Boxed<T: Bytes> {
    page: Page,
    len: usize,
    gate: Gate,
    _values: PhantomData<T>,
}

// SAFETY: the page belongs to this value alone; what it holds is plain data of `T`.
unsafe impl<T: Bytes + Send> Send for Boxed<T> {}
// SAFETY: `&Boxed` gives out `&[T]` alone, and the gate keeps the page open while any of them lives.
unsafe impl<T: Bytes + Sync> Sync for Boxed<T> {}

impl<T: Bytes> Boxed<T> {
    /// `len` values, which `fill` writes in place over zeros.
    ///
    /// # Errors
    /// Those of [`Scratch::new`].
    pub fn new(len: usize, fill: impl FnOnce(&mut [T])) -> Result<Self, Error> {
        let mut scratch = Scratch::new(len)?;
        fill(&mut scratch);
        crate::scrub(); // copies of memory pass through vector registers
        scratch.close()
    }

    /// `len` values of random bytes.
    ///
    /// # Errors
    /// Those of [`Scratch::new`].
    pub fn random(len: usize) -> Result<Self, Error> {
        let mut scratch = Scratch::<T>::new(len)?;
        sodium::random_bytes(bytemuck::cast_slice_mut(&mut scratch))
            .map_err(|source| Error::Refused { operation: "draw random bytes", source })?;
        scratch.close()
    }

    /// A copy in a page of its own.
    ///
    /// # Errors
    /// Those of [`Scratch::new`] and [`read`](Self::read).
    pub fn try_clone(&self) -> Result<Self, Error> {
        self.page.check()?;
        let mut copy = Scratch::new(self.len)?; // first: these values are not to be open while it is waited for
        copy.copy_from_slice(&self.read()?);
        crate::scrub();
        copy.close()
    }

    pub(crate) fn from_closed(page: Page, len: usize) -> Self {
        Self { page, len, gate: Gate::default(), _values: PhantomData }
    }

    /// How many values there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.len
    }

    /// The size of all values, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.page.len()
    }

    /// Opens the values for reading; the guard closes them.
    ///
    /// The first reader costs one system call and the last another; readers in between cost none.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that made the values, [`Error::Lost`], [`Error::Refused`].
    pub fn read(&self) -> Result<Ref<'_, T>, Error> {
        self.page.claim()?;
        self.gate.enter(|| {
            self.page.check_content()?;
            self.page.protect(Prot::ReadOnly)
        })?;
        Ok(Ref { boxed: self })
    }

    /// Opens the values for writing; the guard closes them. One system call for each.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    pub fn write(&mut self) -> Result<RefMut<'_, T>, Error> {
        self.page.check()?;
        self.gate.reset();
        self.page.protect(Prot::ReadWrite)?;
        Ok(RefMut { boxed: self })
    }

    /// The access that the process has to the values now.
    #[must_use]
    pub fn prot(&self) -> Prot {
        self.page.prot()
    }

    /// What the system granted for these values.
    #[must_use]
    pub fn protection(&self) -> Protection {
        self.page.protection()
    }

    /// The address of the first value, for tools that look at the process from outside. It says nothing of when the
    /// memory may be accessed.
    #[must_use]
    pub fn address(&self) -> usize {
        self.page.data().addr().get()
    }

    /// The addresses of the values, with the same reservation.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.address()..self.address() + self.size()
    }
}

impl<T: Bytes> fmt::Debug for Boxed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

impl<T: Bytes> ZeroizeOnDrop for Boxed<T> {}

/// Values open for reading. Comparisons take the same time whatever the values, and different lengths are not equal.
pub struct Ref<'a, T: Bytes> {
    boxed: &'a Boxed<T>,
}

impl<T: Bytes> Deref for Ref<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the page holds `len` values of `T`, aligned because their size is a multiple of their alignment and
        // they end with a page; this guard keeps it open; no one writes, for a writer needs `&mut Boxed`.
        unsafe { slice::from_raw_parts(self.boxed.page.data().cast::<T>().as_ptr(), self.boxed.len) }
    }
}

impl<T: Bytes> Clone for Ref<'_, T> {
    fn clone(&self) -> Self {
        // This guard is a reader, so there is nothing to open and nothing that could fail.
        let opened = self.boxed.gate.enter(|| Ok::<(), core::convert::Infallible>(()));
        debug_assert!(opened.is_ok());
        Self { boxed: self.boxed }
    }
}

impl<T: Bytes> Drop for Ref<'_, T> {
    fn drop(&mut self) {
        if self.boxed.page.is_foreign() {
            return; // a fork while the guard lived: page and gate are the parent's
        }
        // In a child that inherits, another thread may be adopting the page; where that fails, it is closed all the same.
        drop(self.boxed.page.claim());
        self.boxed.gate.leave(|| self.boxed.page.close());
    }
}

/// Values open for writing. Comparisons take the same time whatever the values, and different lengths are not equal.
pub struct RefMut<'a, T: Bytes> {
    boxed: &'a mut Boxed<T>,
}

impl<T: Bytes> Deref for RefMut<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: as for `Ref`; this guard holds the only reference to the box.
        unsafe { slice::from_raw_parts(self.boxed.page.data().cast::<T>().as_ptr(), self.boxed.len) }
    }
}

impl<T: Bytes> DerefMut for RefMut<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; the page is writable while this guard lives, and `&mut self` makes the reference the
        // only one.
        unsafe { slice::from_raw_parts_mut(self.boxed.page.data().cast::<T>().as_ptr(), self.boxed.len) }
    }
}

impl<T: Bytes> Drop for RefMut<'_, T> {
    fn drop(&mut self) {
        if self.boxed.page.is_foreign() {
            return; // a fork while the guard lived: the page is the parent's
        }
        self.boxed.page.close();
    }
}

macro_rules! hidden_and_constant_time {
    ($($left:ident == $right:ident),*) => {$(
        impl<T: Bytes> PartialEq<$right<'_, T>> for $left<'_, T> {
            fn eq(&self, other: &$right<'_, T>) -> bool {
                sodium::memcmp(bytemuck::cast_slice(self), bytemuck::cast_slice(other))
            }
        }
    )*};
    ($($guard:ident),*) => {$(
        impl<T: Bytes> Eq for $guard<'_, T> {}

        impl<T: Bytes> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(DEBUG_MSG)
            }
        }
    )*};
}

hidden_and_constant_time!(Ref == Ref, Ref == RefMut, RefMut == Ref, RefMut == RefMut);
hidden_and_constant_time!(Ref, RefMut);
