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
    /// How many regions this thread took,
    pub(crate) taken: u64,
    /// and how many it gave back.
    pub(crate) given_back: u64,
}

impl Attempt {
    /// How many regions came back of those that were taken before.
    pub(crate) fn of_before(self) -> u64 {
        self.given_back.saturating_sub(self.taken)
    }
}

/// Begins one: nothing waits at the limit until it [ends](end).
pub(crate) fn begin() {
    UNDER_WAY.with(|attempt| attempt.set(Some(Attempt::default())));
}

/// Ends it.
pub(crate) fn end() -> Attempt {
    UNDER_WAY.with(Cell::take).unwrap_or_default()
}

/// Whether one is under way.
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
