//! Holds many secrets at once.

use crate::Result;
use crate::secret::secret;
use runtime::MemoryError;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use runtime::memories::ram_memory::RamMemory;
use runtime::utils::random_vec;
use std::fs;

const SIZE: usize = 32;
const READ_BACK: usize = 1_000;

type Made<M> = std::result::Result<M, MemoryError>;

pub(crate) fn run(memory: &str, count: usize) -> Result {
    let shards = |config| move |bytes: &[u8]| NonContiguousMemory::alloc(bytes, SIZE, config);
    match memory {
        "ram" => hold(count, |bytes| RamMemory::alloc(bytes, SIZE), |memory, is| memory.with(is)),
        "file" => hold(count, |bytes| FileMemory::alloc(bytes, SIZE), |memory, is| memory.with(is)),
        "full-ram" => hold(count, shards(NCConfig::FullRam), |memory, is| memory.with(is)),
        "ram-and-file" => hold(count, shards(NCConfig::RamAndFile), |memory, is| memory.with(is)),
        other => Err(format!("no such memory: {other}").into()),
    }
}

fn hold<M>(
    count: usize,
    make: impl Fn(&[u8]) -> Made<M>,
    with: impl Fn(&M, &dyn Fn(&[u8]) -> bool) -> Made<bool>,
) -> Result {
    drop(make(&value(0))?); // the root key, the pool and the file belong to the process, not to a secret
    let before = status_line("VmRSS")?;
    let mut held = Vec::with_capacity(count);
    for index in 0..count {
        held.push(make(&value(index))?);
    }
    let after = status_line("VmRSS")?;
    for _ in 0..READ_BACK {
        let index = random_index(count)?;
        if !with(&held[index], &|bytes| bytes == value(index))? {
            return Err(format!("secret {index} reads back wrong").into());
        }
    }
    println!("secrets {count}");
    println!("read-back {READ_BACK}");
    println!("locked {}", status_line("VmLck")?);
    println!("resident {}", after.saturating_sub(before));
    println!("descriptors {}", descriptors()?);
    Ok(())
}

/// A value of its own for each secret.
fn value(index: usize) -> Vec<u8> {
    secret(0, index as u64, SIZE)
}

fn random_index(below: usize) -> Result<usize> {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&random_vec(8));
    Ok(usize::try_from(u64::from_le_bytes(bytes) % below as u64)?)
}

/// A line of `/proc/self/status`, in bytes.
fn status_line(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()).ok_or("no such line")?.parse()?;
    Ok(kib * 1024)
}

/// How many descriptors are open, the one that counts them left out.
fn descriptors() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count().saturating_sub(1))
}
