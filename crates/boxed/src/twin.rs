//! Two strings of bytes that are worth something only together, reached by two different means.
#![allow(unsafe_code)]

use crate::gate::Gate;
use crate::os::RamFile;
use crate::page::Page;
use crate::protection::Prot;
use crate::reservation::Reservation;
use crate::{Boxed, DEBUG_MSG, Error, Policy, os, pool};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

/// What tells our file from another that took its descriptor, in bytes.
const MARK_BYTES: usize = 16;

/// Two strings of `N` bytes each, of which neither is to say anything without the other.
///
/// Where the system has files in RAM (Linux), the left string lies in one: in a page that is locked, out of core dumps and
/// forked children, between guard pages, and without access at any time. It is read by a system call on the file's
/// descriptor, not by opening the page, which spares the two changes of protection that cost most of a short operation.
/// The right string lies in a guarded page of its own that is readable and never writable but while both are replaced.
/// So a load instruction reaches one string, a descriptor the other, and a forked child neither page: it gets zeros for
/// the right one.
///
/// A program that closes descriptors it does not know does no harm: what the descriptor then gives is recognised as
/// foreign, the page is opened instead, and the descriptor is never written to.
///
/// Elsewhere both strings lie in two pages of one guarded range, without access at rest.
pub struct Twin<const N: usize> {
    places: Places<N>,
}

enum Places<const N: usize> {
    Apart {
        left: InFile<N>,
        right: Page,
    },
    /// The first and the last of a row of slots, of which the ones between are zeros.
    InOneRange(Boxed<[u8; N]>),
}

/// `N` bytes and a mark at the start of a file in RAM that is mapped without access.
struct InFile<const N: usize> {
    file: RamFile,
    pages: Reservation,
    mark: [u8; MARK_BYTES],
    /// Whether the descriptor was ours when last used.
    trusted: AtomicBool,
    /// Of the page, for when it was not.
    gate: Gate,
}

impl<const N: usize> Twin<N> {
    /// How many bytes of room [`read`](Self::read) needs.
    pub const ROOM: usize = N + MARK_BYTES;

    /// Copies of `left` and `right`.
    ///
    /// # Errors
    /// Those of [`Scratch::new`](crate::Scratch::new).
    pub fn new(left: &[u8; N], right: &[u8; N]) -> Result<Self, Error> {
        // A child that inherits would share the file with its parent, so there is none under that policy.
        let in_file = if Policy::current().inherits() { None } else { InFile::new(left) };
        let places = match in_file {
            Some(in_file) => Places::Apart { left: in_file, right: read_only(right)? },
            None => Places::InOneRange(Boxed::new(os::page_size() / N.max(1) + 2, |slots| {
                if let [first, .., last] = slots {
                    (*first, *last) = (*left, *right);
                }
            })?),
        };
        Ok(Self { places })
    }

    /// Shows both strings to `f`: one system call, two where there are no files in RAM.
    ///
    /// `room` is guarded memory of at least [`ROOM`](Self::ROOM) bytes that takes the left string; it is wiped.
    ///
    /// # Errors
    /// [`Error::Forked`] in a child of the process that made the strings, [`Error::Refused`].
    pub fn read<R>(&self, room: &mut [u8], f: impl FnOnce(&[u8; N], &[u8; N]) -> R) -> Result<R, Error> {
        match &self.places {
            Places::Apart { left, right } => {
                right.check()?;
                let read = left.read(room).map(|left| {
                    // SAFETY: the page holds `N` bytes, is readable as long as it lives, and written only with `&mut self`.
                    f(left, unsafe { right.data().cast::<[u8; N]>().as_ref() })
                });
                sodium::memzero(room);
                read
            }
            Places::InOneRange(slots) => match &*slots.read()? {
                [left, .., right] => Ok(f(left, right)),
                _ => Err(Error::ZeroSize),
            },
        }
    }

