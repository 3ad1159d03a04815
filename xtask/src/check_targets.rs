//! `cargo xtask check-targets`: type-checks and lints the library for platforms that this machine is not.
//!
//! Where rustup has a platform's standard library, that is used. Elsewhere Debian's compiler with the source of the
//! standard library builds it. Nothing is linked, so libsodium is an empty file.

use crate::library::{self, CRATES};
use crate::{Result, debian, no_more, workspace};
use pico_args::Arguments;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// Those whose tests nothing here can run.
pub(crate) const LINTED: [&str; 6] = [
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "x86_64-unknown-freebsd",
    "x86_64-unknown-openbsd",
    "aarch64-linux-android",
    "x86_64-unknown-linux-musl",
];

/// Of those, what rustup has: the others are built by Debian's compiler alone.
const OF_RUSTUP: [&str; 5] = [
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "x86_64-unknown-freebsd",
    "aarch64-linux-android",
    "x86_64-unknown-linux-musl",
];

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let install = args.contains("--install");
    no_more(args)?;
    if install {
        debian::install(sh, &["gcc", "libc6-dev"])?;
    }
    let has_source = debian::has_source(sh);
    let mut bad = Vec::new();
    for target in LINTED {
        if !has_source && !OF_RUSTUP.contains(&target) {
            println!("{target}: skipped, only Debian's compiler can build its standard library");
        } else if !lint(sh, target)? {
            bad.push(target);
        }
    }
    if !bad.is_empty() {
        return Err(format!("not clean for {}", bad.join(", ")).into());
    }
    println!("the library type-checks, and clippy finds nothing");
    Ok(())
}

/// Whether `target` is clean.
pub(crate) fn lint(sh: &Shell, target: &str) -> Result<bool> {
    let directory = workspace::target_directory(sh)?.join("check-targets");
    let stub = stub_of_libsodium(sh, &directory)?;
    let installed =
        cmd!(sh, "rustup target list --installed").quiet().ignore_stderr().read().unwrap_or_default();
    let what = [&library::packages(&CRATES)[..], &["--all-targets".to_owned()]].concat();
    // The last finds nothing where a target has thread-local storage of its own, and what is const already where it has none.
    let lints = ["-D", "warnings", "-A", "clippy::missing-const-for-thread-local"];
    let check = if debian::has_source(sh) {
        debian::alone(cmd!(sh, "/usr/bin/cargo clippy {what...} -Zbuild-std --target {target} -- {lints...}"))
    } else if installed.lines().any(|line| line == target) {
        cmd!(sh, "cargo clippy {what...} --target {target} -- {lints...}")
    } else {
        return Err(missing(target).into());
    };
    let check = check
        .env("SODIUM_LIB_DIR", &stub)
        .env("CARGO_TARGET_DIR", &directory)
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    Ok(check.run().is_ok())
}

fn missing(target: &str) -> String {
    format!(
        "there is no standard library for {target}. One of these brings it:\n  \
         rustup target add {}\n  \
         cargo xtask check-targets --install    (Debian, as root)",
        OF_RUSTUP.join(" "),
    )
}

/// The build script of libsodium-sys looks for a directory; type-checking never opens the file.
fn stub_of_libsodium(sh: &Shell, directory: &Path) -> Result<PathBuf> {
    let stub = directory.join("no-libsodium");
    sh.create_dir(&stub)?;
    for name in ["libsodium.a", "libsodium.lib"] {
        sh.write_file(stub.join(name), "!<arch>\n")?;
    }
    Ok(stub)
}
