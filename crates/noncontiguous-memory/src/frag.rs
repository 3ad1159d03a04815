//! Values of any type in guarded pages at addresses far from each other.

use boxed::{Fragment, Origin, Protection, Spot, Vacant};
use core::fmt;
use locked_memory::{DEBUG_MSG, MemoryError, Zeroize, ZeroizeOnDrop};

/// The least distance between two fragments that are allocated together, in bytes.
pub static FRAG_MIN_DISTANCE: usize = 0x1000;

const ALLOCATE: &str = "allocate a fragment";
const GET: &str = "get the value of a fragment";
const SET: &str = "set the value of a fragment";
const CLONE: &str = "clone a fragment";
const DEALLOCATE: &str = "deallocate a fragment";

/// How the pages of fragments are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FragStrategy {
    /// Mapped at a random address of the whole address space.
    Map,
    /// From libsodium's allocator, a random distance from where the system puts its pages next.
    Direct,
    /// The first of two fragments as [`Map`](Self::Map), the second as [`Direct`](Self::Direct).
    Hybrid,
}

impl FragStrategy {
    /// Where two fragments come from.
    pub(crate) fn origins(self) -> (Origin, Origin) {
        match self {
            Self::Map => (Origin::Mapped, Origin::Mapped),
            Self::Direct => (Origin::Allocated, Origin::Allocated),
            Self::Hybrid => (Origin::Mapped, Origin::Allocated),
        }
    }
}

/// What an allocation is to keep its distance from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragConfig {
    last_address: usize,
}

impl FragConfig {
    /// At least [`FRAG_MIN_DISTANCE`] from `last_address`, the address of an earlier fragment.
    #[must_use]
    pub fn new(last_address: usize) -> Self {
        Self { last_address }
    }
}

/// What allocates fragments one by one. [`Frag::alloc_default`] does it for a pair of them.
pub trait Alloc<T: Default + Clone> {
    /// Why there is no fragment.
    type Error;

    /// Allocates a fragment that holds the default of `T`, away from what `config` names.
    ///
    /// # Errors
    /// Those of the implementation.
    fn alloc(config: Option<FragConfig>) -> Result<Frag<T>, Self::Error>;

    /// Drops the value of `frag` and gives its pages back.
    ///
    /// # Errors
    /// Those of the implementation.
    fn dealloc(frag: &mut Frag<T>) -> Result<(), Self::Error>;
}

/// Allocates as [`FragStrategy::Map`] does.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryMapAlloc;

/// Allocates as [`FragStrategy::Direct`] does.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectAlloc;

impl<T: Default + Clone> Alloc<T> for MemoryMapAlloc {
    type Error = MemoryError;

    fn alloc(config: Option<FragConfig>) -> Result<Frag<T>, MemoryError> {
        Frag::at(T::default(), Origin::Mapped, config)
    }

    fn dealloc(frag: &mut Frag<T>) -> Result<(), MemoryError> {
        Frag::dealloc(frag)
    }
}

impl<T: Default + Clone> Alloc<T> for DirectAlloc {
    type Error = MemoryError;

    fn alloc(config: Option<FragConfig>) -> Result<Frag<T>, MemoryError> {
        Frag::at(T::default(), Origin::Allocated, config)
    }

    fn dealloc(frag: &mut Frag<T>) -> Result<(), MemoryError> {
        Frag::dealloc(frag)
    }
}

/// A value of `T` in guarded pages of its own: locked, between guard pages, kept out of core dumps and forked children,
/// at an address that no one can foretell.
///
/// [`get`](Self::get) hands out a plain `&T`, so the pages stay readable while the fragment lives. It drops its value
/// and wipes its pages when it is dropped or deallocated. What `T` owns elsewhere, such as the buffer of a `Vec`, lies
/// elsewhere. For a secret, use a [`NonContiguousMemory`](crate::NonContiguousMemory), whose pages have no access at
/// rest.
///
/// ```
/// use noncontiguous_memory::frag::{Frag, FragStrategy};
///
/// let (mut a, b) = Frag::alloc_initialized(FragStrategy::Map, [1_u8; 32], [2; 32])?;
/// a.set([3; 32])?;
/// assert_eq!((a.get()?, b.get()?), (&[3; 32], &[2; 32]));
/// Frag::dealloc(&mut a)?;
/// assert!(a.get().is_err());
/// # Ok::<(), locked_memory::MemoryError>(())
/// ```
pub struct Frag<T: Default + Clone> {
    /// `None` once deallocated.
    fragment: Option<Fragment<T>>,
    origin: Origin,
}

