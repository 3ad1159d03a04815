//! Random sequences of operations over all memories, beside a model: what a memory holds is what was put in last, and
//! nothing is left of it afterwards.

use crate::memory::{Kind, Memory, Payload};
use arbitrary::Arbitrary;
use runtime::memories::buffer::Buffer;
use runtime::{MemoryError, Session, status};
use std::path::PathBuf;
use std::sync::Once;

/// How many memories there are at one time.
const PLACES: usize = 6;

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Step {
    Create(u8, Kind, Payload),
    Unlock(u8),
    With(u8),
    Replace(u8, Payload),
    Update(u8, Payload),
    UpdateOfAnotherSize(u8, Payload),
    Refresh(u8),
    Clone(u8, u8),
    Drop(u8),
    Zeroize(u8),
    /// Unlocks, and keeps what comes out.
    Hold(u8),
    /// Begins or ends a batch.
    Batch,
    Resplit,
    /// Forgets a guard.
    Leak(u8),
}

/// What a memory is to hold: nothing once zeroized.
type Model = Option<Vec<u8>>;

pub fn run(steps: Vec<Step>) {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        Kind::ALL.into_iter().for_each(|kind| drop(Memory::new(kind, b"the first of its kind")))
    });
    let before = leftovers();
    perform(&steps);
    let status = status();
    assert_eq!(status.bytes_locked, (status.pages_in_use + status.pages_pooled) * status.page_bytes);
    assert_eq!(leftovers(), before, "pages in use and open files");
}

fn leftovers() -> (usize, Vec<PathBuf>) {
    let files = std::fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    (status().pages_in_use, files.filter_map(|file| std::fs::read_link(file).ok()).collect())
}

fn perform(steps: &[Step]) {
    let mut places: [Option<(Memory, Model)>; PLACES] = Default::default();
    let mut held: Vec<(Buffer<u8>, Vec<u8>)> = Vec::new();
    let mut batch = None;
    for step in steps {
        match *step {
            Step::Create(at, kind, payload) => {
                let bytes = payload.bytes();
                match Memory::new(kind, &bytes) {
                    Ok(memory) => *place(&mut places, at) = Some((memory, Some(bytes))),
                    Err(MemoryError::ZeroSizedNotAllowed) if bytes.is_empty() => (),
                    Err(error) => panic!("{error:?}"),
                }
            }
            Step::Unlock(at) => {
                let Some((memory, model)) = place(&mut places, at) else { continue };
                holds(memory.unlock().as_ref().map(|buffer| buffer.borrow().to_vec()), model);
            }
            Step::With(at) => {
                let Some((memory, model)) = place(&mut places, at) else { continue };
                holds(memory.with(<[u8]>::to_vec).as_ref().cloned(), model);
            }
            Step::Replace(at, payload) => {
                let Some((memory, model)) = place(&mut places, at) else { continue };
                let Some(buffer) = payload.buffer() else { continue };
                match (memory.replace(buffer), &model) {
                    (Ok(()), Some(_)) => *model = Some(payload.bytes()),
                    (Err(MemoryError::IllegalZeroizedUsage), None) => (),
                    (result, _) => panic!("{result:?}"),
                }
            }
            Step::Update(at, payload) => {
                let place = place(&mut places, at);
                let Some(buffer) = payload.buffer() else { continue };
                let Some((memory, model)) = place.take() else { continue };
                let bytes = payload.bytes();
                match (memory.update(buffer, bytes.len()), model) {
                    (Ok(memory), Some(_)) => *place = Some((memory, Some(bytes))),
                    (Err(MemoryError::IllegalZeroizedUsage), None) => (),
                    (result, _) => panic!("{:?}", result.map(|_| "updated")),
                }
            }
            Step::UpdateOfAnotherSize(at, payload) => {
                let Some(buffer) = payload.buffer() else { continue };
                let Some((memory, _)) = place(&mut places, at).take() else { continue };
                let size = buffer.len() + 1;
                assert!(matches!(memory.update(buffer, size), Err(MemoryError::SizeMismatch { .. })));
            }
            Step::Refresh(at) => {
                let Some((memory, model)) = place(&mut places, at) else { continue };
                match (memory.refresh(), &model) {
                    (Ok(()), Some(_)) | (Err(MemoryError::IllegalZeroizedUsage), None) => (),
                    (result, _) => panic!("{result:?}"),
                }
            }
            Step::Clone(from, to) => {
                let Some((memory, model)) = place(&mut places, from) else { continue };
                match (memory.try_clone(), model.clone()) {
                    (Ok(clone), Some(model)) => *place(&mut places, to) = Some((clone, Some(model))),
                    (Err(MemoryError::IllegalZeroizedUsage), None) => (),
                    (result, _) => panic!("{:?}", result.map(|_| "cloned")),
                }
            }
            Step::Drop(at) => *place(&mut places, at) = None,
            Step::Zeroize(at) => {
                let Some((memory, model)) = place(&mut places, at) else { continue };
                memory.zeroize();
                *model = None;
                assert!(memory.protection().is_none());
            }
            Step::Hold(at) => {
                let Some((memory, Some(model))) = place(&mut places, at) else { continue };
                if held.len() < PLACES {
                    held.push((memory.unlock().unwrap(), model.clone()));
                }
            }
            Step::Batch => batch = if batch.is_none() { Some(Session::begin().unwrap()) } else { None },
            Step::Resplit => runtime::resplit().unwrap(),
            Step::Leak(at) => {
                let Some((Memory::Buffer(buffer), _)) = place(&mut places, at) else { continue };
                drop(buffer.try_borrow().map(core::mem::forget));
            }
        }
    }
    for (memory, model) in places.iter().flatten() {
        holds(memory.with(<[u8]>::to_vec).as_ref().cloned(), model);
    }
    assert!(held.iter().all(|(buffer, bytes)| *buffer.borrow() == **bytes));
}

fn place(places: &mut [Option<(Memory, Model)>; PLACES], at: u8) -> &mut Option<(Memory, Model)> {
    &mut places[usize::from(at) % PLACES]
}

fn holds(found: Result<Vec<u8>, &MemoryError>, model: &Model) {
    match (found, model) {
        (Ok(found), Some(model)) => assert!(found == *model, "other bytes"),
        (Err(MemoryError::IllegalZeroizedUsage), None) => (),
        (Err(error), _) => panic!("{error:?}"),
        (Ok(_), None) => panic!("bytes of a zeroized memory"),
    }
}
