//! No secret memory: making some is an error, so there is never some to move or to miss.

use core::ptr::NonNull;
use sodium::Error;
use std::io;

pub(crate) fn map_secret(_bytes: usize) -> Result<NonNull<[u8]>, Error> {
    Err(Error::Os { call: "memfd_secret", source: io::ErrorKind::Unsupported.into() })
}

pub(crate) fn move_over(_new: NonNull<[u8]>, _reserved: NonNull<[u8]>) -> Result<(), Error> {
    Err(Error::Os { call: "mremap", source: io::ErrorKind::Unsupported.into() })
}

pub(crate) fn put_zeros(_pages: NonNull<[u8]>) {}

pub(crate) fn at_every_fork(
    _before: extern "C" fn(),
    _in_parent: extern "C" fn(),
    _in_child: extern "C" fn(),
) -> Result<(), Error> {
    Ok(())
}
