//! A forked child gets an error from every memory made before the fork, and can make its own.
#![cfg(unix)]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use conformance::{child, forked, subject};
use locked_memory::{Buffer, LockedMemory, MemoryError};
use ram_memory::RamMemory;

fn refused<T: std::fmt::Debug>(result: Result<T, MemoryError>) {
    assert!(matches!(result, Err(MemoryError::Forked { .. })), "{result:?}");
}

#[test]
fn a_child_is_refused_what_its_parent_made() {
    child::run("a_child_is_refused_what_its_parent_made", || {
        let memories = [RamMemory::alloc(b"parent", 6).unwrap(), RamMemory::guarded(b"parent").unwrap()];
        let mut buffer = Buffer::<u8>::random(32);
        let complete = forked::succeeds(|| {
            for memory in &memories {
                refused(memory.unlock());
                refused(memory.with(<[u8]>::len));
                refused(memory.try_clone());
            }
            refused(buffer.try_borrow().map(|_| ()));
            refused(buffer.try_borrow_mut().map(|_| ()));
            refused(buffer.try_clone());
            let own = RamMemory::alloc(b"child", 5).unwrap();
            assert_eq!(*own.unlock().unwrap().borrow(), *b"child");
            drop(memories);
            drop(buffer);
        });
        assert!(complete);
    })
    .succeeds();
}

#[test]
fn a_child_forked_at_any_moment_gets_through() {
    let subject = subject!(RamMemory, |payload| RamMemory::alloc(payload, payload.len()));
    forked::at_any_moment("a_child_forked_at_any_moment_gets_through", &subject);
}

#[test]
fn a_child_forked_at_any_moment_gets_through_beside_guarded_memory() {
    let subject = subject!(RamMemory, RamMemory::guarded);
    forked::at_any_moment("a_child_forked_at_any_moment_gets_through_beside_guarded_memory", &subject);
}

#[test]
fn a_parent_goes_on_after_a_fork() {
    child::run("a_parent_goes_on_after_a_fork", || {
        let memory = RamMemory::alloc(b"parent", 6).unwrap();
        let buffer = memory.unlock().unwrap();
        assert!(forked::succeeds(|| drop(RamMemory::alloc(b"child", 5).unwrap())));
        assert_eq!(*memory.unlock().unwrap().borrow(), *buffer.borrow());
    })
    .succeeds();
}

#[test]
fn a_child_that_inherits_reads_and_seals_apart_from_its_parent() {
    child::run("a_child_that_inherits_reads_and_seals_apart_from_its_parent", || {
        boxed::Policy::new().on_fork(boxed::OnFork::Inherit).install().unwrap();
        let memories = [RamMemory::alloc(b"parent", 6).unwrap(), RamMemory::guarded(b"parent").unwrap()];
        assert!(forked::succeeds(|| {
            for memory in &memories {
                assert_eq!(*memory.unlock().unwrap().borrow(), *b"parent");
            }
            assert_eq!(*RamMemory::alloc(b"child", 5).unwrap().unlock().unwrap().borrow(), *b"child");
            assert!(memories[1].protection().unwrap().locked);
        }));
    })
    .succeeds();
}

#[test]
#[cfg(target_os = "linux")]
fn a_child_holds_no_copy() {
    use conformance::grants::Grant;
    use conformance::stages::{Copies, Found, SECRET_BYTES, hold, seen_in_guarded_pages};
    if Grant::OutsideView.is_lacking() {
        return;
    }
    let found = hold("a_child_holds_no_copy", |holder| {
        let buffer = Buffer::read_from(holder.secret(), SECRET_BYTES).unwrap();
        let memories =
            [RamMemory::alloc(&buffer.borrow(), SECRET_BYTES), RamMemory::guarded(&buffer.borrow())];
        let [sealed, guarded] = memories.map(Result::unwrap);
        let borrowed = buffer.borrow();
        holder.at("parent");
        let complete = forked::succeeds(|| {
            holder.at("child");
            refused(sealed.with(<[u8]>::len));
            refused(guarded.with(<[u8]>::len));
            assert!(borrowed.iter().all(|byte| *byte == 0), "the child's copy of an open page is wiped");
            holder.at("child, after trying");
        });
        assert!(complete);
    });
    let [(_, parent), children @ ..] = &found[..] else { unreachable!() };
    assert_eq!((parent.ordinary, parent.guarded.whole), (Copies::default(), seen_in_guarded_pages(2)));
    assert_eq!(children.len(), 2);
    for (stage, child) in children {
        assert_eq!(*child, Found::default(), "{stage}");
    }
}
