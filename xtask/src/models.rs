//! `cargo xtask models`: what threads share, in every order that they can take it, with loom.

use crate::{Result, no_more, page, workspace};
use pico_args::Arguments;
use xshell::{Shell, cmd};

/// The programs of `xtask/models`, one for each crate with models.
const PROGRAMS: [&str; 3] = ["pages", "root_key", "file"];

const HEAD: &str = "\
| model | threads | bound | orders |
|---|---:|---|---:|
";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    no_more(args)?;
    let directory = workspace::target_directory(sh)?.join("models");
    let package = ["--manifest-path", "xtask/models/Cargo.toml", "--target-dir"];
    let mut text = HEAD.to_owned();
    for program in PROGRAMS {
        // One that does not hold panics, and says in which order.
        text += &cmd!(sh, "cargo run --release --locked {package...} {directory} --bin {program}").read()?;
        text.push('\n');
    }
    println!("\n{text}\nno order breaks a model");
    if check { Ok(()) } else { page::record(sh, "models", "cargo xtask models", &text) }
}
