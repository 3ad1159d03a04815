//! `cargo xtask audit`: looks for a secret in processes that keep it, with this library and with its peers.

use crate::{Result, workspace};
use pico_args::Arguments;
use xshell::{Shell, cmd};

pub(crate) fn run(sh: &Shell, args: Arguments) -> Result {
    let directory = workspace::target_directory(sh)?.join("audit");
    let mut args = args.finish();
    if args.is_empty() {
        args = ["--page", "docs/audit"].map(Into::into).into();
    }
    // In release: the optimiser is what leaves copies in registers and on the stack. One of the peers looks for a libsodium of
    // the system, and fails where there is none, unless it is told that it will be linked with one.
    cmd!(sh, "cargo run --release --locked --manifest-path xtask/audit/Cargo.toml --target-dir {directory} -- {args...}")
        .env("LIBSODIUM_NO_PKG_CONFIG", "1")
        .run()?;
    Ok(())
}
