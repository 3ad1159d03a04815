//! A clear secret that lives briefly.

use crate::growing::Growing;
use crate::{DEBUG_MSG, MemoryError, give_up};
use boxed::{Boxed, Bytes, Prot, Protection, Ref, RefMut, Scratch};
use core::fmt;
use std::io::{ErrorKind, Read};
use zeroize::{Zeroize, ZeroizeOnDrop};

const CREATE: &str = "create a Buffer";
const BORROW: &str = "borrow a Buffer";
const CLONE: &str = "clone a Buffer";

/// Clear values of `T` in a guarded page of their own, unreadable while not borrowed.
///
/// A `Buffer` is what a memory hands out for as long as the secret is worked with. `T` is any plain old data: integers,
/// arrays of them, structures without padding.
///
/// Creating and dropping one costs two system calls, and so does borrowing. Any number of threads may borrow it at once.
///
/// ```
/// use locked_memory::Buffer;
///
/// let mut numbers = Buffer::<u64>::zero(3);
/// numbers.borrow_mut().copy_from_slice(&[1, 2, 3]);
/// assert_eq!(*numbers.borrow(), [1, 2, 3]);
/// ```
///
/// A borrow cannot outlive its `Buffer`:
///
/// ```compile_fail,E0505
/// let buffer = locked_memory::Buffer::<u8>::random(8);
/// let borrowed = buffer.borrow();
/// drop(buffer);
/// println!("{}", borrowed.len());
/// ```
///
/// Nor can anyone write while readers exist:
///
/// ```compile_fail,E0502
/// let mut buffer = locked_memory::Buffer::<u8>::random(8);
/// let borrowed = buffer.borrow();
/// buffer.borrow_mut()[0] = 1;
/// println!("{}", borrowed.len());
/// ```
pub struct Buffer<T: Bytes> {
    /// `None` once zeroized.
    boxed: Option<Boxed<T>>,
}

impl<T: Bytes> Buffer<T> {
    /// A copy of `payload`, which has `size` elements.
    ///
    /// # Panics
    /// Where [`try_alloc`](Self::try_alloc) is an error.
    #[must_use]
    pub fn alloc(payload: &[T], size: usize) -> Self {
        Self::try_alloc(payload, size).unwrap_or_else(|error| give_up(&error))
    }

    /// A copy of `payload`, which has `size` elements.
    ///
    /// # Errors
    /// [`MemoryError::SizeMismatch`], [`MemoryError::ZeroSizedNotAllowed`]; [`MemoryError::LockNotAvailable`] where the
    /// policy requires locked pages and the limit is reached; [`MemoryError::Allocation`].
    pub fn try_alloc(payload: &[T], size: usize) -> Result<Self, MemoryError> {
        crate::check_size(payload.len(), size)?;
        Self::try_fill(size, |values| values.copy_from_slice(payload))
    }

    /// `len` elements that `fill` writes, in place, over zeros.
    ///
    /// # Errors
    /// Those of [`try_alloc`](Self::try_alloc).
    pub fn try_fill(len: usize, fill: impl FnOnce(&mut [T])) -> Result<Self, MemoryError> {
        Boxed::new(len, fill).map(Self::from).map_err(MemoryError::on_page(CREATE))
    }

    /// `len` elements of random bytes.
    ///
    /// # Panics
    /// Where [`try_random`](Self::try_random) is an error.
    #[must_use]
    pub fn random(len: usize) -> Self {
        Self::try_random(len).unwrap_or_else(|error| give_up(&error))
    }

    /// `len` elements of random bytes.
    ///
    /// # Errors
    /// Those of [`try_alloc`](Self::try_alloc).
    pub fn try_random(len: usize) -> Result<Self, MemoryError> {
        Boxed::random(len).map(Self::from).map_err(MemoryError::on_page(CREATE))
    }