    /// Lets `f` replace both strings, neither or both of which are replaced.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); `f` was not called then.
    pub fn write(&mut self, f: impl FnOnce(&mut [u8; N], &mut [u8; N])) -> Result<(), Error> {
        match &mut self.places {
            Places::Apart { left, right } => {
                right.check()?;
                right.protect(Prot::ReadWrite)?;
                let written = left.write(|left| {
                    // SAFETY: the page holds `N` bytes and is writable now; `&mut self` makes the reference the only one.
                    f(left, unsafe { right.data().cast::<[u8; N]>().as_mut() });
                });
                // A page that stays writable says no more than one that is readable.
                drop(right.protect(Prot::ReadOnly));
                written
            }
            Places::InOneRange(slots) => match &mut *slots.write()? {
                [left, .., right] => {
                    f(left, right);
                    Ok(())
                }
                _ => Err(Error::ZeroSize),
            },
        }
    }

    /// The addresses of both strings, for tools that look at the process from outside.
    #[must_use]
    pub fn addresses(&self) -> (usize, usize) {
        match &self.places {
            Places::Apart { left, right } => (left.pages.middle().addr().get(), right.data().addr().get()),
            Places::InOneRange(slots) => (slots.address(), slots.address() + slots.size() - N),
        }
    }
}

/// A guarded page of `bytes` that is readable from now on.
fn read_only<const N: usize>(bytes: &[u8; N]) -> Result<Page, Error> {
    let page = Page::new(N, 1)?;
    // SAFETY: the page is new, `N` bytes long, writable and known to no one else.
    unsafe { page.data().cast::<[u8; N]>().write(*bytes) };
    page.protect(Prot::ReadOnly)?;
    Ok(page)
}

impl<const N: usize> InFile<N> {
    /// `None` where the system grants less than all of it: there is another way.
    fn new(bytes: &[u8; N]) -> Option<Self> {
        let pages = Reservation::new((N + MARK_BYTES).div_ceil(os::page_size())).ok()?;
        let range = pages.middle();
        let file = RamFile::new(range.len()).ok()?;
        file.map(range).ok()?;
        pages.lock().ok()?;
        os::exclude_from_dumps(range).ok()?;
        let mut mark = [0; MARK_BYTES];
        sodium::random_bytes(&mut mark).ok()?;
        let mut in_file = Self { file, pages, mark, trusted: AtomicBool::new(true), gate: Gate::default() };
        in_file
            .write(|left| {
                left.copy_from_slice(bytes);
            })
            .ok()?;
        pool::current().count_in(range.len());
        Some(in_file)
    }

    fn read<'a>(&self, room: &'a mut [u8]) -> Result<&'a [u8; N], Error> {
        let too_small = Error::TooLarge { elements: N + MARK_BYTES, element_bytes: 1 };
        let room = room.get_mut(..N + MARK_BYTES).ok_or(too_small)?;
        if !(self.trusted.load(Ordering::Relaxed) && self.read_by_descriptor(room)) {
            // The descriptor was closed behind our back, and may be another file by now: leave it alone for good.
            self.trusted.store(false, Ordering::Relaxed);
            self.gate.enter(|| self.open(Prot::ReadOnly))?;
            // SAFETY: the mapping holds the bytes and the mark and is readable now; no one writes but with `&mut self`.
            room.copy_from_slice(unsafe { &self.pages.middle().as_ref()[..N + MARK_BYTES] });
            self.gate.leave(|| self.close());
        }
        room.first_chunk().ok_or(Error::ZeroSize)
    }

    /// Whether the descriptor still gives our bytes, which are then in `room`.
    fn read_by_descriptor(&self, room: &mut [u8]) -> bool {
        self.file.read(room).is_ok_and(|bytes| bytes == room.len()) && room[N..] == self.mark
    }

    fn write(&mut self, f: impl FnOnce(&mut [u8; N])) -> Result<(), Error> {
        self.open(Prot::ReadWrite)?;
        let start = self.pages.middle().cast::<u8>();
        // SAFETY: the page is longer than `N` and a mark, writable now, and `&mut self` excludes every reader.
        f(unsafe { start.cast::<[u8; N]>().as_mut() });
        // SAFETY: the mark lies behind the `N` bytes in the same page.
        let mark = unsafe { start.add(N) }.cast::<[u8; MARK_BYTES]>();
        // SAFETY: as above; bytes have no alignment.
        unsafe { mark.write(self.mark) };
        self.close();
        Ok(())
    }

    fn open(&self, prot: Prot) -> Result<(), Error> {
        let refused = |source| Error::Refused {
            operation: "open a guarded page",
            source: sodium::Error::Os { call: "mprotect", source },
        };
        self.pages.protect(prot).map_err(refused)
    }

    /// Where the system refuses, the page stays readable: one string alone says nothing.
    fn close(&self) {
        drop(self.pages.protect(Prot::NoAccess));
    }
}

