//! The limit of lockable memory, as an ordinary user meets it.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use boxed::{AtLimit, Backing, Boxed, Error, Lock, Origin, Policy, Prot, Scratch, Spot, Twin, status};
use conformance::child::{Conditions, run, run_under};
use conformance::grants::Grant;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn ordinary(lock_limit_kib: u64) -> Conditions {
    Conditions { lock_limit_kib: Some(lock_limit_kib), ordinary_user: true }
}

/// In which a thread begins to wait; where it does not, it gets the page that was dropped before it asked.
const TO_BEGIN: Duration = Duration::from_millis(50);

fn one_page() -> Result<Boxed<u8>, Error> {
    Boxed::random(32)
}

/// As many pages as there are, and why there is none more.
fn until_refused() -> (Vec<Boxed<u8>>, Error) {
    let mut kept = Vec::new();
    loop {
        match one_page() {
            Ok(page) => kept.push(page),
            Err(error) => return (kept, error),
        }
    }
}

#[test]
fn where_no_file_may_have_a_byte_there_are_ordinary_pages_and_no_signal() {
    run("where_no_file_may_have_a_byte_there_are_ordinary_pages_and_no_signal", || {
        setrlimit(Resource::Fsize, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
        let page = one_page().unwrap();
        assert!(!page.protection().secret_memory);
        assert!(page.protection().locked);
        assert_eq!(page.read().unwrap().len(), 32);
        let root = Twin::new(&[1; 32], &[2; 32]).unwrap();
        root.read(&mut Scratch::new(Twin::<32>::ROOM).unwrap(), |left, right| {
            assert_eq!((left, right), (&[1; 32], &[2; 32]));
        })
        .unwrap();
    })
    .succeeds();
}

#[test]
fn a_file_may_be_as_long_as_its_limit() {
    run("a_file_may_be_as_long_as_its_limit", || {
        let granted = boxed::secret_memory().is_ok();
        let one_page = boxed::page_size() as u64;
        setrlimit(Resource::Fsize, Rlimit { current: Some(one_page), maximum: Some(one_page) }).unwrap();
        assert_eq!(boxed::secret_memory().is_ok(), granted);
        setrlimit(Resource::Fsize, Rlimit { current: Some(one_page - 1), maximum: Some(one_page) }).unwrap();
        assert!(boxed::secret_memory().is_err());
    })
    .succeeds();
}

#[test]
fn with_a_limit_of_zero_nothing_is_stored_and_the_error_says_how_to_raise_it() {
    run_under(
        ordinary(0),
        "with_a_limit_of_zero_nothing_is_stored_and_the_error_says_how_to_raise_it",
        || {
            let error = one_page().unwrap_err();
            assert!(
                matches!(error, Error::LockLimit { needed: 4096, locked: 0, limit: Some(0), .. }),
                "{error:?}"
            );
            let text = error.to_string();
            for part in ["4096", "0 bytes", "ulimit -l", "LimitMEMLOCK", "BestEffort"] {
                assert!(text.contains(part), "{text}");
            }
            assert!(error.os_error().is_some());
            let status = status();
            assert_eq!((status.pages_in_use, status.bytes_locked, status.lock_limit), (0, 0, Some(0)));
        },
    )
    .succeeds();
}

#[test]
fn best_effort_goes_on_and_reports_that_nothing_is_locked() {
    run_under(ordinary(0), "best_effort_goes_on_and_reports_that_nothing_is_locked", || {
        Policy::new().lock(Lock::BestEffort).install().unwrap();
        let secret = one_page().unwrap();
        assert_eq!(secret.read().unwrap().len(), 32);
        let protection = secret.protection();
        assert!(!protection.locked && protection.guard_pages);
        assert_eq!(protection.no_dump, Grant::Advice.is_there());
        assert_eq!(status().bytes_locked, 0);
    })
    .succeeds();
}

#[test]
fn at_the_limit_a_secret_is_refused_and_a_dropped_one_makes_room() {
    run_under(ordinary(64), "at_the_limit_a_secret_is_refused_and_a_dropped_one_makes_room", || {
        let one_count = Grant::OneCount.is_there(); // while there is room to find out
        let (mut kept, error) = until_refused();
        assert!(matches!(error, Error::LockLimit { limit: Some(65_536), .. }), "{error:?}");
        // Counted apart, secret memory has a limit of its own, which all processes of the user share.
        let fit = if one_count { 16..=16 } else { 16..=32 };
        assert!(fit.contains(&kept.len()), "{}", kept.len());
        assert_eq!(status().bytes_locked, kept.len() * 4096);
        assert!(kept.iter().all(|secret| secret.protection().locked));
        kept.pop();
        kept.push(one_page().unwrap());
        // The page of another size class lies idle in the pool, and is given back for one that fits.
        kept.truncate(kept.len() - 2);
        kept.push(Boxed::random(5000).unwrap());
        kept.pop();
        kept.extend([one_page().unwrap(), one_page().unwrap()]);
        assert!(one_page().is_err() || !one_count);
    })
    .succeeds();
}

#[test]
fn at_the_limit_secret_memory_alone_is_refused_as_other_pages_are() {
    run_under(ordinary(64), "at_the_limit_secret_memory_alone_is_refused_as_other_pages_are", || {
        Policy::new().backing(Backing::SecretMem).install().unwrap();
        if boxed::secret_memory().is_err() {
            return println!("skipped: the kernel grants no secret memory");
        }
        let (kept, error) = until_refused();
        assert!(matches!(error, Error::LockLimit { limit: Some(65_536), .. }), "{error:?}");
        assert_eq!(status().bytes_locked, kept.len() * 4096);
    })
    .succeeds();
}

#[test]
fn a_waiting_thread_gets_the_page_that_another_drops() {
    run_under(ordinary(8), "a_waiting_thread_gets_the_page_that_another_drops", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::MAX)).install().unwrap();
        let (first, second) = (one_page().unwrap(), one_page().unwrap());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| one_page().map(|secret| secret.len()));
            std::thread::sleep(TO_BEGIN);
            drop(first);
            assert_eq!(waiter.join().unwrap().unwrap(), 32);
        });
        drop(second);
    })
    .succeeds();
}

