//! The XChaCha20 key stream, without authentication: a mask as long as what is to be masked.
#![allow(unsafe_code)]

use crate::Error;
use crate::aead::KEY_BYTES;
use core::ffi::c_uchar;

/// The length of the nonce of [`stream_xor()`], in bytes.
pub const STREAM_NONCE_BYTES: usize = 24;

/// Combines `bytes` with the XChaCha20 key stream of `key` and `nonce`, in place. Twice is nothing.
///
/// Whoever has the result and neither key nor bytes learns nothing, so long as no pair of key and nonce serves two
/// different texts. It does not authenticate: whoever changes a bit of the result changes that bit of the bytes.
///
/// # Errors
/// [`Error::Unavailable`], with `bytes` unchanged.
///
/// Reference: <https://doc.libsodium.org/advanced/stream_ciphers/xchacha20>.
pub fn stream_xor(
    bytes: &mut [u8],
    nonce: &[u8; STREAM_NONCE_BYTES],
    key: &[u8; KEY_BYTES],
) -> Result<(), Error> {
    crate::init()?;
    let text = bytes.as_mut_ptr().cast::<c_uchar>();
    // SAFETY: libsodium takes equal pointers for input and output; the slice is valid for reads and writes of its
    // length; nonce and key have the lengths of the cipher.
    let code = unsafe {
        libsodium_sys::crypto_stream_xchacha20_xor(
            text,
            text,
            bytes.len() as u64,
            nonce.as_ptr().cast::<c_uchar>(),
            key.as_ptr().cast::<c_uchar>(),
        )
    };
    // The cipher of libsodium fails for no input; a text too long for its counter, 2^70 bytes, has no address.
    if code == 0 { Ok(()) } else { Err(Error::Length { argument: "text", bytes: bytes.len() }) }
}

const _: () = assert!(libsodium_sys::crypto_stream_xchacha20_KEYBYTES as usize == KEY_BYTES);
const _: () = assert!(libsodium_sys::crypto_stream_xchacha20_NONCEBYTES as usize == STREAM_NONCE_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        core::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    #[test]
    fn the_stream_is_that_of_the_reference_vectors() {
        // From the tests of libsodium, `xchacha20.c`.
        let vectors = [
            (
                "79c99798ac67300bbb2704c95c341e3245f3dcb21761b98e52ff45b24f304fc4",
                "b33ffd3096479bcfbc9aee49417688a0a2554f8d95389419",
                "c6e9758160083ac604ef90e712ce6e75d7797590744e0cf060f01373",
            ),
            (
                "ddf7784fee099612c40700862189d0397fcc4cc4b3cc02b5456b3a97d1186173",
                "a9a04491e7bf00c3ca91ac7c2d38a777d88993a7047dfcc4",
                "2f289d371f6f0abc3cb60d11d9b7b29adf6bc5ad843e8493e928448d",
            ),
        ];
        for (key, nonce, stream) in vectors {
            let mut text = [0; 28];
            stream_xor(&mut text, &bytes(nonce), &bytes(key)).unwrap();
            assert_eq!(text, bytes(stream));
        }
    }

    #[test]
    fn twice_is_nothing_at_any_length() {
        for length in [0, 1, 63, 64, 65, 5000] {
            let mut text = vec![0xa5; length];
            stream_xor(&mut text, &[1; STREAM_NONCE_BYTES], &[2; KEY_BYTES]).unwrap();
            assert!(length < 16 || text != vec![0xa5; length]);
            stream_xor(&mut text, &[1; STREAM_NONCE_BYTES], &[2; KEY_BYTES]).unwrap();
            assert_eq!(text, vec![0xa5; length]);
        }
    }
}
