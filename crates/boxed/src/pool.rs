//! Empty pages kept for reuse, by size class and bounded: what makes steady-state work free of `mmap` and `mlock`.
//!
//! A pooled region is all zeros. It holds nothing, so it stays writable, and taking it or giving it back costs no system
//! call.

use crate::backing::{Kind, RegionError};
use crate::region::{Region, lock_limit};
use crate::sync::{Condvar, Mutex, MutexGuard, thread_local};
use crate::{Error, Policy, os, process::PerProcess};
use core::cell::Cell;
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

#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    released: Condvar,
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
    /// How often that was for good: not in an attempt to take several, which is made again.
    lasting: u64,
    /// How many threads give idle ones back to the system.
    draining: usize,
    /// How many threads wait for something of this.
    waiting: usize,
    /// Whether a thread that was refused tries again to take [`together`](Pool::together) what it needs.
    turn: bool,
}

thread_local! {
    /// What this thread does [`together`](Pool::together) at the moment.
    static ATTEMPT: Cell<Option<Attempt>> = const { Cell::new(None) };
}

/// What came of taking several regions together.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    /// Whether one was refused at the limit.
    refused: bool,
    /// How many came back meanwhile of this thread's own.
    given_back: u64,
}

impl Attempt {
    /// Runs `take`, within which nothing waits at the limit.
    fn of<T>(take: impl FnOnce() -> T) -> (T, Self) {
        /// Ends the attempt, however `take` ends.
        struct Ended;
        impl Drop for Ended {
            fn drop(&mut self) {
                ATTEMPT.with(|attempt| attempt.set(None));
            }
        }
        ATTEMPT.with(|attempt| attempt.set(Some(Self::default())));
        let _ended = Ended;
        let taken = take();
        (taken, Self::current().unwrap_or_default())
    }

    fn current() -> Option<Self> {
        ATTEMPT.with(Cell::get)
    }

    /// Notes something about the attempt that is under way, if there is one.
    fn note(change: impl FnOnce(&mut Self)) {
        ATTEMPT.with(|current| {
            if let Some(mut attempt) = current.get() {
                change(&mut attempt);
                current.set(Some(attempt));
            }
        });
    }
}