#[test]
fn a_waiting_thread_gets_the_page_that_another_leaves_in_the_pool() {
    run_under(ordinary(8), "a_waiting_thread_gets_the_page_that_another_leaves_in_the_pool", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::MAX)).pool_bytes(8192).install().unwrap();
        let one_count = Grant::OneCount.is_there(); // else some of the pages may be secret memory, and others not
        let (first, second) = (one_page().unwrap(), one_page().unwrap());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| one_page().map(|secret| secret.len()));
            std::thread::sleep(TO_BEGIN);
            drop(first);
            assert_eq!(waiter.join().unwrap().unwrap(), 32);
        });
        let status = status();
        assert_eq!((status.pages_in_use, status.bytes_locked), (1, 4096 * (1 + status.pages_pooled)));
        assert!(status.pages_pooled == 1 || !one_count);
        drop(second);
    })
    .succeeds();
}

#[test]
fn a_thread_that_waits_for_pages_at_a_spot_gets_none_of_the_pool() {
    run_under(ordinary(8), "a_thread_that_waits_for_pages_at_a_spot_gets_none_of_the_pool", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::MAX)).pool_bytes(8192).install().unwrap();
        let (first, second) = (one_page().unwrap(), one_page().unwrap());
        let page_of = |address: usize| address / boxed::page_size();
        let left_behind = page_of(first.address());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| Scratch::<u8>::at(&Spot::new(Origin::Mapped), 32).unwrap().close());
            std::thread::sleep(TO_BEGIN);
            drop(first);
            assert_ne!(page_of(waiter.join().unwrap().unwrap().address()), left_behind);
        });
        drop(second);
    })
    .succeeds();
}

/// Two pages, or neither.
fn two_pages() -> Result<(Boxed<u8>, Boxed<u8>), Error> {
    boxed::together(|| Ok((one_page()?, one_page()?)))
}

#[test]
fn threads_that_take_pages_together_never_wait_for_each_other() {
    run_under(ordinary(12), "threads_that_take_pages_together_never_wait_for_each_other", || {
        // Each that waited for another's page would wait that long, and fail.
        Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..300).for_each(|_| drop(two_pages().unwrap())));
            }
        });
        assert_eq!(status().pages_in_use, 0);
    })
    .succeeds();
}

#[test]
fn pages_taken_together_are_had_when_another_thread_drops_one() {
    run_under(ordinary(8), "pages_taken_together_are_had_when_another_thread_drops_one", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::MAX)).install().unwrap();
        let one_count = Grant::OneCount.is_there();
        let (kept, held) = two_pages().unwrap();
        let calls = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let two = boxed::together(|| {
                    calls.fetch_add(1, Ordering::Relaxed);
                    two_pages()
                });
                two.map(drop)
            });
            std::thread::sleep(TO_BEGIN);
            if one_count {
                assert!(!waiter.is_finished());
            }
            drop(held);
            std::thread::sleep(TO_BEGIN);
            drop(kept);
            waiter.join().unwrap().unwrap();
        });
        // Once, once more with its turn, and once for each page that came back; not again and again.
        assert!(calls.into_inner() <= 4);
    })
    .succeeds();
}

