//! BLAKE2b, with and without a key (RFC 7693).
#![allow(unsafe_code)]

use crate::Error;
use core::ffi::c_uchar;

/// Writes the BLAKE2b hash of `message` into `out`, keyed with `key` unless that is empty.
///
/// A keyed hash is a message authentication code and a pseudo-random function of the message.
///
/// # Errors
/// [`Error::Length`] unless `out` has 16 to 64 bytes and `key` 0 or 16 to 64 bytes.
///
/// Reference: <https://doc.libsodium.org/hashing/generic_hashing>.
pub fn blake2b(out: &mut [u8], message: &[u8], key: &[u8]) -> Result<(), Error> {
    if !(16..=64).contains(&out.len()) {
        return Err(Error::Length { argument: "BLAKE2b output", bytes: out.len() });
    }
    if !(key.is_empty() || (16..=64).contains(&key.len())) {
        return Err(Error::Length { argument: "BLAKE2b key", bytes: key.len() });
    }
    crate::init()?;
    // SAFETY: three slices, each valid for its length; the lengths of output and key were checked above.
    let code = unsafe {
        libsodium_sys::crypto_generichash_blake2b(
            out.as_mut_ptr().cast::<c_uchar>(),
            out.len(),
            message.as_ptr().cast::<c_uchar>(),
            message.len() as u64,
            key.as_ptr().cast::<c_uchar>(),
            key.len(),
        )
    };
    if code == 0 { Ok(()) } else { Err(Error::Length { argument: "BLAKE2b message", bytes: message.len() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_hash_is_that_of_rfc_7693() {
        let mut out = [0; 64];
        blake2b(&mut out, b"abc", b"").unwrap();
        assert_eq!(
            hex(&out),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
             7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
        );
    }

    #[test]
    fn the_keyed_hash_is_that_of_the_reference_vectors() {
        let key: Vec<u8> = (0..64).collect();
        let mut out = [0; 64];
        blake2b(&mut out, b"", &key).unwrap();
        assert_eq!(
            hex(&out),
            "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786\
             b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568"
        );
    }

    #[test]
    fn lengths_outside_the_standard_are_errors() {
        assert!(matches!(blake2b(&mut [0; 15], b"", b""), Err(Error::Length { bytes: 15, .. })));
        assert!(matches!(blake2b(&mut [0; 65], b"", b""), Err(Error::Length { bytes: 65, .. })));
        assert!(matches!(blake2b(&mut [0; 32], b"", &[0; 15]), Err(Error::Length { bytes: 15, .. })));
        assert!(matches!(blake2b(&mut [0; 32], b"", &[0; 65]), Err(Error::Length { bytes: 65, .. })));
    }
}
