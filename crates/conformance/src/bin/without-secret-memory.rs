//! Runs a command as on a kernel without secret memory: `without-secret-memory cargo test`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("without-secret-memory: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().ok_or("usage: without-secret-memory COMMAND...")?;
    conformance::kernel::deny_secret_memory(38)?;
    let status = std::process::Command::new(program).args(arguments).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(not(target_os = "linux"))]
fn run() -> Result<ExitCode, Box<dyn Error>> {
    Err("no other system than Linux has secret memory".into())
}
