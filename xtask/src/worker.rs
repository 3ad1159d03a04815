//! The processes that are looked at from outside, built in release: above all `benches/src/bin/worker`.

use crate::Result;
use serde_json::Value;
use std::path::PathBuf;
use xshell::{Shell, cmd};

/// Builds the worker and says where it is.
pub(crate) fn build(sh: &Shell) -> Result<PathBuf> {
    build_of(sh, "stronghold-benches", "worker")
}

/// Builds a program of a package and says where it is.
pub(crate) fn build_of(sh: &Shell, package: &str, program: &str) -> Result<PathBuf> {
    let format = "--message-format=json-render-diagnostics";
    let messages = cmd!(sh, "cargo build --release -p {package} --bin {program} {format}").read()?;
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    Ok(executable.ok_or("cargo names no executable")?)
}
