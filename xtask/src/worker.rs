//! The process that is looked at from outside: `benches/src/bin/worker.rs`, built in release.

use crate::Result;
use serde_json::Value;
use std::path::PathBuf;
use xshell::{Shell, cmd};

/// Builds the worker and says where it is.
pub(crate) fn build(sh: &Shell) -> Result<PathBuf> {
    let format = "--message-format=json-render-diagnostics";
    let messages = cmd!(sh, "cargo build --release -p stronghold-benches --bin worker {format}").read()?;
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    Ok(executable.ok_or("cargo names no executable")?)
}
