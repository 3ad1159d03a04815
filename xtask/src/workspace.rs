//! Where the workspace and what it builds lie.

use crate::Result;
use serde_json::Value;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// The directory of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// The directory cargo builds into.
pub(crate) fn target_directory(sh: &Shell) -> Result<PathBuf> {
    let metadata = cmd!(sh, "cargo metadata --format-version 1 --no-deps").quiet().read()?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let directory = metadata["target_directory"].as_str().ok_or("cargo does not say where it builds")?;
    Ok(directory.into())
}

/// Lets everyone write into `directory`: tests run as ordinary users, too.
pub(crate) fn open_to_all(sh: &Shell, directory: &Path) -> Result {
    Ok(cmd!(sh, "chmod 1777 {directory}").quiet().run()?)
}
