//! What every memory does, whatever it is made of.
#![allow(clippy::unwrap_used)] // a broken law is a panic

use core::fmt::Debug;
use locked_memory::{Buffer, DEBUG_MSG, LockedMemory, MemoryError, Zeroize as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The sizes at which the laws are checked, in bytes: around a cipher block, around a page, and far beyond.
pub const SIZES: [usize; 10] = [1, 16, 31, 32, 33, 4095, 4096, 4097, 65_536, 1 << 20];

/// The variable that holds the largest of them to be checked, for processors that are emulated.
const LARGEST: &str = "STRONGHOLD_TEST_LARGEST";

/// Something that looks at the clear bytes of a memory.
pub type Look<'a> = &'a mut dyn FnMut(&[u8]);

/// A memory under test: how it is made, and what every backend offers beside the trait. [`subject!`](crate::subject!) fills it.
pub struct Subject<M> {
    /// Makes a memory of a payload.
    pub make: fn(&[u8]) -> Result<M, MemoryError>,
    /// `replace` of the backend.
    pub replace: fn(&mut M, Buffer<u8>) -> Result<(), MemoryError>,
    /// `with` of the backend.
    pub with: fn(&M, Look<'_>) -> Result<(), MemoryError>,
    /// `try_clone` of the backend.
    pub try_clone: fn(&M) -> Result<M, MemoryError>,
}

impl<M> Debug for Subject<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Subject")
    }
}

/// The [`Subject`] of the memory type `$memory`, made by `$make: fn(&[u8]) -> Result<$memory, MemoryError>`.
#[macro_export]
macro_rules! subject {
    ($memory:ty, $make:expr) => {
        $crate::laws::Subject::<$memory> {
            make: $make,
            replace: <$memory>::replace,
            with: |memory, look| memory.with(|bytes| look(bytes)),
            try_clone: <$memory>::try_clone,
        }
    };
}

/// Checks every law of the [`subject!`](crate::subject!) of the same arguments, then random sequences of its operations.
#[macro_export]
macro_rules! laws {
    ($memory:ty, $make:expr) => {{
        let subject = $crate::subject!($memory, $make);
        $crate::laws::check(&subject);
        $crate::properties::check(&subject);
    }};
}

/// Checks every law at every size.
///
/// # Panics
/// Where one is broken.
pub fn check<M: LockedMemory + Serialize + DeserializeOwned + Send + Sync>(subject: &Subject<M>) {
    let largest = std::env::var(LARGEST).map_or(usize::MAX, |bytes| bytes.parse().unwrap());
    for size in SIZES.into_iter().filter(|size| *size <= largest) {
        let law = Law { subject, payload: payload(size, 1), other: payload(size, 2) };
        law.what_goes_in_comes_out();
        law.an_update_is_what_comes_out_then();
        law.a_replace_keeps_the_old_value_where_it_fails();
        law.a_clone_is_independent();
        law.a_wrong_size_is_an_error();
        law.a_zeroized_memory_refuses_every_use();
        law.debug_hides_the_content();
        law.threads_may_share_it();
        law.serialisation_is_the_sequence_of_bytes();
    }
    let none = (subject.make)(&[]);
    assert!(matches!(none, Err(MemoryError::ZeroSizedNotAllowed)), "{none:?}");
}

/// `size` bytes that differ with `seed` and from place to place.
#[must_use]
pub fn payload(size: usize, seed: u8) -> Vec<u8> {
    (0..=250).cycle().map(|byte: u8| byte.wrapping_mul(31).wrapping_add(seed)).take(size).collect()
}

struct Law<'a, M> {
    subject: &'a Subject<M>,
    payload: Vec<u8>,
    other: Vec<u8>,
}

