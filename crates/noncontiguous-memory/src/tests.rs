//! What a memory does in every configuration, and what it looks like inside.

use super::*;
use crate::faults;
use crate::shard::Block;
use std::sync::Arc;

const CONFIGURATIONS: [NCConfig; 6] = [
    NCConfig::FullRam,
    NCConfig::RamAndFile,
    NCConfig::FullFile,
    NCConfig::FragAllocation(FragStrategy::Map),
    NCConfig::FragAllocation(FragStrategy::Direct),
    NCConfig::FragAllocation(FragStrategy::Hybrid),
];
const SIZES: [usize; 10] = [1, 16, 31, 32, 33, 4095, 4096, 4097, 65_536, 1 << 20];

impl NonContiguousMemory {
    /// Copies of both shards.
    pub(crate) fn shards(&self) -> (Vec<u8>, Vec<u8>) {
        let pair = self.lock(UNLOCK).unwrap().as_ref().unwrap().load(UNLOCK).unwrap();
        (pair.left().to_vec(), pair.right().to_vec())
    }

    /// Alters one byte of a sealed shard on the heap.
    pub(crate) fn damage(&self) {
        let mut places = self.lock(UNLOCK).unwrap();
        let Some(Places::Ram(sealed)) = places.as_mut() else { panic!("no shard is on the heap") };
        sealed.shards().0.bytes()[5] ^= 1;
    }
}

fn new(payload: &[u8], config: NCConfig) -> NonContiguousMemory {
    NonContiguousMemory::alloc(payload, payload.len(), config).unwrap()
}

fn buffer(payload: &[u8]) -> Buffer<u8> {
    Buffer::alloc(payload, payload.len())
}

fn content(memory: &NonContiguousMemory) -> Vec<u8> {
    memory.unlock().unwrap().borrow().to_vec()
}

fn pattern(size: usize) -> Vec<u8> {
    (1..=251).cycle().take(size).collect()
}

#[test]
fn secrets_of_any_length_come_back_from_everywhere() {
    for config in CONFIGURATIONS {
        for size in SIZES {
            let mut memory = new(&pattern(size), config);
            assert_eq!(memory.config(), config);
            assert!(content(&memory) == pattern(size), "{config:?} {size}");
            memory.refresh().unwrap();
            assert!(memory.with(|bytes| bytes == pattern(size)).unwrap(), "{config:?} {size}");
            memory.replace(buffer(&[9; 40])).unwrap();
            assert_eq!(content(&memory), [9; 40]);
            memory = memory.update(buffer(&pattern(size)), size).unwrap();
            assert!(content(&memory) == pattern(size), "{config:?} {size}");
        }
    }
}

#[test]
fn a_refresh_and_an_unlock_change_both_shards() {
    for config in CONFIGURATIONS {
        for size in SIZES {
            let memory = new(&pattern(size), config);
            let mut last = memory.shards();
            let uses: [fn(&NonContiguousMemory); 3] = [
                |memory| memory.refresh().unwrap(),
                |memory| drop(memory.unlock().unwrap()),
                |memory| memory.with(|_| ()).unwrap(),
            ];
            let mut changed = false;
            for using in uses.iter().cycle().take(if size == 1 { 30 } else { 3 }) {
                using(&memory);
                let now = memory.shards();
                assert_ne!(now.0, last.0, "{config:?} {size}");
                changed |= now.1 != last.1;
                assert!(size == 1 || now.1 != last.1, "{config:?} {size}");
                last = now;
            }
            assert!(changed && content(&memory) == pattern(size));
        }
    }
}

#[test]
fn a_clone_is_independent_and_has_shards_of_its_own() {
    for config in CONFIGURATIONS {
        for size in SIZES {
            let mut memory = new(&pattern(size), config);
            let clone = memory.clone();
            assert_eq!(clone.config(), config);
            assert_ne!(clone.shards().0, memory.shards().0);
            memory.replace(buffer(b"other")).unwrap();
            assert!(content(&clone) == pattern(size), "{config:?} {size}");
            memory.zeroize();
            assert!(content(&clone) == pattern(size), "{config:?} {size}");
        }
    }
}

