use super::{Call, Failure, Plan, under};
use crate::FileMemory;
use locked_memory::{Buffer, LockedMemory as _, MemoryError};
use rustix::io::Errno;
use std::fs;
use std::path::Path;

/// What the man pages name. Interrupted calls are made again by the standard library, and never seen.
const ERRORS: [(Call, &[Errno]); 8] = [
    (Call::Find, &[Errno::ACCESS, Errno::NOENT, Errno::NOTDIR, Errno::NOMEM]),
    (Call::Make, &[Errno::ACCESS, Errno::MFILE, Errno::NFILE, Errno::NOSPC, Errno::DQUOT, Errno::ROFS]),
    (Call::Close, &[Errno::PERM, Errno::ROFS, Errno::IO]),
    (Call::Grow, &[Errno::FBIG]),
    (Call::Write, &[Errno::NOSPC, Errno::DQUOT, Errno::IO, Errno::FBIG]),
    (Call::Tear, &[Errno::NOSPC, Errno::DQUOT, Errno::IO]),
    (Call::Read, &[Errno::IO]),
    (Call::Punch, &[Errno::NOSPC, Errno::IO, Errno::PERM, Errno::OPNOTSUPP]),
];

/// The lengths of secrets: in a part of a block, and in blocks of their own.
const LENGTHS: [usize; 2] = [40, 5_000];

#[test]
fn every_call_that_fails_is_an_error_or_is_survived_and_the_old_value_is_kept() {
    conformance::child::run(
        "faults::tests::every_call_that_fails_is_an_error_or_is_survived_and_the_old_value_is_kept",
        || {
            for (first, second) in [(0, 1), (1, 0), (0, 0), (1, 1)] {
                fail_each(&vec![1; LENGTHS[first]], &vec![2; LENGTHS[second]]);
            }
        },
    )
    .succeeds();
}

/// Lets every call of a life fail, once and from then on, with each of its errors.
fn fail_each(first: &[u8], second: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let before = descriptors();
    for (call, errors) in ERRORS {
        let never = Plan { call, error: Failure::Code(0), after: usize::MAX, for_good: false };
        let (lived, calls) = under(never, || live(directory.path(), first, second, false));
        assert!(lived.is_empty() && (calls > 0 || call == Call::Punch && first.len() + second.len() < 100));
        for error in errors {
            for after in 0..calls {
                for for_good in [false, true] {
                    let plan = Plan { call, error: Failure::Code(error.raw_os_error()), after, for_good };
                    let (errors, seen) = under(plan, || live(directory.path(), first, second, for_good));
                    assert!(seen > after, "{plan:?}: never met");
                    assert!(for_good || errors.len() <= 1, "{plan:?}: {errors:?}");
                    assert_eq!(descriptors(), before, "{plan:?}: left open");
                    assert!(live(directory.path(), first, second, false).is_empty(), "{plan:?}: and then");
                }
            }
        }
    }
}

/// Every use of a memory, and what of it was an error. Panics where bytes are wrong or stay in the file.
fn live(directory: &Path, first: &[u8], second: &[u8], for_good: bool) -> Vec<MemoryError> {
    let mut errors = Vec::new();
    let mut value = first;
    let Some(mut memory) = noted(&mut errors, FileMemory::alloc_in(directory, first)) else { return errors };
    holds(&mut errors, &memory, value);
    if noted(&mut errors, memory.replace(buffer(second))).is_some() {
        value = second;
    }
    holds(&mut errors, &memory, value);
    left_in_the_file(directory, value.len(), for_good);
    if let Some(clone) = noted(&mut errors, memory.try_clone()) {
        holds(&mut errors, &clone, value);
    }
    holds(&mut errors, &memory, value);
    left_in_the_file(directory, value.len(), for_good);
    if let Some(memory) = noted(&mut errors, memory.update(buffer(first), first.len())) {
        holds(&mut errors, &memory, first);
        left_in_the_file(directory, first.len(), for_good);
    }
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "a name");
    errors
}

fn holds(errors: &mut Vec<MemoryError>, memory: &FileMemory, value: &[u8]) {
    let same = noted(errors, memory.with(|bytes| bytes == value));
    assert!(same.unwrap_or(true), "other bytes");
    if let Some(buffer) = noted(errors, memory.unlock()) {
        assert!(*buffer.borrow() == *value, "other bytes");
    }
}

/// Panics where the file holds more than one secret of `length` bytes; without end where nothing can be wiped for good.
fn left_in_the_file(directory: &Path, length: usize, for_good: bool) {
    const MOST_OVERHEAD: usize = 64;
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        if fs::read_link(&path).is_ok_and(|target| target.starts_with(directory)) {
            let bytes = fs::read(&path).unwrap();
            let left = bytes.iter().filter(|byte| **byte != 0).count();
            assert!(for_good || left <= length + MOST_OVERHEAD, "{left} bytes of a secret of {length}");
        }
    }
}

fn noted<T>(errors: &mut Vec<MemoryError>, result: Result<T, MemoryError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn buffer(bytes: &[u8]) -> Buffer<u8> {
    Buffer::alloc(bytes, bytes.len())
}

fn descriptors() -> usize {
    drop(sealing::Session::begin().unwrap()); // whose shards have one
    fs::read_dir("/proc/self/fd").unwrap().count()
}
