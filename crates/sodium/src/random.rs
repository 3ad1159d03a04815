//! Random bytes from the operating system's generator.
#![allow(unsafe_code)]

use crate::Error;
use core::ffi::c_void;

/// Fills `bytes` with random bytes fit for keys.
///
/// # Errors
/// [`Error::Unavailable`]. Once libsodium is initialised the generator cannot fail: libsodium ends the process rather
/// than hand out predictable bytes.
pub fn random_bytes(bytes: &mut [u8]) -> Result<(), Error> {
    crate::init()?;
    // SAFETY: the slice is valid for writes of its whole length, and libsodium is initialised.
    unsafe { libsodium_sys::randombytes_buf(bytes.as_mut_ptr().cast::<c_void>(), bytes.len()) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut a, mut b) = ([0_u8; 32], [0_u8; 32]);
        random_bytes(&mut a).unwrap();
        random_bytes(&mut b).unwrap();
        assert_ne!(a, b);
        assert_ne!(a, [0; 32]);
    }
}
