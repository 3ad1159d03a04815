//! `RamMemory` obeys the laws of every memory, both ways it keeps a secret.
#![forbid(unsafe_code)]

use ram_memory::RamMemory;

#[test]
fn sealed() {
    conformance::laws!(RamMemory, |payload| RamMemory::alloc(payload, payload.len()));
}

#[test]
fn guarded() {
    conformance::laws!(RamMemory, RamMemory::guarded);
}

#[test]
#[cfg(target_os = "linux")]
fn a_clone_holds_no_page_while_it_waits_for_others() {
    conformance::patience::holds_no_page_while_it_waits(
        "a_clone_holds_no_page_while_it_waits_for_others",
        || RamMemory::alloc(&[7; 32], 32).unwrap(),
        RamMemory::try_clone,
    );
}

#[test]
#[cfg(target_os = "linux")]
fn an_unlock_holds_no_page_while_it_waits_for_others() {
    use locked_memory::LockedMemory;
    conformance::patience::holds_no_page_while_it_waits(
        "an_unlock_holds_no_page_while_it_waits_for_others",
        || RamMemory::alloc(&[7; 32], 32).unwrap(),
        RamMemory::unlock,
    );
}
