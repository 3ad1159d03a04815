//! Where nothing is known that installs filters of system calls: seccompiler is for little-endian processors alone.

use std::error::Error;

/// # Errors
/// Always.
pub fn deny_secret_memory(_errno: u32) -> Result<(), Box<dyn Error>> {
    Err(NO_FILTERS.into())
}

/// # Errors
/// Always.
pub fn deny_protection(_access: u32) -> Result<(), Box<dyn Error>> {
    Err(NO_FILTERS.into())
}

const NO_FILTERS: &str = "nothing is known that installs filters of system calls on this processor";
