//! What the fuzz targets do with their input; each module is one target, `targets/` hands the input over.
#![forbid(unsafe_code)]

pub mod envelope;
mod memory;
pub mod operations;
pub mod policy;
pub mod serde;
pub mod slots;
