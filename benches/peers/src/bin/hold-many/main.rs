//! `hold-many LIBRARY MOST`: makes secrets of 32 bytes in one library until there are so many, or it does not go on.
//!
//! What there is is reported on the way, so that a library that takes the process down leaves its count behind.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod count;
#[cfg(target_os = "linux")]
mod libraries;
#[cfg(target_os = "linux")]
mod process;

use std::error::Error;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, most] = &arguments[..] else { return Err("usage: hold-many LIBRARY MOST".into()) };
    let (_, hold) = libraries::ALL
        .iter()
        .find(|(name, _)| name == library)
        .ok_or_else(|| format!("no such library: {library}"))?;
    hold(most.parse()?)
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), Box<dyn Error>> {
    Err("the libraries are compared on Linux".into())
}
