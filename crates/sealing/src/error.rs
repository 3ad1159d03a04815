//! Why sealing or opening failed.

use locked_memory::MemoryError;

/// Why a session could not begin, seal or open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no guarded page for the root key, or it cannot be opened.
    #[error("the root key cannot be joined")]
    Page(#[from] boxed::Error),

    /// libsodium refused the input: it was altered, or has another length than it must have.
    #[error("the cipher refused")]
    Cipher(#[from] sodium::Error),

    /// Sealed, or the session begun, by the parent of this process.
    #[error("sealed by the parent of this forked process")]
    Forked,

    /// There is no memory for the sealed bytes.
    #[error("cannot allocate {bytes} bytes for the sealed secret")]
    OutOfMemory {
        /// How many bytes were to be had.
        bytes: usize,
    },

    /// All nonces of this process are used up.
    #[error("no nonce is left: this process has sealed 2^48 times")]
    NoncesExhausted,
}

impl Error {
    /// The error of `operation`, which failed while sealing. Meant for `map_err`.
    pub fn while_sealing(operation: &'static str) -> impl FnOnce(Self) -> MemoryError {
        move |error| match error {
            Self::Page(error) => MemoryError::on_page(operation)(error),
            Self::Forked => MemoryError::Forked { operation },
            error => MemoryError::EncryptionError { operation, source: error.into() },
        }
    }

    /// The error of `operation`, which failed while opening. Meant for `map_err`.
    pub fn while_opening(operation: &'static str) -> impl FnOnce(Self) -> MemoryError {
        move |error| match error {
            Self::Page(error) => MemoryError::on_page(operation)(error),
            Self::Forked => MemoryError::Forked { operation },
            error => MemoryError::DecryptionError { operation, source: error.into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_by_the_error_it_becomes() {
        let refused = || Error::from(sodium::Error::Length { argument: "block", bytes: 1 });
        assert!(matches!(
            Error::while_sealing("create")(refused()),
            MemoryError::EncryptionError { operation: "create", .. }
        ));
        assert!(matches!(
            Error::while_opening("unlock")(refused()),
            MemoryError::DecryptionError { operation: "unlock", .. }
        ));
        for of in [Error::while_sealing("any")(Error::Forked), Error::while_opening("any")(Error::Forked)] {
            assert!(matches!(of, MemoryError::Forked { operation: "any" }));
        }
        let page = || Error::from(boxed::Error::ZeroSize);
        for of in [Error::while_sealing("any")(page()), Error::while_opening("any")(page())] {
            let expected = MemoryError::on_page("any")(boxed::Error::ZeroSize);
            assert_eq!(format!("{of:?}"), format!("{expected:?}"));
        }
    }
}
