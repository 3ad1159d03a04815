//! Systems without positioned reads and writes: no file is ever made.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// No directory is recognised.
pub(crate) type Id = std::convert::Infallible;

pub(crate) fn identity(_: &Path) -> io::Result<Id> {
    Err(ErrorKind::Unsupported.into())
}

pub(crate) fn make_private(_: &File) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

pub(crate) fn read_exact_at(_: &File, _: &mut [u8], _: u64) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

pub(crate) fn write_all_at(_: &File, _: &[u8], _: u64) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

pub(crate) fn punch(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

pub(crate) fn size_limit() -> Option<u64> {
    None
}
