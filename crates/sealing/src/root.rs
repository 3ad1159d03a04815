//! The root key of this process.

use crate::Error;
use crate::shards::{Joint, Shards};
use crate::sync::{Arc, AtomicU64, Mutex, MutexGuard, Ordering, Weak};
use boxed::PerProcess;
use sodium::Aead;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Both shards are replaced after this many joinings,
const JOININGS_PER_SPLIT: u32 = 1024;
/// or at the first joining this long after they were.
const AGE_OF_SPLIT: Duration = Duration::from_secs(60);

/// How many low bits of a nonce count; those above hold the generation of the process.
pub(crate) const COUNTER_BITS: u32 = 48;

static ROOT: PerProcess<Root> = PerProcess::new();

/// What this process seals with.
pub(crate) struct Root {
    pub(crate) aead: Aead,
    /// How many nonces were given out.
    nonces: AtomicU64,
    /// How many of those were, when the key that they sealed under was destroyed.
    lost: AtomicU64,
    key: Mutex<Key>,
}

struct Key {
    shards: Shards,
    joinings: u32,
    split_at: Instant,
    /// The joined key while a session shares it.
    joined: Weak<Joined>,
    /// Drawn by the process of this generation: two children that inherit one key and one counter differ in it.
    salt: (u64, Salt),
}

/// Part of every nonce of one process.
pub(crate) type Salt = [u8; 8];

/// The key, joined in a guarded page that is wiped when the last session drops it.
pub(crate) struct Joined {
    pub(crate) joint: Joint,
    pub(crate) generation: u64,
    pub(crate) salt: Salt,
}

impl Root {
    /// That of this process. To be called within `boxed::together`: where another thread makes it first, this one has no more
    /// need of the pages for it.
    pub(crate) fn current() -> Result<&'static Self, Error> {
        ROOT.get_or_try_init(Self::new)
    }

    pub(crate) fn new() -> Result<Self, Error> {
        let key = Key {
            shards: Shards::of_a_random_key()?,
            joinings: 0,
            split_at: Instant::now(),
            joined: Weak::new(),
            salt: (0, Salt::default()),
        };
        Ok(Self {
            aead: Aead::for_this_cpu()?,
            nonces: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            key: Mutex::new(key),
        })
    }

    /// The joined key: shared where a session already has it, else joined now.
    ///
    /// The caller scrubs what the joining left on the dead stack.
    pub(crate) fn join(&self) -> Result<Arc<Joined>, Error> {
        let generation = boxed::generation();
        boxed::together(|| {
            let mut key = self.lock();
            key.shared(generation).map_or_else(|| self.join_anew(&mut key, generation), Ok)
        })
    }

    /// The key joined now. No page is waited for while it is locked; who waits for the lock shares what comes of it.
    fn join_anew(&self, key: &mut Key, generation: u64) -> Result<Arc<Joined>, Error> {
        let mut joint = Joint::new()?;
        if key.salt.0 != generation {
            let mut salt = Salt::default();
            sodium::random_bytes(&mut salt)?;
            key.salt = (generation, salt);
        }
        match key.join(&mut joint) {
            Err(Error::Page(boxed::Error::Lost)) => self.begin_anew(key, &mut joint)?,
            outcome => outcome?,
        }
        let joined = Arc::new(Joined { joint, generation, salt: key.salt.1 });
        key.joined = Arc::downgrade(&joined);
        Ok(joined)
    }

    /// Draws another key where the page of the shards could not be closed, and was wiped. What was sealed is lost then; what
    /// will be is not.
    fn begin_anew(&self, key: &mut Key, joint: &mut Joint) -> Result<(), Error> {
        key.shards = Shards::of_a_random_key()?;
        (key.joinings, key.split_at) = (0, Instant::now());
        self.lost.store(self.nonces.load(Ordering::Relaxed), Ordering::Relaxed);
        key.shards.join(joint)
    }

    /// Whether the key that sealed under `nonce` was destroyed.
    pub(crate) fn has_lost(&self, nonce: u64) -> bool {
        nonce & ((1 << COUNTER_BITS) - 1) < self.lost.load(Ordering::Relaxed)
    }

    /// Replaces both shards now.
    pub(crate) fn resplit(&self) -> Result<(), Error> {
        boxed::together(|| self.resplit_now())?;
        boxed::scrub();
        Ok(())
    }

    fn resplit_now(&self) -> Result<(), Error> {
        let mut joint = Joint::new()?;
        let mut key = self.lock();
        match key.resplit(&mut joint) {
            // Not while a session has that key: it would go on sealing under it.
            Err(Error::Page(boxed::Error::Lost)) if key.shared(boxed::generation()).is_none() => {
                self.begin_anew(&mut key, &mut joint)?;
            }
            outcome => outcome?,
        }
        Ok(())
    }

    /// The next nonce of this process.
    pub(crate) fn nonce(&self, generation: u64) -> Result<u64, Error> {
        let count = self.nonces.fetch_add(1, Ordering::Relaxed);
        if count >> COUNTER_BITS != 0 {
            // Not even a million threads at this line take the counter from here to its wrap.
            self.nonces.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::NoncesExhausted);
        }
        Ok(generation << COUNTER_BITS | count)
    }

    fn lock(&self) -> MutexGuard<'_, Key> {
        // No code panics while it holds the lock; were it to, the shards are whole all the same.
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    /// The joining that a session of this process has already.
    fn shared(&self, generation: u64) -> Option<Arc<Joined>> {
        self.joined.upgrade().filter(|joined| joined.generation == generation)
    }

    fn join(&mut self, joint: &mut Joint) -> Result<(), Error> {
        self.joinings = self.joinings.saturating_add(1);
        let is_due = self.joinings >= JOININGS_PER_SPLIT || self.split_at.elapsed() >= AGE_OF_SPLIT;
        if is_due && self.resplit(joint).is_ok() {
            return Ok(());
        }
        // Shards that could not be replaced are whole: the next joining tries again, and no secret waits for that.
        self.shards.join(joint)
    }

    fn resplit(&mut self, joint: &mut Joint) -> Result<(), Error> {
        self.shards.join_and_resplit(joint)?;
        self.joinings = 0;
        self.split_at = Instant::now();
        Ok(())
    }
}