#[test]
fn pages_refused_together_are_refused_at_once_without_patience_and_given_back() {
    run_under(
        ordinary(8),
        "pages_refused_together_are_refused_at_once_without_patience_and_given_back",
        || {
            let mut calls = 0;
            let refused = boxed::together(|| {
                calls += 1;
                let nested = boxed::together(two_pages)?;
                let rest = (0..4).map(|_| one_page()).collect::<Result<Vec<_>, _>>()?;
                Ok::<_, Error>((nested, rest))
            });
            assert!(matches!(refused, Err(Error::LockLimit { .. })), "{refused:?}");
            assert_eq!((calls, status().pages_in_use), (1, 0));
            // Another error than that of the limit is returned as it is.
            assert!(matches!(boxed::together(|| Scratch::<u8>::new(0)), Err(Error::ZeroSize)));
        },
    )
    .succeeds();
}

#[test]
fn what_cannot_be_had_yet_holds_up_no_one_else() {
    run_under(ordinary(16), "what_cannot_be_had_yet_holds_up_no_one_else", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
        if Grant::OneCount.is_lacking() {
            return; // there are more pages than these
        }
        let [mut first, second, third] = [(); 3].map(|()| Some(one_page().unwrap()));
        std::thread::scope(|scope| {
            let all = || boxed::together(|| (0..4).map(|_| one_page()).collect::<Result<Vec<_>, _>>());
            let greedy = scope.spawn(all);
            std::thread::sleep(TO_BEGIN);
            // For good are pages given back outside of any attempt, and in one that is not made again.
            let modest = scope.spawn(|| two_pages().map(drop));
            std::thread::sleep(TO_BEGIN);
            let give_back = || {
                first = None;
                Ok::<_, Error>(())
            };
            boxed::together(give_back).unwrap();
            modest.join().unwrap().unwrap();
            assert!(!greedy.is_finished());
            let (kept, held) = two_pages().unwrap();
            let modest = scope.spawn(|| two_pages().map(drop));
            std::thread::sleep(TO_BEGIN);
            drop((kept, second));
            modest.join().unwrap().unwrap();
            assert!(!greedy.is_finished());
            drop((held, third));
            assert_eq!(greedy.join().unwrap().unwrap().len(), 4);
        });
    })
    .succeeds();
}

#[test]
fn two_that_wait_for_more_than_is_left_do_not_keep_each_other_awake() {
    run_under(ordinary(16), "two_that_wait_for_more_than_is_left_do_not_keep_each_other_awake", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
        if Grant::OneCount.is_lacking() {
            return; // there are more pages than these
        }
        let held = [(); 2].map(|()| one_page().unwrap());
        let calls = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let one_by_one = scope.spawn(|| {
                let three = boxed::together(|| {
                    calls.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, Error>([one_page()?, one_page()?, one_page()?])
                });
                three.map(drop)
            });
            let in_one = scope.spawn(|| Scratch::<u8>::new(4 * 4096 - 64).map(drop));
            std::thread::sleep(2 * TO_BEGIN);
            assert!(calls.load(Ordering::Relaxed) <= 6, "it tries again though nothing came back");
            drop(held);
            one_by_one.join().unwrap().unwrap();
            in_one.join().unwrap().unwrap();
        });
    })
    .succeeds();
}

#[test]
fn what_a_panic_gives_back_is_had_by_others() {
    run_under(ordinary(8), "what_a_panic_gives_back_is_had_by_others", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
        let had = Barrier::new(2);
        std::thread::scope(|scope| {
            let panicking = scope.spawn(|| {
                boxed::together(|| {
                    let _both = two_pages()?;
                    had.wait();
                    std::thread::sleep(TO_BEGIN);
                    if true {
                        panic!("on purpose");
                    }
                    Ok::<_, Error>(())
                })
            });
            had.wait();
            two_pages().unwrap();
            assert!(panicking.join().is_err());
        });
        assert_eq!(status().pages_in_use, 0);
    })
    .succeeds();
}

#[test]
fn patience_ends_in_the_same_error_for_several_pages() {
    run_under(ordinary(8), "patience_ends_in_the_same_error_for_several_pages", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_millis(5))).install().unwrap();
        let kept = one_page().unwrap();
        let error =
            boxed::together(|| (0..4).map(|_| one_page()).collect::<Result<Vec<_>, _>>()).unwrap_err();
        assert!(matches!(error, Error::LockLimit { limit: Some(8192), .. }), "{error:?}");
        assert_eq!(status().pages_in_use, 1);
        // Nobody has the turn any more.
        drop(kept);
        two_pages().unwrap();
    })
    .succeeds();
}

