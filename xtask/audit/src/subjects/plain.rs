//! What a program does that uses no library of this kind.

use super::{Claim, Result, Subject, keep_in_own_frame, peer};
use crate::holder::{Holder, SECRET_BYTES};
use crate::stage::Stage;
use std::hint::black_box;
use zeroize::{Zeroize as _, Zeroizing};

pub(super) fn all() -> [Subject; 2] {
    [
        Subject { claim: Claim::Control, ..peer("no library", "Vec", vec) },
        Subject { claim: Claim::Control, ..peer("zeroize 1", "Zeroizing<Vec>", zeroizing) },
    ]
}

fn vec(holder: &mut Holder) -> Result {
    hold(holder, vec![0; SECRET_BYTES])
}

fn zeroizing(holder: &mut Holder) -> Result {
    hold(holder, Zeroizing::new(vec![0; SECRET_BYTES]))
}

fn hold<V: AsMut<Vec<u8>> + Clone>(holder: &mut Holder, mut secret: V) -> Result {
    holder.secret(secret.as_mut())?;
    holder.at(Stage::AtRest)?;
    keep_in_own_frame(secret.as_mut());
    holder.at(Stage::Used)?;
    black_box(secret.as_mut()[0]);
    holder.at(Stage::Borrowed)?;
    let clone = black_box(secret.clone());
    holder.at(Stage::Cloned)?;
    secret = clone;
    holder.at(Stage::Updated)?;
    let mut written = bincode::serialize(secret.as_mut())?;
    let mut again: Vec<u8> = bincode::deserialize(&written)?;
    written.zeroize();
    again.zeroize();
    holder.at(Stage::Serialised)?;
    drop(secret);
    Ok(holder.at(Stage::Dropped)?)
}