    /// `len` elements of zero bytes.
    ///
    /// # Panics
    /// Where [`try_zero`](Self::try_zero) is an error.
    #[must_use]
    pub fn zero(len: usize) -> Self {
        Self::try_zero(len).unwrap_or_else(|error| give_up(&error))
    }

    /// `len` elements of zero bytes.
    ///
    /// # Errors
    /// Those of [`try_alloc`](Self::try_alloc).
    pub fn try_zero(len: usize) -> Result<Self, MemoryError> {
        Self::try_fill(len, |_| ())
    }

    /// How many elements there are; 0 once zeroized.
    #[must_use]
    pub fn len(&self) -> usize {
        self.boxed.as_ref().map_or(0, Boxed::len)
    }

    /// Whether the buffer was zeroized.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.boxed.is_none()
    }

    /// The size of all elements, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.boxed.as_ref().map_or(0, Boxed::size)
    }

    /// Opens the elements for reading.
    ///
    /// # Panics
    /// Where [`try_borrow`](Self::try_borrow) is an error.
    #[must_use]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.try_borrow().unwrap_or_else(|error| give_up(&error))
    }

    /// Opens the elements for reading.
    ///
    /// # Errors
    /// [`MemoryError::IllegalZeroizedUsage`], [`MemoryError::Forked`] in a child of the process that made the buffer,
    /// [`MemoryError::Operation`].
    pub fn try_borrow(&self) -> Result<Ref<'_, T>, MemoryError> {
        let boxed = self.boxed.as_ref().ok_or(MemoryError::IllegalZeroizedUsage)?;
        boxed.read().map_err(MemoryError::on_page(BORROW))
    }

    /// Opens the elements for writing.
    ///
    /// # Panics
    /// Where [`try_borrow_mut`](Self::try_borrow_mut) is an error.
    #[must_use]
    pub fn borrow_mut(&mut self) -> RefMut<'_, T> {
        self.try_borrow_mut().unwrap_or_else(|error| give_up(&error))
    }

    /// Opens the elements for writing.
    ///
    /// # Errors
    /// Those of [`try_borrow`](Self::try_borrow).
    pub fn try_borrow_mut(&mut self) -> Result<RefMut<'_, T>, MemoryError> {
        let boxed = self.boxed.as_mut().ok_or(MemoryError::IllegalZeroizedUsage)?;
        boxed.write().map_err(MemoryError::on_page(BORROW))
    }

    /// A copy in a page of its own.
    ///
    /// # Errors
    /// Those of [`try_alloc`](Self::try_alloc) and [`try_borrow`](Self::try_borrow).
    pub fn try_clone(&self) -> Result<Self, MemoryError> {
        let Some(boxed) = &self.boxed else { return Ok(Self { boxed: None }) };
        boxed.try_clone().map(Self::from).map_err(MemoryError::on_page(CLONE))
    }

    /// What the system granted for the page; nothing once zeroized.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        self.boxed.as_ref().map(Boxed::protection)
    }

    /// The access that the process has to the elements now; none once zeroized.
    #[must_use]
    pub fn prot(&self) -> Prot {
        self.boxed.as_ref().map_or(Prot::NoAccess, Boxed::prot)
    }
}

impl Buffer<u8> {
    /// Reads a secret to its end, straight into guarded memory.
    ///
    /// Hand in an unbuffered reader, such as a [`File`](std::fs::File): a buffered one keeps a copy of its own.
    ///
    /// # Errors
    /// [`MemoryError::TooLong`] past `limit` bytes, [`MemoryError::ZeroSizedNotAllowed`] for an empty input,
    /// [`MemoryError::FileSystemError`] where reading fails, and those of [`try_alloc`](Self::try_alloc).
    pub fn read_from(mut reader: impl Read, limit: usize) -> Result<Self, MemoryError> {
        let mut growing = Growing::new(0).map_err(MemoryError::on_page(CREATE))?;
        loop {
            match reader.read(growing.spare().map_err(MemoryError::on_page(CREATE))?) {
                Ok(0) => break,
                Ok(bytes) => growing.advance(bytes),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(source) => {
                    return Err(MemoryError::FileSystemError { operation: "read a secret", source });
                }
            }
            if growing.len() > limit {
                return Err(MemoryError::TooLong { limit });
            }
        }
        growing.finish().map_err(MemoryError::on_page(CREATE))
    }
}

