//! Models of `boxed`: the gate that opens and closes a page, and the pool of pages.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "a model does not use all of a source")]

#[path = "../../../../../crates/boxed/src/attempt.rs"]
mod attempt;
#[path = "../../../../../crates/boxed/src/gate.rs"]
mod gate;
#[path = "../../../../../crates/boxed/src/pool.rs"]
mod pool;
#[path = "../../../../../crates/boxed/src/size.rs"]
mod size;
mod system;

use boxed::Error;
use gate::Gate;
use loom::thread;
use models::{check, sync};
use pool::Pool;
use std::sync::Arc;
use sync::AtomicBool;
use sync::Ordering::Relaxed;
use system::{Policy, backing, os, process, region};

fn main() {
    check("gate: two readers", 2, Some(4), || readers(1, 1));
    check("gate: two readers, twice each", 2, Some(3), || readers(1, 2));
    check("gate: three readers", 3, Some(1), || readers(2, 1));
    check("gate: an opening that fails", 2, Some(3), an_opening_that_fails);
    check("pool: two threads, room for one page", 2, None, || takers(1, 0));
    check("pool: two threads, room for one page, kept", 2, None, || takers(1, os::page_size()));
    check("pool: three threads, room for one page", 3, Some(2), || takers(2, 0));
    check("pool: two threads, room for two pages, two taken together", 2, Some(3), || takers_of_two(1, 0));
    let kept = os::page_size();
    check("pool: two threads, room for two pages, two taken together, kept", 2, Some(3), move || {
        takers_of_two(1, kept);
    });
    check("pool: two threads, one takes more than is left", 3, Some(2), takers_of_more_and_less);
    check("pool: two threads, one gives back what it had before", 3, Some(2), a_taker_who_had_one);
    check("pool: two threads, an idle region of four pages", 2, Some(3), takers_at_an_idle_region);
    check("pool: two threads, one page and a region of two", 2, Some(3), takers_of_one_and_of_two);
    check(
        "pool: two threads, one page and two taken together",
        2,
        Some(2),
        takers_of_one_and_of_two_together,
    );
    check(
        "pool: two threads that keep two pages each, which a third gives back",
        3,
        Some(2),
        takers_who_keep,
    );
}

/// Opened and closed by the gate. Every access is the weakest that loom knows, so that it may find an old value wherever the
/// gate does not order it behind the last change.
struct Page {
    gate: Gate,
    open: AtomicBool,
}

impl Page {
    fn new() -> Arc<Self> {
        Arc::new(Self { gate: Gate::default(), open: AtomicBool::new(false) })
    }

    fn read(&self) {
        self.gate.enter(|| self.turn(true)).unwrap();
        self.look_and_leave();
    }

    fn look_and_leave(&self) {
        assert!(self.open.load(Relaxed), "inside, but closed");
        self.gate.leave(|| self.turn(false).unwrap());
    }

    fn turn(&self, open: bool) -> Result<(), ()> {
        assert_eq!(self.open.load(Relaxed), !open, "turned twice");
        self.open.store(open, Relaxed);
        Ok(())
    }
}

fn readers(others: usize, rounds: usize) {
    let page = Page::new();
    with_others(others, &page, move |page| (0..rounds).for_each(|_| page.read()));
    assert!(!page.open.load(Relaxed), "open, and no reader is left");
}

/// One thread is refused by the system; the other gets in, whoever is first.
fn an_opening_that_fails() {
    let page = Page::new();
    let refused = Arc::clone(&page);
    let thread = thread::spawn(move || {
        if refused.gate.enter(|| Err(())).is_ok() {
            refused.look_and_leave(); // the other had it open
        }
    });
    page.read();
    thread.join().unwrap();
    assert!(!page.open.load(Relaxed), "open, and no reader is left");
}

/// Each takes a page, uses it and gives it back; there is room for one, so the others wait.
fn takers(others: usize, bound: usize) {
    let pool = Arc::new(Pool::new(bound));
    with_others(others, &pool, |pool| {
        let region = pool.take(1).unwrap();
        region.use_alone();
        pool.put(region);
    });
    let counts = pool.counts();
    assert_eq!(counts.in_use, 0);
    assert_eq!(counts.pooled * os::page_size(), counts.bytes_locked);
    assert_eq!(counts.bytes_locked, system::locked());
}

/// Each takes two pages together and gives them back; there is room for two, so that each that kept one and waited for the other
/// would wait for ever.
fn takers_of_two(others: usize, bound: usize) {
    system::allow(2);
    let pool = Arc::new(Pool::new(bound));
    with_others(others, &pool, |pool| {
        let (one, other) =
            pool.together(|| Owned::take(pool).and_then(|one| Ok((one, Owned::take(pool)?)))).unwrap();
        one.region().use_alone();
        other.region().use_alone();
    });
    let counts = pool.counts();
    assert_eq!(counts.in_use, 0);
    assert_eq!(counts.bytes_locked, system::locked());
}