#[test]
fn a_failure_half_way_keeps_the_old_pair_and_the_secret_at_hand() {
    for config in CONFIGURATIONS {
        for size in SIZES {
            let memory = new(&pattern(size), config);
            let old = memory.shards();
            let writes = if matches!(config, NCConfig::FragAllocation(_)) { 1 } else { 2 };
            for fault in 0..writes {
                faults::after(fault);
                assert!(matches!(memory.refresh(), Err(MemoryError::FileSystemError { .. })));
                assert!(memory.shards() == old, "{config:?} {size} {fault}");
                if matches!(config, NCConfig::FragAllocation(_)) {
                    continue; // whose shards change in place, so that nothing can fail half-way
                }
                faults::after(fault);
                assert!(content(&memory) == pattern(size), "{config:?} {size} {fault}");
                assert!(memory.shards() == old, "{config:?} {size} {fault}");
                faults::after(fault);
                assert!(memory.with(|bytes| bytes == pattern(size)).unwrap(), "{config:?} {size} {fault}");
                assert!(memory.shards() == old, "{config:?} {size} {fault}");
            }
            assert!(content(&memory) == pattern(size), "{config:?} {size}");
            assert!(memory.shards().0 != old.0);
        }
    }
}

#[test]
fn a_replace_or_a_clone_that_fails_half_way_keeps_the_old_pair() {
    for config in CONFIGURATIONS {
        let mut memory = new(&pattern(32), config);
        let writes = if matches!(config, NCConfig::FragAllocation(_)) { 1 } else { 2 };
        for fault in 0..writes {
            let old = memory.shards();
            faults::after(fault);
            let replaced = memory.replace(buffer(&pattern(5_000)));
            assert!(matches!(replaced, Err(MemoryError::FileSystemError { .. })), "{config:?} {fault}");
            assert!(memory.shards() == old, "{config:?} {fault}");
            faults::after(fault);
            assert!(memory.try_clone().is_err(), "{config:?} {fault}");
            assert!(memory.shards() == old, "{config:?} {fault}");
            assert!(content(&memory) == pattern(32), "{config:?} {fault}");
        }
        memory.replace(buffer(&pattern(5_000))).unwrap();
        assert!(content(&memory) == pattern(5_000), "{config:?}");
    }
}

#[test]
fn wrong_and_zero_sizes_are_errors() {
    for config in CONFIGURATIONS {
        assert!(matches!(
            NonContiguousMemory::alloc(b"abc", 2, config),
            Err(MemoryError::SizeMismatch { stated: 2, actual: 3 })
        ));
        assert!(matches!(NonContiguousMemory::alloc(b"", 0, config), Err(MemoryError::ZeroSizedNotAllowed)));
        let memory = new(b"abc", config);
        assert!(matches!(
            memory.update(buffer(b"abcd"), 3),
            Err(MemoryError::SizeMismatch { stated: 3, actual: 4 })
        ));
    }
}

#[test]
fn a_zeroized_memory_refuses_every_use() {
    for config in CONFIGURATIONS {
        let mut memory = new(b"secret", config);
        memory.zeroize();
        assert!(memory.protection().is_none());
        for refused in [
            memory.unlock().map(drop),
            memory.refresh(),
            memory.with(|_| ()),
            memory.try_clone().map(drop),
            memory.clone().refresh(),
            memory.replace(buffer(b"new")),
        ] {
            assert!(matches!(refused, Err(MemoryError::IllegalZeroizedUsage)), "{config:?}");
        }
    }
}

/// The shards of a memory that keeps both on the heap.
fn sealed(memory: &mut NonContiguousMemory) -> (&mut Block, &mut Block) {
    let Some(Places::Ram(sealed)) = memory.places.get_mut().unwrap() else { unreachable!() };
    sealed.shards()
}

