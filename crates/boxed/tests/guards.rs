//! What must crash does, with the right signal and message, and what the system is asked for it really does.
#![cfg(any(unix, windows))]
#![allow(unsafe_code, clippy::unwrap_used)]

use boxed::{Backing, Boxed, Policy, Prot, Scratch};
#[cfg(target_os = "linux")]
use boxed::{Origin, Spot};
use conformance::child::{SIGABRT, SIGSEGV, run};
#[cfg(target_os = "linux")]
use conformance::grants::Grant;

const CANARY: &str = "canary of a guarded page is damaged";

fn secret(len: usize) -> Boxed<u8> {
    Boxed::new(len, |bytes| bytes.fill(7)).unwrap()
}

fn read(address: usize) -> u8 {
    // SAFETY: the address is mapped, or reading it faults, which ends this child process as its test expects.
    unsafe { (address as *const u8).read_volatile() }
}

fn write(address: usize) {
    // SAFETY: the address is mapped, or writing to it faults, which ends this child process as its test expects.
    unsafe { (address as *mut u8).write_volatile(0) };
}

#[test]
fn reading_one_byte_past_the_end_faults() {
    run("reading_one_byte_past_the_end_faults", || {
        for len in [1, 31, 4000, 4064, 5000] {
            let secret = secret(len);
            let borrowed = secret.read().unwrap();
            assert_eq!(read(secret.address() + len - 1), 7);
            if len == 5000 {
                println!("about to fault");
                read(borrowed.as_ptr() as usize + len);
            }
        }
    })
    .dies_of(SIGSEGV, "");
}

#[test]
fn writing_one_byte_past_the_end_faults() {
    run("writing_one_byte_past_the_end_faults", || {
        let mut secret = secret(33);
        let address = secret.address() + 33;
        let _open = secret.write().unwrap();
        write(address);
    })
    .dies_of(SIGSEGV, "");
}

#[test]
fn writing_one_byte_before_the_start_aborts_at_the_drop_and_says_why() {
    run("writing_one_byte_before_the_start_aborts_at_the_drop_and_says_why", || {
        let mut secret = secret(33);
        let address = secret.address() - 1;
        let open = secret.write().unwrap();
        write(address);
        drop(open);
        println!("still here");
        drop(secret);
    })
    .dies_of(SIGABRT, CANARY);
}

#[test]
fn the_canary_of_a_recycled_page_is_checked_too() {
    run("the_canary_of_a_recycled_page_is_checked_too", || {
        drop(secret(4000));
        drop(secret(5));
        let scratch = Scratch::<u64>::new(3).unwrap();
        write(scratch.as_ptr() as usize - 16);
    })
    .dies_of(SIGABRT, CANARY);
}

#[test]
fn lengths_around_that_of_a_page_damage_no_canary() {
    run("lengths_around_that_of_a_page_damage_no_canary", || {
        Policy::new().backing(Backing::Sodium).pool_bytes(0).install().unwrap();
        for len in boxed::page_size() - 64..=boxed::page_size() + 1 {
            assert_eq!(*secret(len).read().unwrap(), vec![7; len]);
        }
    })
    .succeeds();
}

#[test]
fn reading_while_not_borrowed_faults() {
    run("reading_while_not_borrowed_faults", || {
        let secret = secret(33);
        drop(secret.read().unwrap());
        read(secret.address());
    })
    .dies_of(SIGSEGV, "");
}

#[test]
fn reading_after_it_was_borrowed_for_writing_faults() {
    run("reading_after_it_was_borrowed_for_writing_faults", || {
        let mut secret = secret(33);
        drop(secret.write().unwrap());
        assert_eq!(secret.prot(), Prot::NoAccess);
        read(secret.address());
    })
    .dies_of(SIGSEGV, "");
}

#[test]
fn writing_while_borrowed_for_reading_faults() {
    run("writing_while_borrowed_for_reading_faults", || {
        let secret = secret(33);
        let _open = secret.read().unwrap();
        write(secret.address());
    })
    .dies_of(SIGSEGV, "");
}

#[test]
fn another_thread_faults_while_not_borrowed() {
    run("another_thread_faults_while_not_borrowed", || {
        let secret = secret(33);
        let address = secret.address();
        drop(std::thread::spawn(move || read(address)).join());
    })
    .dies_of(SIGSEGV, "");
}

#[test]
fn a_dropped_secret_is_wiped_and_its_page_reused() {
    let scratch = Scratch::<u8>::new(100).unwrap();
    let address = scratch.as_ptr() as usize;
    let mut secret = scratch.close().unwrap();
    secret.write().unwrap().fill(0x5a);
    std::mem::forget(secret.read().unwrap());
    drop(secret);
    // Other tests of this process may take the page; whoever has it, no byte of the old content is there before it writes.
    let again = Scratch::<u8>::new(100).unwrap();
    assert!(again.iter().all(|byte| *byte == 0));
    if again.as_ptr() as usize == address {
        assert_eq!(again.close().unwrap().prot(), Prot::NoAccess);
    }
}

