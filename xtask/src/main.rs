//! Drives builds, checks and measurements: `cargo xtask VERB`, one file for each verb.
#![forbid(unsafe_code)]

mod api;
mod audit;
mod bench;
mod capacity;
mod check_targets;
mod ci;
mod compare;
mod coverage;
mod debian;
mod disk_image;
mod doctor;
mod drop_in;
mod faults;
mod fuzz;
mod help;
mod hold_many;
mod instructions;
mod kernels;
mod library;
mod matrix;
mod models;
mod mutants;
mod ordinary;
mod page;
mod plots;
mod rows;
mod sanitize;
mod soak;
mod swap;
mod syscalls;
mod table;
mod targets;
mod worker;
mod workspace;

use pico_args::Arguments;
use std::process::ExitCode;
use xshell::Shell;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run(Arguments::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Arguments) -> Result {
    let asks_for_help = args.contains(["-h", "--help"]);
    let verb = args.subcommand()?;
    let sh = Shell::new()?;
    sh.change_dir(workspace::root());
    match verb.as_deref() {
        Some("help") => help::run(args),
        None | Some(_) if asks_for_help => help::run(args),
        Some("ci") => ci::run(&sh, args),
        Some("api") => api::run(&sh, args),
        Some("audit") => audit::run(&sh, args),
        Some("syscalls") => syscalls::run(&sh, args),
        Some("instructions") => instructions::run(&sh, args),
        Some("bench") => bench::run(&sh, args),
        Some("capacity") => capacity::run(&sh, args),
        Some("coverage") => coverage::run(&sh, args),
        Some("disk-image") => disk_image::run(&sh, args),
        Some("sanitize") => sanitize::run(&sh, args),
        Some("soak") => soak::run(&sh, args),
        Some("swap") => swap::run(&sh, args),
        Some("doctor") => doctor::run(&sh, args),
        Some("models") => models::run(&sh, args),
        Some("mutants") => mutants::run(&sh, args),
        Some("drop-in") => drop_in::run(&sh, args),
        Some("faults") => faults::run(&sh, args),
        Some("fuzz") => fuzz::run(&sh, args),
        Some("targets") => targets::run(&sh, args),
        Some("kernels") => kernels::run(&sh, args),
        Some("check-targets") => check_targets::run(&sh, args),
        Some(other) => Err(format!("no such verb: {other}\n\n{}", help::USAGE).into()),
        None => Err(format!("a verb is missing\n\n{}", help::USAGE).into()),
    }
}

/// Refuses arguments that no verb took.
fn no_more(args: Arguments) -> Result {
    match &args.finish()[..] {
        [] => Ok(()),
        [first, ..] => Err(format!("what is {}?\n\n{}", first.to_string_lossy(), help::USAGE).into()),
    }
}
