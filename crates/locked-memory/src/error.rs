//! Every way in which keeping a secret can fail.

use std::io;

/// The cause of an error, from a layer below.
pub type Cause = Box<dyn core::error::Error + Send + Sync + 'static>;

/// Why an operation on a memory failed. The old value survives every failure except that of `update`, which consumes it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The secret could not be sealed.
    #[error("cannot {operation}: sealing failed")]
    EncryptionError {
        /// What was to be done.
        operation: &'static str,
        /// Why it was not.
        source: Cause,
    },

    /// The stored bytes do not open: they were altered, moved or replaced by older ones.
    #[error("cannot {operation}: the stored bytes do not open")]
    DecryptionError {
        /// What was to be done.
        operation: &'static str,
        /// Why it was not.
        source: Cause,
    },

    /// A secret has a length that the non-contiguous memory does not take.
    #[error("illegal non-contiguous size")]
    NCSizeNotAllowed,

    /// Memory could not be locked in RAM, and the policy requires it.
    #[error("cannot {operation}")]
    LockNotAvailable {
        /// What was to be done.
        operation: &'static str,
        /// The limit, what is locked, what was needed, and how to raise it.
        source: boxed::Error,
    },

    /// A file could not be read or written.
    #[error("cannot {operation}")]
    FileSystemError {
        /// What was to be done.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// A secret of zero bytes.
    #[error("a secret has at least one byte")]
    ZeroSizedNotAllowed,

    /// The `size` given beside a payload is not its length.
    #[error("the size is stated as {stated} bytes, but the payload has {actual}")]
    SizeMismatch {
        /// The size given, in bytes.
        stated: usize,
        /// The length of the payload, in bytes.
        actual: usize,
    },

    /// An input is longer than the caller allows.
    #[error("the secret is longer than {limit} bytes")]
    TooLong {
        /// The most bytes allowed.
        limit: usize,
    },

    /// There is no memory for the secret.
    #[error("cannot {operation}")]
    Allocation {
        /// What was to be done.
        operation: &'static str,
        /// Why it was not.
        source: boxed::Error,
    },

    /// A guarded page could not be opened or closed.
    #[error("cannot {operation}")]
    Operation {
        /// What was to be done.
        operation: &'static str,
        /// Why it was not.
        source: boxed::Error,
    },

    /// The memory was made by the parent of this process: a forked child has no access to it.
    #[error("cannot {operation}: the secret belongs to the parent of this forked process")]
    Forked {
        /// What was to be done.
        operation: &'static str,
    },

    /// The memory was zeroized.
    #[error("the memory was zeroized and holds no secret any more")]
    IllegalZeroizedUsage,
}

impl MemoryError {
    /// The error of `operation` that failed on a guarded page. Meant for `map_err`.
    pub fn on_page(operation: &'static str) -> impl FnOnce(boxed::Error) -> Self {
        move |source| match source {
            boxed::Error::ZeroSize => Self::ZeroSizedNotAllowed,
            boxed::Error::Forked => Self::Forked { operation },
            boxed::Error::LockLimit { .. } => Self::LockNotAvailable { operation, source },
            boxed::Error::Allocation { .. }
            | boxed::Error::TooLarge { .. }
            | boxed::Error::Alignment { .. } => Self::Allocation { operation, source },
            _ => Self::Operation { operation, source },
        }
    }
}
