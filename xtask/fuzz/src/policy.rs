//! Policies, limits of lockable memory and sizes, each in a forked child, for a process has one policy: a memory is as well
//! protected as the policy asks for, or there is none.

use crate::memory::{Kind, Memory, Payload};
use arbitrary::Arbitrary;
use runtime::{AtLimit, Backing, Lock, MemoryError, OnFork, Policy, PolicyError, Prot, status};
use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, Signal, getpid, kill_process, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::time::Duration;

#[derive(Arbitrary, Clone, Debug)]
pub struct Case {
    backing: Chosen,
    best_effort: bool,
    wait: bool,
    inherit: bool,
    pool_bytes: Option<u16>,
    /// How many pages the child may lock.
    limit_pages: Option<u8>,
    steps: Vec<Step>,
    forks: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Chosen {
    Auto,
    Sodium,
    SecretMem,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    Create(Kind, Payload),
    Look,
    Replace(Payload),
    Refresh,
    Clone,
    Drop,
}

/// How many steps a child takes.
const STEPS: usize = 24;

pub fn run(case: Case) {
    let outcome = in_a_child(|| case.perform()).expect("the child came to its end");
    // One edge each, for what happens in a child the fuzzer does not see.
    macro_rules! show {
        ($($bit:literal)*) => { $(if outcome & 1 << $bit != 0 { std::hint::black_box($bit); })* };
    }
    show!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39
          40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
}

/// What `body` says in a forked child; nothing where it does not come to its end.
fn in_a_child(body: impl FnOnce() -> u64) -> Option<u64> {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            drop(reader);
            let outcome = body();
            rustix::io::write(&writer, &outcome.to_le_bytes()).unwrap();
            // No code of the fuzzer is to run in the child.
            kill_process(getpid(), Signal::KILL).unwrap();
            unreachable!("killed");
        }
        fork::Fork::Parent(child) => {
            drop(writer);
            let outcome = read_all(&reader);
            fork::waitpid(child).unwrap();
            outcome
        }
    }
}

fn read_all(reader: &OwnedFd) -> Option<u64> {
    let mut bytes = [0; 8];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(reader, &mut bytes)).unwrap();
    (read == 8).then(|| u64::from_le_bytes(bytes))
}

impl Case {
    fn policy(&self) -> Policy {
        let backing = match self.backing {
            Chosen::Auto => Backing::Auto,
            Chosen::Sodium => Backing::Sodium,
            Chosen::SecretMem => Backing::SecretMem,
        };
        let policy = Policy::new()
            .backing(backing)
            .lock(if self.best_effort { Lock::BestEffort } else { Lock::Require })
            .at_limit(if self.wait { AtLimit::Wait(Duration::from_millis(1)) } else { AtLimit::Error })
            .on_fork(if self.inherit { OnFork::Inherit } else { OnFork::Wipe });
        match self.pool_bytes {
            Some(bytes) => policy.pool_bytes(usize::from(bytes)),
            None => policy,
        }
    }

    /// What happened, a bit for each.
    fn perform(&self) -> u64 {
        if let Some(pages) = self.limit_pages {
            give_up_the_privilege();
            let bytes = Some(u64::from(pages) * boxed::page_size() as u64);
            setrlimit(Resource::Memlock, Rlimit { current: bytes, maximum: bytes }).unwrap();
        }
        if self.backing == Chosen::SecretMem && self.inherit {
            assert_eq!(self.policy().install(), Err(PolicyError::NotInherited));
            return 1;
        }
        self.policy().install().unwrap();
        assert_eq!(Policy::new().install(), Err(PolicyError::InUse));
        let mut outcome = 0;
        let mut kept: Vec<(Memory, Vec<u8>)> = Vec::new();
        for step in self.steps.iter().take(STEPS) {
            outcome |= self.step(*step, &mut kept);
            self.check(&kept);
        }
        if self.forks {
            let in_grandchild = in_a_child(|| self.in_a_grandchild(&kept));
            outcome |= in_grandchild.expect("the grandchild came to its end");
        }
        kept.iter().for_each(|(memory, bytes)| self.look(memory, bytes));
        outcome
    }

