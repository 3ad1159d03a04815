//! Wiping memory and comparing it in constant time.
#![allow(unsafe_code)]

use core::ffi::c_void;

/// Overwrites `bytes` with zeros, in a way no optimiser removes.
pub fn memzero(bytes: &mut [u8]) {
    // SAFETY: the slice is valid for writes of its whole length; the function needs no initialised libsodium.
    unsafe { libsodium_sys::sodium_memzero(bytes.as_mut_ptr().cast::<c_void>(), bytes.len()) };
}

/// Whether `a` and `b` hold the same bytes, in a time that depends on their lengths alone.
///
/// Slices of different lengths are not equal.
#[must_use]
pub fn memcmp(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // SAFETY: both slices are valid for reads of `a.len()` bytes, which is also the length of `b`.
    let code = unsafe {
        libsodium_sys::sodium_memcmp(a.as_ptr().cast::<c_void>(), b.as_ptr().cast::<c_void>(), a.len())
    };
    code == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memzero_wipes_all_of_the_slice_and_nothing_else() {
        let mut bytes = [1, 2, 3, 4];
        memzero(&mut bytes[1..3]);
        assert_eq!(bytes, [1, 0, 0, 4]);
    }

    #[test]
    fn equality_needs_equal_lengths_and_equal_bytes() {
        assert!(memcmp(b"abc", b"abc"));
        assert!(memcmp(b"", b""));
        assert!(!memcmp(b"abc", b"abd"));
        assert!(!memcmp(b"abc", b"ab"));
        assert!(!memcmp(b"ab", b"abc"));
    }
}
