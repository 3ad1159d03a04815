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
