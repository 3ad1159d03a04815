//! Two strings of bytes that are worth something only together, reached by two different means.
#![allow(unsafe_code)]

use crate::abort::{Fatal, abort};
use crate::absent::{self, Absent};
use crate::gate::Gate;
use crate::os::RamFile;
use crate::page::Page;
use crate::protection::Prot;
use crate::reservation::Reservation;
use crate::{Boxed, DEBUG_MSG, Error, Policy, Scratch, os, pool, process};
use core::fmt;
use core::mem::{self, ManuallyDrop};
use core::ptr::NonNull;
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
    memory: ManuallyDrop<Memory>,
    mark: [u8; MARK_BYTES],
    /// Whether the descriptor was ours when last used.
    trusted: AtomicBool,
    /// Of the page, for when it was not.
    gate: Gate,
    /// Whether the page was unmapped because it could not be closed.
    unmapped: AtomicBool,
    /// The process that made it.
    generation: u64,
}

/// What is given back in this order: children find zeros no more, the page is unmapped, the file closed.
struct Memory {
    absent: Absent,
    pages: Reservation,
    file: RamFile,
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
        // Where the system grants less than all of a file, there is another way.
        let in_file = if Policy::current().inherits() { None } else { InFile::new(left).ok() };
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
                let room = Wiped(room);
                // SAFETY: the page holds `N` bytes, is readable as long as it lives, and written only with `&mut self`.
                Ok(f(left.read(room.0)?, unsafe { right.data().cast::<[u8; N]>().as_ref() }))
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
                if left.unmapped.load(Ordering::Relaxed) {
                    left.renew()?;
                }
                right.protect(Prot::ReadWrite)?;
                // A page that stays writable says no more than one that is readable.
                let _again = Finally(|| drop(right.protect(Prot::ReadOnly)));
                left.write(|left| {
                    // SAFETY: the page holds `N` bytes and is writable now; `&mut self` makes the reference the only one.
                    f(left, unsafe { right.data().cast::<[u8; N]>().as_mut() });
                })
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
            Places::Apart { left, right } => (left.page().addr().get(), right.data().addr().get()),
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
    fn new(bytes: &[u8; N]) -> Result<Self, Error> {
        let refused = |source| Error::Refused { operation: "make a guarded page of a file in RAM", source };
        let pool = pool::current();
        let _alone = pool.alone();
        let pages = Reservation::new((N + MARK_BYTES).div_ceil(os::page_size()))?;
        let range = pages.middle();
        let map = || {
            let file = RamFile::new(range.len()).map_err(failed("memfd_create"))?;
            file.map(range).map_err(failed("mmap"))?;
            Ok(file)
        };
        let file = match absent::between_forks(map, drop) {
            Ok(file) => file,
            Err(error) => {
                if matches!(error, sodium::Error::Os { call: "mmap", .. }) {
                    // The addresses may be another's by now, see `os::move_over`; they are left alone for good.
                    mem::forget(pages);
                }
                return Err(refused(error));
            }
        };
        pages.lock().map_err(failed("mlock")).map_err(refused)?;
        os::exclude_from_dumps(range).map_err(failed("madvise")).map_err(refused)?;
        let mut mark = [0; MARK_BYTES];
        sodium::random_bytes(&mut mark).map_err(refused)?;
        pool.count_in(range.len());
        let memory = Memory { absent: Absent::new(range), pages, file };
        let mut in_file = Self {
            memory: ManuallyDrop::new(memory),
            mark,
            trusted: AtomicBool::new(true),
            gate: Gate::default(),
            unmapped: AtomicBool::new(false),
            generation: process::generation(),
        };
        if let Err(error) = in_file.write(|left| left.copy_from_slice(bytes)) {
            in_file.mark = [0; MARK_BYTES]; // what the file still holds there, and is known by when it is dropped
            return Err(error);
        }
        Ok(in_file)
    }

    /// Moves the bytes to a new page, where the old one was unmapped. The descriptor still gives them.
    fn renew(&mut self) -> Result<(), Error> {
        let mut room = Scratch::<u8>::new(N + MARK_BYTES)?;
        *self = Self::new(self.read(&mut room)?)?;
        Ok(())
    }

    fn page(&self) -> NonNull<[u8]> {
        self.memory.pages.middle()
    }

