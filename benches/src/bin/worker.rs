//! The process that `cargo xtask syscalls` and `cargo xtask capacity` look at from outside.
#![forbid(unsafe_code)]

use benches::ours::works::WORKS;
use runtime::memories::ram_memory::RamMemory;
use runtime::utils::random_vec;
use std::env;
use std::error::Error;
use std::process::ExitCode;

const USAGE: &str = "\
worker repeat ROW COUNT   warms up, then does the operation of a row COUNT times
worker capacity COUNT     holds COUNT secrets of 32 bytes, reads 1,000 of them back, says what that takes";

/// Enough to fill the page pool and to have split the root key anew.
const WARM_UP: usize = 5_000;
const READ_BACK: usize = 1_000;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        ["repeat", row, count] => count.parse().map_err(Into::into).and_then(|count| repeat(row, count)),
        ["capacity", count] => count.parse().map_err(Into::into).and_then(capacity),
        _ => Err(USAGE.into()),
    };
    match done {
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

fn repeat(row: &str, count: usize) -> Result {
    let (_, prepare) = WORKS.iter().find(|(name, _)| *name == row).ok_or(format!("no such row: {row}"))?;
    let mut work = prepare()?;
    for _ in 0..WARM_UP + count {
        work()?;
    }
    Ok(())
}

fn capacity(count: usize) -> Result {
    drop(RamMemory::alloc(&secret(0), 32)?); // the root key and the pool belong to the process, not to a secret
    let before = status_line("VmRSS")?;
    let mut held = Vec::with_capacity(count);
    for index in 0..count {
        held.push(RamMemory::alloc(&secret(index), 32)?);
    }
    let after = status_line("VmRSS")?;
    for _ in 0..READ_BACK {
        let index = random_index(count)?;
        if !held[index].with(|bytes| bytes == secret(index))? {
            return Err(format!("secret {index} reads back wrong").into());
        }
    }
    println!("secrets {count}");
    println!("read-back {READ_BACK}");
    println!("locked {}", status_line("VmLck")?);
    println!("resident {}", after.saturating_sub(before));
    Ok(())
}

/// A value of its own for each secret.
fn secret(index: usize) -> [u8; 32] {
    let mut bytes = [0xA5; 32];
    bytes[12..20].copy_from_slice(&(index as u64).to_le_bytes());
    bytes
}

fn random_index(below: usize) -> Result<usize> {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&random_vec(8));
    Ok(usize::try_from(u64::from_le_bytes(bytes) % below as u64)?)
}

/// A line of `/proc/self/status`, in bytes.
fn status_line(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()).ok_or("no such line")?.parse()?;
    Ok(kib * 1024)
}
