#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod doctor;
mod harden;
mod os;

pub use doctor::{Check, Report, Topic, Verdict, doctor};
pub use harden::{Hardening, Outcome, harden_process};
