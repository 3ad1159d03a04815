//! The operations that are measured, and what the two sides of a comparison do differently.
//!
//! [`ours::works`] is compiled once against this workspace and, by `benches/peers`, once more against the published
//! runtime: both sides run the same source.
#![forbid(unsafe_code)]

pub mod ours;

/// Every operation that is measured over sizes.
pub const OPERATIONS: [&str; 7] =
    ["create + drop", "borrow", "unlock + read", "with", "update", "clone", "refresh"];

/// The sizes, in bytes.
pub const SIZES: [usize; 5] = [32, 256, 4 << 10, 64 << 10, 1 << 20];