impl<T: Default + Clone> Frag<T> {
    /// Two fragments of the default of `T`, with at least `distance` bytes between them.
    ///
    /// # Errors
    /// [`MemoryError::LockNotAvailable`] where the policy requires locked pages and the limit is reached;
    /// [`MemoryError::Allocation`]; [`MemoryError::Operation`] where no pages are to be had at the distance.
    pub fn alloc_default(strategy: FragStrategy, distance: usize) -> Result<(Self, Self), MemoryError> {
        Self::pair(strategy, distance, T::default(), T::default())
    }

    /// Two fragments of `a` and `b`, with at least [`FRAG_MIN_DISTANCE`] bytes between them.
    ///
    /// # Errors
    /// Those of [`alloc_default`](Self::alloc_default).
    pub fn alloc_initialized(strategy: FragStrategy, a: T, b: T) -> Result<(Self, Self), MemoryError> {
        Self::pair(strategy, FRAG_MIN_DISTANCE, a, b)
    }

    /// Drops the value of `frag` and gives its pages back, wiped. Every later use is an error.
    ///
    /// # Errors
    /// [`MemoryError::IllegalZeroizedUsage`] where that was done before; [`MemoryError::Forked`] in a child of the process
    /// that made it.
    pub fn dealloc(frag: &mut Self) -> Result<(), MemoryError> {
        frag.live()?.get().map_err(MemoryError::on_page(DEALLOCATE))?;
        frag.fragment = None;
        Ok(())
    }

    /// Whether there is a value: from the allocation to the deallocation.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.fragment.is_some()
    }

    /// The value.
    ///
    /// # Errors
    /// [`MemoryError::IllegalZeroizedUsage`] once deallocated; [`MemoryError::Forked`] in a child of the process that
    /// made it.
    pub fn get(&self) -> Result<&T, MemoryError> {
        self.live()?.get().map_err(MemoryError::on_page(GET))
    }

    /// Puts `value` in place of the old one, which is dropped.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub fn set(&mut self, value: T) -> Result<(), MemoryError> {
        let fragment = self.fragment.as_mut().ok_or(MemoryError::IllegalZeroizedUsage)?;
        *fragment.get_mut().map_err(MemoryError::on_page(SET))? = value;
        boxed::scrub();
        Ok(())
    }

    /// A fragment of a clone of the value, at least [`FRAG_MIN_DISTANCE`] from this one. That of a deallocated one is
    /// deallocated.
    ///
    /// # Errors
    /// Those of [`alloc_default`](Self::alloc_default) and [`get`](Self::get).
    pub fn try_clone(&self) -> Result<Self, MemoryError> {
        let Some(fragment) = &self.fragment else { return Ok(Self { fragment: None, origin: self.origin }) };
        let value = fragment.get().map_err(MemoryError::on_page(CLONE))?;
        let spot = Spot::new(self.origin).away_from(fragment.span(), FRAG_MIN_DISTANCE);
        // Pages first: the clone is not to lie on the stack while they are waited for.
        let clone = Vacant::new(&spot).and_then(|vacant| vacant.fill(value.clone()));
        Ok(Self { fragment: Some(clone.map_err(MemoryError::on_page(CLONE))?), origin: self.origin })
    }

    /// What the system granted for the value; nothing once deallocated.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        self.fragment.as_ref().map(Fragment::protection)
    }

    fn pair(strategy: FragStrategy, distance: usize, a: T, b: T) -> Result<(Self, Self), MemoryError> {
        let (first, second) = strategy.origins();
        let take = || {
            let one = Vacant::new(&Spot::new(first))?;
            let other = Vacant::new(&Spot::new(second).away_from(one.span(), distance))?;
            Ok((one, other))
        };
        let fill = |vacant: Vacant<T>, value, origin| {
            let fragment = vacant.fill(value)?;
            Ok(Self { fragment: Some(fragment), origin })
        };
        boxed::together(take)
            .and_then(|(one, other)| Ok((fill(one, a, first)?, fill(other, b, second)?)))
            .map_err(MemoryError::on_page(ALLOCATE))
    }

    fn at(value: T, origin: Origin, config: Option<FragConfig>) -> Result<Self, MemoryError> {
        let mut spot = Spot::new(origin);
        if let Some(FragConfig { last_address }) = config {
            spot = spot.away_from(last_address..last_address.saturating_add(1), FRAG_MIN_DISTANCE);
        }
        let fragment = Fragment::new(value, &spot).map_err(MemoryError::on_page(ALLOCATE))?;
        Ok(Self { fragment: Some(fragment), origin })
    }

    fn live(&self) -> Result<&Fragment<T>, MemoryError> {
        self.fragment.as_ref().ok_or(MemoryError::IllegalZeroizedUsage)
    }
}

