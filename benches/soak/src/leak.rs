//! Leaks on purpose, each of which a figure must show.

use crate::Result;
use crate::episode::Held;
use fastrand::Rng;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use std::fs::File;
use std::hint::black_box;
use std::mem;

/// The length of the secret whose slot is leaked, in bytes.
const LONG: usize = 6_000;

/// One life in so many leaks.
const ONE_IN: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leak {
    Nothing,
    /// A slot of a file.
    Slot,
    /// A guarded page, once: more would take the whole lock limit.
    Page,
    Descriptor,
    Heap,
}

impl Leak {
    pub(crate) fn named(name: &str) -> Result<Self> {
        match name {
            "slot" => Ok(Self::Slot),
            "page" => Ok(Self::Page),
            "descriptor" => Ok(Self::Descriptor),
            "heap" => Ok(Self::Heap),
            other => Err(format!("no such leak: {other}").into()),
        }
    }

    /// What is done once, after the figures were first taken.
    pub(crate) fn at_the_start(self) -> Result {
        if self == Self::Page {
            mem::forget(Buffer::try_alloc(&[1_u8], 1)?);
        }
        Ok(())
    }

    /// Ends a life.
    pub(crate) fn now_and_then(self, random: &mut Rng, held: Held) -> Result {
        drop(held);
        if random.usize(..ONE_IN) == 0 {
            match self {
                Self::Slot => mem::forget(FileMemory::alloc(&[1; LONG], LONG)?),
                Self::Descriptor => mem::forget(File::open("/dev/null")?),
                Self::Heap => mem::forget(black_box(vec![1_u8; 64 << 10])), // or the optimiser makes none
                Self::Nothing | Self::Page => (),
            }
        }
        Ok(())
    }
}