impl<const N: usize> fmt::Debug for Twin<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(twin: &Twin<32>) -> ([u8; 32], [u8; 32]) {
        let mut room = [9; Twin::<32>::ROOM];
        let both = twin.read(&mut room, |left, right| (*left, *right)).unwrap();
        if matches!(twin.places, Places::Apart { .. }) {
            assert_eq!(room, [0; Twin::<32>::ROOM], "the room is wiped");
        }
        both
    }

    #[test]
    fn both_strings_come_back_and_are_replaced_together() {
        let mut twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
        assert_eq!(contents(&twin), ([1; 32], [2; 32]));
        twin.write(|left, right| (*left, *right) = ([3; 32], [4; 32])).unwrap();
        assert_eq!(contents(&twin), ([3; 32], [4; 32]));
        let (left, right) = twin.addresses();
        assert_ne!(left / os::page_size(), right / os::page_size());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_descriptor_closed_or_taken_by_another_file_does_no_harm() {
        use std::io::{Read as _, Seek as _, Write as _};
        use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
        conformance::child::run(
            "twin::tests::a_descriptor_closed_or_taken_by_another_file_does_no_harm",
            || {
                let mut twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
                let Places::Apart { left, .. } = &twin.places else {
                    unreachable!("this system has files in RAM")
                };
                let number = left.file.as_raw_fd();
                // SAFETY: what the descriptor's owner does when it is gone is what this test is about.
                drop(unsafe { OwnedFd::from_raw_fd(number) });
                let mut stranger = std::fs::File::from(
                    rustix::fs::memfd_create("other", rustix::fs::MemfdFlags::empty()).unwrap(),
                );
                assert_eq!(stranger.as_raw_fd(), number);
                stranger.write_all(&[0xee; 100]).unwrap();
                assert_eq!(contents(&twin), ([1; 32], [2; 32]));
                twin.write(|left, _| *left = [5; 32]).unwrap();
                assert_eq!(contents(&twin), ([5; 32], [2; 32]));
                let mut bytes = Vec::new();
                stranger.rewind().unwrap();
                stranger.read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes, [0xee; 100]);
                std::mem::forget(twin);
            },
        )
        .succeeds();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn without_files_in_ram_both_lie_in_one_range() {
        conformance::child::run("twin::tests::without_files_in_ram_both_lie_in_one_range", || {
            Policy::new().on_fork(crate::OnFork::Inherit).install().unwrap();
            let mut twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
            assert!(matches!(&twin.places, Places::InOneRange(slots) if slots.prot() == Prot::NoAccess));
            twin.write(core::mem::swap).unwrap();
            assert_eq!(contents(&twin), ([2; 32], [1; 32]));
            let (left, right) = twin.addresses();
            assert_ne!(left / os::page_size(), right / os::page_size());
        })
        .succeeds();
    }

    #[test]
    fn too_little_room_is_an_error() {
        let twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
        if matches!(twin.places, Places::Apart { .. }) {
            assert!(twin.read(&mut [0; 47], |_, _| ()).is_err());
        }
    }
}
