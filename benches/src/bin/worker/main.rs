//! The process that `cargo xtask syscalls`, `capacity`, `disk-image` and `swap` look at from outside.
#![forbid(unsafe_code)]

mod capacity;
mod disk;
#[cfg(unix)]
mod press;
mod secret;

use benches::ours::works::WORKS;
use std::env;
use std::error::Error;
use std::process::ExitCode;

const USAGE: &str = "\
worker repeat ROW COUNT            warms up, then does the operation of a row COUNT times
worker capacity MEMORY COUNT       holds COUNT secrets of 32 bytes, reads 1,000 of them back, says what that takes
worker store KIND DIRECTORY SEED   stores one secret after another in files of DIRECTORY, without end
worker secrets SEED COUNT          writes the first COUNT secrets of SEED
worker press MEMORY BACKING COUNT MIB  reads COUNT of them, outgrows its memory by MIB MiB, and waits
worker search IMAGE SEED COUNT     counts the pieces of the first COUNT secrets of SEED in a file

MEMORY is ram, file, full-ram or ram-and-file, to press also buffer, guarded or plain; KIND is file-memory, full-file or
plain; BACKING is secret or ordinary.";

/// Enough to fill the page pool and to have split the root key anew.
const WARM_UP: usize = 2_000;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result {
    match *arguments {
        ["repeat", row, count] => repeat(row, count.parse()?),
        ["capacity", memory, count] => capacity::run(memory, count.parse()?),
        ["store", kind, directory, seed] => disk::store(kind, directory.as_ref(), seed.parse()?),
        #[cfg(unix)]
        ["secrets", seed, count] => press::write_secrets(seed.parse()?, count.parse()?),
        #[cfg(unix)]
        ["press", memory, backing, count, mib] => press::run(memory, backing, count.parse()?, mib.parse()?),
        ["search", image, seed, count] => disk::search(image.as_ref(), seed.parse()?, count.parse()?),
        _ => Err(USAGE.into()),
    }
}

fn repeat(row: &str, count: usize) -> Result {
    let (_, prepare) = WORKS.iter().find(|(name, _)| *name == row).ok_or(format!("no such row: {row}"))?;
    let mut work = prepare()?;
    for _ in 0..WARM_UP + count {
        work()?;
    }
    Ok(())
}
