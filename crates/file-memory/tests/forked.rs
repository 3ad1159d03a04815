//! A forked child is refused what its parent made, makes files of its own, and does its parent's file no harm.
#![cfg(unix)]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::{child, forked, subject};
use file_memory::{FileMemory, Slot};
use locked_memory::{Buffer, LockedMemory, MemoryError, Zeroize as _};
use sealing::Session;

fn refused<T: std::fmt::Debug>(result: Result<T, MemoryError>) {
    assert!(matches!(result, Err(MemoryError::Forked { .. })), "{result:?}");
}

fn holds(memory: &FileMemory, expected: &[u8]) {
    assert_eq!(*memory.unlock().unwrap().borrow(), *expected);
}

fn buffer(bytes: &[u8]) -> Buffer<u8> {
    Buffer::alloc(bytes, bytes.len())
}

/// Secrets of one block and of several, by default and in `directory`.
fn of_the_parent(directory: &std::path::Path) -> Vec<FileMemory> {
    let long = [8; 9000];
    vec![
        FileMemory::alloc(b"parent", 6).unwrap(),
        FileMemory::alloc(&long, 9000).unwrap(),
        FileMemory::alloc_in(directory, b"parent").unwrap(),
        FileMemory::alloc_in(directory, &long).unwrap(),
    ]
}

fn hold_what_the_parent_made(memories: &[FileMemory]) {
    for pair in memories.chunks(2) {
        holds(&pair[0], b"parent");
        holds(&pair[1], &[8; 9000]);
    }
}

#[test]
fn a_child_forked_at_any_moment_gets_through() {
    let subject = subject!(FileMemory, |payload| FileMemory::alloc(payload, payload.len()));
    forked::at_any_moment("a_child_forked_at_any_moment_gets_through", &subject);
}

#[test]
fn a_child_is_refused_what_its_parent_made() {
    child::run("a_child_is_refused_what_its_parent_made", || {
        let directory = tempfile::tempdir().unwrap();
        let memories = of_the_parent(directory.path());
        let mut slot = Slot::new_in(directory.path(), 4).unwrap();
        slot.write(&Session::begin().unwrap(), b"slot").unwrap();
        let unwritten = Slot::new(4).unwrap();
        let complete = forked::succeeds(|| {
            for memory in &memories {
                refused(memory.unlock());
                refused(memory.with(<[u8]>::len));
                refused(memory.try_clone());
            }
            refused(slot.read(&Session::begin().unwrap(), &mut [0; 4]));
            refused(unwritten.read(&Session::begin().unwrap(), &mut [0; 4]));
            let own = FileMemory::alloc(b"child", 5).unwrap();
            holds(&own, b"child");
        });
        assert!(complete);
        hold_what_the_parent_made(&memories);
    })
    .succeeds();
}

#[test]
fn whatever_a_child_does_its_parent_reads_what_it_wrote() {
    child::run("whatever_a_child_does_its_parent_reads_what_it_wrote", || {
        let directory = tempfile::tempdir().unwrap();
        let mut memories = of_the_parent(directory.path());
        let mut slots = vec![Slot::new_in(directory.path(), 4).unwrap()];
        slots[0].write(&Session::begin().unwrap(), b"slot").unwrap();
        let complete = forked::succeeds(|| {
            slots[0].write(&Session::begin().unwrap(), b"mine").unwrap();
            let mut plain = [0; 4];
            slots[0].read(&Session::begin().unwrap(), &mut plain).unwrap();
            assert_eq!(plain, *b"mine");
            slots.clear();
            memories[0].zeroize();
            memories[3].replace(buffer(b"child")).unwrap();
            holds(&memories[3], b"child");
            memories.clear();
            let own: Vec<_> = (0..100).map(|_| FileMemory::alloc(b"child", 5).unwrap()).collect();
            let more: Vec<_> =
                (0..9).map(|_| FileMemory::alloc_in(directory.path(), &[1; 9000]).unwrap()).collect();
            drop((own, more));
        });
        assert!(complete);
        hold_what_the_parent_made(&memories);
        let mut plain = [0; 4];
        slots[0].read(&Session::begin().unwrap(), &mut plain).unwrap();
        assert_eq!(plain, *b"slot");
        memories[0].replace(buffer(b"later")).unwrap();
        holds(&memories[0], b"later");
    })
    .succeeds();
}

#[test]
fn a_child_that_inherits_reads_its_parents_file_and_writes_its_own() {
    child::run("a_child_that_inherits_reads_its_parents_file_and_writes_its_own", || {
        boxed::Policy::new().on_fork(boxed::OnFork::Inherit).install().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut memories = of_the_parent(directory.path());
        let complete = forked::succeeds(|| {
            hold_what_the_parent_made(&memories);
            let clones = memories.clone();
            memories[0].replace(buffer(b"child")).unwrap();
            memories[2].replace(buffer(b"child")).unwrap();
            holds(&memories[0], b"child");
            holds(&memories[2], b"child");
            memories.clear();
            hold_what_the_parent_made(&clones);
            holds(&FileMemory::alloc(b"child", 5).unwrap(), b"child");
        });
        assert!(complete);
        hold_what_the_parent_made(&memories);
    })
    .succeeds();
}

/// How long the files without a name are that this process has open.
#[cfg(target_os = "linux")]
fn lengths() -> Vec<(std::path::PathBuf, u64)> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let file = std::fs::read_link(&path).ok()?;
        let is_ours = file.starts_with(std::env::temp_dir()) && file.to_string_lossy().ends_with("(deleted)");
        is_ours.then(|| (file, std::fs::metadata(&path).unwrap().len()))
    });
    let mut lengths: Vec<_> = open.collect();
    lengths.sort();
    lengths
}

#[test]
#[cfg(target_os = "linux")]
fn not_even_a_child_that_inherits_writes_to_its_parents_files() {
    child::run("not_even_a_child_that_inherits_writes_to_its_parents_files", || {
        boxed::Policy::new().on_fork(boxed::OnFork::Inherit).install().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let of_others = lengths().len(); // such as a tool that watches this process from inside
        let _memories = of_the_parent(directory.path());
        let before = lengths();
        assert_eq!(before.len(), of_others + 2);
        let complete = forked::succeeds(|| {
            let by_default: Vec<_> = (0..99).map(|_| FileMemory::alloc(b"child", 5).unwrap()).collect();
            let given: Vec<_> =
                (0..99).map(|_| FileMemory::alloc_in(directory.path(), b"child").unwrap()).collect();
            assert_eq!(lengths().len(), of_others + 4);
            drop((by_default, given));
        });
        assert!(complete);
        assert_eq!(lengths(), before);
    })
    .succeeds();
}

#[test]
fn a_grandchild_is_a_process_of_its_own_too() {
    child::run("a_grandchild_is_a_process_of_its_own_too", || {
        let mut memories = vec![FileMemory::alloc(b"parent", 6).unwrap()];
        let complete = forked::succeeds(|| {
            memories.push(FileMemory::alloc(b"child", 5).unwrap());
            assert!(forked::succeeds(|| {
                memories.iter().for_each(|memory| refused(memory.unlock()));
                memories.clear();
                holds(&FileMemory::alloc(b"grandchild", 10).unwrap(), b"grandchild");
            }));
            holds(&memories[1], b"child");
        });
        assert!(complete);
        holds(&memories[0], b"parent");
    })
    .succeeds();
}
