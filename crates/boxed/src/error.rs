//! What can go wrong with a guarded page.

use std::io;

/// Why a guarded page could not be had, opened or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A secret of zero bytes was asked for.
    #[error("a guarded page holds at least one byte")]
    ZeroSize,

    /// The element type needs an alignment larger than a page.
    #[error("elements aligned to {align} bytes do not fit a page of {page} bytes")]
    Alignment {
        /// The alignment of the type, in bytes.
        align: usize,
        /// The size of a page, in bytes.
        page: usize,
    },

    /// The size in bytes does not fit the address space.
    #[error("{elements} elements of {element_bytes} bytes do not fit the address space")]
    TooLarge {
        /// How many elements were asked for.
        elements: usize,
        /// The size of one of them, in bytes.
        element_bytes: usize,
    },

    /// The system has no memory, no address space or no mapping left.
    #[error("cannot allocate {bytes} bytes of guarded pages")]
    Allocation {
        /// How many bytes were to be had.
        bytes: usize,
        /// What the system said.
        source: sodium::Error,
    },

    /// The pages could not be locked in RAM, and the policy requires it.
    #[error(
        "cannot lock {needed} more bytes in RAM: {locked} bytes are locked of the {} this process may lock; raise the \
         limit (`ulimit -l`, LimitMEMLOCK= of the systemd unit, memlock in limits.conf, CAP_IPC_LOCK) or choose \
         Lock::BestEffort", Limit(*limit)
    )]
    LockLimit {
        /// How many bytes were to be locked.
        needed: usize,
        /// How many bytes this library had locked.
        locked: usize,
        /// How many bytes the process may lock (`RLIMIT_MEMLOCK`); `None` where there is no limit, or none is told.
        limit: Option<u64>,
        /// What the system said.
        source: sodium::Error,
    },

    /// No pages are to be had as far as asked from those they are to be apart from.
    #[error("no guarded pages are to be had {distance} bytes apart")]
    TooClose {
        /// The distance asked for, in bytes.
        distance: usize,
    },

    /// The operating system or libsodium refused a call.
    #[error("cannot {operation}")]
    Refused {
        /// What was to be done.
        operation: &'static str,
        /// What the system said.
        source: sodium::Error,
    },

    /// The page belongs to the parent of this process: a forked child has no access to it.
    #[error("the page was made before a fork, by the parent of this process")]
    Forked,

    /// The page could not be made unreadable after a borrow, so its content was destroyed.
    #[error("the content was destroyed because its page could not be made unreadable")]
    Lost,
}

struct Limit(Option<u64>);

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes} bytes"),
            None => f.write_str("(unknown) bytes"),
        }
    }
}

impl Error {
    /// The system's own error, where one is behind this.
    #[must_use]
    pub fn os_error(&self) -> Option<&io::Error> {
        match self {
            Self::Allocation { source: sodium::Error::Os { source, .. }, .. }
            | Self::LockLimit { source: sodium::Error::Os { source, .. }, .. }
            | Self::Refused { source: sodium::Error::Os { source, .. }, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn a_limit_is_told_in_bytes_where_it_is_known() {
        assert_eq!(
            [Some(65_536), None].map(|limit| Limit(limit).to_string()),
            ["65536 bytes", "(unknown) bytes"]
        );
    }
}
