//! Pages that the kernel reads for no one, where it grants them; and what there is where it does not.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use boxed::{
    Backing, Boxed, Error, ForkBehaviour, Fragment, OnFork, Origin, Policy, PolicyError, Scratch, Spot,
    status,
};
use conformance::child::run;
use conformance::grants::Grant;
use conformance::{forked, kernel};
use std::fs::File;
use std::os::unix::fs::FileExt as _;

const ENOSYS: u32 = 38;
const EPERM: u32 = 1;

fn secret() -> Boxed<u8> {
    Boxed::new(32, |bytes| bytes.fill(7)).unwrap()
}

/// Whether the kernel reads this process's memory at `address` for a debugger.
fn a_debugger_reads(address: usize) -> bool {
    File::open("/proc/self/mem").unwrap().read_exact_at(&mut [0], address as u64).is_ok()
}

/// The bytes that the kernel counts as locked.
fn locked() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn asked_for_it_is_granted_and_unreadable_or_an_error_that_says_who_refused() {
    if boxed::secret_memory().is_err() {
        println!("skipped: the kernel grants no secret memory");
    }
    run("asked_for_it_is_granted_and_unreadable_or_an_error_that_says_who_refused", || {
        Policy::new().backing(Backing::SecretMem).pool_bytes(0).install().unwrap();
        if boxed::secret_memory().is_err() {
            let error = Boxed::<u8>::random(1).unwrap_err();
            assert!(matches!(error, Error::Refused { operation: "make secret memory", .. }), "{error:?}");
            return;
        }
        let one_count = Grant::OneCount.is_there();
        let secret = secret();
        let protection = secret.protection();
        assert!(
            protection.secret_memory && protection.locked && protection.no_dump && protection.guard_pages
        );
        assert_eq!(protection.on_fork, ForkBehaviour::Absent);
        let borrowed = secret.read().unwrap();
        assert_eq!(*borrowed, [7; 32]);
        assert!(!a_debugger_reads(secret.address()));
        assert!(a_debugger_reads(std::ptr::from_ref(&borrowed).addr()), "the search works");
        drop(borrowed);
        for spot in [Origin::Mapped, Origin::Allocated].map(Spot::new) {
            let elsewhere = Scratch::<u8>::at(&spot, 5000).unwrap();
            assert!(!a_debugger_reads(elsewhere.as_ptr().addr()));
            assert_eq!(locked(), if one_count { status().bytes_locked } else { 0 });
            assert!(elsewhere.close().unwrap().protection().secret_memory);
        }
        drop(secret);
        assert_eq!((locked(), status().bytes_locked), (0, 0));
    })
    .succeeds();
}

#[test]
fn unasked_it_is_used_where_it_is_granted() {
    run("unasked_it_is_used_where_it_is_granted", || {
        assert_eq!(boxed::secret_memory().is_ok(), secret().protection().secret_memory);
    })
    .succeeds();
}

fn falls_back(errno: u32) {
    kernel::deny_secret_memory(errno).unwrap();
    let error = boxed::secret_memory().unwrap_err();
    let said = error.os_error().unwrap().raw_os_error().unwrap();
    assert_eq!(u32::try_from(said).unwrap(), errno);
    let secret = secret();
    let protection = secret.protection();
    assert!(!protection.secret_memory && protection.locked && protection.no_dump);
    assert_eq!(protection.on_fork, ForkBehaviour::Wiped);
    let _borrowed = secret.read().unwrap();
    assert!(a_debugger_reads(secret.address()));
}

#[test]
fn where_the_kernel_has_none_it_is_ordinary_memory_and_said_to_be() {
    if Grant::Filters.is_lacking() {
        return;
    }
    run("where_the_kernel_has_none_it_is_ordinary_memory_and_said_to_be", || falls_back(ENOSYS)).succeeds();
}

#[test]
fn where_a_filter_forbids_it_it_is_ordinary_memory_and_said_to_be() {
    if Grant::Filters.is_lacking() {
        return;
    }
    run("where_a_filter_forbids_it_it_is_ordinary_memory_and_said_to_be", || falls_back(EPERM)).succeeds();
}

