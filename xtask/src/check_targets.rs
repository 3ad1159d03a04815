//! `cargo xtask check-targets`: type-checks the library for platforms that this machine is not.
//!
//! Where rustup has a platform's standard library, that is used. Elsewhere Debian's compiler with the source of the
//! standard library builds it: packages `rustc-web`, `cargo-web` and `rust-web-src`. Nothing is linked, so libsodium is an
//! empty file.

use crate::{Result, no_more, workspace};
use pico_args::Arguments;
use std::path::{Path, PathBuf};
use xshell::{Cmd, Shell, cmd};

const TARGETS: [&str; 4] =
    ["aarch64-apple-darwin", "x86_64-pc-windows-msvc", "x86_64-unknown-freebsd", "aarch64-unknown-linux-gnu"];

const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "gcc", "libc6-dev"];

/// Where Debian puts the source of the standard library, below the compiler's own directory.
const SOURCE: &str = "lib/rustlib/src/rust/library/Cargo.lock";

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let install = args.contains("--install");
    no_more(args)?;
    if install {
        cmd!(sh, "apt-get update").run()?;
        cmd!(sh, "apt-get install -y --no-install-recommends {PACKAGES...}").run()?;
    }
    let directory = workspace::target_directory(sh)?.join("check-targets");
    let stub = stub_of_libsodium(sh, &directory)?;
    let installed =
        cmd!(sh, "rustup target list --installed").quiet().ignore_stderr().read().unwrap_or_default();
    let has_source = debian_has_source(sh);
    for target in TARGETS {
        let check = if installed.lines().any(|line| line == target) {
            cmd!(sh, "cargo check --all-targets --target {target}")
        } else if has_source {
            debian(cmd!(sh, "/usr/bin/cargo check --all-targets -Zbuild-std --target {target}"))
        } else {
            return Err(missing(target).into());
        };
        check
            .env("SODIUM_LIB_DIR", &stub)
            .env("RUSTFLAGS", "-D warnings")
            .env("CARGO_TARGET_DIR", &directory)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .run()?;
    }
    println!("the library type-checks for {}", TARGETS.join(", "));
    Ok(())
}

fn missing(target: &str) -> String {
    format!(
        "there is no standard library for {target}. One of these brings it:\n  \
         rustup target add {}\n  \
         cargo xtask check-targets --install    (Debian, as root: {})",
        TARGETS.join(" "),
        PACKAGES.join(", "),
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

fn debian_has_source(sh: &Shell) -> bool {
    let sysroot = debian(cmd!(sh, "/usr/bin/rustc --print sysroot")).quiet().ignore_stderr().read();
    sysroot.is_ok_and(|sysroot| Path::new(&sysroot).join(SOURCE).exists()) && sh.path_exists("/usr/bin/cargo")
}

/// Lets `command` see Debian's compiler alone, and lets that build its standard library.
fn debian(command: Cmd<'_>) -> Cmd<'_> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = command.env("PATH", format!("/usr/bin:{path}")).env("RUSTC_BOOTSTRAP", "1");
    for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
        command = command.env_remove(variable);
    }
    command
}
