//! Files of secrets, altered and cut off under our feet through their descriptors: what comes back is right or an error.

use crate::memory::Payload;
use arbitrary::Arbitrary;
use runtime::locked_memory::LockedMemory as _;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::{NCConfig, NonContiguousMemory};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;

const PLACES: usize = 5;
/// What is kept of the file, to be put back later, in bytes.
const SNAPSHOT: usize = 1024;

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Step {
    Create(u8, bool, Payload),
    Unlock(u8),
    Replace(u8, Payload),
    Clone(u8, u8),
    Refresh(u8),
    Drop(u8),
    Write(u32, u8),
    /// Turns some bits.
    Xor(u32, u8),
    Truncate(u32),
    Keep(u32),
    /// Puts what was kept somewhere.
    PutBack(u32),
    Swap(u32, u32),
}

enum Memory {
    File(FileMemory),
    Shards(Box<NonContiguousMemory>),
}

struct Kept {
    memory: Memory,
    bytes: Vec<u8>,
    /// Whether the file was left alone since.
    sound: bool,
}

/// The file of this process in the default directory, held open by a memory that no step touches.
fn file() -> &'static (FileMemory, File) {
    static FILE: OnceLock<(FileMemory, File)> = OnceLock::new();
    FILE.get_or_init(|| {
        let memory = FileMemory::alloc(b"keeps the file", 14).unwrap();
        let inside = |link: &std::path::Path| {
            let target = fs::read_link(link).unwrap_or_default();
            target.starts_with(std::env::temp_dir()) && target.to_string_lossy().ends_with("(deleted)")
        };
        let links = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
        let found: Vec<_> = links.filter(|link| inside(link)).collect();
        let [link] = &found[..] else { panic!("one file without a name: {found:?}") };
        (memory, OpenOptions::new().read(true).write(true).open(link).unwrap())
    })
}

pub fn run(steps: Vec<Step>) {
    let file = &file().1;
    let mut places: [Option<Kept>; PLACES] = Default::default();
    let mut kept = Vec::new();
    for step in steps {
        let mut touched = true;
        match step {
            Step::Write(at, byte) => file.write_all_at(&[byte; 24], within(file, at)).unwrap(),
            Step::Xor(at, mask) => {
                let at = within(file, at);
                let mut byte = [0];
                if file.read_at(&mut byte, at).unwrap() == 1 {
                    file.write_all_at(&[byte[0] ^ mask], at).unwrap();
                }
            }
            Step::Truncate(at) => file.set_len(within(file, at)).unwrap(),
            Step::Keep(at) => kept = part(file, at).1,
            Step::PutBack(at) => file.write_all_at(&kept, within(file, at)).unwrap(),
            Step::Swap(a, b) => {
                let ((a, of_a), (b, of_b)) = (part(file, a), part(file, b));
                file.write_all_at(&of_b, a).unwrap();
                file.write_all_at(&of_a, b).unwrap();
            }
            _ => {
                touched = false;
                perform(step, &mut places);
            }
        }
        if touched {
            places.iter_mut().flatten().for_each(|kept| kept.sound = false);
        }
    }
    for place in places.iter().flatten() {
        look(place);
    }
}

fn perform(step: Step, places: &mut [Option<Kept>; PLACES]) {
    let place = |at: u8| usize::from(at) % PLACES;
    match step {
        Step::Create(at, whole, payload) => {
            let bytes = payload.bytes();
            if bytes.is_empty() {
                return;
            }
            let memory = if whole {
                Memory::File(FileMemory::alloc(&bytes, bytes.len()).unwrap())
            } else {
                Memory::Shards(Box::new(
                    NonContiguousMemory::alloc(&bytes, bytes.len(), NCConfig::FullFile).unwrap(),
                ))
            };
            places[place(at)] = Some(Kept { memory, bytes, sound: true });
        }
        Step::Unlock(at) => drop(places[place(at)].as_ref().map(look)),
        Step::Replace(at, payload) => {
            let (Some(kept), Some(buffer)) = (&mut places[place(at)], payload.buffer()) else { return };
            match &mut kept.memory {
                Memory::File(memory) => memory.replace(buffer).unwrap(),
                Memory::Shards(memory) => memory.replace(buffer).unwrap(),
            }
            kept.bytes = payload.bytes();
            kept.sound = true;
        }
        Step::Clone(from, to) => {
            let Some(kept) = &places[place(from)] else { return };
            let memory = match &kept.memory {
                Memory::File(memory) => memory.try_clone().map(Memory::File),
                Memory::Shards(memory) => memory.try_clone().map(|clone| Memory::Shards(Box::new(clone))),
            };
            match memory {
                Ok(memory) => {
                    let bytes = kept.bytes.clone();
                    places[place(to)] = Some(Kept { memory, bytes, sound: true });
                }
                Err(error) => assert!(!kept.sound, "{error:?}"),
            }
        }
        Step::Refresh(at) => {
            let Some(Kept { memory: Memory::Shards(memory), sound, .. }) = &mut places[place(at)] else {
                return;
            };
            match memory.refresh() {
                Ok(()) => *sound = true,
                Err(error) => assert!(!*sound, "{error:?}"),
            }
        }
        Step::Drop(at) => places[place(at)] = None,
        _ => unreachable!("a step of the file"),
    }
}

fn look(kept: &Kept) {
    let unlocked = match &kept.memory {
        Memory::File(memory) => memory.unlock(),
        Memory::Shards(memory) => memory.unlock(),
    };
    match unlocked {
        Ok(buffer) => assert!(*buffer.borrow() == *kept.bytes, "other bytes"),
        Err(error) => assert!(!kept.sound, "{error:?}"),
    }
}

/// An offset in the file, or at its end.
fn within(file: &File, at: u32) -> u64 {
    u64::from(at) % (file.metadata().unwrap().len() + 1)
}

fn part(file: &File, at: u32) -> (u64, Vec<u8>) {
    let at = within(file, at);
    let mut bytes = vec![0; SNAPSHOT];
    let read = file.read_at(&mut bytes, at).unwrap();
    bytes.truncate(read);
    (at, bytes)
}
