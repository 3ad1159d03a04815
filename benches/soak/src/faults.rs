//! The process that `cargo xtask faults` looks at: two lives of one kind of memory, while strace lets system calls fail.
//!
//! What the library does lies between two calls that nothing else makes: `getppid` before it, `getpid` behind it.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod life;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod watch;

use std::error::Error;
use std::process::ExitCode;

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn run() -> Result {
    const USAGE: &str = "\
faults kinds                        names the kinds of memory
faults live KIND BACKING CALL PLAN  lives twice; BACKING is auto, secret, ordinary or inherited, CALL the system call that
                                    fails, and PLAN once or always";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["kinds"] => {
            println!("{}", life::KINDS.join("\n"));
            Ok(())
        }
        ["live", kind, backing, call, plan] => life::run(kind, backing, call, plan == "always"),
        _ => Err(USAGE.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn run() -> Result {
    Err("it takes strace: a Linux system".into())
}
