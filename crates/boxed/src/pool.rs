//! Empty pages kept for reuse, by size class and bounded: what makes steady-state work free of `mmap` and `mlock`.
//!
//! A pooled region is all zeros. It holds nothing, so it stays writable, and taking it or giving it back costs no system
//! call.

use crate::attempt::{self, Attempt};
use crate::backing::{Kind, RegionError};
use crate::region::{Region, lock_limit};
use crate::size::size_class;
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::{Error, Policy, os, process::PerProcess};
use core::convert::Infallible;
use core::mem;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

static POOL: PerProcess<Pool> = PerProcess::new();

/// The length of a canary, in bytes.
pub(crate) const CANARY_BYTES: usize = 16;

/// What the pool of this process counts: nothing before the first page is asked for.
pub(crate) fn counts() -> Counts {
    POOL.get().map(Pool::counts).unwrap_or_default()
}

/// The pool of this process.
pub(crate) fn current() -> &'static Pool {
    match POOL.get_or_try_init(|| Ok::<_, Infallible>(Pool::new(Policy::current().pool_bound()))) {
        Ok(pool) => pool,
        Err(never) => match never {},
    }
}

/// Runs `make`, which locks pages for a moment and gives them back, beside those that are at the limit.
pub(crate) fn aside<T>(make: impl FnOnce() -> T) -> T {
    let _alone = POOL.get().map(Pool::alone);
    make()
}

#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    released: Condvar,
    /// Held while something is made that may have pages locked and give them back unannounced, such as several pages that the
    /// system locks one by one until it refuses; and by whoever is at the limit while it tries.
    making: Mutex<()>,
    /// The most bytes that lie idle.
    bound: usize,
    /// Missing where the system has no random bytes.
    canary: Option<[u8; CANARY_BYTES]>,
}

#[derive(Debug, Default)]
struct State {
    /// Idle regions by their number of pages.
    idle: BTreeMap<usize, Vec<Region>>,
    counts: Counts,
    /// How often a region came back.
    releases: u64,
    /// How often that may help those who take several: not where one came back that a refused retry had taken.
    lasting: u64,
    /// How many threads are giving idle ones back to the system.
    draining: usize,
    /// How many threads wait for any of this to change.
    waiting: usize,
    /// Whether a thread that was refused is trying again to take [`together`](Pool::together) what it needs.
    turn_taken: bool,
}

/// The right to try again. Dropped, it is another thread's.
#[derive(Debug)]
struct Turn<'a>(&'a Pool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.turn_taken = false;
        self.0.wake(state);
    }
}

/// Pages and bytes, for [`status`](crate::status).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) in_use: usize,
    pub(crate) pooled: usize,
    pub(crate) bytes_locked: usize,
}

impl Pool {
    pub(crate) fn new(bound: usize) -> Self {
        let mut canary = [0; CANARY_BYTES];
        let canary = sodium::random_bytes(&mut canary).is_ok().then_some(canary);
        Self { state: Mutex::default(), released: Condvar::new(), making: Mutex::new(()), bound, canary }
    }