/// What the kernel has for the pages is what is reported.
#[cfg(target_os = "linux")]
fn is_kept_as_reported(secret: &Boxed<u8>) {
    let flags = conformance::scan::flags(secret.address());
    let protection = secret.protection();
    let on_fork = match protection.on_fork {
        boxed::ForkBehaviour::Absent if protection.secret_memory => "dc",
        boxed::ForkBehaviour::Wiped if !protection.secret_memory => "wf",
        _ => "neither",
    };
    let mut expected = vec![];
    // Secret memory is never swapped, marked or not.
    if protection.secret_memory && Grant::OneCount.is_lacking() {
        assert!(protection.locked);
    } else {
        expected.push(("lo", protection.locked));
    }
    if Grant::Advice.is_lacking() {
        assert!(!protection.no_dump && on_fork == "neither", "{protection:?}");
    } else {
        expected.extend([("dd", protection.no_dump), (on_fork, true)]);
    }
    for (flag, reported) in expected {
        assert!(reported && flags.iter().any(|has| has == flag), "{flag}: {flags:?} {protection:?}");
    }
    assert!(!flags.iter().any(|has| has == "mg" || has == "rd" || has == "wr"), "{flags:?}");
    assert!(protection.guard_pages && !protection.sealed && protection.at_rest == Prot::NoAccess);
}

#[test]
#[cfg(target_os = "linux")]
fn pages_are_locked_and_out_of_dumps_and_forks_as_reported() {
    for len in [1, 5000, 100_000] {
        is_kept_as_reported(&secret(len));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn ordinary_pages_are_locked_and_out_of_dumps_and_forks_as_reported() {
    run("ordinary_pages_are_locked_and_out_of_dumps_and_forks_as_reported", || {
        Policy::new().backing(Backing::Sodium).install().unwrap();
        for len in [1, 5000, 100_000] {
            is_kept_as_reported(&secret(len));
            for origin in [Origin::Mapped, Origin::Allocated] {
                is_kept_as_reported(&Scratch::at(&Spot::new(origin), len).unwrap().close().unwrap());
            }
        }
    })
    .succeeds();
}

#[test]
#[cfg(target_os = "linux")]
fn where_a_process_asks_for_all_its_pages_to_be_merged_these_are_not() {
    run("where_a_process_asks_for_all_its_pages_to_be_merged_these_are_not", || {
        // SAFETY: the call takes integers and marks mappings, whose content stays what it is.
        if unsafe { libc::prctl(libc::PR_SET_MEMORY_MERGE, 1_u64, 0_u64, 0_u64, 0_u64) } != 0 {
            return println!("skipped: the kernel does not merge the pages of a whole process");
        }
        let heap = vec![7_u8; 1 << 20];
        let is_merged = |address: usize| conformance::scan::flags(address).iter().any(|flag| flag == "mg");
        assert!(is_merged(heap.as_ptr().addr()), "other pages are");
        Policy::new().backing(Backing::Sodium).install().unwrap();
        assert!(!is_merged(secret(32).address()));
    })
    .succeeds();
}

#[test]
#[cfg(unix)]
fn open_pages_of_the_parent_are_refused() {
    run("open_pages_of_the_parent_are_refused", || {
        let scratch = Scratch::<u8>::new(32).unwrap();
        let vacant = boxed::Vacant::new(&boxed::Spot::new(boxed::Origin::Allocated)).unwrap();
        assert!(scratch.check().is_ok());
        assert!(conformance::forked::succeeds(|| {
            assert!(matches!(scratch.check(), Err(boxed::Error::Forked)));
            assert!(matches!(vacant.fill(7_u8), Err(boxed::Error::Forked)));
        }));
    })
    .succeeds();
}

#[test]
#[cfg(target_os = "linux")]
fn pages_without_a_guard_are_refused() {
    if Grant::Filters.is_lacking() {
        return;
    }
    run("pages_without_a_guard_are_refused", || {
        boxed::Policy::new().backing(boxed::Backing::Sodium).install().unwrap();
        drop(Scratch::<u8>::new(9000).unwrap()); // of another size: it stays in the pool
        conformance::kernel::deny_protection(0).unwrap();
        let made = Scratch::<u8>::new(32);
        assert!(matches!(made, Err(boxed::Error::Refused { .. })), "{made:?}");
        assert_eq!(boxed::status().pages_in_use, 0);
    })
    .succeeds();
}