    fn step(&self, step: Step, kept: &mut Vec<(Memory, Vec<u8>)>) -> u64 {
        match step {
            Step::Create(kind, payload) => {
                let bytes = payload.bytes();
                match Memory::new(kind, &bytes) {
                    Ok(memory) => {
                        kept.push((memory, bytes));
                        1 << (8 + kind as u8)
                    }
                    Err(MemoryError::ZeroSizedNotAllowed) if bytes.is_empty() => 0,
                    Err(error) => self.refused(&error) << (20 + kind as u8),
                }
            }
            Step::Look => {
                kept.iter().for_each(|(memory, bytes)| self.look(memory, bytes));
                2
            }
            Step::Replace(payload) => {
                let bytes = payload.bytes();
                let Some((memory, old)) = kept.last_mut() else { return 0 };
                let buffer = match runtime::memories::buffer::Buffer::try_alloc(&bytes, bytes.len()) {
                    Ok(buffer) => buffer,
                    Err(MemoryError::ZeroSizedNotAllowed) if bytes.is_empty() => return 0,
                    Err(error) => return self.refused(&error) << 32,
                };
                match memory.replace(buffer) {
                    Ok(()) => *old = bytes,
                    Err(error) => return self.refused(&error) << 33,
                }
                1 << 34
            }
            Step::Refresh => {
                let Some((memory, _)) = kept.last() else { return 0 };
                memory.refresh().map_or_else(|error| self.refused(&error) << 35, |()| 1 << 36)
            }
            Step::Clone => {
                let Some((memory, bytes)) = kept.last() else { return 0 };
                match memory.try_clone() {
                    Ok(clone) => {
                        let bytes = bytes.clone();
                        kept.push((clone, bytes));
                        1 << 37
                    }
                    Err(error) => self.refused(&error) << 38,
                }
            }
            Step::Drop => {
                drop(kept.pop());
                4
            }
        }
    }

    /// A memory holds what was put in, or cannot be opened for want of lockable pages.
    fn look(&self, memory: &Memory, bytes: &[u8]) {
        match memory.with(|found| found == bytes) {
            Ok(equal) => assert!(equal, "other bytes"),
            Err(error) => drop(self.refused(&error)),
        }
    }

    /// There is no reason to refuse anything but a limit, or secret memory that this system does not grant.
    fn refused(&self, error: &MemoryError) -> u64 {
        let granted = self.backing != Chosen::SecretMem || boxed::secret_memory().is_ok();
        assert!(self.limit_pages.is_some() || !granted, "{error:?}");
        assert!(
            !matches!(error, MemoryError::DecryptionError { source, .. } if source.is::<sodium::Error>()),
            "{error:?}"
        );
        1
    }

    /// What is kept is protected as the policy asks for.
    fn check(&self, kept: &[(Memory, Vec<u8>)]) {
        for protection in kept.iter().filter_map(|(memory, _)| memory.protection()) {
            if protection.sealed {
                continue;
            }
            assert!(protection.locked || self.best_effort);
            assert!(protection.guard_pages && protection.no_dump && protection.at_rest == Prot::NoAccess);
            match self.backing {
                Chosen::Auto => (),
                Chosen::Sodium => assert!(!protection.secret_memory),
                Chosen::SecretMem => assert!(protection.secret_memory),
            }
        }
        let status = status();
        if let Some(pages) = self.limit_pages {
            assert!(
                status.bytes_locked <= usize::from(pages) * status.page_bytes,
                "{pages} pages: {status:?}"
            );
        }
        if let Some(bytes) = self.pool_bytes {
            assert!(status.pages_pooled * status.page_bytes <= usize::from(bytes));
        }
    }

    fn in_a_grandchild(&self, kept: &[(Memory, Vec<u8>)]) -> u64 {
        for (memory, bytes) in kept {
            match memory.with(|found| found == bytes) {
                Ok(equal) => assert!(equal && self.inherit, "the parent's bytes"),
                Err(MemoryError::Forked { .. }) => assert!(!self.inherit),
                Err(error) => drop(self.refused(&error)),
            }
        }
        match Memory::new(Kind::Sealed, b"of the child") {
            Ok(memory) => {
                self.look(&memory, b"of the child");
                1 << 40
            }
            Err(error) => self.refused(&error) << 41,
        }
    }
}

/// From here on the limit of lockable memory holds for this process, whoever it belongs to.
fn give_up_the_privilege() {
    let mut sets = capabilities(None).unwrap();
    sets.effective -= CapabilitySet::IPC_LOCK;
    sets.permitted -= CapabilitySet::IPC_LOCK;
    sets.inheritable -= CapabilitySet::IPC_LOCK;
    set_capabilities(None, sets).unwrap();
}