impl<T: Bytes> From<Boxed<T>> for Buffer<T> {
    fn from(boxed: Boxed<T>) -> Self {
        Self { boxed: Some(boxed) }
    }
}

impl<T: Bytes> TryFrom<Scratch<T>> for Buffer<T> {
    type Error = MemoryError;

    /// Closes the page of `scratch`: the bytes do not move.
    fn try_from(scratch: Scratch<T>) -> Result<Self, MemoryError> {
        scratch.close().map(Self::from).map_err(MemoryError::on_page(CREATE))
    }
}

impl<T: Bytes> From<&mut [T]> for Buffer<T> {
    /// Moves `data` into guarded memory and wipes it where it was.
    ///
    /// # Panics
    /// Where [`Buffer::try_alloc`] is an error.
    fn from(data: &mut [T]) -> Self {
        let buffer = Self::alloc(data, data.len());
        bytemuck::cast_slice_mut::<T, u8>(data).zeroize();
        buffer
    }
}

impl<T: Bytes> Clone for Buffer<T> {
    /// # Panics
    /// Where [`Buffer::try_clone`] is an error.
    fn clone(&self) -> Self {
        self.try_clone().unwrap_or_else(|error| give_up(&error))
    }
}

impl<T: Bytes> PartialEq for Buffer<T> {
    /// Compares in a time that depends on the lengths alone. Two zeroized buffers are equal; one that cannot be opened,
    /// as in a forked child, equals none.
    fn eq(&self, other: &Self) -> bool {
        match (self.try_borrow(), other.try_borrow()) {
            (Ok(a), Ok(b)) => a == b,
            _ => self.is_empty() && other.is_empty(),
        }
    }
}

impl<T: Bytes> Eq for Buffer<T> {}

impl<T: Bytes> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

impl<T: Bytes> Zeroize for Buffer<T> {
    /// Wipes the elements and gives the page back. The buffer is empty from then on, and borrowing it is an error.
    fn zeroize(&mut self) {
        self.boxed = None;
    }
}

