//! The byte layout of an envelope before its ciphertext, and the one place that knows bincode.

use crate::key::{CHECK_BYTES, SALT_BYTES};
use crate::{Error, KeyKind, Limits, Params, Part};
use bincode::Options as _;
use serde::{Deserialize, Serialize};

/// The version that this library writes and reads.
pub(crate) const VERSION: u16 = 1;
/// The length of the header, in bytes.
pub(crate) const HEADER_BYTES: usize = FIELDS_BYTES + CHECKSUM_BYTES;
/// The length of a nonce of XChaCha20-Poly1305, in bytes.
pub(crate) const NONCE_BYTES: usize = 24;

pub(crate) const WRITE: &str = "write an envelope";
pub(crate) const OPEN: &str = "open an envelope";

/// Like that of PNG: a first byte that is no text, and line ends that a transfer as text would change.
const MAGIC: [u8; 8] = *b"\x89SHENV\r\n";
const FIELDS_BYTES: usize = 100;
const CHECKSUM_BYTES: usize = 16;

const XCHACHA20_POLY1305: u8 = 1;
const NO_DERIVATION: u8 = 0;
const ARGON2ID_13: u8 = 1;

/// The fields in the order of their bytes. None has a variable length, so nothing read can ask for an allocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    magic: [u8; 8],
    version: u16,
    cipher: u8,
    derivation: u8,
    operations: u32,
    memory_kib: u32,
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) check: [u8; CHECK_BYTES],
    /// The length of the ciphertext with its tag.
    sealed_bytes: u64,
}

impl Header {
    pub(crate) fn new(
        kind: KeyKind,
        params: Params,
        salt: [u8; SALT_BYTES],
        nonce: [u8; NONCE_BYTES],
        check: [u8; CHECK_BYTES],
        sealed_bytes: usize,
    ) -> Self {
        let (derivation, operations, memory_kib) = match kind {
            KeyKind::Passphrase => (ARGON2ID_13, params.operations(), params.memory_kib()),
            KeyKind::Bytes => (NO_DERIVATION, 0, 0),
        };
        let sealed_bytes = sealed_bytes as u64;
        Self {
            magic: MAGIC,
            version: VERSION,
            cipher: XCHACHA20_POLY1305,
            derivation,
            operations,
            memory_kib,
            salt,
            nonce,
            check,
            sealed_bytes,
        }
    }

    /// The fields and their checksum.
    pub(crate) fn encode(&self) -> Result<[u8; HEADER_BYTES], Error> {
        let mut bytes = [0; HEADER_BYTES];
        let (fields, checksum) = bytes.split_at_mut(FIELDS_BYTES);
        codec()
            .serialize_into(&mut *fields, self)
            .map_err(|source| Error::Operation { operation: WRITE, source })?;
        sodium::blake2b(checksum, fields, &[]).map_err(Error::refused(WRITE))?;
        Ok(bytes)
    }

    /// Reads the header at the front of `envelope` and says what follows it.
    ///
    /// What comes back is intact but not authentic: whoever alters an envelope can make its checksum match.
    pub(crate) fn decode(envelope: &[u8]) -> Result<(Self, &[u8], &[u8]), Error> {
        let truncated = || Error::Truncated { expected: HEADER_BYTES as u64, actual: envelope.len() };
        if !envelope.iter().zip(MAGIC).all(|(byte, magic)| *byte == magic) {
            return Err(Error::NotAnEnvelope);
        }
        // Another version may have another header, so nothing behind the version is looked at before it.
        let version = envelope.get(MAGIC.len()..).and_then(<[u8]>::first_chunk).ok_or_else(truncated)?;
        match u16::from_le_bytes(*version) {
            VERSION => (),
            version => return Err(Error::UnsupportedVersion { version }),
        }
        let (header, sealed) = envelope.split_at_checked(HEADER_BYTES).ok_or_else(truncated)?;
        let (fields, checksum) = header.split_at(FIELDS_BYTES);
        let mut expected = [0; CHECKSUM_BYTES];
        sodium::blake2b(&mut expected, fields, &[]).map_err(Error::refused(OPEN))?;
        if expected != checksum {
            return Err(Error::Altered { part: Part::Header });
        }
        let decoded = codec().deserialize(fields).map_err(|_| Error::Altered { part: Part::Header })?;
        Ok((decoded, header, sealed))
    }

    /// What kind of key opens the envelope, and at what cost; checked against `limits`.
    pub(crate) fn derivation(&self, limits: Limits) -> Result<(KeyKind, Params), Error> {
        if self.cipher != XCHACHA20_POLY1305 {
            return Err(Error::UnsupportedAlgorithm { what: "cipher", number: self.cipher });
        }
        match self.derivation {
            NO_DERIVATION => Ok((KeyKind::Bytes, Params::default())),
            ARGON2ID_13 => {
                let params = Params::new(self.operations, self.memory_kib)?;
                limits.admit(params)?;
                Ok((KeyKind::Passphrase, params))
            }
            number => Err(Error::UnsupportedAlgorithm { what: "key derivation", number }),
        }
    }

