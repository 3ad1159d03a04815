#![allow(unsafe_code)]

use super::{Plan, counted, during};
use crate::{Boxed, Error, Origin, Scratch, Spot, Twin, os, pool};
use conformance::child::{SIGABRT, run};
use core::ffi::c_void;
use rustix::io::Errno;
use std::os::fd::AsRawFd as _;

/// What the man pages name, for calls with arguments such as ours. What ends secret memory for good stands last.
const ERRORS: [(&str, &[Errno]); 11] = [
    ("mprotect", &[Errno::NOMEM, Errno::ACCESS]),
    ("munmap", &[Errno::NOMEM, Errno::INVAL]),
    ("mmap", &[Errno::NOMEM, Errno::AGAIN, Errno::NFILE]),
    ("mlock", &[Errno::NOMEM, Errno::AGAIN, Errno::PERM]),
    ("madvise", &[Errno::NOMEM, Errno::AGAIN, Errno::INVAL]),
    ("mremap", &[Errno::NOMEM, Errno::AGAIN, Errno::FAULT]),
    ("ftruncate", &[Errno::INTR, Errno::FBIG, Errno::INVAL, Errno::IO]),
    ("memfd_create", &[Errno::MFILE, Errno::NFILE, Errno::NOMEM]),
    ("pread", &[Errno::INTR, Errno::IO, Errno::BADF]),
    ("getrandom", &[Errno::AGAIN, Errno::INTR]),
    ("memfd_secret", &[Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::PERM, Errno::NOSYS]),
];

#[test]
fn every_call_that_fails_is_an_error_or_is_survived() {
    run("faults::tests::every_call_that_fails_is_an_error_or_is_survived", || {
        fail_each(); // which ends with a kernel without secret memory
        fail_each();
    })
    .succeeds();
}

/// Lets every call of a life fail, one at a time, with each of its errors.
fn fail_each() {
    live().unwrap(); // what a process sets up once
    for (call, errors) in ERRORS {
        for error in errors {
            pool::current().drain();
            let (lived, calls) = counted(live);
            lived.unwrap();
            for after in 0..calls.get(call).copied().unwrap_or(0) {
                pool::current().drain();
                let plan = Plan { call, error: *error, after, for_good: false };
                let before = (pool::current().counts().in_use, descriptors());
                let (lived, struck) = during(&[plan], live);
                assert!(struck > 0 || lived.is_ok(), "{plan:?}: {lived:?} without a cause");
                // A descriptor that does not give our bytes may be anyone's, and is left alone.
                let left_alone = usize::from(call == "pread" && struck > 0 && descriptors() > before.1);
                let left_behind = (pool::current().counts().in_use, descriptors() - left_alone);
                assert_eq!(left_behind, before, "{plan:?}: left behind");
                live().unwrap(); // and all is well afterwards
            }
        }
    }
}

/// Every way to get, use and lose a page. Panics where bytes are wrong or a page stays open.
fn live() -> Result<(), Error> {
    let mut one = Boxed::<u8>::new(40, |bytes| bytes.fill(7))?;
    reads(&one, 7)?;
    one.write()?.fill(8);
    reads(&one, 8)?;
    reads(&one.try_clone()?, 8)?;
    reads(&Boxed::new(3 * os::page_size(), |bytes| bytes.fill(9))?, 9)?;
    for origin in [Origin::Mapped, Origin::Allocated] {
        let spot = Spot::new(origin).away_from(one.span(), os::page_size());
        reads(&Scratch::at(&spot, 16)?.close()?, 0)?;
    }
    let mut room = Scratch::<u8>::new(Twin::<32>::ROOM)?;
    let mut twin = Twin::new(&[1; 32], &[2; 32])?;
    twin.read(&mut room, |left, right| assert_eq!((left, right), (&[1; 32], &[2; 32])))?;
    let written = twin.write(|left, right| (*left, *right) = ([3; 32], [4; 32]));
    let (left, right) = if written.is_ok() { (3, 4) } else { (1, 2) };
    twin.read(&mut room, |l, r| assert_eq!((l, r), (&[left; 32], &[right; 32])))?;
    written
}

/// Reads all bytes as `byte`; nobody reads them afterwards but by borrowing again, or they are gone.
fn reads(boxed: &Boxed<u8>, byte: u8) -> Result<(), Error> {
    assert!(boxed.read()?.iter().all(|read| *read == byte), "other bytes");
    if is_readable(boxed.address()) {
        assert!(matches!(boxed.read(), Err(Error::Lost)), "open, and not lost");
        // SAFETY: readable, as the kernel just said, and no one writes.
        let left = unsafe { core::slice::from_raw_parts(boxed.address() as *const u8, boxed.len()) };
        assert!(left.iter().all(|byte| *byte == 0), "open, and not wiped");
    }
    Ok(())
}

