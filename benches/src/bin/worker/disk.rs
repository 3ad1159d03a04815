//! Stores secrets in files until it is killed, and looks for them in the image of a disk.

use crate::Result;
use crate::secret::secret;
use runtime::locked_memory::LockedMemory as _;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;

/// How many secrets are held at a time.
const HELD: usize = 8;
/// Their sizes in bytes, in turns; now and then one is larger than a block of a file system.
const SIZES: [usize; 2] = [32, 200];
const LARGE: usize = 5_000;
const ONE_LARGE_IN: u64 = 64;

pub(crate) fn store(kind: &str, directory: &Path, seed: u64) -> Result {
    match kind {
        "file-memory" => replace_forever(
            seed,
            |bytes| Ok(FileMemory::alloc_in(directory, bytes)?),
            |memory, bytes| Ok(memory.replace(buffer(bytes)?)?),
        ),
        // Whose directory is that of temporary files: TMPDIR says which.
        "full-file" => replace_forever(
            seed,
            |bytes| Ok(NonContiguousMemory::alloc(bytes, bytes.len(), NCConfig::FullFile)?),
            |memory, bytes| {
                memory.replace(buffer(bytes)?)?;
                drop(memory.unlock()?); // which replaces both shards
                Ok(())
            },
        ),
        // What a program does that keeps no secrets: this one must be found.
        "plain" => replace_forever(
            seed,
            |bytes| plain_file(directory, bytes),
            |file, bytes| {
                *file = plain_file(directory, bytes)?;
                Ok(())
            },
        ),
        other => Err(format!("no such kind of store: {other}").into()),
    }
}

/// Announces each secret before it stores it: whoever kills this process knows then how many there can be.
fn replace_forever<M>(
    seed: u64,
    make: impl Fn(&[u8]) -> Result<M>,
    replace: impl Fn(&mut M, &[u8]) -> Result,
) -> Result {
    let mut held = Vec::with_capacity(HELD);
    let mut announced = std::io::stdout().lock();
    for number in 0.. {
        announced.write_all(b".")?;
        announced.flush()?;
        let bytes = of(seed, number);
        let turn = usize::try_from(number)? % HELD;
        match held.get_mut(turn) {
            Some(memory) => replace(memory, &bytes)?,
            None => held.push(make(&bytes)?),
        }
    }
    Ok(())
}

/// A secret of `seed`.
pub(crate) fn of(seed: u64, number: u64) -> Vec<u8> {
    secret(seed, number, len_of(number))
}

/// The size of every secret with that number, in bytes.
pub(crate) fn len_of(number: u64) -> usize {
    if number % ONE_LARGE_IN == 1 { LARGE } else { SIZES[(number % 2) as usize] }
}

fn buffer(bytes: &[u8]) -> Result<Buffer<u8>> {
    Ok(Buffer::try_alloc(bytes, bytes.len())?)
}

fn plain_file(directory: &Path, bytes: &[u8]) -> Result<File> {
    let path = directory.join("plain");
    let mut file = File::create(&path)?;
    fs::remove_file(&path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Says how many places of the file `image` hold eight bytes in a row of one of the first `count` secrets of `seed`.
pub(crate) fn search(image: &Path, seed: u64, count: u64) -> Result {
    let pieces = Pieces::of((0..count).map(|number| of(seed, number)));
    let mut found = 0;
    let mut image = File::open(image)?;
    let mut bytes = vec![0; Pieces::LEN - 1 + (1 << 20)];
    let mut kept = 0; // of the part before, so that no piece is cut
    loop {
        let read = image.read(&mut bytes[kept..])?;
        if read == 0 {
            break;
        }
        found += pieces.count(&bytes[..kept + read]);
        let rest = (kept + read).saturating_sub(Pieces::LEN - 1);
        bytes.copy_within(rest..kept + read, 0);
        kept = kept + read - rest;
    }
    println!("{found}");
    Ok(())
}

/// Pieces of secrets, looked up faster than a disk is read.
struct Pieces {
    /// A bit for each remainder: most places of most disks are ruled out here.
    likely: Vec<u64>,
    pieces: HashSet<u64>,
}

impl Pieces {
    /// The length of a piece in bytes.
    const LEN: usize = 8;
    const LIKELY_BITS: u64 = 1 << 27;

    fn of(secrets: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut likely = vec![0; (Self::LIKELY_BITS / 64) as usize];
        let mut pieces = HashSet::new();
        for secret in secrets {
            for piece in secret.windows(Self::LEN).map(Self::number) {
                let bit = piece % Self::LIKELY_BITS;
                likely[(bit / 64) as usize] |= 1 << (bit % 64);
                pieces.insert(piece);
            }
        }
        Self { likely, pieces }
    }

    fn number(piece: &[u8]) -> u64 {
        piece.try_into().map_or(0, u64::from_le_bytes)
    }

    fn count(&self, bytes: &[u8]) -> usize {
        let is_piece = |piece: &&[u8]| {
            let piece = Self::number(piece);
            let bit = piece % Self::LIKELY_BITS;
            self.likely[(bit / 64) as usize] >> (bit % 64) & 1 == 1 && self.pieces.contains(&piece)
        };
        bytes.windows(Self::LEN).filter(is_piece).count()
    }
}
