//! `FileMemory` obeys the laws of every memory, in the default directory and in a given one.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::child;
use file_memory::FileMemory;
use locked_memory::Zeroize as _;

#[test]
fn in_the_default_directory() {
    conformance::laws!(FileMemory, |payload| FileMemory::alloc(payload, payload.len()));
}

#[test]
fn in_a_given_directory() {
    let directory = tempfile::tempdir().unwrap();
    std::env::set_current_dir(directory.path()).unwrap();
    conformance::laws!(FileMemory, |payload| FileMemory::alloc_in(".", payload));
}

#[test]
fn at_best_effort_without_any_lock() {
    // Elsewhere a process has the limits of its parent.
    let without_lock = child::Conditions { lock_limit_kib: Some(0), ordinary_user: true };
    let conditions = if cfg!(unix) { without_lock } else { child::Conditions::default() };
    child::run_under(conditions, "at_best_effort_without_any_lock", || {
        boxed::Policy::new().lock(boxed::Lock::BestEffort).install().unwrap();
        conformance::laws!(FileMemory, |payload| FileMemory::alloc(payload, payload.len()));
    })
    .succeeds();
}

#[test]
fn what_is_kept_is_ciphertext_and_nothing_once_zeroized() {
    let mut memory = FileMemory::alloc(b"secret", 6).unwrap();
    assert_eq!(memory.protection(), Some(boxed::Protection::of_ciphertext()));
    memory.zeroize();
    assert_eq!(memory.protection(), None);
    assert_eq!(memory.clone().protection(), None);
}

#[test]
#[cfg(target_os = "linux")]
fn a_clone_holds_no_page_while_it_waits_for_others() {
    conformance::patience::holds_no_page_while_it_waits(
        "a_clone_holds_no_page_while_it_waits_for_others",
        || FileMemory::alloc(&[7; 32], 32).unwrap(),
        FileMemory::try_clone,
    );
}

#[test]
#[cfg(target_os = "linux")]
fn an_unlock_holds_no_page_while_it_waits_for_others() {
    use locked_memory::LockedMemory;
    conformance::patience::holds_no_page_while_it_waits(
        "an_unlock_holds_no_page_while_it_waits_for_others",
        || FileMemory::alloc(&[7; 32], 32).unwrap(),
        FileMemory::unlock,
    );
}