impl<T: Default + Clone> Clone for Frag<T> {
    /// # Panics
    /// Where [`Frag::try_clone`] is an error.
    #[allow(clippy::panic)]
    fn clone(&self) -> Self {
        match self.try_clone() {
            Ok(clone) => clone,
            Err(error) => panic!("{error:?}"),
        }
    }
}

impl<T: Default + Clone> Zeroize for Frag<T> {
    /// Drops the value and wipes its pages. Every later use is [`MemoryError::IllegalZeroizedUsage`].
    fn zeroize(&mut self) {
        self.fragment = None;
    }
}

impl<T: Default + Clone> ZeroizeOnDrop for Frag<T> {}

impl<T: Default + Clone> fmt::Debug for Frag<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DEBUG_MSG)
    }
}

/// Rounds `value` up to a multiple of `base`; to itself where `base` is zero, and to the largest number there is where no
/// multiple fits.
///
/// ```
/// assert_eq!(noncontiguous_memory::frag::round_up(13, 14), 14);
/// ```
#[must_use]
pub fn round_up(value: usize, base: usize) -> usize {
    if base == 0 { value } else { value.checked_next_multiple_of(base).unwrap_or(usize::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const STRATEGIES: [FragStrategy; 3] = [FragStrategy::Map, FragStrategy::Direct, FragStrategy::Hybrid];

    /// Counts how many values of it are alive.
    struct Counted(Arc<AtomicUsize>, u32);

    impl Counted {
        fn new(alive: &Arc<AtomicUsize>, value: u32) -> Self {
            alive.fetch_add(1, Ordering::Relaxed);
            Self(Arc::clone(alive), value)
        }
    }

    impl Clone for Counted {
        fn clone(&self) -> Self {
            Self::new(&self.0, self.1)
        }
    }

    impl Default for Counted {
        fn default() -> Self {
            Self::new(&Arc::default(), 0)
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn address<T: Default + Clone>(frag: &Frag<T>) -> usize {
        core::ptr::from_ref(frag.get().unwrap()) as usize
    }

    #[test]
    fn two_fragments_are_as_far_apart_as_asked() {
        for strategy in STRATEGIES {
            for distance in [FRAG_MIN_DISTANCE, 1 << 24] {
                let (a, b) = Frag::<[u64; 30]>::alloc_default(strategy, distance).unwrap();
                let (low, high) = (address(&a).min(address(&b)), address(&a).max(address(&b)));
                assert!(high - (low + 240) >= distance, "{strategy:?}");
                assert_eq!((a.get().unwrap(), b.get().unwrap()), (&[0; 30], &[0; 30]));
            }
        }
    }

    #[test]
    fn an_impossible_distance_is_an_error() {
        for strategy in STRATEGIES {
            let refused = Frag::<u8>::alloc_default(strategy, usize::MAX);
            assert!(matches!(
                refused,
                Err(MemoryError::Operation { source: boxed::Error::TooClose { .. }, .. })
            ));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn mapped_fragments_lie_at_random_addresses() {
        let kept: Vec<_> = (0..32).map(|_| MemoryMapAlloc::alloc(None).unwrap()).collect();
        let mut addresses: Vec<_> = kept.iter().map(address::<u64>).collect();
        addresses.sort_unstable();
        let spread = if usize::BITS == 64 { 1 << 37 } else { 1 << 27 };
        assert!(addresses[31] - addresses[0] > spread);
        assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] > FRAG_MIN_DISTANCE));
    }

    #[test]
    fn single_allocations_keep_away_from_the_address_named() {
        fn both<A: Alloc<u32, Error = MemoryError>>() {
            let mut first = A::alloc(None).unwrap();
            for _ in 0..20 {
                let second = A::alloc(Some(FragConfig::new(address(&first)))).unwrap();
                assert!(address(&first).abs_diff(address(&second)) >= FRAG_MIN_DISTANCE);
            }
            A::dealloc(&mut first).unwrap();
            assert!(!first.is_live());
        }
        both::<MemoryMapAlloc>();
        both::<DirectAlloc>();
    }

    #[test]
    fn every_value_is_dropped_exactly_once() {
        for strategy in STRATEGIES {
            let alive = Arc::new(AtomicUsize::new(0));
            let now = || alive.load(Ordering::Relaxed);
            let new = |value| Counted::new(&alive, value);
            let (mut a, b) = Frag::alloc_initialized(strategy, new(1), new(2)).unwrap();
            assert_eq!(now(), 2);
            a.set(new(3)).unwrap();
            assert_eq!((now(), a.get().unwrap().1), (2, 3));
            let clone = b.clone();
            assert_eq!((now(), clone.get().unwrap().1), (3, 2));
            Frag::dealloc(&mut a).unwrap();
            assert_eq!(now(), 2);
            drop(a);
            assert_eq!(now(), 2);
            drop(b);
            assert_eq!((now(), clone.get().unwrap().1), (1, 2));
            drop(clone);
            assert_eq!(now(), 0);
        }
    }

    #[test]
    fn values_that_were_refused_are_dropped() {
        let alive = Arc::new(AtomicUsize::new(0));
        let new = |value| Counted::new(&alive, value);
        assert!(Frag::pair(FragStrategy::Map, usize::MAX, new(1), new(2)).is_err());
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_clone_is_independent_and_far_away() {
        for strategy in STRATEGIES {
            let (mut original, _) = Frag::alloc_initialized(strategy, [1_u8; 32], [2; 32]).unwrap();
            let mut clone = original.clone();
            assert!(address(&clone).abs_diff(address(&original)) >= FRAG_MIN_DISTANCE);
            clone.set([3; 32]).unwrap();
            assert_eq!(*original.get().unwrap(), [1; 32]);
            original.zeroize();
            assert!(!original.is_live());
            assert_eq!(*clone.get().unwrap(), [3; 32]);
        }
    }

    #[test]
    fn a_deallocated_fragment_refuses_every_use() {
        let (mut frag, _) = Frag::<String>::alloc_default(FragStrategy::Hybrid, 0).unwrap();
        assert!(frag.is_live());
        Frag::dealloc(&mut frag).unwrap();
        assert!(!frag.is_live() && frag.protection().is_none());
        assert!(matches!(frag.get(), Err(MemoryError::IllegalZeroizedUsage)));
        assert!(matches!(frag.set(String::new()), Err(MemoryError::IllegalZeroizedUsage)));
        assert!(matches!(Frag::dealloc(&mut frag), Err(MemoryError::IllegalZeroizedUsage)));
        assert!(!frag.clone().is_live());
    }

    #[test]
    fn fragments_are_locked_guarded_and_kept_out_of_dumps() {
        for strategy in STRATEGIES {
            let (a, b) = Frag::<u128>::alloc_default(strategy, FRAG_MIN_DISTANCE).unwrap();
            for protection in [a.protection().unwrap(), b.protection().unwrap()] {
                assert!(protection.locked && protection.guard_pages);
                if cfg!(target_os = "linux") {
                    let heeded = conformance::grants::Grant::Advice.is_there();
                    let is_inherited = protection.on_fork == boxed::ForkBehaviour::Inherited;
                    assert_eq!((protection.no_dump, is_inherited), (heeded, !heeded));
                }
            }
        }
    }

    #[test]
    fn values_are_shared_with_and_sent_to_threads() {
        let (shared, sent) = Frag::alloc_initialized(FragStrategy::Map, 1_u8, 2).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(*shared.get().unwrap(), 1));
            }
            scope.spawn(move || assert_eq!(*sent.get().unwrap(), 2));
        });
    }

    #[test]
    fn debug_hides_the_value() {
        let (frag, _) = Frag::<u8>::alloc_default(FragStrategy::Map, 0).unwrap();
        assert_eq!(format!("{frag:?}"), DEBUG_MSG);
    }

    #[test]
    fn rounding_up_ends_at_a_multiple() {
        assert_eq!([0, 1, 13, 14, 15].map(|value| round_up(value, 14)), [0, 14, 14, 14, 28]);
        assert_eq!((round_up(5, 0), round_up(usize::MAX, 2)), (5, usize::MAX));
    }
}