/// The allocator keeps small blocks mapped, and writes its own words into the first 16 bytes of one that is free.
#[cfg(target_os = "linux")]
#[test]
fn sealed_shards_are_wiped_when_dropped() {
    use std::os::unix::fs::FileExt as _;
    let mut memory = new(&pattern(200), NCConfig::FullRam);
    let (left, right) = sealed(&mut memory);
    let shards = [left, right].map(|shard| shard.bytes().to_vec());
    let (left, right) = sealed(&mut memory);
    let addresses = [left, right].map(|shard| shard.bytes().as_ptr() as u64);
    let process = std::fs::File::open("/proc/self/mem").unwrap();
    let read = |at: usize| {
        let mut bytes = vec![0; shards[at].len()];
        process.read_exact_at(&mut bytes, addresses[at]).unwrap();
        bytes
    };
    assert!([0, 1].map(read) == shards);
    drop(memory);
    for after in [0, 1].map(read) {
        assert!(after[16..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn sealed_shards_open_in_no_other_place() {
    type Sides<'a> = (&'a mut Block, &'a mut Block);
    let swaps: [fn(Sides<'_>, Sides<'_>); 6] = [
        |a, b| core::mem::swap(a.0, b.0), // with their nonces
        |a, b| core::mem::swap(a.1, b.1),
        |a, b| core::mem::swap(a.0, b.1),
        |a, b| core::mem::swap(a.0.bytes(), b.0.bytes()), // without
        |a, b| core::mem::swap(a.1.bytes(), b.1.bytes()),
        |a, b| core::mem::swap(a.1.bytes(), b.0.bytes()),
    ];
    for swap in swaps {
        let [mut a, mut b] = [1, 2].map(|byte| new(&[byte; 32], NCConfig::FullRam));
        swap(sealed(&mut a), sealed(&mut b));
        assert!(matches!(a.unlock(), Err(MemoryError::DecryptionError { operation: UNLOCK, .. })));
        assert!(matches!(b.refresh(), Err(MemoryError::DecryptionError { operation: REFRESH, .. })));
        swap(sealed(&mut a), sealed(&mut b));
        assert_eq!((content(&a), content(&b)), (vec![1; 32], vec![2; 32]));
    }
    // Older ones of the same memory, with their nonces.
    let mut memory = new(&[4; 32], NCConfig::FullRam);
    let (left, right) = sealed(&mut memory);
    let old = (left.copy(), right.copy());
    memory.refresh().unwrap();
    let (left, right) = sealed(&mut memory);
    (*left, *right) = old;
    assert!(matches!(memory.unlock(), Err(MemoryError::DecryptionError { .. })));
    // The two of one memory, both as long as the other.
    let mut memory = new(&[3; 32], NCConfig::FullRam);
    let (left, right) = sealed(&mut memory);
    core::mem::swap(left, right);
    assert!(matches!(memory.try_clone(), Err(MemoryError::DecryptionError { operation: CLONE, .. })));
    let (left, right) = sealed(&mut memory);
    core::mem::swap(left, right);
    memory.damage();
    assert!(matches!(memory.unlock(), Err(MemoryError::DecryptionError { .. })));
}

#[test]
fn neither_shard_lies_clear_on_the_heap() {
    let mut memory = new(&[7; 32], NCConfig::FullRam);
    let (left, right) = memory.shards();
    let Some(Places::Ram(sealed)) = memory.places.get_mut().unwrap() else { unreachable!() };
    let (in_left, in_right) = sealed.shards();
    assert!(in_left.bytes()[..32] != left && in_right.bytes()[..32] != right);
}

#[test]
fn shards_in_guarded_pages_are_far_apart_and_without_access() {
    for strategy in [FragStrategy::Map, FragStrategy::Direct, FragStrategy::Hybrid] {
        for size in SIZES {
            let mut memory = new(&pattern(size), NCConfig::FragAllocation(strategy));
            memory.refresh().unwrap();
            let protection = memory.protection().unwrap();
            // Windows unlocks what no one may access.
            assert_eq!((protection.locked, protection.guard_pages), (!cfg!(windows), true));
            assert_eq!(protection.at_rest, boxed::Prot::NoAccess);
            let Some(Places::Apart(apart)) = memory.places.get_mut().unwrap() else { unreachable!() };
            let (left, right) = apart.spans();
            assert_eq!((left.len(), right.len()), (32, size));
            let gap = right.start.saturating_sub(left.end).max(left.start.saturating_sub(right.end));
            assert!(gap >= frag::FRAG_MIN_DISTANCE, "{strategy:?} {size}: {gap}");
        }
    }
}

#[test]
fn threads_unlock_refresh_and_clone_one_memory_at_once() {
    for config in CONFIGURATIONS {
        let memory = Arc::new(new(&pattern(100), config));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let memory = Arc::clone(&memory);
                scope.spawn(move || {
                    for round in 0..200 {
                        match (thread + round) % 4 {
                            0 => assert_eq!(content(&memory), pattern(100)),
                            1 => memory.refresh().unwrap(),
                            2 => assert_eq!(content(&memory.clone()), pattern(100)),
                            _ => assert!(memory.with(|bytes| bytes == pattern(100)).unwrap()),
                        }
                    }
                });
            }
        });
        assert_eq!(content(&memory), pattern(100));
    }
}

#[test]
fn a_memory_may_be_used_while_it_is_used() {
    let memory = new(b"secret", NC_CONFIGURATION);
    let inner = memory.with(|outer| memory.with(|inner| inner == outer).unwrap() && memory.refresh().is_ok());
    assert!(inner.unwrap());
}

#[test]
fn memories_are_sent_and_shared() {
    fn both<T: Send + Sync>() {}
    both::<NonContiguousMemory>();
    both::<Refresher>();
}

#[test]
#[cfg(feature = "serde")]
fn json_and_bincode_carry_the_clear_bytes_from_everywhere() {
    for config in CONFIGURATIONS {
        let memory = new(&[1, 2, 3], config);
        let json = serde_json::to_string(&memory).unwrap();
        assert_eq!(json, "[1,2,3]");
        let binary = bincode::serialize(&memory).unwrap();
        assert_eq!(binary, bincode::serialize(&[1_u8, 2, 3][..]).unwrap());
        let back = bincode::deserialize::<NonContiguousMemory>(&binary).unwrap();
        assert_eq!((content(&back), back.config()), (vec![1, 2, 3], NC_CONFIGURATION));
        assert_eq!(content(&serde_json::from_str(&json).unwrap()), [1, 2, 3]);
        assert!(serde_json::from_str::<NonContiguousMemory>("[]").is_err());
    }
}

#[test]
#[cfg(unix)]
fn a_hundred_thousand_secrets_fit_a_lock_limit_of_64_kib() {
    use conformance::child::{Conditions, run_under};
    let conditions = Conditions { lock_limit_kib: Some(64), ordinary_user: true };
    run_under(conditions, "tests::a_hundred_thousand_secrets_fit_a_lock_limit_of_64_kib", || {
        let secret = |number: u32| [number.to_le_bytes(); 8].concat();
        for config in [NCConfig::FullRam, NCConfig::RamAndFile] {
            let memories: Vec<_> = (0..100_000).map(|number| new(&secret(number), config)).collect();
            for (number, memory) in (0..).zip(&memories).step_by(997) {
                assert_eq!(content(memory), secret(number));
            }
            assert!(boxed::status().bytes_locked <= 64 << 10);
        }
    })
    .succeeds();
}

#[test]
#[cfg(unix)]
fn a_forked_child_is_refused_even_while_a_thread_of_its_parent_holds_the_lock() {
    use conformance::{child, forked};
    use std::sync::mpsc;

    fn refused<T: fmt::Debug>(result: Result<T, MemoryError>) {
        assert!(matches!(result, Err(MemoryError::Forked { .. })), "{result:?}");
    }
    child::run("tests::a_forked_child_is_refused_even_while_a_thread_of_its_parent_holds_the_lock", || {
        for config in CONFIGURATIONS {
            let mut memory = new(b"of the parent", config);
            let refresher = Refresher::start(std::time::Duration::from_secs(1 << 40)).unwrap();
            let (held, release) = (mpsc::channel(), mpsc::channel());
            let complete = std::thread::scope(|scope| {
                let memory = &memory;
                scope.spawn(move || {
                    let _lock = memory.lock(UNLOCK).unwrap();
                    held.0.send(()).unwrap();
                    release.1.recv().unwrap();
                });
                held.1.recv().unwrap();
                let complete = forked::succeeds(|| {
                    refused(memory.unlock());
                    refused(memory.refresh());
                    refused(memory.with(<[u8]>::len));
                    refused(memory.try_clone());
                    assert!(memory.protection().is_none());
                    let own = Arc::new(new(b"of the child", config));
                    assert_eq!(content(&own), b"of the child");
                    refused(refresher.watch(&own));
                    drop(refresher);
                });
                release.0.send(()).unwrap();
                complete
            });
            assert!(complete, "{config:?}");
            assert!(forked::succeeds(|| {
                refused(memory.replace(buffer(b"new")));
                drop(memory);
            }));
        }
    })
    .succeeds();
}

#[test]
#[cfg(unix)]
fn a_child_that_inherits_may_use_what_its_parent_made() {
    use conformance::{child, forked};
    child::run("tests::a_child_that_inherits_may_use_what_its_parent_made", || {
        boxed::Policy::new().on_fork(boxed::OnFork::Inherit).install().unwrap();
        let memories = CONFIGURATIONS.map(|config| new(b"of the parent", config));
        assert!(forked::succeeds(|| memories.iter().for_each(|memory| {
            assert_eq!(content(memory), b"of the parent");
            memory.refresh().unwrap();
        })));
        memories.iter().for_each(|memory| assert_eq!(content(memory), b"of the parent"));
    })
    .succeeds();
}

/// What each of two threads does with a memory of its own, where there are no more lockable pages than one of them needs at a
/// time beside what both keep: each that waited for the other's page would wait for its whole patience, and fail.
#[cfg(target_os = "linux")]
fn never_wait_for_each_other(test: &str, lock_limit_kib: u64, config: NCConfig) {
    use boxed::{AtLimit, Policy};
    use conformance::child::{Conditions, run_under};
    use std::time::Duration;
    let user = Conditions { lock_limit_kib: Some(lock_limit_kib), ordinary_user: true };
    run_under(user, test, || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
        let memories = [7, 8].map(|byte| new(&[byte; 32], config));
        std::thread::scope(|scope| {
            for memory in &memories {
                scope.spawn(|| {
                    for _ in 0..200 {
                        memory.refresh().unwrap();
                        memory.with(|secret| assert!(secret.len() == 32)).unwrap();
                        drop(memory.try_clone().unwrap());
                    }
                });
            }
        });
    })
    .succeeds();
}

