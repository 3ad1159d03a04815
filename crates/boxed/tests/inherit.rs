//! A child that inherits the secrets of its parent: a program that becomes a daemon.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use boxed::{Boxed, OnFork, Policy, Prot};
use conformance::{child, forked};
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
