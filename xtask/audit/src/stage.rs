//! The moments in the life of a secret at which its process is looked at.

use std::fmt;

/// One of them. A library that has no such operation has no such stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    /// It was handed over, and what it was handed over in was wiped.
    AtRest,
    /// A function used it that keeps a copy in its own frame, as ciphers and hashes do.
    Used,
    /// It was unlocked and read, and the clear form was dropped.
    AfterUnlock,
    /// A clear form of it is there, which no one reads.
    BufferHeld,
    /// It is being read.
    Borrowed,
    /// There are two.
    Cloned,
    /// It was replaced by itself.
    Updated,
    /// It was written and made anew from what was written; that was wiped, and what was made dropped.
    Serialised,
    /// It was dropped.
    Dropped,
}

impl Stage {
    pub(crate) const ALL: [Self; 9] = [
        Self::AtRest,
        Self::Used,
        Self::AfterUnlock,
        Self::BufferHeld,
        Self::Borrowed,
        Self::Cloned,
        Self::Updated,
        Self::Serialised,
        Self::Dropped,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AtRest => "at rest",
            Self::Used => "used",
            Self::AfterUnlock => "after unlock",
            Self::BufferHeld => "buffer held",
            Self::Borrowed => "borrowed",
            Self::Cloned => "cloned",
            Self::Updated => "updated",
            Self::Serialised => "serialised",
            Self::Dropped => "dropped",
        })
    }
}
