//! Authenticated encryption with associated data.
#![allow(unsafe_code)]

use crate::Error;
use core::ffi::{c_int, c_uchar};
use core::ptr;

/// The length of a key, in bytes, of every [`Aead`].
pub const KEY_BYTES: usize = 32;

/// An authenticated cipher. Both keep a 256-bit key; a nonce must never serve twice under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aead {
    /// AEGIS-256 (draft-irtf-cfrg-aegis-aead): the fastest where the processor has AES instructions.
    Aegis256,
    /// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha): constant time without any special instruction.
    XChaCha20Poly1305,
}

type Seal = unsafe extern "C" fn(
    *mut c_uchar,
    *mut u64,
    *const c_uchar,
    u64,
    *const c_uchar,
    u64,
    *const c_uchar,
    *const c_uchar,
    *const c_uchar,
) -> c_int;

type Open = unsafe extern "C" fn(
    *mut c_uchar,
    *mut u64,
    *mut c_uchar,
    *const c_uchar,
    u64,
    *const c_uchar,
    u64,
    *const c_uchar,
    *const c_uchar,
) -> c_int;

impl Aead {
    /// The one to use on this processor: AEGIS-256 where libsodium would run it on AES instructions.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn for_this_cpu() -> Result<Self, Error> {
        crate::init()?;
        // SAFETY: no arguments, no effect; libsodium is initialised.
        let armcrypto = unsafe { libsodium_sys::sodium_runtime_has_armcrypto() } != 0;
        // SAFETY: as above.
        let aesni = unsafe { libsodium_sys::sodium_runtime_has_aesni() } != 0;
        // SAFETY: as above. libsodium's AES-NI code of AEGIS-256 also needs AVX.
        let avx = unsafe { libsodium_sys::sodium_runtime_has_avx() } != 0;
        Ok(if armcrypto || (aesni && avx) { Self::Aegis256 } else { Self::XChaCha20Poly1305 })
    }

    /// The length of a nonce, in bytes.
    #[must_use]
    pub const fn nonce_bytes(self) -> usize {
        match self {
            Self::Aegis256 => libsodium_sys::crypto_aead_aegis256_NPUBBYTES as usize,
            Self::XChaCha20Poly1305 => libsodium_sys::crypto_aead_xchacha20poly1305_ietf_NPUBBYTES as usize,
        }
    }

    /// How many bytes longer than the message its sealed form is.
    #[must_use]
    pub const fn tag_bytes(self) -> usize {
        match self {
            Self::Aegis256 => libsodium_sys::crypto_aead_aegis256_ABYTES as usize,
            Self::XChaCha20Poly1305 => libsodium_sys::crypto_aead_xchacha20poly1305_ietf_ABYTES as usize,
        }
    }

    /// Seals `message` into `sealed`: the ciphertext, then the tag.
    ///
    /// # Errors
    /// [`Error::Length`] unless `nonce` has [`nonce_bytes`](Self::nonce_bytes) bytes and `sealed` is
    /// [`tag_bytes`](Self::tag_bytes) longer than `message`.
    pub fn seal(
        self,
        key: &[u8; KEY_BYTES],
        nonce: &[u8],
        associated: &[u8],
        message: &[u8],
        sealed: &mut [u8],
    ) -> Result<(), Error> {
        self.check_nonce(nonce)?;
        if message.len().checked_add(self.tag_bytes()) != Some(sealed.len()) {
            return Err(Error::Length { argument: "sealed message", bytes: sealed.len() });
        }
        crate::init()?;
        let seal: Seal = match self {
            Self::Aegis256 => libsodium_sys::crypto_aead_aegis256_encrypt,
            Self::XChaCha20Poly1305 => libsodium_sys::crypto_aead_xchacha20poly1305_ietf_encrypt,
        };
        // SAFETY: every slice is valid for its length, and the lengths of key, nonce and output are those of this
        // cipher: the first by its type, the others checked above. A NULL length pointer and secret nonce are allowed.
        let code = unsafe {
            seal(
                sealed.as_mut_ptr(),
                ptr::null_mut(),
                message.as_ptr(),
                message.len() as u64,
                associated.as_ptr(),
                associated.len() as u64,
                ptr::null(),
                nonce.as_ptr(),
                key.as_ptr(),
            )
        };
        if code == 0 { Ok(()) } else { Err(Error::Length { argument: "message", bytes: message.len() }) }
    }

    /// Opens `sealed` into `message`.
    ///
    /// # Errors
    /// [`Error::Forged`] where anything differs from the sealing; `message` then holds zeros. [`Error::Length`] as
    /// for [`seal`](Self::seal).
    pub fn open(
        self,
        key: &[u8; KEY_BYTES],
        nonce: &[u8],
        associated: &[u8],
        sealed: &[u8],
        message: &mut [u8],
    ) -> Result<(), Error> {
        self.check_nonce(nonce)?;
        if message.len().checked_add(self.tag_bytes()) != Some(sealed.len()) {
            return Err(Error::Length { argument: "sealed message", bytes: sealed.len() });
        }
        crate::init()?;
        let open: Open = match self {
            Self::Aegis256 => libsodium_sys::crypto_aead_aegis256_decrypt,
            Self::XChaCha20Poly1305 => libsodium_sys::crypto_aead_xchacha20poly1305_ietf_decrypt,
        };
        // SAFETY: every slice is valid for its length, and the lengths of key, nonce and output are those of this
        // cipher: the first by its type, the others checked above. A NULL length pointer and secret nonce are allowed.
        let code = unsafe {
            open(
                message.as_mut_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
                sealed.as_ptr(),
                sealed.len() as u64,
                associated.as_ptr(),
                associated.len() as u64,
                nonce.as_ptr(),
                key.as_ptr(),
            )
        };
        if code == 0 {
            return Ok(());
        }
        crate::memzero(message);
        Err(Error::Forged)
    }

    fn check_nonce(self, nonce: &[u8]) -> Result<(), Error> {
        if nonce.len() == self.nonce_bytes() {
            Ok(())
        } else {
            Err(Error::Length { argument: "nonce", bytes: nonce.len() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Aead; 2] = [Aead::Aegis256, Aead::XChaCha20Poly1305];

    fn sealed(aead: Aead, message: &[u8]) -> Vec<u8> {
        let mut sealed = vec![0; message.len() + aead.tag_bytes()];
        aead.seal(&[1; 32], &[2; 32][..aead.nonce_bytes()], b"place", message, &mut sealed).unwrap();
        sealed
    }

    #[test]
    fn what_was_sealed_opens() {
        for aead in BOTH {
            for message in [&b""[..], b"a", b"forty-two bytes of text, more than a block"] {
                let sealed = sealed(aead, message);
                let mut opened = vec![9; message.len()];
                aead.open(&[1; 32], &[2; 32][..aead.nonce_bytes()], b"place", &sealed, &mut opened).unwrap();
                assert_eq!(opened, message);
            }
        }
    }

    #[test]
    fn a_change_of_any_part_is_forged_and_gives_no_byte() {
        for aead in BOTH {
            let good = sealed(aead, b"message");
            let nonce = &[2; 32][..aead.nonce_bytes()];
            let mut opened = [9; 7];
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1;
                assert!(matches!(
                    aead.open(&[1; 32], nonce, b"place", &bad, &mut opened),
                    Err(Error::Forged)
                ));
                assert_eq!(opened, [0; 7]);
                opened = [9; 7];
            }
            assert!(matches!(aead.open(&[3; 32], nonce, b"place", &good, &mut opened), Err(Error::Forged)));
            assert!(matches!(aead.open(&[1; 32], nonce, b"plac_", &good, &mut opened), Err(Error::Forged)));
            let other = &[4; 32][..aead.nonce_bytes()];
            assert!(matches!(aead.open(&[1; 32], other, b"place", &good, &mut opened), Err(Error::Forged)));
        }
    }

    #[test]
    fn wrong_lengths_are_errors_before_libsodium_sees_them() {
        for aead in BOTH {
            let nonce = &[0; 32][..aead.nonce_bytes()];
            assert!(matches!(
                aead.seal(&[0; 32], &[0; 5], b"", b"m", &mut [0; 33]),
                Err(Error::Length { .. })
            ));
            assert!(matches!(aead.seal(&[0; 32], nonce, b"", b"m", &mut [0; 3]), Err(Error::Length { .. })));
            assert!(matches!(
                aead.open(&[0; 32], nonce, b"", &[0; 3], &mut [0; 1]),
                Err(Error::Length { .. })
            ));
        }
    }

    #[test]
    fn the_choice_is_stable() {
        assert_eq!(Aead::for_this_cpu().unwrap(), Aead::for_this_cpu().unwrap());
    }
}
