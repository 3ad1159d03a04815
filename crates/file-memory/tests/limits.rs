//! Directories, disks and limits that refuse: each is an error that names its cause, and no secret is lost.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use conformance::child::{self, Conditions, run, run_under};
use file_memory::{Directory, FileError, FileMemory, Step};
use locked_memory::{Buffer, LockedMemory, MemoryError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{File, Permissions, set_permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

fn cause(error: &MemoryError) -> &FileError {
    FileError::of(error).unwrap_or_else(|| panic!("{error:?}"))
}

fn holds(memory: &FileMemory, expected: &[u8]) {
    assert_eq!(*memory.unlock().unwrap().borrow(), *expected);
}

fn limit(resource: Resource, to: u64) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(resource, Rlimit { current: Some(to), maximum }).unwrap();
}

/// Secrets of `len` bytes in `directory` until one is refused.
fn until_refused(directory: &Path, len: usize) -> (Vec<FileMemory>, MemoryError) {
    let mut kept = Vec::new();
    for round in 0..u8::MAX {
        match FileMemory::alloc_in(directory, &vec![round; len]) {
            Ok(memory) => kept.push(memory),
            Err(error) => return (kept, error),
        }
    }
    unreachable!("nothing was refused");
}

/// A full file keeps old values through a failed replace, and takes new ones once a secret is gone.
fn keeps_its_secrets_and_takes_more_later(
    kept: &mut Vec<FileMemory>,
    len: usize,
    expected: (Step, ErrorKind),
) {
    let failed = kept[1].replace(Buffer::alloc(&vec![9; len], len)).unwrap_err();
    assert_eq!((cause(&failed).step, cause(&failed).source.kind()), expected);
    assert!(kept[0].try_clone().is_err());
    for (round, memory) in (0..).zip(&*kept) {
        holds(memory, &vec![round; len]);
    }
    kept.pop();
    kept[1].replace(Buffer::alloc(&vec![9; len], len)).unwrap();
    holds(&kept[1], &vec![9; len]);
    let clone = kept[1].try_clone().unwrap();
    holds(&clone, &vec![9; len]);
}

#[test]
fn a_missing_directory_or_a_file_in_its_place_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let error = FileMemory::alloc_in(&missing, b"secret").unwrap_err();
    assert_eq!((cause(&error).step, cause(&error).source.kind()), (Step::Find, ErrorKind::NotFound));
    assert_eq!(cause(&error).directory, Directory::Given(missing.clone()));
    File::create(&missing).unwrap();
    let error = FileMemory::alloc_in(&missing, b"secret").unwrap_err();
    assert_eq!((cause(&error).step, cause(&error).source.kind()), (Step::Make, ErrorKind::NotADirectory));
}

