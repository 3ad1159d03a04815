//! Sealing a secret into an envelope and opening it.

use crate::header::{HEADER_BYTES, Header, NONCE_BYTES, OPEN, WRITE};
use crate::key::{Keys, SALT_BYTES, on_page};
use crate::{Error, Key, KeyKind, Limits, Params, Part};
use boxed::Scratch;
use locked_memory::{Buffer, MemoryError};
use sodium::Aead;

const CIPHER: Aead = Aead::XChaCha20Poly1305;

/// Seals the content of `secret` into an envelope under `key`; `params` is the cost of a passphrase.
///
/// # Errors
/// [`Error::Memory`] where `secret` cannot be borrowed, [`Error::EmptyPassphrase`], [`Error::Derivation`],
/// [`Error::OutOfMemory`].
pub fn seal(secret: &Buffer<u8>, key: Key<'_>, params: Params) -> Result<Vec<u8>, Error> {
    Sealer::new(key, params)?.seal(&secret.try_borrow()?)
}

/// Opens `envelope` with `key`, within `limits`, straight into guarded memory.
///
/// # Errors
/// * [`Error::NotAnEnvelope`], [`Error::UnsupportedVersion`], [`Error::UnsupportedAlgorithm`]
/// * [`Error::Truncated`], [`Error::TrailingBytes`]
/// * [`Error::Altered`]: a part is not as it was written
/// * [`Error::WrongKey`], [`Error::OtherKeyKind`], [`Error::EmptyPassphrase`]
/// * [`Error::TooCostly`], [`Error::TooLong`], [`Error::InvalidCost`]: before any work is done
/// * [`Error::Derivation`], [`Error::Memory`]: the machine has no more to give
pub fn open(envelope: &[u8], key: Key<'_>, limits: Limits) -> Result<Buffer<u8>, Error> {
    let (header, associated, sealed) = Header::decode(envelope)?;
    let (expected, params) = header.derivation(limits)?;
    let secret_bytes = header.secret_bytes(sealed, limits)?;
    if expected != key.kind() {
        return Err(Error::OtherKeyKind { expected, given: key.kind() });
    }
    let keys = Keys::derive(key, params, &header.salt)?;
    if !sodium::memcmp(keys.check(), &header.check) {
        return Err(Error::WrongKey { kind: key.kind() });
    }
    let mut secret = Scratch::new(secret_bytes).map_err(on_page)?;
    let opened = CIPHER.open(keys.cipher(), &header.nonce, associated, sealed, &mut secret);
    boxed::scrub();
    match opened {
        Ok(()) => Ok(Buffer::try_from(secret)?),
        Err(sodium::Error::Forged) => Err(Error::Altered { part: Part::Secret }),
        Err(error) => Err(Error::refused(OPEN)(error)),
    }
}

/// As [`seal`], of a secret that is fetched once the keys are derived: it is in the clear for no longer than that takes.
pub(crate) fn seal_late(
    key: Key<'_>,
    params: Params,
    secret: impl FnOnce() -> Result<Buffer<u8>, MemoryError>,
) -> Result<Vec<u8>, Error> {
    let sealer = Sealer::new(key, params)?;
    let secret = secret()?;
    sealer.seal(&secret.try_borrow()?)
}

/// All that an envelope takes but its secret.
struct Sealer {
    keys: Keys,
    kind: KeyKind,
    params: Params,
    salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_BYTES],
}

impl Sealer {
    fn new(key: Key<'_>, params: Params) -> Result<Self, Error> {
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
        sodium::random_bytes(&mut salt).map_err(Error::refused(WRITE))?;
        sodium::random_bytes(&mut nonce).map_err(Error::refused(WRITE))?;
        Self::of(key, params, salt, nonce)
    }