/// Both threads are refused, and both can be served once this one gives back what it has: neither gives anything back before the
/// other is.
fn takers_who_keep() {
    system::allow(4);
    let pool = Arc::new(Pool::new(0));
    let held: Vec<_> = (0..4).map(|_| pool.take(1).unwrap()).collect();
    let threads = [(); 2].map(|()| {
        let pool = Arc::clone(&pool);
        thread::spawn(move || {
            let (mut one, mut other) =
                pool.together(|| Owned::take(&pool).and_then(|one| Ok((one, Owned::take(&pool)?)))).unwrap();
            [one.region.take(), other.region.take()]
        })
    });
    held.into_iter().for_each(|region| pool.put(region));
    let taken = threads.map(|thread| thread.join().unwrap());
    taken.into_iter().flatten().flatten().for_each(|region| pool.put(region));
    assert_eq!((pool.counts().in_use, system::locked()), (0, 0));
}

/// One thread needs all three pages, the other two, and this one has one: the other is not to be kept waiting by what the first
/// takes and gives back.
fn takers_of_more_and_less() {
    system::allow(3);
    let pool = Arc::new(Pool::new(0));
    let held = pool.take(1).unwrap();
    let [more, less] = [3, 2].map(|pages| {
        let pool = Arc::clone(&pool);
        thread::spawn(move || {
            let take = || (0..pages).map(|_| Owned::take(&pool)).collect::<Result<Vec<_>, _>>();
            drop(pool.together(take).unwrap());
        })
    });
    less.join().unwrap();
    pool.put(held);
    more.join().unwrap();
    assert_eq!((pool.counts().in_use, system::locked()), (0, 0));
}

/// The other thread needs a region of two pages, of which it has the first for a moment where the second is refused.
fn takers_of_one_and_of_two() {
    taker_of_one_beside(|pool| pool.put(pool.take(2).unwrap()));
}

/// The other thread takes two together.
fn takers_of_one_and_of_two_together() {
    taker_of_one_beside(|pool| {
        drop(pool.together(|| Ok::<_, Error>([Owned::take(pool)?, Owned::take(pool)?])).unwrap());
    });
}

/// One thread needs a page, `other` two. There are two, of which the first thread has one already: the one that is left is to be
/// had all the same.
fn taker_of_one_beside(other: impl FnOnce(&Pool) + Send + 'static) {
    system::allow(2);
    let pool = Arc::new(Pool::new(0));
    let held = pool.take(1).unwrap();
    let thread = thread::spawn({
        let pool = Arc::clone(&pool);
        move || other(&pool)
    });
    pool.put(pool.take(1).unwrap());
    pool.put(held);
    thread.join().unwrap();
    assert_eq!((pool.counts().in_use, system::locked()), (0, 0));
}

/// One thread needs all three pages, of which it has one that it gives back when it tries again, and this one has one; the other
/// needs two, and is not to miss that one.
fn a_taker_who_had_one() {
    system::allow(3);
    let pool = Arc::new(Pool::new(0));
    let (held, before) = (pool.take(1).unwrap(), pool.take(1).unwrap());
    let more = thread::spawn({
        let pool = Arc::clone(&pool);
        move || {
            let (mut calls, mut before) = (0, Some(before));
            let take = || {
                calls += 1;
                if calls == 2 {
                    before.take().into_iter().for_each(|region| pool.put(region));
                }
                (0..3).map(|_| Owned::take(&pool)).collect::<Result<Vec<_>, _>>()
            };
            drop(pool.together(take).unwrap());
        }
    });
    let less = thread::spawn({
        let pool = Arc::clone(&pool);
        move || drop(pool.together(|| Ok::<_, Error>([Owned::take(&pool)?, Owned::take(&pool)?])).unwrap())
    });
    less.join().unwrap();
    pool.put(held);
    more.join().unwrap();
    assert_eq!((pool.counts().in_use, system::locked()), (0, 0));
}

/// A region of four pages lies idle: one thread gives it back to the system, and each keeps a page of it.
fn takers_at_an_idle_region() {
    system::allow(4);
    let pool = Arc::new(Pool::new(4 * os::page_size()));
    pool.put(pool.take(4).unwrap());
    let thread = thread::spawn({
        let pool = Arc::clone(&pool);
        move || pool.take(1).unwrap()
    });
    let taken = [pool.take(1).unwrap(), thread.join().unwrap()];
    taken.into_iter().for_each(|region| pool.put(region));
    assert_eq!(pool.counts().in_use, 0);
}

/// A region that goes back to its pool when dropped, as a page does.
struct Owned<'a> {
    pool: &'a Pool,
    region: Option<region::Region>,
}

impl<'a> Owned<'a> {
    fn take(pool: &'a Pool) -> Result<Self, Error> {
        Ok(Self { pool, region: Some(pool.take(1)?) })
    }

    fn region(&self) -> &region::Region {
        self.region.as_ref().unwrap()
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        self.region.take().into_iter().for_each(|region| self.pool.put(region));
    }
}

/// Lets so many threads and this one do the same with `shared`.
fn with_others<S: Send + Sync + 'static>(
    others: usize,
    shared: &Arc<S>,
    work: impl Fn(&S) + Clone + Send + 'static,
) {
    let threads: Vec<_> = (0..others)
        .map(|_| {
            let (shared, work) = (Arc::clone(shared), work.clone());
            thread::spawn(move || work(&shared))
        })
        .collect();
    work(shared);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
