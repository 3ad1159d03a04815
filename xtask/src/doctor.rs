//! `cargo xtask doctor`: what of this machine endangers secrets, and what to do about it.

use crate::{Result, no_more};
use pico_args::Arguments;
use xshell::{Shell, cmd};

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let harden = args.contains("--harden").then_some("--harden");
    no_more(args)?;
    Ok(cmd!(sh, "cargo run --quiet -p stronghold-runtime --example doctor -- {harden...}").quiet().run()?)
}
