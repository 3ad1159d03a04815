//! The one door to libsodium: safe wrappers, nothing else.
//!
//! Every other crate of the workspace reaches libsodium through this one. It knows nothing of pages, policies,
//! threads or files; it turns C functions into functions whose misuse is a compile error or an [`Error`].
//!
//! | what | here | libsodium |
//! |---|---|---|
//! | guarded allocation, its three protection states, its lock | [`Guarded`], [`Access`] | `sodium_malloc`, `sodium_mprotect_*`, `sodium_mlock`, `sodium_free` |
//! | wiping memory, dead stack and vector registers | [`memzero`], [`scrub()`] | `sodium_memzero`, `sodium_stackzero` |
//! | comparing in constant time | [`memcmp`] | `sodium_memcmp` |
//! | random bytes | [`random_bytes`] | `randombytes_buf` |
//! | hashing | [`blake2b()`] | `crypto_generichash_blake2b` |
//! | a key from a passphrase | [`argon2id`] | `crypto_pwhash_argon2id` |
//! | masking | [`stream_xor()`] | `crypto_stream_xchacha20` |
//! | sealing | [`Aead`] | `crypto_aead_aegis256`, `crypto_aead_xchacha20poly1305_ietf` |
//!
//! Reference: <https://doc.libsodium.org>.

mod aead;
mod blake2b;
mod guarded;
mod init;
mod memory;
mod pwhash;
mod random;
mod scrub;
mod stream;

use core::fmt;
use std::io;

pub use aead::{Aead, KEY_BYTES};
pub use blake2b::blake2b;
pub use guarded::{Access, Guarded};
pub use init::init;
pub use memory::{memcmp, memzero};
pub use pwhash::{ARGON2ID_MEMORY_KIB_MIN, ARGON2ID_OPERATIONS_MIN, ARGON2ID_SALT_BYTES, argon2id};
pub use random::random_bytes;
pub use scrub::scrub;
pub use stream::{STREAM_NONCE_BYTES, stream_xor};

/// Why a call into libsodium did not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// `sodium_init` failed: there is no source of random bytes on this system.
    Unavailable,
    /// A key, nonce, output or message has a length the function does not take.
    Length {
        /// The argument that does not fit.
        argument: &'static str,
        /// Its length in bytes.
        bytes: usize,
    },
    /// The authentication tag does not match: the sealed bytes, the nonce, the associated data or the key are
    /// not those of the sealing.
    Forged,
    /// A passphrase is to be hashed at a cost that the function does not take.
    Cost {
        /// The passes over the memory.
        operations: u32,
        /// The memory, in KiB.
        memory_kib: u32,
    },
    /// There is no memory to hash a passphrase in.
    OutOfMemory {
        /// How many bytes were to be had.
        bytes: usize,
    },
    /// The operating system refused.
    Os {
        /// The libsodium function that reported it.
        call: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => f.write_str("sodium_init failed: no source of random bytes"),
            Self::Length { argument, bytes } => {
                write!(f, "{bytes} bytes is no valid length of the {argument}")
            }
            Self::Forged => f.write_str("the authentication tag does not match"),
            Self::Cost { operations, memory_kib } => {
                write!(f, "{operations} passes over {memory_kib} KiB is no valid cost of Argon2id")
            }
            Self::OutOfMemory { bytes } => write!(f, "cannot allocate {bytes} bytes to hash a passphrase in"),
            Self::Os { call, .. } => write!(f, "{call} failed"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Os { source, .. } => Some(source),
            _ => None,
        }
    }
}
