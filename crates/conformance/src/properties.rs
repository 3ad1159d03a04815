//! What holds for every sequence of operations: a memory is what a plain vector would be.
#![allow(clippy::unwrap_used)] // a broken property is a panic

use crate::laws::Subject;
use core::mem;
use locked_memory::{Buffer, LockedMemory, MemoryError, Zeroize as _};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest payload that is drawn, in bytes: a little more than a page.
const LONGEST: usize = 5000;
/// The most sequences that are drawn; the variable `PROPTEST_CASES` asks for fewer where each takes long.
const CASES: u32 = 48;

#[derive(Clone, Debug)]
enum Step {
    Unlock,
    With,
    Update(Vec<u8>),
    Replace(Vec<u8>),
    ReplaceThatFails,
    UpdateOfAWrongSize(Vec<u8>, usize),
    SetACloneAside,
    ExchangeWithTheOneSetAside,
    Serialise,
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 1..=64), vec(any::<u8>(), 1..=LONGEST)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Unlock),
        Just(Step::With),
        payload().prop_map(Step::Update),
        payload().prop_map(Step::Replace),
        Just(Step::ReplaceThatFails),
        (payload(), 0..=LONGEST).prop_map(|(payload, size)| Step::UpdateOfAWrongSize(payload, size)),
        Just(Step::SetACloneAside),
        Just(Step::ExchangeWithTheOneSetAside),
        Just(Step::Serialise),
    ]
}

/// Checks random sequences of operations against a plain vector.
///
/// # Panics
/// Where the two differ; the shortest such sequence is printed.
pub fn check<M: LockedMemory + Serialize + DeserializeOwned>(subject: &Subject<M>) {
    let asked = Config::default();
    let config = Config { cases: asked.cases.min(CASES), failure_persistence: None, ..asked };
    TestRunner::new(config)
        .run(&(payload(), vec(step(), 1..24)), |(first, steps)| {
            Run::new(subject, first).all(steps);
            Ok(())
        })
        .unwrap();
}

/// A memory beside its model, and a clone set aside beside that clone's model.
struct Run<'a, M> {
    subject: &'a Subject<M>,
    memory: M,
    model: Vec<u8>,
    aside: (M, Vec<u8>),
}

impl<'a, M: LockedMemory + Serialize + DeserializeOwned> Run<'a, M> {
    fn new(subject: &'a Subject<M>, first: Vec<u8>) -> Self {
        let memory = (subject.make)(&first).unwrap();
        let aside = ((subject.try_clone)(&memory).unwrap(), first.clone());
        Self { subject, memory, model: first, aside }
    }

    fn all(mut self, steps: Vec<Step>) {
        for step in steps {
            self = self.step(step);
        }
        assert_eq!(*self.memory.unlock().unwrap().borrow(), *self.model);
        assert_eq!(*self.aside.0.unlock().unwrap().borrow(), *self.aside.1);
    }

    fn step(mut self, step: Step) -> Self {
        let buffer = |bytes: &[u8]| Buffer::alloc(bytes, bytes.len());
        match step {
            Step::Unlock => assert_eq!(*self.memory.unlock().unwrap().borrow(), *self.model),
            Step::With => {
                let mut seen = Vec::new();
                (self.subject.with)(&self.memory, &mut |bytes| seen = bytes.to_vec()).unwrap();
                assert_eq!(seen, self.model);
            }
            Step::Update(payload) => {
                self.memory = self.memory.update(buffer(&payload), payload.len()).unwrap();
                self.model = payload;
            }
            Step::Replace(payload) => {
                (self.subject.replace)(&mut self.memory, buffer(&payload)).unwrap();
                self.model = payload;
            }
            Step::ReplaceThatFails => {
                let mut gone = buffer(&[1]);
                gone.zeroize();
                let failed = (self.subject.replace)(&mut self.memory, gone);
                assert!(matches!(failed, Err(MemoryError::IllegalZeroizedUsage)), "{failed:?}");
            }
            Step::UpdateOfAWrongSize(payload, size) => {
                let clone = (self.subject.try_clone)(&self.memory).unwrap();
                let updated = clone.update(buffer(&payload), size);
                assert_eq!(updated.is_ok(), size == payload.len());
            }
            Step::SetACloneAside => {
                self.aside = ((self.subject.try_clone)(&self.memory).unwrap(), self.model.clone());
            }
            Step::ExchangeWithTheOneSetAside => {
                mem::swap(&mut self.memory, &mut self.aside.0);
                mem::swap(&mut self.model, &mut self.aside.1);
            }
            Step::Serialise => {
                let bytes = bincode::serialize(&self.memory).unwrap();
                assert_eq!(bytes, bincode::serialize(&self.model).unwrap());
                self.memory = bincode::deserialize(&bytes).unwrap();
            }
        }
        self
    }
}
