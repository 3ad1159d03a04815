//! System calls that fail on demand, for the tests of what happens then.
//!
//! libsodium's own calls do not come by here: `sodium_malloc`, `sodium_mlock` and `sodium_free`.

#[cfg(test)]
mod tests;

use core::cell::{Cell, RefCell};
use rustix::io::Errno;
use std::collections::BTreeMap;

/// Which calls of this thread fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) call: &'static str,
    pub(crate) error: Errno,
    /// How many of them come through before.
    pub(crate) after: usize,
    /// Whether all that follow fail, or one alone.
    pub(crate) for_good: bool,
}

thread_local! {
    static PLANS: RefCell<Vec<Plan>> = const { RefCell::new(Vec::new()) };
    static SEEN: RefCell<BTreeMap<&'static str, usize>> = const { RefCell::new(BTreeMap::new()) };
    static STRUCK: Cell<usize> = const { Cell::new(0) };
}

/// Runs `body` under `plans`, and says how many calls failed.
pub(crate) fn during<R>(plans: &[Plan], body: impl FnOnce() -> R) -> (R, usize) {
    SEEN.take();
    STRUCK.set(0);
    PLANS.replace(plans.to_vec());
    let result = body();
    PLANS.take();
    (result, STRUCK.get())
}

/// How often `body` makes each call.
pub(crate) fn counted<R>(body: impl FnOnce() -> R) -> (R, BTreeMap<&'static str, usize>) {
    let (result, _) = during(&[], body);
    (result, SEEN.take())
}

/// Called before each system call.
pub(crate) fn strike(call: &'static str) -> Result<(), Errno> {
    let seen = SEEN.with_borrow_mut(|seen| {
        let seen = seen.entry(call).or_default();
        *seen += 1;
        *seen
    });
    let hits =
        |plan: &&Plan| plan.call == call && (seen == plan.after + 1 || plan.for_good && seen > plan.after);
    match PLANS.with_borrow(|plans| plans.iter().find(hits).copied()) {
        Some(plan) => {
            STRUCK.set(STRUCK.get() + 1);
            Err(plan.error)
        }
        None => Ok(()),
    }
}
