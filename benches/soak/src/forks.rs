//! Children, forked in the middle of everything: they get errors, or zeros, and can keep a secret of their own.

use crate::Result;
use crate::shared::Shared;
use conformance::forked;
use runtime::MemoryError;
use runtime::locked_memory::LockedMemory as _;
use runtime::memories::buffer::Buffer;
use runtime::memories::ram_memory::RamMemory;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Between two forks: every fork makes each thread copy the pages it writes next.
const PAUSE: Duration = Duration::from_millis(20);

/// Forks until `stop`, and says how often.
pub(crate) fn fork_on(shared: &Shared, stop: &AtomicBool) -> Result<u64> {
    let mut forks = 0;
    while !stop.load(Ordering::Relaxed) {
        // Borrowed in the parent across the fork, where the lock limit has room for it.
        let open = match Buffer::try_alloc(&[7_u8; 32], 32) {
            Ok(buffer) => Some(buffer),
            Err(MemoryError::LockNotAvailable { .. }) => None,
            Err(error) => return Err(format!("{error:?}").into()),
        };
        let borrowed = open.as_ref().map(Buffer::borrow);
        let is_through = forked::succeeds(|| {
            if let Some(bytes) = &borrowed {
                assert!(bytes.iter().all(|byte| *byte == 0), "a child reads what its parent borrowed");
            }
            shared.refuse();
            let own = match RamMemory::alloc(b"of the child", 12) {
                Err(MemoryError::LockNotAvailable { .. }) => return,
                own => own.unwrap_or_else(|error| unreachable!("{error:?}")),
            };
            let bytes = own.unlock().unwrap_or_else(|error| unreachable!("{error:?}"));
            assert_eq!(*bytes.borrow(), *b"of the child");
        });
        if !is_through {
            return Err("a forked child did not get through".into());
        }
        if borrowed.is_some_and(|bytes| *bytes != [7; 32]) {
            return Err("a fork changed what its parent borrows".into());
        }
        forks += 1;
        thread::sleep(PAUSE);
    }
    Ok(forks)
}
