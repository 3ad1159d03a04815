//! A life of one kind of memory: made, used in every way, every byte looked at, dropped.

use crate::Result;
use crate::memory::{self, Made, Memory};
use crate::watch::Watch;
use runtime::envelope::{Export as _, Import as _, Key, Params};
use runtime::memories::buffer::Buffer;
use runtime::memories::frag::{Frag, FragStrategy};
use runtime::memories::ram_memory::RamMemory;
use runtime::{Backing, OnFork, Policy};
use std::error::Error;
use std::hint::black_box;

/// The kinds of memory, those of [`memory::make`] first.
pub(crate) const KINDS: [&str; memory::KINDS + 3] = [
    "ram",
    "guarded",
    "file",
    "full-ram",
    "full-file",
    "ram-and-file",
    "frag-map",
    "frag-direct",
    "frag-hybrid",
    "fragments-map",
    "fragments-direct",
    "envelope",
];

/// The length of the first secret in bytes, which a part of a page and of a block holds, and of the second, which takes two.
const SHORT: usize = 40;
const LONG: usize = 5_000;

/// That of a fragment: the longest array that has a default.
const FRAGMENT: usize = 32;

pub(crate) fn run(kind: &str, backing: &str, call: &str, always: bool) -> Result {
    let policy = Policy::new();
    let policy = match backing {
        "auto" => policy,
        "secret" => policy.backing(Backing::SecretMem),
        "ordinary" => policy.backing(Backing::Sodium),
        // Ordinary pages too, and no file in RAM for the root key.
        "inherited" => policy.on_fork(OnFork::Inherit),
        other => return Err(format!("no such backing: {other}").into()),
    };
    let kind = KINDS.iter().position(|known| *known == kind).ok_or(format!("no such kind: {kind}"))?;
    policy.install()?;
    let values = [value(1, SHORT), value(2, LONG), value(3, SHORT)];
    let mut life = Life { watch: Watch::new(&values, call, always)?, values };
    for number in 1..=2 {
        match kind {
            ..memory::KINDS => life.of_a_memory(kind)?,
            memory::KINDS => life.of_fragments(FragStrategy::Map)?,
            _ if KINDS[kind] == "envelope" => life.of_an_envelope()?,
            _ => life.of_fragments(FragStrategy::Direct)?,
        }
        println!("life {number} {}", life.watch.left());
    }
    Ok(())
}

struct Life {
    watch: Watch,
    values: [Vec<u8>; 3],
}

impl Life {
    fn of_a_memory(&mut self, kind: usize) -> Result {
        let [first, second, third] = self.values.clone();
        let Some(mut held) = self.operation("create", || memory::make(kind, &first))? else { return Ok(()) };
        self.reads(&*held, &first)?;
        if let Some(buffer) = self.operation("unlock", || held.unlock())? {
            let mut same = None;
            self.operation("borrow", || buffer.try_borrow().map(|bytes| same = Some(*bytes == *first)))?;
            verify("borrow", same);
            self.operation("drop the buffer", || dropped(buffer))?;
        }
        let mut value = &first;
        if let Some(payload) = self.operation("fill a buffer", || filled(&second))?
            && self.operation("replace", || held.replace(payload))?.is_some()
        {
            value = &second;
        }
        self.reads(&*held, value)?;
        self.operation("refresh", || held.refresh())?;
        self.reads(&*held, value)?;
        if let Some(clone) = self.operation("clone", || held.try_clone())? {
            self.reads(&*clone, value)?;
            self.operation("drop the clone", || dropped(clone))?;
        }
        self.operation("split the root key anew", runtime::resplit)?;
        self.reads(&*held, value)?;
        if let Some(payload) = self.operation("fill a buffer", || filled(&third))? {
            // Where it fails, the old value is gone with the memory.
            let Some(updated) = self.operation("update", || held.update(payload))? else { return Ok(()) };
            self.reads(&*updated, &third)?;
            self.operation("drop", || dropped(updated))?;
            return Ok(());
        }
        self.operation("drop", || dropped(held))?;
        Ok(())
    }