/// The turn to take several regions at the limit. Dropped, it is another thread's.
#[derive(Debug)]
struct Turn<'a>(&'a Pool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.turn = false;
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
        Self { state: Mutex::default(), released: Condvar::new(), bound, canary }
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
    /// Where one is refused at the limit, `take` ends in that error and drops those that it has. It is called again when
    /// another thread has given one back, until the policy's patience ends. Calls within `take` are part of it.
    ///
    /// Threads that were refused would make room for each other, and for ever take it at the same time. So one of them has the
    /// turn: it tries again whatever comes back, the others when something does for good.
    pub(crate) fn together<T, E>(&self, mut take: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        if Attempt::current().is_some() {
            return take();
        }
        let mut patience = None;
        let mut turn = None;
        loop {
            let (seen, lasting) = self.releases();
            let (taken, attempt) = Attempt::of(&mut take);
            let waits = taken.is_err() && attempt.refused && {
                let left = time_left(*patience.get_or_insert_with(|| deadline(Policy::current().patience())));
                match turn {
                    _ if left.is_zero() => false,
                    // With its turn it tries once more at once: others may be done.
                    None => self.wait_for_turn(lasting, left).map(|had| turn = had).is_some(),
                    Some(_) => self.wait_for_release(seen + attempt.given_back, left),
                }
            };
            if !waits {
                self.settle(attempt);
                return taken;
            }
        }
    }

    fn take_at_limit(&self, pages: usize, kind: Kind) -> Result<Region, Error> {
        let waits = Attempt::current().is_none();
        let deadline = deadline(if waits { Policy::current().patience() } else { Duration::ZERO });
        loop {
            let (seen, _) = self.releases();
            self.drain();
            let refusal = match self.make(pages, kind) {
                Err(RegionError::Unlockable(refusal)) => refusal,
                Err(RegionError::Other(error)) => return Err(error),
                Ok(region) => return Ok(region),
            };
            let left = time_left(deadline);
            if left.is_zero() || !self.wait_for_release(seen, left) {
                Attempt::note(|attempt| attempt.refused = true);
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
        Some(region)
    }

    fn make(&self, pages: usize, kind: Kind) -> Result<Region, RegionError> {
        let region = Region::new(pages, kind)?;
        let mut state = self.lock();
        state.counts.in_use += in_pages(&region);
        state.counts.bytes_locked += locked_bytes(&region);
        Ok(region)
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
    }

    /// Leaves `bytes` that are no longer locked out of the count of those that are.
    pub(crate) fn count_unlocked(&self, bytes: usize) {
        self.lock().counts.bytes_locked -= bytes;
    }

    /// Counts it out.
    pub(crate) fn count_out(&self, bytes: usize) {
        self.forget(bytes / os::page_size(), bytes);
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
        match Attempt::current() {
            Some(_) => Attempt::note(|attempt| attempt.given_back += 1),
            None => state.lasting += 1,
        }
        self.wake(state);
    }

    /// What came back in an attempt that is not made again came back for good.
    fn settle(&self, attempt: Attempt) {
        if attempt.given_back > 0 {
            let mut state = self.lock();
            state.lasting += attempt.given_back;
            self.wake(state);
        }
    }

    /// How often regions came back, and how often for good.
    fn releases(&self) -> (u64, u64) {
        let state = self.lock();
        (state.releases, state.lasting)
    }

    fn wake(&self, state: MutexGuard<'_, State>) {
        let waiting = state.waiting;
        drop(state);
        if waiting > 0 {
            self.released.notify_all(); // a system call, so only where someone listens
        }
    }

    /// Waits until a region came back since `seen` releases; `false` when `patience` ran out first.
    fn wait_for_release(&self, seen: u64, patience: Duration) -> bool {
        self.wait_while(patience, |state| state.releases == seen).is_some()
    }

    /// Waits until no other thread has the turn, which is then this thread's, or a region came back for good since `lasting` did:
    /// what the other thread needs there may never be. Nothing when `patience` ran out first.
    fn wait_for_turn(&self, lasting: u64, patience: Duration) -> Option<Option<Turn<'_>>> {
        let mut state = self.wait_while(patience, |state| state.turn && state.lasting == lasting)?;
        let is_free = !mem::replace(&mut state.turn, true);
        Some(is_free.then(|| Turn(self)))
    }

    fn wait_while(
        &self,
        patience: Duration,
        condition: impl FnMut(&mut State) -> bool,
    ) -> Option<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.waiting += 1;
        let (mut state, outcome) = self
            .released
            .wait_timeout_while(state, patience, condition)
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

/// The class that serves `pages`: exact up to 8 pages, then four classes for each doubling, so that at most a quarter
/// more than needed is locked.
fn size_class(pages: usize) -> usize {
    if pages <= 8 {
        return pages.max(1);
    }
    let step = 1 << (pages.ilog2() - 2);
    pages.checked_next_multiple_of(step).unwrap_or(pages)
}

/// Whether a region of `pages`, rounded up to its class and with all that lies around it, is as short as a slice has to be:
/// `isize::MAX` bytes. The address space of 32-bit systems has room for longer ones.
pub(crate) fn fits_a_slice(pages: usize) -> bool {
    const AROUND: usize = 4; // two guards, libsodium's page for its own ends, and one to round up
    let bytes = size_class(pages).checked_add(AROUND).and_then(|pages| pages.checked_mul(os::page_size()));
    bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
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
    fn size_classes_are_exact_when_small_and_waste_at_most_a_quarter() {
        for pages in 1..=8 {
            assert_eq!(size_class(pages), pages);
        }
        assert_eq!(size_class(257), 320);
        for pages in 9..5000 {
            let class = size_class(pages);
            assert!(class >= pages && class * 4 <= pages * 5, "{pages} -> {class}");
            assert_eq!(size_class(class), class);
        }
        assert_eq!(size_class(usize::MAX), usize::MAX);
    }

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
    fn a_waiting_thread_hears_of_a_release() {
        let pool = Pool::new(0);
        let region = pool.take(1).unwrap();
        let seen = pool.lock().releases;
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.wait_for_release(seen, Duration::from_secs(60)));
            while pool.lock().waiting == 0 {
                std::thread::yield_now();
            }
            pool.put(region);
            assert!(waiter.join().unwrap());
        });
        let seen = pool.lock().releases;
        assert!(!pool.wait_for_release(seen, Duration::from_millis(1)));
        assert_eq!(pool.lock().waiting, 0);
    }
}
