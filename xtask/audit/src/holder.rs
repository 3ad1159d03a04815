//! The process that holds a secret, as it sees itself.

use crate::stage::Stage;
use rustix::stdio::{stdin, stdout};
use std::io;
use std::thread;

/// The length of the secret, in bytes.
pub(crate) const SECRET_BYTES: usize = 32;

/// What the auditor says to a holder that stands at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Word {
    /// Go on to the next.
    Go,
    /// Fork a child, and tell its process.
    Fork,
}

/// Its pipes to the auditor. It reads and writes them by bare system calls, because whatever runs between two operations of a
/// library may overwrite what the library left on the stack and in registers.
pub(crate) struct Holder(());

impl Holder {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Reads the secret from the auditor into place.
    pub(crate) fn secret(&mut self, place: &mut [u8]) -> io::Result<()> {
        let mut read = 0;
        while read < SECRET_BYTES {
            match rustix::io::read(stdin(), &mut place[read..SECRET_BYTES])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        Ok(())
    }

    /// Stands still until the auditor has looked.
    pub(crate) fn at(&mut self, stage: Stage) -> io::Result<()> {
        rustix::io::write(stdout(), &[stage as u8])?;
        loop {
            let mut word = [0];
            if rustix::io::read(stdin(), &mut word)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if word[0] == Word::Go as u8 {
                return Ok(());
            }
            match fork::fork()? {
                fork::Fork::Parent(child) => rustix::io::write(stdout(), &child.to_le_bytes())?,
                fork::Fork::Child => loop {
                    thread::park(); // until the auditor kills it
                },
            };
        }
    }
}