#[test]
fn a_missing_default_directory_is_an_error_and_looked_for_again() {
    let test = "a_missing_default_directory_is_an_error_and_looked_for_again";
    if child::is_child_of(test) {
        let missing = std::env::temp_dir();
        let error = FileMemory::alloc(b"secret", 6).unwrap_err();
        assert_eq!((cause(&error).step, cause(&error).source.kind()), (Step::Find, ErrorKind::NotFound));
        assert_eq!(cause(&error).directory, Directory::Default(missing.clone()));
        let chain = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        let expected = "cannot create a FileMemory: cannot find the default directory ";
        assert!(chain.starts_with(expected), "{chain}");
        std::fs::create_dir(&missing).unwrap();
        holds(&FileMemory::alloc(b"secret", 6).unwrap(), b"secret");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut command = child::command(Conditions::default(), test);
    let output = command.env("TMPDIR", directory.path().join("missing")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_read_only_directory_is_an_error() {
    let ordinary = Conditions { lock_limit_kib: None, ordinary_user: true };
    run_under(ordinary, "a_read_only_directory_is_an_error", || {
        let directory = tempfile::tempdir().unwrap();
        set_permissions(directory.path(), Permissions::from_mode(0o500)).unwrap();
        let error = FileMemory::alloc_in(directory.path(), b"secret").unwrap_err();
        let expected = (Step::Make, ErrorKind::PermissionDenied);
        assert_eq!((cause(&error).step, cause(&error).source.kind()), expected);
        set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        holds(&FileMemory::alloc_in(directory.path(), b"secret").unwrap(), b"secret");
    })
    .succeeds();
}

#[test]
fn a_full_disk_is_an_error_and_costs_no_secret() {
    // In a process of its own: no child of another test inherits the descriptor and keeps the disk busy.
    run("a_full_disk_is_an_error_and_costs_no_secret", || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let run = |command: &str| {
            let mut words = command.split(' ');
            let done = Command::new(words.next().unwrap()).args(words).arg(path).output();
            done.is_ok_and(|output| output.status.success())
        };
        if !run("mount -t tmpfs -o size=64k tmpfs") {
            eprintln!("skipped: this user may not mount a file system of 64 KiB");
            return;
        }
        let full = (Step::Write, ErrorKind::StorageFull);
        for len in [1000, 5000, 15_000] {
            let (mut kept, error) = until_refused(path, len);
            assert_eq!((cause(&error).step, cause(&error).source.kind()), full);
            assert!(kept.len() > 2, "{}", kept.len());
            keeps_its_secrets_and_takes_more_later(&mut kept, len, full);
        }
        assert!(run("umount"), "the file went with its last secret");
    })
    .succeeds();
}

#[test]
fn the_limit_of_the_file_size_is_an_error_and_not_a_signal() {
    run("the_limit_of_the_file_size_is_an_error_and_not_a_signal", || {
        let directory = tempfile::tempdir().unwrap();
        limit(Resource::Fsize, 40_000);
        let full = (Step::Grow, ErrorKind::FileTooLarge);
        for len in [1000, 5000, 15_000, 50_000] {
            let error = if len < 20_000 {
                let (mut kept, error) = until_refused(directory.path(), len);
                assert!(kept.len() >= 2, "{}", kept.len());
                if kept.len() > 2 {
                    keeps_its_secrets_and_takes_more_later(&mut kept, len, full);
                }
                error
            } else {
                FileMemory::alloc_in(directory.path(), &vec![1; len]).unwrap_err()
            };
            assert_eq!((cause(&error).step, cause(&error).source.kind()), full);
        }
        limit(Resource::Fsize, 0);
        assert!(FileMemory::alloc_in(directory.path(), b"secret").is_err());
    })
    .succeeds();
}

#[test]
fn secrets_outlive_a_limit_of_the_file_size_that_is_lowered() {
    run("secrets_outlive_a_limit_of_the_file_size_that_is_lowered", || {
        let directory = tempfile::tempdir().unwrap();
        let [mut small, large] =
            [100, 100_000].map(|len| FileMemory::alloc_in(directory.path(), &vec![7; len]).unwrap());
        limit(Resource::Fsize, 0);
        let failed = small.replace(Buffer::alloc(&[9; 100], 100)).unwrap_err();
        assert_eq!(cause(&failed).source.kind(), ErrorKind::FileTooLarge);
        holds(&small, &[7; 100]);
        holds(&large, &[7; 100_000]);
        drop((small, large)); // wiped without a write
    })
    .succeeds();
}

#[test]
fn without_a_descriptor_a_new_directory_is_an_error_and_one_in_use_is_not() {
    run("without_a_descriptor_a_new_directory_is_an_error_and_one_in_use_is_not", || {
        let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let memory = FileMemory::alloc_in(one.path(), b"before").unwrap();
        holds(&memory, b"before");
        limit(Resource::Nofile, 64);
        let mut files = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
        let error = FileMemory::alloc_in(other.path(), b"secret").unwrap_err();
        assert_eq!(cause(&error).step, Step::Make);
        assert_eq!(cause(&error).source.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
        holds(&FileMemory::alloc_in(one.path(), b"more").unwrap(), b"more");
        holds(&memory, b"before");
        files.pop();
        holds(&FileMemory::alloc_in(other.path(), b"secret").unwrap(), b"secret");
    })
    .succeeds();
}

#[test]
fn a_hundred_thousand_secrets_fit_an_ordinary_user() {
    const SECRETS: usize = 100_000;
    let ordinary = Conditions { lock_limit_kib: Some(64), ordinary_user: true };
    run_under(ordinary, "a_hundred_thousand_secrets_fit_an_ordinary_user", || {
        let open_files = 1024.min(getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX));
        setrlimit(Resource::Nofile, Rlimit { current: Some(open_files), maximum: Some(open_files) }).unwrap();
        let secret = |index: usize| {
            let mut bytes = [0xa5; 32];
            bytes[..size_of::<usize>()].copy_from_slice(&index.to_le_bytes());
            bytes
        };
        let memories: Vec<_> =
            (0..SECRETS).map(|index| FileMemory::alloc(&secret(index), 32).unwrap()).collect();
        // In an order that jumps all over the file.
        for step in 0..SECRETS / 4 {
            let index = step * 61_051 % SECRETS;
            assert!(memories[index].with(|bytes| bytes == secret(index)).unwrap(), "{index}");
        }
        assert!(boxed::status().bytes_locked <= 65_536);
    })
    .succeeds();
}