    fn read<'a>(&self, room: &'a mut [u8]) -> Result<&'a [u8; N], Error> {
        let too_small = Error::TooLarge { elements: N + MARK_BYTES, element_bytes: 1 };
        let room = room.get_mut(..N + MARK_BYTES).ok_or(too_small)?;
        if !(self.trusted.load(Ordering::Relaxed) && self.read_by_descriptor(room)) {
            // The descriptor was closed behind our back, and may be another file by now: leave it alone for good.
            self.trusted.store(false, Ordering::Relaxed);
            self.gate.enter(|| self.open(Prot::ReadOnly))?;
            // SAFETY: the mapping holds the bytes and the mark and is readable now; no one writes but with `&mut self`.
            room.copy_from_slice(unsafe { &self.page().as_ref()[..N + MARK_BYTES] });
            self.gate.leave(|| self.close());
        }
        room.first_chunk().ok_or(Error::ZeroSize)
    }

    /// Whether the descriptor still gives our bytes, which are then in `room`.
    fn read_by_descriptor(&self, room: &mut [u8]) -> bool {
        self.memory.file.read(room, 0).is_ok_and(|bytes| bytes == room.len()) && room[N..] == self.mark
    }

    fn write(&mut self, f: impl FnOnce(&mut [u8; N])) -> Result<(), Error> {
        self.open(Prot::ReadWrite)?;
        let _closed = Finally(|| self.close());
        let start = self.page().cast::<u8>();
        // SAFETY: the page is longer than `N` and a mark, writable now, and `&mut self` excludes every reader.
        f(unsafe { start.cast::<[u8; N]>().as_mut() });
        // SAFETY: the mark lies behind the `N` bytes in the same page.
        let mark = unsafe { start.add(N) }.cast::<[u8; MARK_BYTES]>();
        // SAFETY: as above; bytes have no alignment.
        unsafe { mark.write(self.mark) };
        Ok(())
    }

    fn open(&self, prot: Prot) -> Result<(), Error> {
        if self.unmapped.load(Ordering::Relaxed) {
            return Err(Error::Lost); // the addresses may be another's by now
        }
        self.memory.pages.protect(prot).map_err(|source| Error::Refused {
            operation: "open a guarded page",
            source: failed("mprotect")(source),
        })
    }

    /// At any price, because the right string is readable: where the system refuses, the page is unmapped. The descriptor
    /// still gives the bytes.
    fn close(&self) {
        if self.memory.pages.protect(Prot::NoAccess).is_ok() {
            return;
        }
        self.memory.absent.clear();
        if os::unmap(self.page()).is_err() {
            abort(Fatal::Exposed);
        }
        self.unmapped.store(true, Ordering::Relaxed);
    }

    /// Whether the descriptor is not another file by now.
    fn owns_descriptor(&self) -> bool {
        let mut mark = [0; MARK_BYTES];
        self.memory.file.read(&mut mark, N).is_ok_and(|bytes| bytes == MARK_BYTES) && mark == self.mark
    }
}

impl<const N: usize> Drop for InFile<N> {
    fn drop(&mut self) {
        if self.generation != process::generation() {
            return; // page, count and descriptor are the parent's
        }
        let owns_descriptor = self.owns_descriptor();
        // A child that was forked meanwhile may still have the descriptor: it is to find zeros.
        if self.open(Prot::ReadWrite).is_ok() {
            // SAFETY: the page is writable now, and `&mut self` excludes every reader.
            sodium::memzero(unsafe { self.page().as_mut() });
        }
        let bytes = self.page().len();
        // SAFETY: the memory is not used again: this is the drop.
        let Memory { absent, pages, file } = unsafe { ManuallyDrop::take(&mut self.memory) };
        drop(absent); // while the pages are there: a child forked after they are gone is to have nothing in their place
        if self.unmapped.load(Ordering::Relaxed) {
            mem::forget(pages);
        } else {
            drop(pages);
        }
        pool::current().count_out(bytes); // who hears of it is to find them gone
        if !owns_descriptor {
            file.leave_open();
        }
    }
}

fn failed(call: &'static str) -> impl Fn(std::io::Error) -> sodium::Error {
    move |source| sodium::Error::Os { call, source }
}

/// Bytes that are zeros in the end, however that comes.
struct Wiped<'a>(&'a mut [u8]);

impl Drop for Wiped<'_> {
    fn drop(&mut self) {
        sodium::memzero(self.0);
    }
}

