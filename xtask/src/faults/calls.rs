//! Which system calls fail, and how.

/// Every call of the library, and what its man page names for one with arguments such as ours: what a full machine, a
/// limit, a broken disk, an old kernel or a filter of system calls says. What can only come of wrong arguments is left out.
pub(super) const CALLS: [(&str, &[&str]); 17] = [
    ("mmap", &["ENOMEM", "EAGAIN", "EPERM", "ENFILE"]),
    ("mremap", &["ENOMEM", "EAGAIN", "EFAULT"]),
    ("mprotect", &["ENOMEM", "EACCES"]),
    ("mlock", &["ENOMEM", "EAGAIN", "EPERM"]),
    ("munlock", &["ENOMEM"]),
    ("munmap", &["ENOMEM", "EINVAL"]),
    ("madvise", &["ENOMEM", "EAGAIN", "EINVAL"]),
    ("memfd_secret", &["ENOSYS", "ENOMEM", "EMFILE", "ENFILE", "EPERM"]),
    ("memfd_create", &["ENOSYS", "ENOMEM", "EMFILE", "ENFILE"]),
    ("ftruncate", &["EINTR", "EFBIG", "EIO", "EPERM"]),
    ("fchmod", &["EIO", "EPERM", "EROFS"]),
    ("statx", &["EACCES", "ENOENT", "ENOMEM", "ENOTDIR"]),
    (
        "openat",
        &[
            "EACCES",
            "EMFILE",
            "ENFILE",
            "ENOENT",
            "ENOMEM",
            "ENOSPC",
            "EDQUOT",
            "EROFS",
            "EINTR",
            "EOPNOTSUPP",
            "EISDIR",
            "EINVAL",
        ],
    ),
    ("pread64", &["EINTR", "EIO"]),
    ("pwrite64", &["ENOSPC", "EIO", "EINTR", "EDQUOT", "EFBIG"]),
    ("fallocate", &["EINTR", "EIO", "ENOSPC", "EOPNOTSUPP", "ENOSYS", "EPERM"]),
    ("getrandom", &["EINTR", "ENOSYS"]),
];

/// Calls that a life makes, too, but that do not fail.
pub(super) const LEFT_ALONE: [(&str, &str); 5] = [
    ("getppid", "begins an operation"),
    ("getpid", "ends it"),
    ("close", "what strace lets fail is not done, and Linux closes the descriptor whatever it says"),
    ("prlimit64", "no error is named for a process that asks for limits of its own"),
    ("brk", "the allocator's"),
];

/// A page that can neither be closed, nor opened to be wiped, nor unmapped: the process then ends.
pub(super) const BOTH: &str = "mprotect, munmap";

/// The rows of a table.
pub(super) fn rows(always: bool) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut rows: Vec<_> = CALLS.iter().map(|(call, _)| (*call, errors(call, always))).collect();
    if always {
        rows.push((BOTH, vec!["ENOMEM"]));
    }
    rows
}

/// How a call fails, once or from then on.
pub(super) fn errors(call: &str, always: bool) -> Vec<&'static str> {
    let errors =
        CALLS.iter().filter(|(name, _)| *name == call).flat_map(|(_, errors)| errors.iter().copied());
    errors
        .filter(|error| match (*error, call) {
            // Who is interrupted tries again, and by right without end; but no one is interrupted every time.
            ("EINTR", _) => !always,
            // A kernel has the call or has it not.
            ("ENOSYS", "getrandom") => always,
            _ => true,
        })
        .collect()
}