impl<T: Bytes> ZeroizeOnDrop for Buffer<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_plain_type_come_back_aligned() {
        let words = Buffer::<u64>::alloc(&[1, 2, 3, 4, 5, 6], 6);
        assert_eq!(*words.borrow(), [1, 2, 3, 4, 5, 6]);
        let pairs = Buffer::<[u8; 2]>::alloc(&[[1, 2], [3, 4]], 2);
        assert_eq!(*pairs.borrow(), [[1, 2], [3, 4]]);
        let wide = Buffer::<[u128; 3]>::random(7);
        assert_eq!(wide.borrow().as_ptr().align_offset(align_of::<u128>()), 0);
        assert_eq!((wide.len(), wide.size()), (7, 7 * 48));
    }

    #[test]
    fn a_wrong_or_zero_size_is_an_error() {
        assert!(matches!(
            Buffer::try_alloc(&[1_u8, 2], 3),
            Err(MemoryError::SizeMismatch { stated: 3, actual: 2 })
        ));
        assert!(matches!(Buffer::<u8>::try_alloc(&[], 0), Err(MemoryError::ZeroSizedNotAllowed)));
        assert!(matches!(Buffer::<()>::try_zero(4), Err(MemoryError::ZeroSizedNotAllowed)));
        assert!(matches!(
            Buffer::<u64>::try_zero(usize::MAX / 4),
            Err(MemoryError::Allocation { source: boxed::Error::TooLarge { .. }, .. })
        ));
    }

    #[test]
    fn equality_is_by_length_and_value() {
        let a = Buffer::<u8>::from(&mut [1, 2, 3][..]);
        assert_eq!(a, a.clone());
        assert_ne!(a, Buffer::from(&mut [1, 2, 4][..]));
        assert_ne!(a, Buffer::from(&mut [1, 2][..]));
        assert_ne!(Buffer::from(&mut [1, 2][..]), a);
        let mut b = a.clone();
        assert_eq!(a.borrow(), b.borrow_mut());
        assert_eq!(b.borrow_mut(), a.borrow());
        let guard = a.borrow();
        assert_eq!(guard, guard.clone());
    }

    #[test]
    fn the_source_of_a_conversion_is_wiped() {
        let mut source = [7_u32; 4];
        let buffer = Buffer::from(&mut source[..]);
        assert_eq!(source, [0; 4]);
        assert_eq!(*buffer.borrow(), [7; 4]);
    }

    #[test]
    fn a_zeroized_buffer_is_empty_and_refuses_to_open() {
        let mut buffer = Buffer::<u8>::random(3);
        buffer.zeroize();
        assert_eq!((buffer.len(), buffer.size(), buffer.is_empty()), (0, 0, true));
        assert!(matches!(buffer.try_borrow(), Err(MemoryError::IllegalZeroizedUsage)));
        assert!(matches!(buffer.try_borrow_mut(), Err(MemoryError::IllegalZeroizedUsage)));
        assert_eq!(buffer, buffer.clone());
    }

    #[test]
    fn debug_hides_the_content() {
        let mut buffer = Buffer::<u8>::from(&mut b"visible"[..].to_vec()[..]);
        assert_eq!(format!("{buffer:?}"), DEBUG_MSG);
        assert_eq!(
            format!("{:?} {:?}", buffer.clone().borrow(), buffer.borrow_mut()),
            format!("{DEBUG_MSG} {DEBUG_MSG}")
        );
    }

    #[test]
    fn access_follows_the_guards() {
        let mut buffer = Buffer::<u8>::random(3);
        assert_eq!(buffer.prot(), Prot::NoAccess);
        let first = buffer.borrow();
        let second = first.clone();
        drop(first);
        assert_eq!(buffer.prot(), Prot::ReadOnly);
        drop(second);
        assert_eq!(buffer.prot(), Prot::NoAccess);
        buffer.borrow_mut()[0] = 1;
        assert_eq!(buffer.prot(), Prot::NoAccess);
    }

    #[test]
    fn a_leaked_guard_leaves_the_page_readable_and_the_next_exclusive_borrow_closes_it() {
        let mut buffer = Buffer::<u8>::zero(3);
        core::mem::forget(buffer.borrow());
        assert_eq!(buffer.prot(), Prot::ReadOnly);
        assert_eq!(*buffer.borrow(), [0; 3]);
        buffer.borrow_mut()[0] = 9;
        assert_eq!(buffer.prot(), Prot::NoAccess);
        core::mem::forget(buffer.borrow_mut());
        assert_eq!(*buffer.borrow(), [9, 0, 0]);
        assert_eq!(buffer.prot(), Prot::NoAccess);
    }

    #[test]
    fn reading_an_input_takes_all_of_it_and_no_more_than_allowed() {
        struct Broken;
        impl std::io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::PermissionDenied.into())
            }
        }
        let input: Vec<u8> = (0..251).cycle().take(100_000).collect();
        let buffer = Buffer::read_from(&input[..], input.len()).unwrap();
        assert_eq!(*buffer.borrow(), *input);
        assert!(matches!(
            Buffer::read_from(&input[..], input.len() - 1),
            Err(MemoryError::TooLong { limit: 99_999 })
        ));
        assert!(matches!(Buffer::read_from(&b""[..], 10), Err(MemoryError::ZeroSizedNotAllowed)));
        assert!(matches!(Buffer::read_from(Broken, 10), Err(MemoryError::FileSystemError { .. })));
    }
}
