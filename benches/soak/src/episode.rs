//! The life of one memory: made, used at random, every byte looked at, dropped.

use crate::Result;
use crate::leak::Leak;
use crate::memory::{self, KINDS, Made, Memory};
use fastrand::Rng;
use runtime::MemoryError;
use runtime::memories::buffer::Buffer;

/// The lengths of secrets in bytes: one in eight is longer than a page.
const SHORT: usize = 200;
const LONG: usize = 6_000;

/// The most operations of one life.
const OPERATIONS: usize = 24;

/// What a thread has done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) operations: u64,
    /// Of those, how many ended with `LockNotAvailable` after the wait.
    pub(crate) refused: u64,
}

/// Lives one life; what is refused at the lock limit is counted, and the old value must be there afterwards.
pub(crate) fn live(random: &mut Rng, done: &mut Done, leak: Leak) -> Result {
    let mut bytes = value(random);
    let kind = random.usize(..KINDS);
    let Some(mut held) = granted(done, memory::make(kind, &bytes))? else { return Ok(()) };
    for _ in 0..random.usize(..OPERATIONS) {
        match random.usize(..8) {
            0 | 1 => {
                let mut same = None;
                granted(done, held.with(&mut |seen| same = Some(seen == bytes)))?;
                verify(same.unwrap_or(true), "with")?;
            }
            2 | 3 => {
                if let Some(buffer) = granted(done, held.unlock())? {
                    verify(*buffer.borrow() == *bytes, "unlock")?;
                }
            }
            4 => {
                let new = value(random);
                let Some(payload) = granted(done, Buffer::try_alloc(&new, new.len()))? else { continue };
                if granted(done, held.replace(payload))?.is_some() {
                    bytes = new;
                }
            }
            5 => {
                let new = value(random);
                let Some(payload) = granted(done, Buffer::try_alloc(&new, new.len()))? else { continue };
                match granted(done, held.update(payload))? {
                    Some(updated) => held = updated,
                    None => return Ok(()), // a failed update loses the secret, as documented
                }
                bytes = new;
            }
            6 => {
                let Some(clone) = granted(done, held.try_clone())? else { continue };
                drop(std::mem::replace(&mut held, clone));
            }
            _ => {
                granted(done, held.refresh())?;
            }
        }
    }
    leak.now_and_then(random, held)
}

/// The result, or `None` where the lock limit allowed none within the wait.
pub(crate) fn granted<T>(done: &mut Done, result: Made<T>) -> Result<Option<T>> {
    done.operations += 1;
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MemoryError::LockNotAvailable { .. }) => {
            done.refused += 1;
            Ok(None)
        }
        Err(error) => Err(format!("{error:?}").into()),
    }
}

fn verify(is_same: bool, operation: &str) -> Result {
    if is_same { Ok(()) } else { Err(format!("{operation} gives other bytes than were stored").into()) }
}

/// Random bytes, none of them zero: zeros are what is left where a page was wiped.
fn value(random: &mut Rng) -> Vec<u8> {
    let most = if random.usize(..8) == 0 { LONG } else { SHORT };
    (0..random.usize(1..=most)).map(|_| random.u8(1..)).collect()
}

/// A memory that is dropped, or not.
pub(crate) type Held = Box<dyn Memory>;
