//! Threads that wait at the limit of lockable memory.

use crate::child::{Conditions, run_under};
use crate::grants::Grant;
use boxed::{AtLimit, Policy, Scratch, status};
use std::fmt::Debug;
use std::time::Duration;

/// In which a thread begins to wait.
const TO_BEGIN: Duration = Duration::from_millis(50);

/// Checks that `operation`, which needs more than the one page that is left, holds none while it waits, and is done when there are
/// more. `test` is the path of the calling test.
///
/// # Panics
/// Where one of that does not hold.
#[allow(clippy::unwrap_used)]
pub fn holds_no_page_while_it_waits<M: Sync, R: Send, E: Debug + Send>(
    test: &str,
    make: impl FnOnce() -> M,
    operation: impl FnOnce(&M) -> Result<R, E> + Send,
) {
    let user = Conditions { lock_limit_kib: Some(64), ordinary_user: true };
    run_under(user, test, || {
        let patience = AtLimit::Wait(Duration::from_secs(20));
        Policy::new().at_limit(patience).pool_bytes(0).install().unwrap();
        if Grant::OneCount.is_lacking() {
            return; // there are more pages than these
        }
        let memory = make();
        let left = 16 - status().bytes_locked / boxed::page_size();
        let held: Vec<_> = (1..left).map(|_| Scratch::<u8>::new(1).unwrap()).collect();
        let before = status().pages_in_use;
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| operation(&memory).map(drop));
            // An attempt that is under way has some, for as long as that takes on a slow machine; one that waits has none.
            let has_none = (0..200).any(|_| {
                std::thread::sleep(TO_BEGIN);
                status().pages_in_use == before
            });
            assert!(has_none, "a page is held by a thread that waits");
            assert!(!waits.is_finished());
            drop(held);
            waits.join().unwrap().unwrap();
        });
    })
    .succeeds();
}
