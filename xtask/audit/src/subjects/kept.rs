//! Libraries of one kind of guarded memory, behind the interface they share.

use super::{Result, Subject, keep_in_own_frame, peer};
use crate::holder::{Holder, SECRET_BYTES};
use crate::stage::Stage;
use peers::{Keep, Memsafe, Memsec, MemsecSecret, Secrets, Sodium};
use std::hint::black_box;

pub(super) fn all() -> [Subject; 5] {
    [
        subject::<Secrets>(|holder| hold(holder, Some(Secrets::clone))),
        subject::<Memsafe<SECRET_BYTES>>(hold_one::<Memsafe<SECRET_BYTES>>),
        subject::<Sodium>(hold_one::<Sodium>),
        subject::<Memsec>(hold_one::<Memsec>),
        Subject { needs_secret_memory: true, ..subject::<MemsecSecret>(hold_one::<MemsecSecret>) },
    ]
}

fn subject<K: Keep>(hold: fn(&mut Holder) -> Result) -> Subject {
    peer(K::LIBRARY, K::WHAT, hold)
}

/// Of a library that leaves cloning to its callers.
fn hold_one<K: Keep>(holder: &mut Holder) -> Result {
    hold::<K>(holder, None)
}

fn hold<K: Keep>(holder: &mut Holder, clone: Option<fn(&K) -> K>) -> Result {
    let mut filled = Ok(());
    let mut secret = K::new(SECRET_BYTES, |place| filled = holder.secret(place))?;
    filled?;
    holder.at(Stage::AtRest)?;
    secret.read(keep_in_own_frame)?;
    holder.at(Stage::Used)?;
    secret.read(|bytes| {
        black_box(bytes[0]);
        holder.at(Stage::Borrowed)
    })??;
    if let Some(clone) = clone {
        let clone = clone(&secret);
        holder.at(Stage::Cloned)?;
        drop(clone);
    }
    secret.write(|bytes| bytes[0] = black_box(bytes[0]))?;
    holder.at(Stage::Updated)?;
    drop(secret);
    Ok(holder.at(Stage::Dropped)?)
}
