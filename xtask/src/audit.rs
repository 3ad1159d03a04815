//! `cargo xtask audit`: looks for a secret in processes that keep it, with this library and with its peers.

use crate::{Result, workspace};
use pico_args::Arguments;
use xshell::{Shell, cmd};

pub(crate) fn run(sh: &Shell, args: Arguments) -> Result {
    let mut args = args.finish();
    if args.is_empty() {
        args = ["--page", "docs/audit"].map(Into::into).into();
    }
    // In release: the optimiser is what leaves copies in registers and on the stack.
    let directory = workspace::target_directory(sh)?.join("audit");
    let place = ["--release", "--locked", "--manifest-path", "xtask/audit/Cargo.toml", "--target-dir"];
    cmd!(sh, "cargo test --quiet {place...} {directory}").run()?;
    cmd!(sh, "cargo run --quiet {place...} {directory} -- {args...}").run()?;
    Ok(())
}
