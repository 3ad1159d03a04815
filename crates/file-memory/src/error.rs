//! What could not be done with the file of a directory.

use core::fmt;
use locked_memory::MemoryError;
use std::io;
use std::path::PathBuf;

/// The cause of a [`MemoryError::FileSystemError`] of this crate: the step that failed, the directory, and what the
/// system said.
///
/// ```
/// use file_memory::{Directory, FileError, FileMemory, Step};
///
/// let error = FileMemory::alloc_in("/no/such/directory", b"secret").unwrap_err();
/// let cause = FileError::of(&error).unwrap();
/// assert_eq!(cause.step, Step::Find);
/// assert!(matches!(cause.directory, Directory::Given(_)));
/// assert_eq!(cause.source.kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {directory}")]
#[non_exhaustive]
pub struct FileError {
    /// What was to be done.
    pub step: Step,
    /// Where.
    pub directory: Directory,
    /// Why it was not.
    pub source: io::Error,
}

/// A step on the way of a secret into its file and out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Recognising the directory.
    Find,
    /// Making the temporary file: the directory is missing, read-only or no directory, or no descriptor is left.
    Make,
    /// Making the file longer: the file size limit of the process is reached. A write beyond it would end the process.
    Grow,
    /// Writing to the file: the disk is full, for one.
    Write,
    /// Reading from the file.
    Read,
}

/// The directory that a file lies in, and who chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directory {
    /// That of [`FileMemory::alloc`](crate::FileMemory::alloc): [`std::env::temp_dir`].
    Default(PathBuf),
    /// That of the caller.
    Given(PathBuf),
}

impl FileError {
    /// The cause inside `error`, where it is of this crate.
    #[must_use]
    pub fn of(error: &MemoryError) -> Option<&Self> {
        match error {
            MemoryError::FileSystemError { source, .. } => source.get_ref()?.downcast_ref(),
            _ => None,
        }
    }

    /// The error of `operation`. Meant for `map_err`.
    pub(crate) fn during(operation: &'static str) -> impl FnOnce(Self) -> MemoryError {
        move |error| {
            let source = io::Error::new(error.source.kind(), error);
            MemoryError::FileSystemError { operation, source }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Find => "find",
            Self::Make => "make a temporary file in",
            Self::Grow => "lengthen, within the file size limit, the temporary file in",
            Self::Write => "write to the temporary file in",
            Self::Read => "read from the temporary file in",
        })
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(path) => write!(f, "the default directory {}", path.display()),
            Self::Given(path) => write!(f, "the given directory {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_in_errors_of_this_crate_alone() {
        let source = io::Error::new(io::ErrorKind::StorageFull, "full");
        let (step, directory) = (Step::Write, Directory::Given("/tmp".into()));
        let error = FileError::during("create")(FileError { step, directory, source });
        assert!(FileError::of(&error).is_some_and(|cause| cause.step == Step::Write));
        let MemoryError::FileSystemError { source, .. } = error else { unreachable!() };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        let plain = MemoryError::FileSystemError { operation: "create", source: io::Error::other("else") };
        assert!(FileError::of(&plain).is_none());
        assert!(FileError::of(&MemoryError::IllegalZeroizedUsage).is_none());
    }

    #[test]
    fn each_step_has_words_of_its_own() {
        let mut words =
            [Step::Find, Step::Make, Step::Grow, Step::Write, Step::Read].map(|step| step.to_string());
        words.sort();
        assert!(words.iter().all(|words| !words.is_empty()));
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
