//! The body of a test in a forked child of the calling thread.

use crate::child;
use crate::laws::Subject;
use core::sync::atomic::{AtomicBool, Ordering};
use locked_memory::{Buffer, LockedMemory, MemoryError};
use rustix::process::{Signal, getpid, kill_process};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;

/// Forks, runs `body` in the child, and says whether it came to its end there: without a panic, a signal or a hang that
/// the caller would see as its own.
///
/// Call it in a process of its own ([`child::run`]): a child that was forked while other tests held the
/// allocator's or the test runner's locks may hang on them.
///
/// # Panics
/// Where the system cannot fork.
#[allow(clippy::expect_used)]
#[must_use]
pub fn succeeds(body: impl FnOnce()) -> bool {
    match fork::fork().expect("the system can fork") {
        fork::Fork::Child => {
            if catch_unwind(AssertUnwindSafe(body)).is_ok() {
                // Ending takes locks, of the standard library and of the C library, that a thread which the child does not
                // have may hold: a signal takes none.
                kill_process(getpid(), THROUGH).expect("a process can end itself");
            }
            abort();
        }
        fork::Fork::Parent(child) => {
            let status = fork::waitpid(child).expect("the child can be waited for");
            fork::WIFSIGNALED(status) && fork::WTERMSIG(status) == THROUGH.as_raw()
        }
    }
}

/// What a child ends itself with that came to the end of its body.
const THROUGH: Signal = Signal::USR2;

/// How many children [`at_any_moment`] makes.
const CHILDREN: usize = 60;

/// Forks again and again while other threads are in the middle of every operation of a memory. Each child gets
/// [`MemoryError::Forked`] from every operation on what its parent made, and uses one of its own.
///
/// `test` is the path of the calling test as the test runner prints it.
///
/// # Panics
/// Where a child does not get through: an operation gives bytes, a panic, a signal.
#[allow(clippy::unwrap_used)]
pub fn at_any_moment<M: LockedMemory + Send + Sync>(test: &str, subject: &Subject<M>) {
    child::run(test, || {
        let kept = (subject.make)(b"of the parent").unwrap();
        let done = AtomicBool::new(false);
        let all_through = std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        work_with(subject, &kept);
                    }
                });
            }
            let all_through = (0..CHILDREN).all(|_| succeeds(|| in_the_child(subject, &kept)));
            done.store(true, Ordering::Relaxed);
            all_through
        });
        assert!(all_through);
    })
    .succeeds();
}

#[allow(clippy::unwrap_used)]
fn work_with<M: LockedMemory>(subject: &Subject<M>, kept: &M) {
    assert_eq!(*kept.unlock().unwrap().borrow(), *b"of the parent");
    let mut clone = (subject.try_clone)(kept).unwrap();
    (subject.replace)(&mut clone, Buffer::try_random(300).unwrap()).unwrap();
    (subject.with)(&clone, &mut |bytes| assert_eq!(bytes.len(), 300)).unwrap();
}

#[allow(clippy::unwrap_used)]
fn in_the_child<M: LockedMemory>(subject: &Subject<M>, kept: &M) {
    let refused = |result: Result<(), MemoryError>| {
        assert!(matches!(result, Err(MemoryError::Forked { .. })), "{result:?}");
    };
    refused(kept.unlock().map(drop));
    refused((subject.with)(kept, &mut |_| ()));
    refused((subject.try_clone)(kept).map(drop));
    let mut own = (subject.make)(b"of the child").unwrap();
    (subject.replace)(&mut own, Buffer::try_alloc(b"replaced", 8).unwrap()).unwrap();
    assert_eq!(*own.unlock().unwrap().borrow(), *b"replaced");
}
