//! Why a secret was not exported or imported.

use crate::KeyKind;
use core::fmt;
use locked_memory::{Cause, MemoryError};

/// Why an envelope could not be written or opened. No failure gives any byte of a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes do not begin like an envelope.
    #[error("not an envelope: the bytes do not begin with its magic number")]
    NotAnEnvelope,

    /// The envelope has a version that this library does not read.
    #[error("the envelope has version {version}, this library reads version {supported}", supported = crate::header::VERSION)]
    UnsupportedVersion {
        /// The version of the envelope.
        version: u16,
    },

    /// The envelope names a cipher or a key derivation that this library does not know.
    #[error("the envelope uses an unknown {what}, number {number}")]
    UnsupportedAlgorithm {
        /// What is unknown.
        what: &'static str,
        /// Its number in the envelope.
        number: u8,
    },

    /// The end of the envelope is missing.
    #[error("the envelope is cut off: {actual} bytes of at least {expected}")]
    Truncated {
        /// The length that the envelope has at least, in bytes: its whole length where the header is there.
        expected: u64,
        /// The length of the input, in bytes.
        actual: usize,
    },

    /// Something follows the envelope.
    #[error("{extra} bytes follow the end of the envelope")]
    TrailingBytes {
        /// How many bytes are too many.
        extra: usize,
    },

    /// The envelope is not as it was written.
    #[error("{part} of the envelope was altered")]
    Altered {
        /// What was altered.
        part: Part,
    },

    /// The envelope was sealed under another passphrase or key.
    #[error("wrong {kind}")]
    WrongKey {
        /// What was tried.
        kind: KeyKind,
    },

    /// The envelope opens with the other kind of key.
    #[error("the envelope opens with a {expected}, not with a {given}")]
    OtherKeyKind {
        /// What it opens with.
        expected: KeyKind,
        /// What was tried.
        given: KeyKind,
    },

    /// A passphrase of zero bytes protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,

    /// Less than one pass over 8 KiB.
    #[error(
        "{operations} passes over {memory_kib} KiB is no valid cost of Argon2id: at least 1 pass over 8 KiB"
    )]
    InvalidCost {
        /// The passes over the memory.
        operations: u32,
        /// The memory, in KiB.
        memory_kib: u32,
    },

    /// Opening the envelope would cost more than the caller's [`Limits`](crate::Limits).
    #[error(
        "the envelope asks for {operations} passes over {memory_kib} KiB, \
         the limit is {operations_limit} passes over {memory_kib_limit} KiB"
    )]
    TooCostly {
        /// The passes over the memory that it asks for.
        operations: u32,
        /// The memory that it asks for, in KiB.
        memory_kib: u32,
        /// The most passes allowed.
        operations_limit: u32,
        /// The most memory allowed, in KiB.
        memory_kib_limit: u32,
    },

    /// The secret is longer than the caller's [`Limits`](crate::Limits).
    #[error("the envelope states a secret of {bytes} bytes, the limit is {limit} bytes")]
    TooLong {
        /// The stated length, in bytes.
        bytes: u64,
        /// The longest allowed, in bytes.
        limit: usize,
    },

    /// The key could not be derived.
    #[error("cannot derive the key of an envelope")]
    Derivation {
        /// Why not.
        source: sodium::Error,
    },

    /// The cipher or the encoding of the header failed, for a reason that is not in the envelope.
    #[error("cannot {operation}")]
    Operation {
        /// What was to be done.
        operation: &'static str,
        /// Why it was not.
        source: Cause,
    },

    /// There is no memory for the envelope.
    #[error("cannot allocate {bytes} bytes for an envelope")]
    OutOfMemory {
        /// How many bytes were to be had.
        bytes: usize,
    },

    /// The memory could not be unlocked or made, or there is no guarded page for the key or the secret.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

/// A part of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What stands before the ciphertext.
    Header,
    /// The ciphertext, or a header whose checksum was made to match: known only with the right key.
    Secret,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "the header",
            Self::Secret => "the secret part",
        })
    }
}

impl Error {
    /// The error of `operation`, which failed while exporting, for callers that name the errors of memories alone. Meant
    /// for `map_err`.
    pub fn while_exporting(operation: &'static str) -> impl FnOnce(Self) -> MemoryError {
        move |error| match error {
            Self::Memory(error) => error,
            error => MemoryError::EncryptionError { operation, source: error.into() },
        }
    }

    /// The error of `operation`, which failed while importing, for callers that name the errors of memories alone. Meant
    /// for `map_err`.
    pub fn while_importing(operation: &'static str) -> impl FnOnce(Self) -> MemoryError {
        move |error| match error {
            Self::Memory(error) => error,
            error => MemoryError::DecryptionError { operation, source: error.into() },
        }
    }

    pub(crate) fn refused(operation: &'static str) -> impl FnOnce(sodium::Error) -> Self {
        move |source| Self::Operation { operation, source: source.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_and_how_much() {
        let told = [
            Error::UnsupportedVersion { version: 7 }.to_string(),
            Error::Truncated { expected: 150, actual: 20 }.to_string(),
            Error::WrongKey { kind: KeyKind::Passphrase }.to_string(),
            Error::OtherKeyKind { expected: KeyKind::Bytes, given: KeyKind::Passphrase }.to_string(),
            Error::Altered { part: Part::Header }.to_string(),
        ];
        assert_eq!(
            told,
            [
                "the envelope has version 7, this library reads version 1",
                "the envelope is cut off: 20 bytes of at least 150",
                "wrong passphrase",
                "the envelope opens with a 32-byte key, not with a passphrase",
                "the header of the envelope was altered",
            ]
        );
    }

    #[test]
    fn as_an_error_of_a_memory_it_is_the_cause() {
        let error = Error::while_importing("load")(Error::NotAnEnvelope);
        let MemoryError::DecryptionError { operation: "load", source } = error else { panic!("{error:?}") };
        assert!(matches!(source.downcast_ref(), Some(Error::NotAnEnvelope)));
        let error = Error::while_exporting("save")(Error::EmptyPassphrase);
        assert!(matches!(error, MemoryError::EncryptionError { operation: "save", .. }));
        for convert in [Error::while_importing("load")(gone()), Error::while_exporting("save")(gone())] {
            assert!(matches!(convert, MemoryError::IllegalZeroizedUsage));
        }
    }

    fn gone() -> Error {
        MemoryError::IllegalZeroizedUsage.into()
    }
}
