//! No operation leaves a copy of the secret, or of eight bytes of it, outside guarded pages.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

use conformance::grants::Grant;
use conformance::{stages, subject};
use file_memory::FileMemory;

#[test]
fn a_secret_is_nowhere_at_rest_and_once_in_use() {
    if Grant::OutsideView.is_lacking() {
        return;
    }
    let subject = subject!(FileMemory, |secret| FileMemory::alloc(secret, secret.len()));
    let found = stages::of_every_operation("a_secret_is_nowhere_at_rest_and_once_in_use", &subject);
    stages::leave_nothing_at_rest(&found);
}
