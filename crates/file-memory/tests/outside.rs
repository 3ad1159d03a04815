//! What others see of the file: no name, no access, one descriptor, ciphertext, and damage that is noticed.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::child;
use file_memory::FileMemory;
use locked_memory::{Buffer, LockedMemory, MemoryError};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The descriptors of this process whose files lie, without a name, in `directory`.
fn descriptors(directory: &Path) -> Vec<PathBuf> {
    let directory = directory.canonicalize().unwrap();
    let of_it = |path: &PathBuf| {
        fs::read_link(path)
            .is_ok_and(|file| file.starts_with(&directory) && file.to_string_lossy().ends_with("(deleted)"))
    };
    fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path()).filter(of_it).collect()
}

fn the_file(directory: &Path) -> File {
    let [path] = &descriptors(directory)[..] else { unreachable!("one file") };
    File::options().read(true).write(true).open(path).unwrap()
}

fn is_damaged(memory: &FileMemory) {
    let unlocked = memory.unlock();
    assert!(matches!(unlocked, Err(MemoryError::DecryptionError { .. })), "{unlocked:?}");
    assert!(matches!(memory.with(<[u8]>::len), Err(MemoryError::DecryptionError { .. })));
    assert!(matches!(memory.try_clone(), Err(MemoryError::DecryptionError { .. })));
}

#[test]
fn all_secrets_of_a_directory_share_one_private_file_without_a_name() {
    let directory = tempfile::tempdir().unwrap();
    let link = tempfile::tempdir().unwrap().path().join("link");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(directory.path(), &link).unwrap();
    let memories: Vec<_> = [directory.path(), &link, &directory.path().join(".")]
        .into_iter()
        .cycle()
        .take(300)
        .map(|path| FileMemory::alloc_in(path, b"secret").unwrap())
        .collect();
    let clones = memories.clone();
    let [path] = &descriptors(directory.path())[..] else { unreachable!("one file") };
    let metadata = fs::metadata(path).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o600, 0));
    let info = fs::read_to_string(path.to_string_lossy().replace("/fd/", "/fdinfo/")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    let close_on_exec = u32::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000;
    assert_ne!(close_on_exec, 0, "{info}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    drop((memories, clones));
    assert!(descriptors(directory.path()).is_empty(), "the file goes with the last secret");
    fs::remove_dir_all(link.parent().unwrap()).unwrap();
}

#[test]
fn the_file_holds_nothing_of_the_secret_and_zeros_once_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let secret = b"correct horse battery staple";
    let mut memory = FileMemory::alloc_in(directory.path(), secret).unwrap();
    let content = || {
        let file = the_file(directory.path());
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    let in_use = |bytes: &[u8]| bytes.iter().filter(|byte| **byte != 0).count();
    let before = content();
    assert!(in_use(&before) > secret.len());
    assert!(!before.windows(4).any(|window| secret.windows(4).any(|part| part == window)));
    memory.replace(Buffer::alloc(&[7; 5000], 5000)).unwrap();
    memory.replace(Buffer::alloc(b"1", 1)).unwrap();
    assert!((1..=100).contains(&in_use(&content())));
    let empty = FileMemory::alloc_in(directory.path(), b"2").unwrap();
    drop(memory);
    assert!((1..=100).contains(&in_use(&content())));
    assert_eq!(*empty.unlock().unwrap().borrow(), *b"2");
}

#[test]
fn a_file_changed_from_outside_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let memories = [1, 2].map(|byte| FileMemory::alloc_in(directory.path(), &[byte; 32]).unwrap());
    let file = the_file(directory.path());
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    let mut good = vec![0; length];
    file.read_exact_at(&mut good, 0).unwrap();

    let mut swapped = good.clone();
    swapped.rotate_left(128);
    for other in [vec![0; length], vec![1; length], good.iter().map(|byte| byte ^ 4).collect(), swapped] {
        file.write_all_at(&other, 0).unwrap();
        memories.iter().for_each(is_damaged);
    }
    file.set_len(16).unwrap();
    memories.iter().for_each(is_damaged);
    file.write_all_at(&good, 0).unwrap();
    for (memory, byte) in memories.iter().zip(1..) {
        assert_eq!(*memory.unlock().unwrap().borrow(), [byte; 32]);
    }

    let [mut rolled_back, _] = memories;
    rolled_back.replace(Buffer::alloc(&[3; 32], 32)).unwrap();
    rolled_back.replace(Buffer::alloc(&[4; 32], 32)).unwrap(); // where the first value was
    file.write_all_at(&good, 0).unwrap();
    is_damaged(&rolled_back);
}

#[test]
fn a_killed_process_leaves_no_name_behind() {
    let test = "a_killed_process_leaves_no_name_behind";
    if child::is_child_of(test) {
        let directory = PathBuf::from(std::env::var_os("DIRECTORY").unwrap());
        let mut memory = FileMemory::alloc_in(&directory, &[1; 32]).unwrap();
        let by_default = FileMemory::alloc(&[1; 32], 32).unwrap();
        std::io::stdout().write_all(b"WRITTEN\n").unwrap();
        loop {
            memory.replace(by_default.unlock().unwrap()).unwrap();
        }
    }
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut command: Command = child::command(child::Conditions::default(), test);
        command.env("DIRECTORY", directory.path()).env("TMPDIR", directory.path());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("WRITTEN")));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        process.kill().unwrap();
        process.wait().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
