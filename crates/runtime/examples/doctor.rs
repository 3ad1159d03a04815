//! Says what of this machine endangers the secrets of a program that runs like this one, and what to do about it.
//!
//! ```sh
//! cargo run -p stronghold-runtime --example doctor             # as the program is started
//! cargo run -p stronghold-runtime --example doctor -- --harden # after it has hardened itself
//! ```
#![forbid(unsafe_code)]

use std::process::ExitCode;

const USAGE: &str = "usage: doctor [--harden]";

fn main() -> ExitCode {
    let mut arguments = pico_args::Arguments::from_env();
    let harden = arguments.contains("--harden");
    if !arguments.finish().is_empty() {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    }
    if harden {
        println!("{}\n", runtime::harden_process());
    }
    print!("{}", runtime::doctor());
    ExitCode::SUCCESS
}