impl core::fmt::Debug for Joined {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(boxed::DEBUG_MSG)
    }
}

/// Whether a block sealed under `nonce` is of another process than that of `generation`.
pub(crate) fn is_foreign(nonce: u64, generation: u64) -> bool {
    let of_nonce = nonce >> COUNTER_BITS;
    of_nonce != generation << COUNTER_BITS >> COUNTER_BITS && !boxed::Policy::current().inherits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_replaced_by_count_and_by_age() {
        let root = Root::new().unwrap();
        let shards = || root.lock().shards.copy();
        let first = shards();
        for _ in 1..JOININGS_PER_SPLIT {
            root.join().unwrap();
        }
        assert_eq!(shards(), first);
        root.join().unwrap();
        let second = shards();
        assert!(second.0 != first.0 && second.1 != first.1);

        let Some(long_ago) = Instant::now().checked_sub(AGE_OF_SPLIT) else { return };
        root.lock().split_at = long_ago;
        root.join().unwrap();
        assert_ne!(shards(), second);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn shards_that_cannot_be_replaced_are_joined_all_the_same() {
        use conformance::{child, grants::Grant, kernel};
        if Grant::Filters.is_lacking() {
            return;
        }
        child::run("root::tests::shards_that_cannot_be_replaced_are_joined_all_the_same", || {
            let root = Root::new().unwrap();
            let key = *root.join().unwrap().joint.key().unwrap();
            let shards = root.lock().shards.copy();
            kernel::deny_protection(3).unwrap();
            for _ in 0..2 * JOININGS_PER_SPLIT {
                assert_eq!(*root.join().unwrap().joint.key().unwrap(), key);
            }
            assert!(root.resplit().is_err());
            assert_eq!(root.lock().shards.copy(), shards);
        })
        .succeeds();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_that_replace_the_shards_never_wait_for_each_others_pages() {
        use boxed::{AtLimit, Policy};
        use conformance::child::{Conditions, run_under};
        let test = "root::tests::threads_that_replace_the_shards_never_wait_for_each_others_pages";
        // Both shards, and a page for each thread but one.
        let user = Conditions { lock_limit_kib: Some(16), ordinary_user: true };
        run_under(user, test, || {
            Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
            let root = Root::new().unwrap();
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| (0..300).for_each(|_| root.resplit().unwrap()));
                }
            });
        })
        .succeeds();
    }

    #[test]
    fn sessions_at_one_time_share_one_joining() {
        let root = Root::new().unwrap();
        let one = root.join().unwrap();
        let other = root.join().unwrap();
        assert!(Arc::ptr_eq(&one, &other));
        assert_eq!(root.lock().joinings, 1);
        drop((one, other));
        assert!(root.lock().joined.upgrade().is_none());
    }

    #[test]
    fn shards_are_replaced_when_asked() {
        let root = Root::new().unwrap();
        let shards = || root.lock().shards.copy();
        let (left, right) = shards();
        root.resplit().unwrap();
        assert!(shards().0 != left && shards().1 != right);

        let of_this_process = || Root::current().unwrap().lock().shards.copy();
        let before = of_this_process();
        crate::resplit().unwrap();
        assert_ne!(of_this_process(), before);
    }

    #[test]
    fn a_process_draws_its_salt_once() {
        let root = Root::new().unwrap();
        let salt = root.join().unwrap().salt;
        assert_ne!(salt, Salt::default()); // zeros, but for one time in 2^64
        assert_eq!(root.join().unwrap().salt, salt);
    }

    #[test]
    fn what_another_generation_sealed_is_foreign() {
        for (generation, foreign) in [(1, false), (2, true), (1 + (1 << (64 - COUNTER_BITS)), false)] {
            assert_eq!(is_foreign(1 << COUNTER_BITS | 5, generation), foreign, "{generation}");
        }
    }

    #[test]
    fn nonces_never_repeat_and_run_out_with_an_error() {
        let root = Root::new().unwrap();
        let (a, b) = (root.nonce(1).unwrap(), root.nonce(1).unwrap());
        assert_ne!(a, b);
        root.nonces.store((1 << COUNTER_BITS) - 1, Ordering::Relaxed);
        root.nonce(1).unwrap();
        for _ in 0..3 {
            assert!(matches!(root.nonce(1), Err(Error::NoncesExhausted)));
        }
    }

    #[test]
    fn debug_of_the_joined_key_hides_it() {
        assert_eq!(format!("{:?}", Root::new().unwrap().join().unwrap()), boxed::DEBUG_MSG);
    }
}