    fn of_fragments(&mut self, strategy: FragStrategy) -> Result {
        let [first, second, third] = [0, 1, 2].map(|value| fragment(&self.values[value]));
        self.watch.open(2);
        let made = self.operation("create", || Frag::alloc_initialized(strategy, first, second))?;
        let Some((mut one, mut other)) = made else { return Ok(()) };
        self.gets(&one, &first)?;
        self.operation("set", || one.set(third))?;
        self.gets(&one, &third)?;
        self.watch.open(3);
        if let Some(clone) = self.operation("clone", || one.try_clone())? {
            self.gets(&clone, &third)?;
            self.operation("drop the clone", || dropped(clone))?;
        }
        self.gets(&other, &second)?;
        self.operation("deallocate", || Frag::dealloc(&mut other))?;
        self.watch.open(0);
        self.operation("drop", || dropped(one))?;
        Ok(())
    }

    fn of_an_envelope(&mut self) -> Result {
        let first = self.values[0].clone();
        let make = || RamMemory::alloc(&first, first.len());
        let Some(memory) = self.operation("create", make)? else { return Ok(()) };
        // One pass over little memory: what is looked at is what happens, not what it costs.
        let (key, cost) = (Key::Passphrase(b"a passphrase"), Params::new(1, 64)?);
        if let Some(envelope) = self.operation("export", || memory.export_with(key, cost))? {
            let import = || RamMemory::import(&envelope, key);
            if let Some(imported) = self.operation("import", import)? {
                self.reads(&imported, &first)?;
                self.operation("drop what was imported", || dropped(imported))?;
            }
        }
        self.reads(&memory, &first)?;
        self.operation("drop", || dropped(memory))?;
        Ok(())
    }

    /// Reads the secret on the spot.
    fn reads(&mut self, memory: &dyn Memory, expected: &[u8]) -> Result {
        let mut same = None;
        self.operation("use", || memory.with(&mut |bytes| same = Some(bytes == expected)))?;
        verify("use", same);
        Ok(())
    }

    fn gets(&mut self, fragment: &Frag<[u8; FRAGMENT]>, expected: &[u8; FRAGMENT]) -> Result {
        let got = self.operation("get", || fragment.get())?;
        verify("get", got.map(|bytes| bytes == expected));
        Ok(())
    }

    /// Does one operation of the library between the two calls that mark it, says how it ended, and looks around.
    fn operation<T, E: Error>(
        &mut self,
        name: &str,
        operation: impl FnOnce() -> std::result::Result<T, E>,
    ) -> Result<Option<T>> {
        black_box(std::os::unix::process::parent_id());
        let result = operation();
        black_box(std::process::id());
        match &result {
            Ok(_) => println!("did {name}: ok"),
            Err(error) => {
                let mut text = error.to_string();
                let mut cause = error.source();
                while let Some(error) = cause {
                    text += &format!(": {error}");
                    cause = error.source();
                }
                println!("did {name}: {text}");
            }
        }
        self.watch.look(name)?;
        Ok(result.ok())
    }
}

fn dropped<T>(value: T) -> Made {
    drop(value);
    Ok(())
}

fn verify(name: &str, same: Option<bool>) {
    if same == Some(false) {
        println!("bad {name}: wrong bytes");
    }
}

fn filled(bytes: &[u8]) -> Made<Buffer<u8>> {
    Buffer::try_fill(bytes.len(), |filled| filled.copy_from_slice(bytes))
}

/// A secret without a pattern, different for every seed.
fn value(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

fn fragment(value: &[u8]) -> [u8; FRAGMENT] {
    let mut fragment = [0; FRAGMENT];
    fragment.copy_from_slice(&value[..FRAGMENT]);
    fragment
}
