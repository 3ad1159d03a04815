//! Holds secrets while the rest of the process outgrows its memory.

use crate::Result;
use crate::disk;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use runtime::memories::ram_memory::RamMemory;
use runtime::{Backing, Policy};
use std::fs::File;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::thread;

/// Writes the first `count` secrets of `seed`: another process reads them, so that none of what makes them is in it.
pub(crate) fn write_secrets(seed: u64, count: u64) -> Result {
    let mut output = std::io::stdout().lock();
    for number in 0..count {
        output.write_all(&disk::of(seed, number))?;
    }
    Ok(output.flush()?)
}

/// Reads `count` secrets from standard input into memories of `kind` in pages of `backing`, then uses `mib` MiB of ordinary
/// memory, says so, and stays until it is killed.
pub(crate) fn run(kind: &str, backing: &str, count: u64, mib: usize) -> Result {
    match backing {
        "secret" => Policy::new().backing(Backing::SecretMem).install()?,
        "ordinary" => Policy::new().backing(Backing::Sodium).install()?,
        other => return Err(format!("no such backing: {other}").into()),
    }
    let shards =
        |config| move |secret: Buffer<u8>| NonContiguousMemory::alloc(&secret.borrow(), secret.len(), config);
    match kind {
        "buffer" => press(hold(count, Ok)?, mib),
        "ram" => press(hold(count, RamMemory::try_from)?, mib),
        "guarded" => press(hold(count, |secret| RamMemory::guarded(&secret.borrow()))?, mib),
        "file" => press(hold(count, FileMemory::try_from)?, mib),
        "full-ram" => press(hold(count, shards(NCConfig::FullRam))?, mib),
        // What a program does that uses no library: these must be found.
        "plain" => press(plain(count)?, mib),
        other => Err(format!("no such memory: {other}").into()),
    }
}

fn hold<M>(
    count: u64,
    make: impl Fn(Buffer<u8>) -> std::result::Result<M, runtime::MemoryError>,
) -> Result<Vec<M>> {
    let input = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut held = Vec::new();
    for number in 0..count {
        let len = disk::len_of(number);
        held.push(make(Buffer::read_from((&input).take(len as u64), len)?)?);
    }
    Ok(held)
}

fn plain(count: u64) -> Result<Vec<Vec<u8>>> {
    let mut held = Vec::new();
    for number in 0..count {
        let mut secret = vec![0; disk::len_of(number)];
        std::io::stdin().read_exact(&mut secret)?;
        held.push(secret);
    }
    Ok(held)
}

fn press<M>(held: Vec<M>, mib: usize) -> Result {
    const PAGE: usize = 4096;
    let mut ordinary = vec![0_u8; mib << 20];
    // Twice, so that what was used before all of it is what has not been used for longest.
    for round in 1..=2 {
        for (number, page) in ordinary.chunks_mut(PAGE).enumerate() {
            // No two pages alike, and none of one byte alone, which a kernel need not write.
            page[..8].copy_from_slice(&(number as u64 + 1).to_le_bytes());
            page[8] = round;
        }
    }
    black_box(&ordinary);
    println!("pressed");
    black_box(&held);
    loop {
        thread::park();
    }
}
