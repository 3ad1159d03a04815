//! The operations that are measured, and what the two sides of a comparison do differently.
//!
//! [`ours::works`] is compiled once against this workspace and, by `benches/peers`, once more against the published
//! runtime: both sides run the same source.
#![forbid(unsafe_code)]

pub mod ours;
