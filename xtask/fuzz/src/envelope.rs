//! Envelopes: arbitrary bytes never open, whatever their header asks for; one that was written opens as long as no byte of it
//! is altered.

use crate::memory::Payload;
use arbitrary::Arbitrary;
use runtime::envelope::{Error, Export as _, Import as _, Key, Limits, Params};
use runtime::locked_memory::LockedMemory as _;
use runtime::memories::buffer::Buffer;
use runtime::memories::file_memory::FileMemory;
use runtime::memories::noncontiguous_memory::NonContiguousMemory;
use runtime::memories::ram_memory::RamMemory;

/// What an envelope begins with.
const MAGIC: [u8; 8] = *b"\x89SHENV\r\n";
/// The length of a header without its checksum, in bytes.
const FIELDS_BYTES: usize = 100;

#[derive(Arbitrary, Debug)]
pub enum Input<'a> {
    /// Any bytes.
    Raw(bool, &'a [u8]),
    /// Any fields under a checksum that fits them, and what follows.
    Fields(bool, [u8; FIELDS_BYTES], &'a [u8]),
    /// A header as it is written, but for the cost and the length that it states, and what follows.
    Stated { passphrase: bool, operations: u32, memory_kib: u32, sealed_bytes: u64, rest: &'a [u8] },
    /// An envelope of ours, altered.
    Altered { secret: Payload, passphrase: bool, cost: u8, into: u8, edits: Vec<Edit> },
}

#[derive(Arbitrary, Debug)]
pub enum Edit {
    Xor(u16, u8),
    Cut(u16),
    Append(u8),
    Swap(u16, u16),
    /// Makes the checksum fit again.
    Checksum,
}

pub fn run(input: Input<'_>) {
    match input {
        Input::Raw(passphrase, bytes) => never_opens(passphrase, bytes),
        Input::Fields(passphrase, mut fields, rest) => {
            fields[..8].copy_from_slice(&MAGIC);
            never_opens(passphrase, &[&fields[..], &checksum(&fields), rest].concat());
        }
        Input::Stated { passphrase, operations, memory_kib, sealed_bytes, rest } => {
            let mut fields = [0; FIELDS_BYTES];
            fields[..8].copy_from_slice(&MAGIC);
            fields[8..12].copy_from_slice(&[1, 0, 1, u8::from(passphrase)]);
            fields[12..16].copy_from_slice(&operations.to_le_bytes());
            fields[16..20].copy_from_slice(&memory_kib.to_le_bytes());
            fields[92..].copy_from_slice(&sealed_bytes.to_le_bytes());
            never_opens(passphrase, &[&fields[..], &checksum(&fields), rest].concat());
        }
        Input::Altered { secret, passphrase, cost, into, edits } => {
            altered(secret, passphrase, cost, into, &edits);
        }
    }
}

fn never_opens(passphrase: bool, bytes: &[u8]) {
    let opened = RamMemory::import_with(bytes, key(passphrase), limits());
    assert!(opened.is_err(), "opened an envelope that no one sealed");
}

fn altered(secret: Payload, passphrase: bool, cost: u8, into: u8, edits: &[Edit]) {
    let secret = secret.bytes();
    let Ok(memory) = RamMemory::alloc(&secret, secret.len()) else {
        assert!(secret.is_empty());
        return;
    };
    let params = Params::new(1 + u32::from(cost & 1), 8 + u32::from(cost >> 1 & 15)).unwrap();
    let original = memory.export_with(key(passphrase), params).unwrap();
    let mut envelope = original.clone();
    for edit in edits.iter().take(32) {
        let length = envelope.len().max(1);
        match *edit {
            Edit::Xor(at, mask) => {
                if let Some(byte) = envelope.get_mut(usize::from(at) % length) {
                    *byte ^= mask;
                }
            }
            Edit::Cut(at) => envelope.truncate(usize::from(at)),
            Edit::Append(byte) => envelope.push(byte),
            Edit::Swap(a, b) if !envelope.is_empty() => {
                envelope.swap(usize::from(a) % length, usize::from(b) % length);
            }
            Edit::Checksum if envelope.len() >= FIELDS_BYTES + 16 => {
                let checksum = checksum(&envelope[..FIELDS_BYTES]);
                envelope[FIELDS_BYTES..FIELDS_BYTES + 16].copy_from_slice(&checksum);
            }
            Edit::Swap(..) | Edit::Checksum => (),
        }
    }
    let opened = match into % 4 {
        0 => RamMemory::import_with(&envelope, key(passphrase), limits()).and_then(|m| Ok(m.unlock()?)),
        1 => FileMemory::import_with(&envelope, key(passphrase), limits()).and_then(|m| Ok(m.unlock()?)),
        2 => NonContiguousMemory::import_with(&envelope, key(passphrase), limits())
            .and_then(|m| Ok(m.unlock()?)),
        _ => runtime::envelope::open(&envelope, key(passphrase), limits()),
    };
    check(opened, envelope == original, &secret);
    let wrong = runtime::envelope::open(&original, other_key(passphrase), limits());
    assert!(matches!(wrong, Err(Error::WrongKey { .. })), "{wrong:?}");
    let of_another_kind = runtime::envelope::open(&original, key(!passphrase), limits());
    assert!(matches!(of_another_kind, Err(Error::OtherKeyKind { .. })), "{of_another_kind:?}");
}

fn check(opened: Result<Buffer<u8>, Error>, intact: bool, secret: &[u8]) {
    match opened {
        Ok(bytes) => {
            assert!(intact, "opened an altered envelope");
            assert!(*bytes.borrow() == *secret, "other bytes");
        }
        Err(error) => assert!(!intact, "{error:?}"),
    }
}

fn key(passphrase: bool) -> Key<'static> {
    if passphrase { Key::Passphrase(b"a passphrase") } else { Key::Bytes(&[7; 32]) }
}

fn other_key(passphrase: bool) -> Key<'static> {
    if passphrase { Key::Passphrase(b"another one") } else { Key::Bytes(&[8; 32]) }
}

fn limits() -> Limits {
    Limits::default().operations(2).memory_kib(64).secret_bytes(1 << 20)
}

fn checksum(fields: &[u8]) -> [u8; 16] {
    let mut checksum = [0; 16];
    sodium::blake2b(&mut checksum, fields, &[]).unwrap();
    checksum
}