/// Whether the kernel takes a byte from `address`, as the process itself could.
fn is_readable(address: usize) -> bool {
    let (_reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the kernel looks whether the byte can be read, and says so where it cannot.
    let written = unsafe { libc::write(writer.as_raw_fd(), address as *const c_void, 1) };
    assert!(written == 1 || Errno::from_io_error(&std::io::Error::last_os_error()) == Some(Errno::FAULT));
    written == 1
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn always(call: &'static str) -> Plan {
    Plan { call, error: Errno::NOMEM, after: 0, for_good: true }
}

#[test]
fn a_page_that_cannot_be_closed_is_wiped() {
    let boxed = Boxed::<u8>::new(40, |bytes| bytes.fill(7)).unwrap();
    let guard = boxed.read().unwrap();
    let once = Plan { for_good: false, ..always("mprotect") };
    during(&[once], || drop(guard));
    assert!(matches!(boxed.read(), Err(Error::Lost)));
    // SAFETY: the page stayed writable, and no one uses it.
    let left = unsafe { core::slice::from_raw_parts(boxed.address() as *const u8, boxed.len()) };
    assert_eq!(left, [0; 40]);
}

#[test]
fn a_page_that_can_be_neither_closed_nor_wiped_is_unmapped() {
    run("faults::tests::a_page_that_can_be_neither_closed_nor_wiped_is_unmapped", || {
        let before = pool::current().counts().in_use;
        let boxed = Boxed::<u8>::new(40, |bytes| bytes.fill(7)).unwrap();
        let guard = boxed.read().unwrap();
        during(&[always("mprotect")], || drop(guard));
        assert!(!is_readable(boxed.address()));
        assert!(matches!(boxed.read(), Err(Error::Lost)));
        drop(boxed);
        assert_eq!(pool::current().counts().in_use, before);
    })
    .succeeds();
}

#[test]
fn a_page_that_can_be_neither_closed_nor_wiped_nor_unmapped_ends_the_process() {
    let name = "faults::tests::a_page_that_can_be_neither_closed_nor_wiped_nor_unmapped_ends_the_process";
    run(name, || {
        let boxed = Boxed::<u8>::new(40, |bytes| bytes.fill(7)).unwrap();
        let guard = boxed.read().unwrap();
        during(&[always("mprotect"), always("munmap")], || drop(guard));
    })
    .dies_of(SIGABRT, "neither be closed, wiped nor unmapped");
}

#[test]
fn a_twin_whose_page_could_not_be_closed_is_written_again() {
    if conformance::grants::Grant::Advice.is_lacking() {
        return; // both strings lie in one page there
    }
    run("faults::tests::a_twin_whose_page_could_not_be_closed_is_written_again", || {
        let before = (pool::current().counts().in_use, descriptors());
        let mut twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
        let contents = |twin: &Twin<32>| {
            let mut room = Scratch::<u8>::new(Twin::<32>::ROOM).unwrap();
            twin.read(&mut room, |left, right| (*left, *right)).unwrap()
        };
        // Opens the right page and the left one, and does not close the left one.
        let once = Plan { after: 2, for_good: false, ..always("mprotect") };
        let (written, struck) =
            during(&[once], || twin.write(|left, right| (*left, *right) = ([3; 32], [4; 32])));
        written.unwrap();
        assert_eq!((contents(&twin), struck), (([3; 32], [4; 32]), 1));
        assert!(!is_readable(twin.addresses().0));
        twin.write(|left, right| {
            assert_eq!((*left, *right), ([3; 32], [4; 32]));
            (*left, *right) = ([5; 32], [6; 32]);
        })
        .unwrap();
        assert_eq!(contents(&twin), ([5; 32], [6; 32]));
        drop(twin);
        assert_eq!((pool::current().counts().in_use, descriptors()), before);
    })
    .succeeds();
}

#[test]
fn a_twin_that_cannot_be_written_again_is_not_lost() {
    if conformance::grants::Grant::Advice.is_lacking() {
        return; // both strings lie in one page there
    }
    run("faults::tests::a_twin_that_cannot_be_written_again_is_not_lost", || {
        let mut twin = Twin::new(&[1; 32], &[2; 32]).unwrap();
        let once = Plan { after: 2, for_good: false, ..always("mprotect") };
        during(&[once], || twin.write(|_, _| ())).0.unwrap(); // the left page is unmapped now
        for call in ["memfd_create", "mlock", "madvise"] {
            let (refused, _) = during(&[always(call)], || twin.write(|_, _| unreachable!("it has no page")));
            assert!(matches!(&refused, Err(error) if error.os_error().is_some()), "{call}: {refused:?}");
        }
        twin.write(|left, right| assert_eq!((*left, *right), ([1; 32], [2; 32]))).unwrap();
    })
    .succeeds();
}

#[test]
fn where_no_page_can_be_wiped_in_children_a_handler_tells_them_what_they_are() {
    run("faults::tests::where_no_page_can_be_wiped_in_children_a_handler_tells_them_what_they_are", || {
        let (boxed, _) = during(&[always("madvise")], || Boxed::<u8>::new(40, |bytes| bytes.fill(7)));
        let boxed = boxed.unwrap();
        assert!(boxed.read().is_ok());
        assert!(conformance::forked::succeeds(|| assert!(matches!(boxed.read(), Err(Error::Forked)))));
    })
    .succeeds();
}

#[test]
fn a_page_that_cannot_be_opened_to_be_wiped_is_unmapped() {
    run("faults::tests::a_page_that_cannot_be_opened_to_be_wiped_is_unmapped", || {
        let before = pool::current().counts();
        let boxed = Boxed::<u8>::new(40, |bytes| bytes.fill(7)).unwrap();
        let address = boxed.address();
        during(&[always("mprotect")], || drop(boxed));
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let page = format!("{:x}-", address & !(os::page_size() - 1));
        assert!(!maps.lines().any(|line| line.starts_with(&page)), "still mapped");
        assert_eq!(pool::current().counts().in_use, before.in_use);
    })
    .succeeds();
}