impl<M: LockedMemory + Serialize + DeserializeOwned + Send + Sync> Law<'_, M> {
    fn memory(&self) -> M {
        (self.subject.make)(&self.payload).unwrap()
    }

    fn other(&self) -> Buffer<u8> {
        Buffer::alloc(&self.other, self.other.len())
    }

    fn holds(&self, memory: &M, expected: &[u8]) {
        assert_eq!(*memory.unlock().unwrap().borrow(), *expected);
        let mut seen = false;
        (self.subject.with)(memory, &mut |bytes| seen = bytes == expected).unwrap();
        assert!(seen);
    }

    fn what_goes_in_comes_out(&self) {
        let memory = self.memory();
        for _ in 0..3 {
            self.holds(&memory, &self.payload);
        }
    }

    fn an_update_is_what_comes_out_then(&self) {
        let updated = self.memory().update(self.other(), self.other.len()).unwrap();
        self.holds(&updated, &self.other);
        let shorter = updated.update(Buffer::alloc(&[7], 1), 1).unwrap();
        self.holds(&shorter, &[7]);
        let longer = shorter.update(self.other(), self.other.len()).unwrap();
        self.holds(&longer, &self.other);
    }

    fn a_replace_keeps_the_old_value_where_it_fails(&self) {
        let mut memory = self.memory();
        let mut gone = self.other();
        gone.zeroize();
        let failed = (self.subject.replace)(&mut memory, gone);
        assert!(matches!(failed, Err(MemoryError::IllegalZeroizedUsage)), "{failed:?}");
        self.holds(&memory, &self.payload);
        (self.subject.replace)(&mut memory, self.other()).unwrap();
        self.holds(&memory, &self.other);
    }

    fn a_clone_is_independent(&self) {
        let mut memory = self.memory();
        let (clone, another) = (memory.clone(), (self.subject.try_clone)(&memory).unwrap());
        (self.subject.replace)(&mut memory, self.other()).unwrap();
        self.holds(&clone, &self.payload);
        drop(clone);
        memory.zeroize();
        self.holds(&another, &self.payload);
    }

    fn a_wrong_size_is_an_error(&self) {
        let (size, stated) = (self.other.len(), self.other.len() + 1);
        let failed = self.memory().update(self.other(), stated);
        assert!(
            matches!(failed, Err(MemoryError::SizeMismatch { stated: s, actual }) if s == stated && actual == size),
            "{failed:?}"
        );
    }

    fn a_zeroized_memory_refuses_every_use(&self) {
        let mut memory = self.memory();
        memory.zeroize();
        memory.zeroize();
        let refused = |result: Result<(), MemoryError>| {
            assert!(matches!(result, Err(MemoryError::IllegalZeroizedUsage)), "{result:?}");
        };
        refused(memory.unlock().map(drop));
        refused((self.subject.with)(&memory, &mut |_| unreachable!("nothing to look at")));
        refused((self.subject.try_clone)(&memory).map(drop));
        refused(memory.clone().unlock().map(drop));
        refused((self.subject.replace)(&mut memory, self.other()));
        assert!(serde_json::to_string(&memory).is_err());
        refused(memory.update(self.other(), self.other.len()).map(drop));
    }

    fn debug_hides_the_content(&self) {
        let memory = self.memory();
        assert_eq!(format!("{memory:?} {memory:#?}"), format!("{DEBUG_MSG} {DEBUG_MSG}"));
    }

    fn threads_may_share_it(&self) {
        let memory = self.memory();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    self.holds(&memory, &self.payload);
                    self.holds(&memory.clone(), &self.payload);
                });
            }
        });
        std::thread::scope(|scope| scope.spawn(move || self.holds(&memory, &self.payload)).join().unwrap());
    }

    fn serialisation_is_the_sequence_of_bytes(&self) {
        let memory = self.memory();
        let binary = bincode::serialize(&memory).unwrap();
        assert_eq!(binary, bincode::serialize(&self.payload).unwrap());
        self.holds(&bincode::deserialize(&binary).unwrap(), &self.payload);
        let json = serde_json::to_string(&memory).unwrap();
        assert_eq!(json, serde_json::to_string(&self.payload).unwrap());
        self.holds(&serde_json::from_str(&json).unwrap(), &self.payload);
        let cut = bincode::deserialize::<M>(&binary[..binary.len() - 1]);
        assert!(cut.is_err());
        assert!(serde_json::from_str::<M>("[]").is_err());
        assert!(serde_json::from_str::<M>("[1,256]").is_err());
    }
}