    /// The canary of this process.
    pub(crate) fn canary(&self) -> Result<&[u8; CANARY_BYTES], Error> {
        let none = Error::Refused { operation: "draw a canary", source: sodium::Error::Unavailable };
        self.canary.as_ref().ok_or(none)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// A region of at least `pages` data pages, all zeros and writable.
    ///
    /// At the limit of lockable memory it first gives back what lies idle, then waits as long as the policy says.
    pub(crate) fn take(&self, pages: usize) -> Result<Region, Error> {
        let class = size_class(pages);
        if let Some(region) = self.take_idle(class) {
            return self.claimed(region);
        }
        match self.make(class, Kind::Any) {
            Err(RegionError::Unlockable(_)) => self.take_at_limit(pages, Kind::Any),
            Err(RegionError::Other(error)) => Err(error),
            Ok(region) => Ok(region),
        }
    }

    /// A new region of `pages` data pages, all zeros and writable, to be given back with [`discard`](Self::discard): it
    /// lies where it lies for one secret alone.
    pub(crate) fn take_new(&self, pages: usize, kind: Kind) -> Result<Region, Error> {
        match self.make(pages, kind) {
            Err(RegionError::Unlockable(_)) => self.take_at_limit(pages, kind),
            Err(RegionError::Other(error)) => Err(error),
            Ok(region) => Ok(region),
        }
    }

    /// What `take` returns, which takes several regions: none of them is held while this thread waits for another.
    ///
    /// Where one is refused at the limit, `take` ends in that error and drops those that it has. It is called again at once,
    /// and whenever regions came back for good, until the policy's patience ends. Calls within `take` are part of it.
    ///
    /// Threads that were refused try again one at a time. What such a retry took and gives back wakes no one who takes several:
    /// no other retry was under way that could have missed it, and two threads that need more than is left would wake each
    /// other for ever. The first attempt is made beside the retries of others, which may have been refused what it had, so what
    /// it gives back is announced.
    pub(crate) fn together<T, E>(&self, mut take: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        if attempt::is_under_way() {
            return take();
        }
        let (mut taken, mut attempt) = self.attempt(&mut take);
        self.announce(attempt.given_back);
        if taken.is_ok() || !attempt.refused {
            return taken;
        }
        let deadline = deadline(Policy::current().patience());
        while let Some(turn) = self.wait_for_turn(time_left(deadline)) {
            let seen = self.lock().lasting;
            (taken, attempt) = self.attempt(&mut take);
            drop(turn);
            if taken.is_ok() || !attempt.refused {
                self.announce(attempt.given_back);
                break;
            }
            self.announce(attempt.of_before());
            if !self.wait_while(time_left(deadline), |state| state.lasting == seen) {
                break;
            }
        }
        taken
    }

    /// Calls `take`, within which nothing waits at the limit.
    fn attempt<T>(&self, take: impl FnOnce() -> T) -> (T, Attempt) {
        /// Where `take` panics, lets others hear of what that gave back.
        struct Panicked<'a>(&'a Pool);
        impl Drop for Panicked<'_> {
            fn drop(&mut self) {
                self.0.announce(attempt::end().given_back);
            }
        }
        attempt::begin();
        let panicked = Panicked(self);
        let taken = take();
        mem::forget(panicked);
        (taken, attempt::end())
    }

    fn take_at_limit(&self, pages: usize, kind: Kind) -> Result<Region, Error> {
        let patience = if attempt::is_under_way() { Duration::ZERO } else { Policy::current().patience() };
        let deadline = deadline(patience);
        loop {
            let seen = self.lock().releases;
            self.drain();
            let alone = self.alone();
            let made = self.make_now(pages, kind);
            drop(alone);
            let refusal = match made {
                Err(RegionError::Unlockable(refusal)) => refusal,
                Err(RegionError::Other(error)) => return Err(error),
                Ok(region) => return Ok(region),
            };
            // For every release: a retry of a thread that takes several may have had what was refused.
            let left = time_left(deadline);
            if left.is_zero() || !self.wait_while(left, |state| state.releases == seen) {
                attempt::note(|attempt| attempt.refused = true);
                let needed = pages * os::page_size();
                return Err(lock_limit(needed, self.counts().bytes_locked, refusal));
            }
            if kind == Kind::Any
                && let Some(region) = self.take_idle(size_class(pages))
            {
                return self.claimed(region);
            }
        }
    }

    /// The region, or after an error nothing of it.
    fn claimed(&self, region: Region) -> Result<Region, Error> {
        match region.claim() {
            Ok(()) => Ok(region),
            Err(error) => {
                self.discard(region);
                Err(error)
            }
        }
    }

    fn take_idle(&self, class: usize) -> Option<Region> {
        let mut state = self.lock();
        let region = state.idle.get_mut(&class)?.pop()?;
        let pages = in_pages(&region);
        state.counts.pooled -= pages;
        state.counts.in_use += pages;
        attempt::note(|attempt| attempt.taken += 1);
        Some(region)
    }

    fn make(&self, pages: usize, kind: Kind) -> Result<Region, RegionError> {
        let _alone = (pages > 1).then(|| self.alone());
        self.make_now(pages, kind)
    }

    fn make_now(&self, pages: usize, kind: Kind) -> Result<Region, RegionError> {
        let region = Region::new(pages, kind)?;
        let mut state = self.lock();
        state.counts.in_use += in_pages(&region);
        state.counts.bytes_locked += locked_bytes(&region);
        attempt::note(|attempt| attempt.taken += 1);
        Ok(region)
    }

    /// Keeps others from being refused for good what this thread has for a moment: whoever is at the limit waits for it to end.
    pub(crate) fn alone(&self) -> MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back a region that is writable and all zeros.
    pub(crate) fn put(&self, region: Region) {
        let pages = in_pages(&region);
        let mut state = self.lock();
        if (state.counts.pooled + pages) * os::page_size() > self.bound {
            drop(state);
            return self.discard(region);
        }
        state.counts.in_use -= pages;
        state.counts.pooled += pages;
        state.idle.entry(pages).or_default().push(region);
        self.announce_release(state);
    }

    /// Gives a region that was in use back to the system.
    pub(crate) fn discard(&self, region: Region) {
        let (pages, locked) = (in_pages(&region), locked_bytes(&region));
        drop(region);
        self.forget(pages, locked);
    }

    /// Leaves out of the count a region whose pages are unmapped already.
    pub(crate) fn lose(&self, region: Region) {
        let (pages, locked) = (in_pages(&region), locked_bytes(&region));
        mem::forget(region); // freeing it would touch what is no longer there
        self.forget(pages, locked);
    }

    fn forget(&self, pages: usize, locked_bytes: usize) {
        let mut state = self.lock();
        state.counts.in_use -= pages;
        state.counts.bytes_locked -= locked_bytes;
        self.announce_release(state);
    }

    /// Counts in a page of someone else's that holds something and is locked.
    pub(crate) fn count_in(&self, bytes: usize) {
        let mut state = self.lock();
        state.counts.in_use += bytes / os::page_size();
        state.counts.bytes_locked += bytes;
        attempt::note(|attempt| attempt.taken += 1);
    }

    /// Counts such a page out.
    pub(crate) fn count_out(&self, bytes: usize) {
        self.forget(bytes / os::page_size(), bytes);
    }

    /// Leaves `bytes` that are no longer locked out of the count of those that are.
    pub(crate) fn count_unlocked(&self, bytes: usize) {
        self.lock().counts.bytes_locked -= bytes;
    }

    /// Gives every idle region back to the system. What other threads are giving back is there, too, when it returns.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        let idle = mem::take(&mut state.idle);
        state.counts.pooled = 0;
        state.counts.bytes_locked -= idle.values().flatten().map(locked_bytes).sum::<usize>();
        state.draining += 1;
        drop(state);
        drop(idle);
        let mut state = self.lock();
        state.draining -= 1;
        self.wake(state);
        self.wait_while(Duration::MAX, |state| state.draining > 0);
    }

    fn announce_release(&self, mut state: MutexGuard<'_, State>) {
        state.releases += 1;
        if attempt::is_under_way() {
            attempt::note(|attempt| attempt.given_back += 1);
        } else {
            state.lasting += 1;
        }
        self.wake(state);
    }

    /// Lets those who take several, and were refused, hear of `regions` that came back in an attempt.
    fn announce(&self, regions: u64) {
        if regions > 0 {
            let mut state = self.lock();
            state.lasting += regions;
            self.wake(state);
        }
    }

    fn wake(&self, state: MutexGuard<'_, State>) {
        let waiting = state.waiting;
        drop(state);
        if waiting > 0 {
            self.released.notify_all(); // a system call, so only where someone listens
        }
    }

    /// Waits until no other thread has the turn, and takes it. Nothing where `patience` ran out first, or is zero.
    fn wait_for_turn(&self, patience: Duration) -> Option<Turn<'_>> {
        if patience.is_zero() {
            return None;
        }
        let mut state = self.wait(patience, |state| state.turn_taken)?;
        state.turn_taken = true;
        Some(Turn(self))
    }

    /// Waits as long as `condition` holds; `false` where `patience` ran out first.
    fn wait_while(&self, patience: Duration, condition: impl Fn(&State) -> bool) -> bool {
        self.wait(patience, condition).is_some()
    }

    /// The same, and the state for which `condition` holds no more.
    fn wait(&self, patience: Duration, condition: impl Fn(&State) -> bool) -> Option<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.waiting += 1;
        let (mut state, outcome) = self
            .released
            .wait_timeout_while(state, patience, |state| condition(state))
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        (!outcome.timed_out()).then_some(state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; were it to, the counts are still the best there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When `patience` ends. A moment beyond what the clock can tell never comes.
fn deadline(patience: Duration) -> Option<Instant> {
    Instant::now().checked_add(patience)
}

fn time_left(deadline: Option<Instant>) -> Duration {
    deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
}

fn in_pages(region: &Region) -> usize {
    region.bytes() / os::page_size()
}

fn locked_bytes(region: &Region) -> usize {
    if region.is_locked() { region.bytes() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_reused_and_the_pool_stays_within_its_bound() {
        let pool = Pool::new(2 * os::page_size());
        let regions: Vec<_> = (0..3).map(|_| pool.take(1).unwrap()).collect();
        assert_eq!(pool.counts().in_use, 3);
        let addresses: Vec<_> = regions.iter().map(|region| region.usable().cast::<u8>()).collect();
        regions.into_iter().for_each(|region| pool.put(region));
        let counts = pool.counts();
        assert_eq!((counts.in_use, counts.pooled, counts.bytes_locked), (0, 2, 2 * os::page_size()));
        let again = pool.take(1).unwrap();
        assert_eq!((again.span().len(), again.bytes()), (os::page_size(), os::page_size()));
        assert!(addresses.contains(&again.usable().cast::<u8>()));
        assert_eq!((pool.counts().in_use, pool.counts().pooled), (1, 1));
        pool.put(again);
        pool.drain();
        let counts = pool.counts();
        assert_eq!((counts.in_use, counts.pooled, counts.bytes_locked), (0, 0, 0));
    }

    #[test]
    fn every_pool_draws_a_canary_of_its_own() {
        assert_ne!(Pool::new(0).canary().unwrap(), Pool::new(0).canary().unwrap());
    }

    #[test]
    fn endless_patience_never_ends() {
        assert!(deadline(Duration::MAX).is_none());
        assert!(deadline(Duration::ZERO).is_some_and(|end| end <= Instant::now()));
    }

    #[test]
    fn an_attempt_counts_what_it_takes_and_gives_back() {
        for bound in [0, os::page_size()] {
            let pool = Pool::new(bound);
            pool.put(pool.take(1).unwrap());
            let ((), attempt) = pool.attempt(|| {
                pool.put(pool.take(1).unwrap());
                pool.count_in(os::page_size());
                pool.count_out(os::page_size());
            });
            assert_eq!((attempt.taken, attempt.given_back, attempt.of_before()), (2, 2, 0));
            assert!(!attempt::is_under_way());
        }
    }

    #[test]
    fn what_a_refused_retry_took_is_no_news_and_what_it_had_before_is() {
        let test = "pool::tests::what_a_refused_retry_took_is_no_news_and_what_it_had_before_is";
        conformance::child::run(test, || {
            let patience = crate::AtLimit::Wait(Duration::from_millis(50));
            Policy::new().at_limit(patience).install().unwrap();
            let pool = Pool::new(0);
            // How often it is tried, where so many attempts are refused and the second gives back what was had before.
            let calls = |refused: u32, mut before: Option<Region>| {
                let mut calls = 0;
                let outcome = pool.together(|| {
                    calls += 1;
                    pool.put(pool.take(1).unwrap());
                    if calls == 2 {
                        before.take().into_iter().for_each(|region| pool.put(region));
                    }
                    attempt::note(|attempt| attempt.refused = calls <= refused);
                    Err::<(), _>("refused, or another error")
                });
                assert!(outcome.is_err());
                calls
            };
            let had = || Some(pool.take(1).unwrap());
            assert_eq!((calls(u32::MAX, None), calls(u32::MAX, had())), (2, 3));
            assert_eq!((calls(1, had()), calls(0, had())), (2, 1), "another error is no refusal");
        })
        .succeeds();
    }

    #[test]
    fn several_pages_are_made_alone_and_one_beside_them() {
        let pool = Pool::new(0);
        std::thread::scope(|scope| {
            let alone = pool.alone();
            scope.spawn(|| pool.put(pool.take(1).unwrap())).join().unwrap();
            let several = scope.spawn(|| pool.put(pool.take(2).unwrap()));
            std::thread::sleep(Duration::from_millis(20)); // in which it would be done
            assert!(!several.is_finished());
            drop(alone);
            several.join().unwrap();
        });
    }

    #[test]
    fn a_waiting_thread_hears_of_a_release() {
        let pool = Pool::new(0);
        let region = pool.take(1).unwrap();
        let seen = pool.lock().releases;
        std::thread::scope(|scope| {
            let waiter =
                scope.spawn(|| pool.wait_while(Duration::from_secs(60), |state| state.releases == seen));
            while pool.lock().waiting == 0 {
                std::thread::yield_now();
            }
            pool.put(region);
            assert!(waiter.join().unwrap());
        });
        let seen = pool.lock().releases;
        assert!(!pool.wait_while(Duration::from_millis(1), |state| state.releases == seen));
        assert_eq!(pool.lock().waiting, 0);
    }
}
