#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod buffer;
mod error;
mod growing;
#[cfg(feature = "serde")]
mod serde;

use core::fmt::Debug;

pub use boxed::{Bytes, DEBUG_MSG, Ref, RefMut};
pub use buffer::Buffer;
pub use error::{Cause, MemoryError};
pub use zeroize::{Zeroize, ZeroizeOnDrop};

/// Memory that keeps a secret unreadable for as long as no one needs it.
///
/// Every implementation also has `replace(&mut self, payload: Buffer<u8>)`, which keeps the old value where it fails,
/// `with(|bytes| ...)` for a use on the spot, and `try_clone`.
pub trait LockedMemory: Debug + Zeroize + ZeroizeOnDrop + Sized + Clone {
    /// Modifies the value and potentially reallocates the data.
    ///
    /// `size` is the length of `payload`, in bytes.
    ///
    /// # Errors
    /// [`MemoryError::SizeMismatch`] where `size` is something else; those of creating the memory. The old value is
    /// lost with `self`; to keep it, use `replace`.
    fn update(self, payload: Buffer<u8>, size: usize) -> Result<Self, MemoryError>;

    /// Unlocks the memory and returns a Buffer
    ///
    /// # Errors
    /// [`MemoryError::DecryptionError`] where the stored bytes were tampered with,
    /// [`MemoryError::IllegalZeroizedUsage`], [`MemoryError::Forked`], and those of creating a [`Buffer`].
    fn unlock(&self) -> Result<Buffer<u8>, MemoryError>;
}

/// Checks the `size` that the kept signatures carry beside a slice.
///
/// # Errors
/// [`MemoryError::SizeMismatch`], [`MemoryError::ZeroSizedNotAllowed`].
pub fn check_size(actual: usize, stated: usize) -> Result<(), MemoryError> {
    match (actual, stated) {
        (0, 0) => Err(MemoryError::ZeroSizedNotAllowed),
        _ if actual == stated => Ok(()),
        _ => Err(MemoryError::SizeMismatch { stated, actual }),
    }
}

/// Ends the calling thread with the message of `error`: the one panic of the conveniences that cannot return an error.
#[cold]
#[allow(clippy::panic)]
fn give_up(error: &MemoryError) -> ! {
    let mut message = error.to_string();
    let mut cause = core::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    panic!("{message}");
}