    /// The length of the secret, given what follows the header; checked against `limits`.
    pub(crate) fn secret_bytes(&self, sealed: &[u8], limits: Limits) -> Result<usize, Error> {
        let tag = sodium::Aead::XChaCha20Poly1305.tag_bytes();
        let stated = self.sealed_bytes.checked_sub(tag as u64).filter(|bytes| *bytes > 0);
        let secret = limits.admit_secret(stated.ok_or(Error::Altered { part: Part::Header })?)?;
        let (present, stated) = (sealed.len(), secret.saturating_add(tag));
        if present < stated {
            let header = HEADER_BYTES as u64;
            return Err(Error::Truncated {
                expected: self.sealed_bytes.saturating_add(header),
                actual: present.saturating_add(HEADER_BYTES),
            });
        }
        if present > stated {
            return Err(Error::TrailingBytes { extra: present - stated });
        }
        Ok(secret)
    }
}

/// Integers of fixed length, little-endian; never more than the fields, never less than all of the input.
fn codec() -> impl bincode::Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .with_limit(FIELDS_BYTES as u64)
        .reject_trailing_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let params = Params::new(3, 0x0102_0304).unwrap();
        Header::new(KeyKind::Passphrase, params, [5; 16], [6; 24], [7; 32], 0x0908)
    }

    #[test]
    fn the_layout_is_that_of_the_documentation() {
        let bytes = header().encode().unwrap();
        assert_eq!(bytes.len(), 116);
        assert_eq!(bytes[..8], *b"\x89SHENV\r\n");
        assert_eq!(bytes[8..10], [1, 0]);
        assert_eq!(bytes[10..12], [1, 1]);
        assert_eq!(bytes[12..16], [3, 0, 0, 0]);
        assert_eq!(bytes[16..20], [4, 3, 2, 1]);
        assert_eq!(bytes[20..36], [5; 16]);
        assert_eq!(bytes[36..60], [6; 24]);
        assert_eq!(bytes[60..92], [7; 32]);
        assert_eq!(bytes[92..100], [8, 9, 0, 0, 0, 0, 0, 0]);
        let mut checksum = [0; 16];
        sodium::blake2b(&mut checksum, &bytes[..100], &[]).unwrap();
        assert_eq!(bytes[100..], checksum);
    }

    #[test]
    fn what_was_encoded_decodes_and_the_rest_follows() {
        let mut bytes = header().encode().unwrap().to_vec();
        bytes.extend([1, 2, 3]);
        let (decoded, front, rest) = Header::decode(&bytes).unwrap();
        assert_eq!((decoded, front, rest), (header(), &bytes[..116], &[1, 2, 3][..]));
    }

    #[test]
    fn numbers_that_no_version_1_has_are_errors() {
        let limits = Limits::default();
        let with = |change: fn(&mut Header)| {
            let mut header = header();
            header.memory_kib = 8;
            change(&mut header);
            header.derivation(limits)
        };
        assert!(with(|_| ()).is_ok());
        assert!(matches!(
            with(|header| header.cipher = 2),
            Err(Error::UnsupportedAlgorithm { what: "cipher", number: 2 })
        ));
        assert!(matches!(
            with(|header| header.derivation = 2),
            Err(Error::UnsupportedAlgorithm { what: "key derivation", number: 2 })
        ));
        assert!(matches!(with(|header| header.operations = 0), Err(Error::InvalidCost { .. })));
        assert!(matches!(with(|header| header.memory_kib = 7), Err(Error::InvalidCost { .. })));
    }

    #[test]
    fn a_stated_length_is_held_against_the_limit_and_the_input() {
        let limits = Limits::default().secret_bytes(100);
        let stating = |sealed_bytes, present: usize| {
            Header { sealed_bytes, ..header() }.secret_bytes(&vec![0; present], limits)
        };
        assert_eq!(stating(17, 17).unwrap(), 1);
        assert_eq!(stating(116, 116).unwrap(), 100);
        for none in [0, 15, 16] {
            assert!(matches!(stating(none, 16), Err(Error::Altered { part: Part::Header })));
        }
        assert!(matches!(stating(117, 117), Err(Error::TooLong { bytes: 101, limit: 100 })));
        assert!(matches!(stating(u64::MAX, 17), Err(Error::TooLong { .. })));
        assert!(matches!(stating(20, 17), Err(Error::Truncated { expected: 136, actual: 133 })));
        assert!(matches!(stating(17, 20), Err(Error::TrailingBytes { extra: 3 })));
    }
}
