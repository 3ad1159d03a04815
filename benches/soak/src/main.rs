//! The process that `cargo xtask soak` looks at: every memory, used at random by many threads, among forks and signals.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod episode;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod forks;
#[cfg(target_os = "linux")]
mod leak;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod shared;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod storm;

use std::error::Error;
use std::process::ExitCode;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn run() -> Result {
    const USAGE: &str = "soak WARM-UP-SECONDS SECONDS SEED [--leak slot|page|descriptor|heap]";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (leak, times) = match &arguments[..] {
        [times @ .., flag, what] if flag == "--leak" => (leak::Leak::named(what)?, times),
        times => (leak::Leak::Nothing, times),
    };
    let [warm_up, seconds, seed] = times else { return Err(USAGE.into()) };
    storm::run(warm_up.parse()?, seconds.parse()?, seed.parse()?, leak)
}

#[cfg(not(target_os = "linux"))]
fn run() -> Result {
    Err("it reads /proc: it takes a Linux system".into())
}
