//! Keeps a real secret: reads it from a file or from standard input, uses it, replaces it, clones it, and prints what
//! protection it really had at each stage.
//!
//! ```sh
//! cargo run --release -p stronghold-runtime --example keep -- ~/.ssh/id_ed25519 "a message to authenticate"
//! printf 'correct horse battery staple' | cargo run --release -p stronghold-runtime --example keep -- - "a message"
//! ```
#![forbid(unsafe_code)]

use runtime::locked_memory::LockedMemory;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::frag::FragStrategy;
use runtime::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use runtime::memories::ram_memory::RamMemory;
use runtime::{ForkBehaviour, MemoryError, Prot, Protection, status};
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::process::ExitCode;

/// The longest secret this program takes, in bytes.
const LIMIT: usize = 16 << 20;

const USAGE: &str = "\
usage: keep [--memory KIND] FILE MESSAGE

  FILE     the file that holds the secret; - is standard input; at most 16 MiB
  MESSAGE  what to authenticate with the secret (BLAKE2b, keyed)

  --memory KIND  where the secret is kept: ram (the default), guarded, file, or noncontiguous[:CONFIG] with CONFIG one of
                 full-ram (the default), full-file, ram-and-file, frag-map, frag-direct, frag-hybrid";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("keep: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprint!(": {error}");
                cause = error.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = pico_args::Arguments::from_env();
    let kind: Option<String> = arguments.opt_value_from_str("--memory")?;
    let rest = arguments.finish();
    let [file, message] = &rest[..] else { return Err(USAGE.into()) };
    let message = message.to_str().ok_or("the message is not text")?;
    let kind = kind.as_deref().unwrap_or("ram");
    if let Some(config) = config(kind) {
        return keep(open(file)?, message, |secret| {
            NonContiguousMemory::alloc(&secret.try_borrow()?, secret.len(), config)
        });
    }
    match kind {
        "ram" => keep(open(file)?, message, RamMemory::try_from),
        "guarded" => keep(open(file)?, message, |secret| RamMemory::guarded(&secret.try_borrow()?)),
        "file" => keep(open(file)?, message, FileMemory::try_from),
        other => Err(format!("there is no memory {other:?}\n{USAGE}").into()),
    }
}

/// The configuration of a non-contiguous memory, if `kind` names one.
fn config(kind: &str) -> Option<NCConfig> {
    Some(match kind {
        "noncontiguous" | "noncontiguous:full-ram" => NCConfig::FullRam,
        "noncontiguous:full-file" => NCConfig::FullFile,
        "noncontiguous:ram-and-file" => NCConfig::RamAndFile,
        "noncontiguous:frag-map" => NCConfig::FragAllocation(FragStrategy::Map),
        "noncontiguous:frag-direct" => NCConfig::FragAllocation(FragStrategy::Direct),
        "noncontiguous:frag-hybrid" => NCConfig::FragAllocation(FragStrategy::Hybrid),
        _ => return None,
    })
}

/// What every memory offers beside the trait, under the same names.
trait Memory: LockedMemory {
    fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError>;
    fn replace(&mut self, payload: Buffer<u8>) -> Result<(), MemoryError>;
    fn protection(&self) -> Option<Protection>;
}

macro_rules! memory {
    ($($memory:ty),*) => {$(
        impl Memory for $memory {
            fn with<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, MemoryError> {
                <$memory>::with(self, f)
            }

            fn replace(&mut self, payload: Buffer<u8>) -> Result<(), MemoryError> {
                <$memory>::replace(self, payload)
            }

            fn protection(&self) -> Option<Protection> {
                <$memory>::protection(self)
            }
        }
    )*};
}

memory!(RamMemory, FileMemory, NonContiguousMemory);

fn open(file: &OsString) -> Result<File, Box<dyn Error>> {
    if file == "-" {
        return Ok(standard_input()?);
    }
    File::open(file).map_err(|error| format!("cannot open {}: {error}", file.to_string_lossy()).into())
}

/// Standard input as a file: the one of the standard library keeps what it reads in a buffer of its own.
fn standard_input() -> io::Result<File> {
    #[cfg(unix)]
    let input = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    #[cfg(windows)]
    let input = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
    Ok(File::from(input))
}

