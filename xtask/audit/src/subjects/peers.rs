//! Libraries with a safe interface.

use super::{Result, Subject, keep_in_own_frame, peer};
use crate::holder::{Holder, SECRET_BYTES};
use crate::stage::Stage;
use memsafe::Secret;
use secrets::SecretVec;
use std::hint::black_box;

pub(super) fn all() -> [Subject; 2] {
    [peer("secrets 1.3.0", "SecretVec", secret_vec), peer("memsafe 1.0.4", "Secret", secret)]
}

fn secret_vec(holder: &mut Holder) -> Result {
    let mut secret = SecretVec::<u8>::try_new(SECRET_BYTES, |place| holder.secret(place))?;
    holder.at(Stage::AtRest)?;
    keep_in_own_frame(&secret.borrow());
    holder.at(Stage::Used)?;
    let borrowed = secret.borrow();
    black_box(borrowed[0]);
    holder.at(Stage::Borrowed)?;
    drop(borrowed);
    let clone = secret.clone();
    holder.at(Stage::Cloned)?;
    secret.borrow_mut().copy_from_slice(&clone.borrow());
    drop(clone);
    holder.at(Stage::Updated)?;
    drop(secret);
    Ok(holder.at(Stage::Dropped)?)
}

fn secret(holder: &mut Holder) -> Result {
    let mut read = Ok(());
    let made = Secret::<SECRET_BYTES>::new_with(|place| read = holder.secret(place));
    let mut secret = made.map_err(|error| format!("memsafe: {error}"))?;
    read?;
    holder.at(Stage::AtRest)?;
    keep_in_own_frame(&*secret.read().map_err(|error| format!("memsafe: {error}"))?);
    holder.at(Stage::Used)?;
    let borrowed = secret.read().map_err(|error| format!("memsafe: {error}"))?;
    black_box(borrowed[0]);
    holder.at(Stage::Borrowed)?;
    drop(borrowed);
    let mut borrowed = secret.write().map_err(|error| format!("memsafe: {error}"))?;
    borrowed[0] = black_box(borrowed[0]);
    drop(borrowed);
    holder.at(Stage::Updated)?;
    drop(secret);
    Ok(holder.at(Stage::Dropped)?)
}
