//! Debian's compiler, which comes with the source of its standard library and builds it: for other systems and processors, and
//! with sanitizers.

use crate::Result;
use std::path::Path;
use xshell::{Cmd, Shell, cmd};

/// What brings that compiler.
pub(crate) const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];

/// Where Debian puts the source of the standard library, below the compiler's own directory.
const SOURCE: &str = "lib/rustlib/src/rust/library/Cargo.lock";

/// Installs the compiler and `others`. It takes root.
pub(crate) fn install(sh: &Shell, others: &[&str]) -> Result {
    install_alone(sh, &[&PACKAGES, others].concat())
}

/// Installs `packages`. It takes root.
pub(crate) fn install_alone(sh: &Shell, packages: &[&str]) -> Result {
    cmd!(sh, "apt-get update").run()?;
    Ok(cmd!(sh, "apt-get install -y --no-install-recommends {packages...}").run()?)
}

/// Whether the compiler and the source are there.
pub(crate) fn has_source(sh: &Shell) -> bool {
    let sysroot = alone(cmd!(sh, "/usr/bin/rustc --print sysroot")).quiet().ignore_stderr().read();
    sysroot.is_ok_and(|sysroot| Path::new(&sysroot).join(SOURCE).exists()) && sh.path_exists("/usr/bin/cargo")
}

/// Lets `command` see Debian's compiler alone, and lets that build its standard library.
pub(crate) fn alone(command: Cmd<'_>) -> Cmd<'_> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = command.env("PATH", format!("/usr/bin:{path}")).env("RUSTC_BOOTSTRAP", "1");
    for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
        command = command.env_remove(variable);
    }
    command
}
