//! The body of a test in a forked child of the calling thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;

/// Forks, runs `body` in the child, and says whether it came to its end there: without a panic, a signal or a hang that
/// the caller would see as its own.
///
/// Call it in a process of its own ([`child::run`](crate::child::run)): a child that was forked while other tests held the
/// allocator's or the test runner's locks may hang on them.
///
/// # Panics
/// Where the system cannot fork.
#[allow(clippy::expect_used)]
#[must_use]
pub fn succeeds(body: impl FnOnce()) -> bool {
    match fork::fork().expect("the system can fork") {
        fork::Fork::Child => exit(i32::from(catch_unwind(AssertUnwindSafe(body)).is_err())),
        fork::Fork::Parent(child) => {
            let status = fork::waitpid(child).expect("the child can be waited for");
            fork::WIFEXITED(status) && fork::WEXITSTATUS(status) == 0
        }
    }
}