#[test]
fn required_and_refused_is_an_error() {
    if Grant::Filters.is_lacking() {
        return;
    }
    run("required_and_refused_is_an_error", || {
        kernel::deny_secret_memory(ENOSYS).unwrap();
        Policy::new().backing(Backing::SecretMem).install().unwrap();
        let error = Boxed::<u8>::random(1).unwrap_err();
        let Error::Refused { operation: "make secret memory", source } = error else {
            unreachable!("{error:?}")
        };
        assert!(source.to_string().contains("memfd_secret"), "{source}");
        assert_eq!(status().pages_in_use, 0);
    })
    .succeeds();
}

#[test]
fn without_it_the_policy_is_kept() {
    run("without_it_the_policy_is_kept", || {
        Policy::new().backing(Backing::Sodium).install().unwrap();
        let secret = secret();
        assert!(!secret.protection().secret_memory);
        let _borrowed = secret.read().unwrap();
        assert!(a_debugger_reads(secret.address()));
    })
    .succeeds();
}

#[test]
fn what_a_child_inherits_is_not_secret_memory() {
    run("what_a_child_inherits_is_not_secret_memory", || {
        let contradiction = Policy::new().backing(Backing::SecretMem).on_fork(OnFork::Inherit);
        assert_eq!(contradiction.install(), Err(PolicyError::NotInherited));
        Policy::new().on_fork(OnFork::Inherit).install().unwrap();
        let secret = secret();
        assert!(!secret.protection().secret_memory);
        assert!(forked::succeeds(|| assert_eq!(*secret.read().unwrap(), [7; 32])));
    })
    .succeeds();
}

#[test]
fn a_reference_that_lives_across_a_fork_sees_zeros_in_every_generation() {
    if Grant::Advice.is_lacking() {
        return;
    }
    run("a_reference_that_lives_across_a_fork_sees_zeros_in_every_generation", || {
        let (read, mut written, mut changed) = (secret(), secret(), Scratch::<u8>::new(6000).unwrap());
        let fragment = Fragment::new([7_u64; 4], &Spot::new(Origin::Mapped)).unwrap();
        drop(secret());
        changed.fill(7);
        let borrowed = read.read().unwrap();
        let mut borrowed_mut = written.write().unwrap();
        let kept = fragment.get().unwrap();
        assert!(forked::succeeds(|| {
            assert_eq!((&*borrowed, &*borrowed_mut, kept), (&[0; 32][..], &[0; 32][..], &[0; 4]));
            assert!(changed.iter().all(|byte| *byte == 0));
            borrowed_mut.fill(1);
            changed.fill(1);
            assert!(matches!(read.read(), Err(Error::Forked)));
            let own = secret();
            let own_borrowed = own.read().unwrap();
            assert!(forked::succeeds(|| {
                assert_eq!((&*own_borrowed, &*borrowed), (&[0; 32][..], &[0; 32][..]));
                assert_eq!(*secret().read().unwrap(), [7; 32]);
            }));
            assert_eq!(*own_borrowed, [7; 32]);
        }));
        assert_eq!((&*borrowed, &*borrowed_mut, kept), (&[7; 32][..], &[7; 32][..], &[7; 4]));
    })
    .succeeds();
}

#[test]
fn children_of_a_process_whose_threads_come_and_go_with_pages_get_through() {
    run("children_of_a_process_whose_threads_come_and_go_with_pages_get_through", || {
        Policy::new().pool_bytes(2 * boxed::page_size()).install().unwrap();
        let kept = secret();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let pages = [1, 5000, 9000].map(|len| Boxed::<u8>::random(len).unwrap());
                        assert_eq!(pages[1].read().unwrap().len(), 5000);
                        drop(kept.read().unwrap());
                    }
                });
            }
            let through = (0..100).all(|_| {
                forked::succeeds(|| {
                    assert!(matches!(kept.read(), Err(Error::Forked)));
                    assert_eq!(*secret().read().unwrap(), [7; 32]);
                })
            });
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(through);
        });
    })
    .succeeds();
}
