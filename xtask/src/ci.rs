//! `cargo xtask ci`: what must pass before a change goes in, the same on a desk and on a runner.

use crate::{Result, no_more};
use pico_args::Arguments;
use xshell::{Shell, cmd};

/// Workspaces beside the main one, below `xtask`.
const OF_THEIR_OWN: [&str; 5] = ["audit", "drop-in", "fuzz", "models", "planted"];

pub(crate) fn run(sh: &Shell, args: Arguments) -> Result {
    no_more(args)?;
    cmd!(sh, "cargo fmt --all --check").run()?;
    for workspace in OF_THEIR_OWN {
        let manifest = format!("xtask/{workspace}/Cargo.toml");
        cmd!(sh, "cargo fmt --check --manifest-path {manifest}").run()?;
        // What a change of the library's dependencies leaves behind.
        cmd!(sh, "cargo metadata --quiet --locked --format-version 1 --manifest-path {manifest}")
            .ignore_stdout()
            .run()?;
    }
    cmd!(sh, "cargo clippy --workspace --all-targets -- -D warnings").run()?;
    cmd!(sh, "cargo doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings").run()?;
    // The optimiser is what leaves copies of a secret in registers and on the stack.
    let memories = [
        "-p",
        "stronghold-ram-memory",
        "-p",
        "stronghold-file-memory",
        "-p",
        "stronghold-noncontiguous-memory",
    ];
    cmd!(sh, "cargo test --release {memories...}").run()?;
    if cfg!(target_os = "linux") {
        // Every other test runs with the strongest pages that this kernel grants: these run with ordinary ones.
        cmd!(sh, "cargo build --workspace --examples").run()?; // which a test runs, and `--tests` leaves out
        let without = "without-secret-memory";
        let library = ["--workspace", "--exclude", "xtask", "--lib", "--tests"];
        cmd!(sh, "cargo run -p stronghold-conformance --bin {without} -- cargo test {library...}").run()?;
    }
    cmd!(sh, "cargo test --workspace").run()?; // documentation tests included; last, so that its verdict closes the log
    Ok(())
}
