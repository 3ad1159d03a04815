//! What a hardened process is closed to, seen from outside it. Each in a process of its own, beside one that is not hardened.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::child::{Conditions, SIGABRT, run, run_under};
use conformance::grants::Grant;
use hardening::{Outcome, Topic, Verdict, doctor, harden_process};
use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit};
use std::process::Command;

/// An ordinary user, who may not look into what is closed.
const USER: Conditions = Conditions { lock_limit_kib: None, ordinary_user: true };

/// Whether another process of the same user may read that file about this one.
fn others_read(file: &str) -> bool {
    let path = format!("/proc/{}/{file}", std::process::id());
    Command::new("head").args(["-c", "1", &path]).output().unwrap().status.success()
}

#[test]
fn a_process_of_the_same_user_can_read_neither_map_nor_environment() {
    run_under(USER, "a_process_of_the_same_user_can_read_neither_map_nor_environment", || {
        for file in ["maps", "environ"] {
            assert!(others_read(file), "{file}: nothing is proved where it is closed before");
        }
        let hardening = harden_process();
        assert!(hardening.is_complete(), "{hardening}");
        for file in ["maps", "environ", "mem"] {
            assert!(!others_read(file), "{file}");
        }
    })
    .succeeds();
}

/// Raises the limit of core dumps as far as it goes, and says whether it lets one through.
fn allow_core_dumps() -> bool {
    let limit = getrlimit(Resource::Core);
    let whole = Rlimit { current: None, maximum: None };
    let allowed = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Core, whole).or_else(|_| setrlimit(Resource::Core, allowed)).unwrap();
    std::env::set_current_dir(std::env::temp_dir()).unwrap();
    limit.maximum != Some(0)
}

#[test]
fn a_crash_leaves_no_core_dump() {
    let ending = run("a_crash_leaves_no_core_dump", || {
        allow_core_dumps();
        let hardening = harden_process();
        assert!(hardening.is_complete(), "{hardening}");
        std::process::abort();
    });
    ending.dies_of(SIGABRT, "");
    assert!(!ending.dumped_core(), "{ending}");
}

#[test]
fn what_is_reported_is_read_back_and_a_second_call_finds_it_so() {
    run("what_is_reported_is_read_back_and_a_second_call_finds_it_so", || {
        allow_core_dumps();
        let first = harden_process();
        assert!(matches!(first.no_debugger, Outcome::Done), "{first}");
        assert!(first.no_core_dump.is_in_force(), "{first}");
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        let second = harden_process();
        assert!(matches!(second.no_debugger, Outcome::AlreadySo), "{second}");
        assert!(matches!(second.no_core_dump, Outcome::AlreadySo), "{second}");
    })
    .succeeds();
}

#[test]
fn the_doctor_sees_the_hardening() {
    run("the_doctor_sees_the_hardening", || {
        let verdict = |topic| doctor().check(topic).unwrap().verdict;
        if allow_core_dumps() {
            assert!(matches!(verdict(Topic::CoreDump), Verdict::Weak { .. }));
        }
        let hardening = harden_process();
        assert!(hardening.is_complete(), "{hardening}");
        assert_eq!([Topic::CoreDump, Topic::Debugger].map(verdict), [Verdict::Good; 2]);
    })
    .succeeds();
}

#[test]
fn the_doctor_changes_nothing() {
    run("the_doctor_changes_nothing", || {
        let report = doctor();
        assert!(report.check(Topic::LockLimit).is_some());
        boxed::Policy::new().pool_bytes(0).install().unwrap();
    })
    .succeeds();
}

#[test]
fn the_doctor_sees_a_lock_limit_of_zero() {
    let none = Conditions { lock_limit_kib: Some(0), ordinary_user: true };
    run_under(none, "the_doctor_sees_a_lock_limit_of_zero", || {
        let report = doctor();
        let check = report.check(Topic::LockLimit).unwrap();
        assert!(matches!(check.verdict, Verdict::Weak { .. }), "{report}");
        assert_eq!(check.state, "0 bytes");
        // The probe needs a page of it.
        let secret_memory = report.check(Topic::SecretMemory).unwrap();
        assert!(matches!(secret_memory.verdict, Verdict::Weak { .. }), "{report}");
    })
    .succeeds();
}

#[test]
fn the_doctor_sees_that_a_filter_forbids_secret_memory() {
    if Grant::Filters.is_lacking() {
        return;
    }
    run("the_doctor_sees_that_a_filter_forbids_secret_memory", || {
        conformance::kernel::deny_secret_memory(1).unwrap();
        let report = doctor();
        let check = report.check(Topic::SecretMemory).unwrap();
        assert!(matches!(check.verdict, Verdict::Weak { .. }), "{report}");
        assert!(check.state.contains("Operation not permitted"), "{report}");
        assert!(check.to_string().contains("filter of system calls"), "{report}");
    })
    .succeeds();
}
