//! What this thread takes together or not at all, and what came of it.

use crate::sync::thread_local;
use core::cell::Cell;

thread_local! {
    /// That of this thread which is under way.
    static UNDER_WAY: Cell<Option<Attempt>> = const { Cell::new(None) };
}

/// What came of an attempt to take several regions together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempt {
    /// Whether one was refused at the limit of lockable memory.
    pub(crate) refused: bool,
    /// How many regions this thread gave back meanwhile.
    pub(crate) given_back: u64,
}

impl Attempt {
    /// Runs `take`, within which nothing waits at the limit.
    pub(crate) fn of<T>(take: impl FnOnce() -> T) -> (T, Self) {
        /// Ends the attempt, however `take` ends.
        struct Ended;
        impl Drop for Ended {
            fn drop(&mut self) {
                UNDER_WAY.with(|attempt| attempt.set(None));
            }
        }
        UNDER_WAY.with(|attempt| attempt.set(Some(Self::default())));
        let _ended = Ended;
        let taken = take();
        (taken, UNDER_WAY.with(Cell::get).unwrap_or_default())
    }
}

/// Whether this thread makes one.
pub(crate) fn is_under_way() -> bool {
    UNDER_WAY.with(Cell::get).is_some()
}

/// Notes something about that which is under way, if one is.
pub(crate) fn note(change: impl FnOnce(&mut Attempt)) {
    UNDER_WAY.with(|current| {
        if let Some(mut attempt) = current.get() {
            change(&mut attempt);
            current.set(Some(attempt));
        }
    });
}