#[test]
fn a_probe_of_secret_memory_takes_no_page_from_those_that_wait() {
    run_under(ordinary(4), "a_probe_of_secret_memory_takes_no_page_from_those_that_wait", || {
        let patient = Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20)));
        patient.pool_bytes(0).install().unwrap();
        drop(one_page().unwrap());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drop(boxed::secret_memory()); // an error while the other has the page
                }
            });
            let made = (0..2000).try_for_each(|_| one_page().map(drop));
            done.store(true, Ordering::Relaxed);
            made.unwrap();
        });
    })
    .succeeds();
}

#[test]
fn a_secret_is_closed_while_a_page_for_its_copy_is_waited_for() {
    run_under(ordinary(8), "a_secret_is_closed_while_a_page_for_its_copy_is_waited_for", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
        let (secret, held) = two_pages().unwrap();
        std::thread::scope(|scope| {
            let copy = scope.spawn(|| secret.try_clone());
            std::thread::sleep(TO_BEGIN);
            assert_eq!(secret.prot(), Prot::NoAccess);
            drop(held);
            assert_eq!(*copy.join().unwrap().unwrap().read().unwrap(), *secret.read().unwrap());
        });
    })
    .succeeds();
}

#[test]
fn threads_that_make_twins_together_hear_of_every_page() {
    run_under(ordinary(8), "threads_that_make_twins_together_hear_of_every_page", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        drop(boxed::together(|| Twin::<32>::new(&[1; 32], &[2; 32])).unwrap());
                    }
                });
            }
        });
    })
    .succeeds();
}

#[test]
fn what_is_no_refusal_at_the_limit_is_returned_without_waiting() {
    run_under(ordinary(8), "what_is_no_refusal_at_the_limit_is_returned_without_waiting", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(1))).install().unwrap();
        let mut calls = 0;
        let other = boxed::together(|| {
            calls += 1;
            Scratch::<u8>::new(0)
        });
        assert!(matches!(other, Err(Error::ZeroSize)));
        let handled = boxed::together(|| {
            calls += 1;
            let held = [(); 6].map(|()| one_page()); // of which some are refused
            Ok::<_, Error>(held.into_iter().flatten().count())
        });
        assert!(handled.is_ok());
        assert_eq!(calls, 2);
    })
    .succeeds();
}

#[test]
fn a_spot_that_is_too_close_keeps_no_page() {
    run_under(ordinary(8), "a_spot_that_is_too_close_keeps_no_page", || {
        Policy::new().pool_bytes(0).install().unwrap();
        for _ in 0..50 {
            let first = Scratch::<u8>::at(&Spot::new(Origin::Allocated), 32).unwrap();
            let start = first.as_ptr().addr();
            let far = Spot::new(Origin::Allocated).away_from(start..start + 32, 1 << 24);
            let second = Scratch::<u8>::at(&far, 32).unwrap();
            assert!(second.as_ptr().addr().abs_diff(start) >= 1 << 24);
        }
    })
    .succeeds();
}

#[test]
fn counting_pages_settles_no_policy() {
    run("counting_pages_settles_no_policy", || {
        let before = status();
        assert_eq!((before.pages_in_use, before.pages_pooled, before.bytes_locked), (0, 0, 0));
        assert!(before.lock_limit.is_some() || before.page_bytes > 0);
        Policy::new().pool_bytes(0).install().unwrap();
    })
    .succeeds();
}

#[test]
fn by_default_the_pool_keeps_a_quarter_of_the_limit() {
    run_under(ordinary(64), "by_default_the_pool_keeps_a_quarter_of_the_limit", || {
        drop((0..8).map(|_| one_page().unwrap()).collect::<Vec<_>>());
        let status = status();
        assert_eq!((status.pages_in_use, status.pages_pooled, status.bytes_locked), (0, 4, 16_384));
    })
    .succeeds();
}

#[test]
fn patience_ends_in_the_same_error() {
    run_under(ordinary(4), "patience_ends_in_the_same_error", || {
        Policy::new().at_limit(AtLimit::Wait(Duration::from_millis(5))).install().unwrap();
        let most = if Grant::OneCount.is_there() { 1 } else { 2 }; // one of them secret memory
        let (kept, error) = until_refused();
        assert!((1..=most).contains(&kept.len()), "{}", kept.len());
        let locked_by_us = kept.len() * 4096;
        assert!(
            matches!(error, Error::LockLimit { locked, limit: Some(4096), .. } if locked == locked_by_us),
            "{error:?}"
        );
    })
    .succeeds();
}

#[test]
fn a_policy_is_installed_once_and_before_the_first_page() {
    run_under(Conditions::default(), "a_policy_is_installed_once_and_before_the_first_page", || {
        Policy::new().pool_bytes(0).install().unwrap();
        assert!(Policy::new().install().is_err());
        drop(one_page().unwrap());
        let status = status();
        assert_eq!((status.pages_in_use, status.pages_pooled, status.bytes_locked), (0, 0, 0));
    })
    .succeeds();
}