#[test]
#[cfg(target_os = "linux")]
fn threads_with_sealed_shards_never_wait_for_each_others_pages() {
    // Both shards of the root key, the key, and two pages to work in.
    let test = "tests::threads_with_sealed_shards_never_wait_for_each_others_pages";
    never_wait_for_each_other(test, 20, NCConfig::FullRam);
}

#[test]
#[cfg(target_os = "linux")]
fn threads_with_fragments_never_wait_for_each_others_pages() {
    // Two shards each, and for a clone two pages to work in and two for its shards.
    let test = "tests::threads_with_fragments_never_wait_for_each_others_pages";
    never_wait_for_each_other(test, 32, NCConfig::FragAllocation(FragStrategy::Map));
}

#[test]
#[cfg(target_os = "linux")]
fn a_memory_is_not_locked_by_a_thread_that_waits_for_pages() {
    use boxed::{AtLimit, Policy, Scratch};
    use conformance::child::{Conditions, run_under};
    use std::time::Duration;
    let user = Conditions { lock_limit_kib: Some(24), ordinary_user: true };
    let test = "tests::a_memory_is_not_locked_by_a_thread_that_waits_for_pages";
    run_under(user, test, || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
        if conformance::grants::Grant::OneCount.is_lacking() {
            return; // there are more pages than these
        }
        let memory = new(&[7; 32], NCConfig::FullRam);
        let held = [(); 4].map(|()| Scratch::<u8>::new(1).unwrap()); // all but those of the root key
        std::thread::scope(|scope| {
            let waits = [scope.spawn(|| memory.refresh()), scope.spawn(|| memory.try_clone().map(drop))];
            std::thread::sleep(Duration::from_millis(50));
            assert!(memory.protection().is_some());
            assert!(waits.iter().all(|thread| !thread.is_finished()));
            drop(held);
            waits.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
    })
    .succeeds();
}

#[test]
#[cfg(target_os = "linux")]
fn a_clone_holds_no_page_while_it_waits_for_others() {
    conformance::patience::holds_no_page_while_it_waits(
        "tests::a_clone_holds_no_page_while_it_waits_for_others",
        || new(&[7; 32], NCConfig::FullRam),
        NonContiguousMemory::try_clone,
    );
}

#[test]
#[cfg(target_os = "linux")]
fn two_fragments_are_had_together_or_not_at_all() {
    use crate::frag::Frag;
    let pair = |(): &()| Frag::alloc_initialized(FragStrategy::Map, [1_u8; 32], [2; 32]);
    let test = "tests::two_fragments_are_had_together_or_not_at_all";
    conformance::patience::holds_no_page_while_it_waits(test, || (), pair);
}