    fn of(
        key: Key<'_>,
        params: Params,
        salt: [u8; SALT_BYTES],
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Self, Error> {
        Ok(Self { keys: Keys::derive(key, params, &salt)?, kind: key.kind(), params, salt, nonce })
    }

    fn seal(self, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let sealed_bytes = secret.len().saturating_add(CIPHER.tag_bytes());
        let bytes = sealed_bytes.saturating_add(HEADER_BYTES);
        let check = *self.keys.check();
        let header =
            Header::new(self.kind, self.params, self.salt, self.nonce, check, sealed_bytes).encode()?;
        let mut envelope = Vec::new();
        envelope.try_reserve_exact(bytes).map_err(|_| Error::OutOfMemory { bytes })?;
        envelope.extend(header);
        envelope.resize(bytes, 0);
        let sealed = envelope.split_at_mut(HEADER_BYTES).1;
        let done = CIPHER.seal(self.keys.cipher(), &self.nonce, &header, secret, sealed);
        boxed::scrub();
        done.map_err(Error::refused(WRITE))?;
        Ok(envelope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Result<Params, Error> = Params::new(1, 8);
    const SECRET: &[u8] = b"correct horse battery staple";
    const PASSPHRASE: Key<'static> = Key::Passphrase(b"a passphrase");
    const BYTES: Key<'static> = Key::Bytes(b"thirty-two bytes that are a key.");

    /// Envelopes of version 1 of `SECRET`. Every later version of this library opens them.
    const UNDER_PASSPHRASE: &str = "\
        895348454e560d0a010001010100000008000000000102030405060708090a0b0c0d0e0f404142434445464748494a4b\
        4c4d4e4f50515253545556573f4bdb8382ef8d28506cf125c76130bcd40cfdfa1ec7df05a50e59fc3dd9aa842c000000\
        00000000c1aaf3a0723a9100efcc8b4b10e169beb9d3cf5a19df76bbb29a5526b604fb804f315e4cad27a86f200213a9\
        2f4e7e48dffb2a3e16d7d5d4fd6a8608";
    const UNDER_BYTES: &str = "\
        895348454e560d0a010001000000000000000000000102030405060708090a0b0c0d0e0f404142434445464748494a4b\
        4c4d4e4f50515253545556570ef8eda6d55f617707335830b5837de2a833ae83648c7562c9bbadce72a7176e2c000000\
        000000009d3520114c864b2af7c84ccb993002851a54835844c0c8cb3cd8515149c0eeb42248a346542f2649103f65c0\
        4eb6015168a9c7d61c6b4308fd8739e8";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn counting_from<const N: usize>(first: u8) -> [u8; N] {
        let mut bytes = first..;
        core::array::from_fn(|_| bytes.next().unwrap())
    }

    #[test]
    fn an_envelope_of_version_1_opens_for_ever() {
        for (envelope, key) in [(UNDER_PASSPHRASE, PASSPHRASE), (UNDER_BYTES, BYTES)] {
            let secret = open(&unhex(envelope), key, Limits::default()).unwrap();
            assert_eq!(*secret.borrow(), *SECRET);
        }
    }

    #[test]
    fn version_1_is_written_as_it_always_was() {
        let salt = counting_from(0);
        let nonce = counting_from(0x40);
        for (envelope, key) in [(UNDER_PASSPHRASE, PASSPHRASE), (UNDER_BYTES, BYTES)] {
            let sealer = Sealer::of(key, CHEAP.unwrap(), salt, nonce).unwrap();
            assert_eq!(hex(&sealer.seal(SECRET).unwrap()), envelope);
        }
    }

    #[test]
    fn two_envelopes_of_one_secret_share_nothing_but_their_form() {
        let secret = Buffer::alloc(SECRET, SECRET.len());
        let [one, other] = [(); 2].map(|()| seal(&secret, BYTES, Params::default()).unwrap());
        assert_eq!(one[..20], other[..20]);
        for part in [20..36, 36..60, 60..92, 100..116, 116..160] {
            assert_ne!(one[part.clone()], other[part]);
        }
    }

    #[test]
    fn a_secret_that_cannot_be_fetched_is_an_error_of_the_memory() {
        let result = seal_late(BYTES, Params::default(), || Err(MemoryError::IllegalZeroizedUsage));
        assert!(matches!(result, Err(Error::Memory(MemoryError::IllegalZeroizedUsage))));
    }
}
