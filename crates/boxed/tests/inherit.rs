//! A child that inherits the secrets of its parent: a program that becomes a daemon.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use boxed::{Boxed, Error, Lock, OnFork, Policy, Prot, status};
use conformance::child::{self, Conditions};
use conformance::forked;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::sync::Barrier;

#[test]
fn threads_of_the_child_that_are_first_at_once_all_read() {
    child::run("threads_of_the_child_that_are_first_at_once_all_read", || {
        Policy::new().on_fork(OnFork::Inherit).install().unwrap();
        for _ in 0..100 {
            let secret = Boxed::<u8>::new(32, |bytes| bytes.fill(7)).unwrap();
            let went_well = forked::succeeds(|| {
                let start = Barrier::new(4);
                std::thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| {
                            start.wait();
                            for _ in 0..50 {
                                assert_eq!(*secret.read().unwrap(), [7; 32]);
                            }
                        });
                    }
                });
                assert_eq!(secret.prot(), Prot::NoAccess);
                assert!(secret.protection().locked);
            });
            assert!(went_well);
        }
    })
    .succeeds();
}

#[test]
fn a_page_that_was_open_across_the_fork_is_closed_in_the_end() {
    child::run("a_page_that_was_open_across_the_fork_is_closed_in_the_end", || {
        Policy::new().on_fork(OnFork::Inherit).install().unwrap();
        let secret = Boxed::<u8>::new(32, |bytes| bytes.fill(7)).unwrap();
        let borrowed = secret.read().unwrap();
        assert!(forked::succeeds(|| {
            assert_eq!(*borrowed, [7; 32]);
            assert_eq!(*secret.read().unwrap(), [7; 32]);
            drop(borrowed);
            assert_eq!(secret.prot(), Prot::NoAccess);
        }));
    })
    .succeeds();
}

fn nothing_can_be_locked() {
    setrlimit(Resource::Memlock, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
}

#[test]
fn what_the_child_cannot_lock_it_does_not_get() {
    let user = Conditions { lock_limit_kib: Some(64), ordinary_user: true };
    child::run_under(user, "what_the_child_cannot_lock_it_does_not_get", || {
        Policy::new().on_fork(OnFork::Inherit).install().unwrap();
        let secret = Boxed::<u8>::new(32, |bytes| bytes.fill(7)).unwrap();
        drop(Boxed::<u8>::random(32)); // whose page lies idle
        assert!(forked::succeeds(|| {
            nothing_can_be_locked();
            assert!(matches!(secret.read(), Err(Error::LockLimit { needed: 4096, .. })));
            assert_eq!(secret.prot(), Prot::NoAccess);
            assert!(matches!(Boxed::<u8>::random(32), Err(Error::LockLimit { .. })));
        }));
        assert_eq!(*secret.read().unwrap(), [7; 32]);
    })
    .succeeds();
}

#[test]
fn at_best_effort_the_child_gets_it_unlocked() {
    let user = Conditions { lock_limit_kib: Some(64), ordinary_user: true };
    child::run_under(user, "at_best_effort_the_child_gets_it_unlocked", || {
        Policy::new().on_fork(OnFork::Inherit).lock(Lock::BestEffort).install().unwrap();
        let secret = Boxed::<u8>::new(32, |bytes| bytes.fill(7)).unwrap();
        assert!(secret.protection().locked);
        let locked = status().bytes_locked;
        assert!(forked::succeeds(|| {
            nothing_can_be_locked();
            assert!(!secret.protection().locked); // a child inherits no locks
            assert_eq!(*secret.read().unwrap(), [7; 32]);
            assert!(!secret.protection().locked);
            assert_eq!(status().bytes_locked, locked - 4096);
            drop(secret);
            assert_eq!(status().bytes_locked, locked - 4096);
        }));
    })
    .succeeds();
}
