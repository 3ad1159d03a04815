#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod pair;
mod place;
mod root;
mod session;
mod shards;
mod sync;

pub use error::Error;
pub use pair::{Left, Pair};
pub use place::Place;
pub use session::{Nonce, Session, resplit};
