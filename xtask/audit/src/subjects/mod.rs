//! What is audited: each library and each of its configurations, led through the stages it has.

mod kept;
mod memories_of_ours;
mod memories_of_published;
mod plain;

use crate::holder::{Holder, SECRET_BYTES};
use crate::stage::Stage;
use runtime::{Backing, Policy};
use std::error::Error;
use std::hint::black_box;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// One library in one configuration.
pub(crate) struct Subject {
    pub(crate) library: &'static str,
    pub(crate) what: &'static str,
    pub(crate) needs_secret_memory: bool,
    pub(crate) claim: Claim,
    pub(crate) hold: fn(&mut Holder) -> Result,
}

/// What is claimed of a subject, and so must be found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing: a peer.
    None,
    /// The secret, everywhere: without it nothing would be proved.
    Control,
    /// Ours, in secret memory: nothing, ever.
    Secret,
    /// Ours, in ordinary pages: clear copies that a debugger finds, and no one else does.
    Ordinary(Clear),
}

/// Which clear copies of a secret there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clear {
    /// None at rest, the buffer of one unlocked.
    WhileUnlocked,
    /// Its own page at all times, and the buffer of one unlocked.
    Always,
}

impl Clear {
    /// How many there are.
    pub(crate) fn copies(self, stage: Stage, has_buffer: bool) -> usize {
        let own = match stage {
            Stage::Dropped => 0,
            Stage::Cloned => 2,
            _ => 1,
        };
        let unlocked = usize::from(has_buffer && matches!(stage, Stage::BufferHeld | Stage::Borrowed));
        match self {
            Self::WhileUnlocked => unlocked,
            Self::Always => own + unlocked,
        }
    }
}

/// Ours under the backing that `library` names, and then the peers.
pub(crate) fn all() -> Vec<Subject> {
    let mut subjects = Vec::new();
    subjects.extend(memories_of_ours::in_secret_memory());
    subjects.extend(memories_of_ours::in_ordinary_pages());
    subjects.extend(memories_of_published::all());
    subjects.extend(kept::all());
    subjects.extend(plain::all());
    subjects
}

/// A subject of which nothing is claimed.
fn peer(library: &'static str, what: &'static str, hold: fn(&mut Holder) -> Result) -> Subject {
    Subject { library, what, needs_secret_memory: false, claim: Claim::None, hold }
}

/// Stands for a cipher or a hash, which copies what it works on into its own frame.
#[inline(never)]
fn keep_in_own_frame(secret: &[u8]) {
    let mut block = [0; SECRET_BYTES];
    block.copy_from_slice(secret);
    black_box(&mut block);
}

/// Installs the backing that the claim is about. Peers have none.
pub(crate) fn choose_backing(claim: Claim) -> Result {
    match claim {
        Claim::Secret => Policy::new().backing(Backing::SecretMem).install()?,
        Claim::Ordinary(_) => Policy::new().backing(Backing::Sodium).install()?,
        Claim::None | Claim::Control => {}
    }
    Ok(())
}