/// What is done in the end, however that comes.
struct Finally<F: Fn()>(F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
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
    #[cfg(target_os = "linux")]
    use conformance::grants::Grant;

    /// Whether the strings lie in one range, as they do where children inherit all pages.
    #[cfg(target_os = "linux")]
    fn are_in_one_range(twin: &Twin<32>) -> bool {
        let in_one_range = matches!(twin.places, Places::InOneRange(_));
        assert!(!in_one_range || Grant::Advice.is_lacking());
        in_one_range
    }

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
        use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
        conformance::child::run(
            "twin::tests::a_descriptor_closed_or_taken_by_another_file_does_no_harm",
            || {
                let mut twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
                let Places::Apart { left, .. } = &twin.places else {
                    return assert!(Grant::Advice.is_lacking());
                };
                let number = left.memory.file.as_fd().as_raw_fd();
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
                drop(twin);
                stranger.write_all(b"still open").unwrap();
            },
        )
        .succeeds();
    }

    /// The protection of the page at `address`, as the kernel prints it.
    #[cfg(target_os = "linux")]
    fn access(address: usize) -> String {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|line| {
            let (start, rest) = line.split_once('-').unwrap();
            let (end, _) = rest.split_once(' ').unwrap();
            let [start, end] = [start, end].map(|number| usize::from_str_radix(number, 16).unwrap());
            (start..end).contains(&address)
        });
        line.unwrap().split(' ').nth(1).unwrap()[..3].to_owned()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_panic_of_the_writer_leaves_both_closed() {
        let mut twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
        let panicking = std::panic::AssertUnwindSafe(|| twin.write(|_, _| panic!("on purpose")));
        assert!(std::panic::catch_unwind(panicking).is_err());
        let (left, right) = twin.addresses();
        let of_right = if are_in_one_range(&twin) { "---" } else { "r--" };
        assert_eq!([access(left), access(right)], ["---", of_right]);
        assert_eq!(contents(&twin), ([1; 32], [2; 32]));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_panic_of_the_reader_leaves_nothing_in_the_room() {
        let twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
        let mut room = [9; Twin::<32>::ROOM];
        let panicking =
            std::panic::AssertUnwindSafe(|| twin.read(&mut room, |_, _| panic!("on purpose")).unwrap());
        assert!(std::panic::catch_unwind(panicking).is_err());
        let untouched = if are_in_one_range(&twin) { 9 } else { 0 };
        assert_eq!(room, [untouched; Twin::<32>::ROOM]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn dropped_it_is_wiped_and_counted_out() {
        conformance::child::run("twin::tests::dropped_it_is_wiped_and_counted_out", || {
            use std::os::fd::AsFd as _;
            Policy::new().pool_bytes(0).install().unwrap();
            let twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
            assert_eq!(crate::status().bytes_locked, 2 * os::page_size());
            let Places::Apart { left, .. } = &twin.places else {
                return assert!(Grant::Advice.is_lacking());
            };
            // What a child inherits.
            let again = std::fs::File::from(rustix::io::dup(left.memory.file.as_fd()).unwrap());
            drop(twin);
            let mut bytes = [9; 32];
            std::os::unix::fs::FileExt::read_exact_at(&again, &mut bytes, 0).unwrap();
            assert_eq!(bytes, [0; 32]);
            assert_eq!(crate::status().bytes_locked, 0);
        })
        .succeeds();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn dropped_in_a_child_it_takes_nothing_of_the_childs() {
        conformance::child::run("twin::tests::dropped_in_a_child_it_takes_nothing_of_the_childs", || {
            let twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
            if are_in_one_range(&twin) {
                return;
            }
            let (left, _) = twin.addresses();
            assert!(conformance::forked::succeeds(|| {
                assert_eq!(access(left), "rw-", "zeros, not a hole that someone else is given");
                drop(twin);
                assert_eq!(access(left), "rw-");
            }));
        })
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
            assert_eq!(right - left, os::page_size() + 32); // never in one page
        })
        .succeeds();
    }

    #[test]
    fn too_little_room_is_an_error() {
        assert_eq!(Twin::<32>::ROOM, 48);
        let twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
        if matches!(twin.places, Places::Apart { .. }) {
            let refused = twin.read(&mut [0; 47], |_, _| ());
            assert!(matches!(refused, Err(Error::TooLarge { elements: 48, element_bytes: 1 })));
            assert!(twin.read(&mut [0; 48], |_, _| ()).is_ok());
        }
    }
}
