//! What opens an envelope, and the keys that come of it.

use crate::{Error, Params};
use boxed::{DEBUG_MSG, Scratch};
use core::fmt;
use locked_memory::MemoryError;
use sodium::KEY_BYTES;

/// The length of the salt, in bytes.
pub(crate) const SALT_BYTES: usize = sodium::ARGON2ID_SALT_BYTES;
/// The length of the check value, in bytes.
pub(crate) const CHECK_BYTES: usize = KEY_BYTES;

/// Sets the keys of this use apart from every other use of the same key.
const PURPOSE: &[u8; 16] = b"envelope keys v1";

/// More dead stack than Argon2id leaves behind, in bytes.
const ARGON2ID_STACK: usize = 16 << 10;

/// What an envelope is sealed under and opened with. It is borrowed: best from a [`Buffer`](locked_memory::Buffer).
#[derive(Clone, Copy)]
pub enum Key<'a> {
    /// Something that a person remembers: Argon2id makes a key of it.
    Passphrase(&'a [u8]),
    /// 32 bytes that no one can guess: random, or from a key store.
    Bytes(&'a [u8; KEY_BYTES]),
}

/// One kind of [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// [`Key::Passphrase`].
    Passphrase,
    /// [`Key::Bytes`].
    Bytes,
}

impl Key<'_> {
    /// Which kind this is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::Passphrase(_) => KeyKind::Passphrase,
            Self::Bytes(_) => KeyKind::Bytes,
        }
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase => "passphrase",
            Self::Bytes => "32-byte key",
        })
    }
}

/// The keys of one envelope, in a guarded page: the cipher's, and the check value that the envelope shows.
///
/// Both are halves of one BLAKE2b hash of the salt, keyed with the master key: who sees the check value learns nothing of
/// the other half, and no two master keys that anyone can find share it.
pub(crate) struct Keys(Scratch<[u8; KEY_BYTES]>);

impl Keys {
    /// The keys of `key` and `salt`, where a passphrase costs `params`.
    pub(crate) fn derive(key: Key<'_>, params: Params, salt: &[u8; SALT_BYTES]) -> Result<Self, Error> {
        if matches!(key, Key::Passphrase([])) {
            return Err(Error::EmptyPassphrase);
        }
        let mut keys = Self(Scratch::new(3).map_err(on_page)?);
        let derived = keys.fill(key, params, salt);
        sodium::scrub(ARGON2ID_STACK);
        derived.map_err(|source| Error::Derivation { source })?;
        Ok(keys)
    }

    pub(crate) fn cipher(&self) -> &[u8; KEY_BYTES] {
        &self.0[0]
    }

    pub(crate) fn check(&self) -> &[u8; CHECK_BYTES] {
        &self.0[1]
    }

    fn fill(&mut self, key: Key<'_>, params: Params, salt: &[u8; SALT_BYTES]) -> Result<(), sodium::Error> {
        let (halves, master) = self.0.split_at_mut(2);
        let master = master.as_flattened_mut();
        match key {
            Key::Passphrase(passphrase) => {
                sodium::argon2id(master, passphrase, salt, params.operations(), params.memory_kib())?;
            }
            Key::Bytes(bytes) => master.copy_from_slice(bytes),
        }
        let mut message = [0; PURPOSE.len() + SALT_BYTES];
        let (purpose, of_this) = message.split_at_mut(PURPOSE.len());
        purpose.copy_from_slice(PURPOSE);
        of_this.copy_from_slice(salt);
        sodium::blake2b(halves.as_flattened_mut(), &message, master)?;
        sodium::memzero(master);
        Ok(())
    }
}

pub(crate) fn on_page(error: boxed::Error) -> Error {
    Error::Memory(MemoryError::on_page("seal or open an envelope")(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_key() {
        assert_eq!(
            format!("{:?} {:?}", Key::Passphrase(b"a"), Key::Bytes(&[1; 32])),
            [DEBUG_MSG; 2].join(" ")
        );
    }

    #[test]
    fn keys_depend_on_the_key_its_cost_and_the_salt_and_on_nothing_else() {
        let cheap = Params::new(1, 8).unwrap();
        let check = |key, params, salt| {
            let keys = Keys::derive(key, params, &[salt; SALT_BYTES]).unwrap();
            assert_ne!(keys.check(), keys.cipher());
            assert_eq!(keys.0[2], [0; KEY_BYTES], "the master key is wiped at once");
            (*keys.cipher(), *keys.check())
        };
        let mut seen = vec![];
        for key in [Key::Passphrase(b"a"), Key::Passphrase(b"b"), Key::Bytes(&[1; 32]), Key::Bytes(&[2; 32])]
        {
            for salt in [1, 2] {
                let first = check(key, cheap, salt);
                assert_eq!(first, check(key, cheap, salt));
                seen.push(first);
            }
        }
        seen.push(check(Key::Passphrase(b"a"), Params::new(2, 8).unwrap(), 1));
        seen.push(check(Key::Passphrase(b"a"), Params::new(1, 9).unwrap(), 1));
        for (at, one) in seen.iter().enumerate() {
            assert!(seen[..at].iter().all(|other| one.0 != other.0 && one.1 != other.1));
        }
    }
}