fn keep<M: Memory>(
    input: File,
    message: &str,
    make: impl FnOnce(Buffer<u8>) -> Result<M, MemoryError>,
) -> Result<(), Box<dyn Error>> {
    let mut table = Table::default();

    let secret = Buffer::read_from(input, LIMIT)?;
    let length = secret.len();
    table.row("read into a Buffer", secret.protection());
    let opened = secret.try_borrow()?;
    table.row("the Buffer, borrowed", secret.protection());
    drop(opened);

    let mut memory = make(secret)?;
    table.row("kept", memory.protection());
    let tag = authenticate(&memory, message)?;
    let again = memory.unlock()?;
    table.row("unlocked into a Buffer", again.protection());
    drop(again);

    let clone = memory.clone();
    table.row("cloned", clone.protection());
    memory.replace(Buffer::try_random(length)?)?;
    table.row("replaced by a random one", memory.protection());
    let other_tag = authenticate(&memory, message)?;

    println!("{length} bytes of secret, a message of {} bytes", message.len());
    println!("  tag under the secret    {}", hex(&tag));
    println!("  under its clone         {}", hex(&authenticate(&clone, message)?));
    println!("  under its replacement   {}", hex(&other_tag));
    println!();
    table.print();
    let status = status();
    let limit = status.lock_limit.map_or_else(|| "no limit".to_owned(), |limit| format!("{limit} bytes"));
    println!();
    println!(
        "locked memory: {} bytes in {} pages in use and {} ready for reuse, of {limit}",
        status.bytes_locked, status.pages_in_use, status.pages_pooled
    );
    Ok(())
}

/// The keyed BLAKE2b hash of `message`. A secret that is no key of BLAKE2b, 16 to 64 bytes, is hashed to one first.
fn authenticate(memory: &impl Memory, message: &str) -> Result<[u8; 32], Box<dyn Error>> {
    let mut tag = [0; 32];
    memory.with(|secret| {
        if (16..=64).contains(&secret.len()) {
            return sodium::blake2b(&mut tag, message.as_bytes(), secret).map_err(Box::<dyn Error>::from);
        }
        let mut key = Buffer::<u8>::try_zero(64)?;
        sodium::blake2b(&mut key.try_borrow_mut()?, secret, &[])?;
        sodium::blake2b(&mut tag, message.as_bytes(), &key.try_borrow()?)?;
        Ok(())
    })??;
    Ok(tag)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Default)]
struct Table {
    rows: Vec<[String; 8]>,
}

impl Table {
    fn row(&mut self, stage: &str, protection: Option<Protection>) {
        let Some(protection) = protection else { return };
        let no_or_yes = |yes: bool| if yes { "yes" } else { "no" };
        // What is never to be missing.
        let yes_no = |yes: bool| if yes { "yes" } else { "NO" }.to_owned();
        // Ciphertext may be swapped, dumped and read: that is what it is for.
        let needed = |yes: bool| if protection.sealed { "needs none".to_owned() } else { yes_no(yes) };
        let fork = match protection.on_fork {
            ForkBehaviour::Wiped => "zeros",
            ForkBehaviour::Absent => "no page",
            ForkBehaviour::NoFork => "no fork here",
            _ if protection.sealed => "ciphertext",
            _ => "THE SECRET",
        };
        let at_rest = match protection.at_rest {
            _ if protection.sealed => "ciphertext",
            Prot::NoAccess => "no access",
            Prot::ReadOnly => "readable now",
            Prot::ReadWrite => "writable now",
        };
        self.rows.push([
            stage.to_owned(),
            needed(protection.locked),
            if protection.sealed { "needs none" } else { no_or_yes(protection.secret_memory) }.to_owned(),
            needed(protection.no_dump),
            needed(protection.guard_pages),
            no_or_yes(protection.sealed).to_owned(),
            fork.to_owned(),
            at_rest.to_owned(),
        ]);
    }

    fn print(&self) {
        let head = [
            "stage",
            "locked",
            "secret memory",
            "no dump",
            "guard pages",
            "sealed",
            "forked child",
            "access",
        ]
        .map(str::to_owned);
        for [stage, locked, secret, no_dump, guards, sealed, fork, access] in
            std::iter::once(&head).chain(&self.rows)
        {
            println!(
                "{stage:<26}{locked:<12}{secret:<15}{no_dump:<12}{guards:<13}{sealed:<8}{fork:<14}{access}"
            );
        }
    }
}
