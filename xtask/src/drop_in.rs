//! `cargo xtask drop-in`: builds the published Stronghold client against this runtime, and runs it.

use crate::{Result, no_more, workspace};
use pico_args::Arguments;
use xshell::{Shell, cmd};

pub(crate) fn run(sh: &Shell, args: Arguments) -> Result {
    no_more(args)?;
    let directory = workspace::target_directory(sh)?.join("drop-in");
    // In release: the client derives the key of its snapshots, which takes minutes without an optimiser.
    cmd!(
        sh,
        "cargo run --release --locked --manifest-path xtask/drop-in/Cargo.toml --target-dir {directory}"
    )
    .run()?;
    Ok(())
}
