//! Exporting and importing memories, and every envelope that must not open.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use envelope::{Error, Export as _, Import as _, Key, KeyKind, Limits, Params, Part, open, seal};
use locked_memory::{Buffer, LockedMemory as _, MemoryError, Zeroize as _};
use proptest::prelude::*;
use ram_memory::RamMemory;

const SECRET: &[u8] = b"a secret";
const PASSPHRASE: Key<'static> = Key::Passphrase(b"passphrase");
const BYTES: Key<'static> = Key::Bytes(&[7; 32]);

const HEADER: usize = 116;
const LENGTH: core::ops::Range<usize> = 92..100;

fn cheap() -> Params {
    Params::new(1, 8).unwrap()
}

fn exported(key: Key<'_>) -> Vec<u8> {
    RamMemory::alloc(SECRET, SECRET.len()).unwrap().export_with(key, cheap()).unwrap()
}

fn import(envelope: &[u8], key: Key<'_>) -> Result<RamMemory, Error> {
    RamMemory::import_with(envelope, key, limits())
}

/// Low enough that whatever a flipped bit asks for is cheap.
fn limits() -> Limits {
    Limits::default().operations(20).memory_kib(64)
}

/// Makes the checksum of an altered header match, as an attacker would.
fn with_checksum(mut envelope: Vec<u8>) -> Vec<u8> {
    let (fields, rest) = envelope.split_at_mut(100);
    sodium::blake2b(&mut rest[..16], fields, &[]).unwrap();
    envelope
}

/// `envelope` with `bytes` at `at` and a matching checksum.
fn forged(mut envelope: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    envelope[at..at + bytes.len()].copy_from_slice(bytes);
    with_checksum(envelope)
}

fn flips(envelope: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    (0..envelope.len() * 8).map(|bit| {
        let mut flipped = envelope.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit / 8, flipped)
    })
}

#[test]
fn what_was_exported_imports() {
    for key in [PASSPHRASE, BYTES] {
        for length in [1, 16, 31, 32, 33, 4095, 4096, 4097, 65_536, 1 << 20] {
            let secret = Buffer::<u8>::random(length);
            let memory = RamMemory::alloc(&secret.borrow(), length).unwrap();
            let envelope = memory.export_with(key, cheap()).unwrap();
            assert_eq!(envelope.len(), HEADER + length + 16);
            assert_eq!(import(&envelope, key).unwrap().unlock().unwrap(), secret);
        }
    }
}

#[test]
fn what_export_writes_import_reads_without_further_choices() {
    let envelope = RamMemory::alloc(SECRET, SECRET.len()).unwrap().export(BYTES).unwrap();
    let memory = RamMemory::import(&envelope, BYTES).unwrap();
    assert_eq!(*memory.unlock().unwrap().borrow(), *SECRET);
}

#[test]
fn a_memory_of_any_kind_reads_the_same_envelope() {
    let guarded = RamMemory::guarded(SECRET).unwrap().export(BYTES).unwrap();
    assert_eq!(*import(&guarded, BYTES).unwrap().unlock().unwrap().borrow(), *SECRET);
    let buffer = open(&guarded, BYTES, limits()).unwrap();
    let again = seal(&buffer, BYTES, cheap()).unwrap();
    assert_eq!(*import(&again, BYTES).unwrap().unlock().unwrap().borrow(), *SECRET);
}

#[test]
fn a_zeroized_memory_does_not_export() {
    let mut memory = RamMemory::alloc(SECRET, SECRET.len()).unwrap();
    memory.zeroize();
    assert!(matches!(memory.export(BYTES), Err(Error::Memory(MemoryError::IllegalZeroizedUsage))));
}

#[test]
fn no_part_of_the_secret_or_the_key_is_in_the_envelope() {
    let key = *b"thirty-two bytes, none in a row..".first_chunk::<32>().unwrap();
    let secret = b"a longer secret, of which four bytes in a row would show";
    let memory = RamMemory::alloc(secret, secret.len()).unwrap();
    let shows = |envelope: &[u8], of: &[u8]| {
        of.windows(4).any(|part| envelope.windows(4).any(|window| window == part))
    };
    let envelope = memory.export(Key::Bytes(&key)).unwrap();
    assert!(!shows(&envelope, secret) && !shows(&envelope, &key));
    let envelope = memory.export_with(PASSPHRASE, cheap()).unwrap();
    assert!(!shows(&envelope, secret) && !shows(&envelope, b"passphrase"));
}

#[test]
fn a_wrong_key_is_told_from_an_altered_envelope() {
    let envelope = exported(PASSPHRASE);
    for wrong in [&b"Passphrase"[..], b"passphras", b"passphrase\0", b"x"] {
        assert!(matches!(
            import(&envelope, Key::Passphrase(wrong)),
            Err(Error::WrongKey { kind: KeyKind::Passphrase })
        ));
    }
    let envelope = exported(BYTES);
    for bit in 0..256 {
        let mut wrong = [7; 32];
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(
            import(&envelope, Key::Bytes(&wrong)),
            Err(Error::WrongKey { kind: KeyKind::Bytes })
        ));
    }
}

#[test]
fn a_key_is_not_a_passphrase_even_of_the_same_bytes() {
    let as_passphrase = Key::Passphrase(&[7; 32]);
    assert!(matches!(
        import(&exported(BYTES), as_passphrase),
        Err(Error::OtherKeyKind { expected: KeyKind::Bytes, given: KeyKind::Passphrase })
    ));
    assert!(matches!(
        import(&exported(as_passphrase), BYTES),
        Err(Error::OtherKeyKind { expected: KeyKind::Passphrase, given: KeyKind::Bytes })
    ));
}

#[test]
fn an_empty_passphrase_is_refused_both_ways() {
    let memory = RamMemory::alloc(SECRET, SECRET.len()).unwrap();
    assert!(matches!(memory.export(Key::Passphrase(b"")), Err(Error::EmptyPassphrase)));
    assert!(matches!(import(&exported(PASSPHRASE), Key::Passphrase(b"")), Err(Error::EmptyPassphrase)));
}

#[test]
fn every_flipped_bit_is_an_error_that_names_its_part() {
    for key in [PASSPHRASE, BYTES] {
        for (byte, flipped) in flips(&exported(key)) {
            let error = import(&flipped, key).unwrap_err();
            let right = match byte {
                0..8 => matches!(error, Error::NotAnEnvelope),
                8..10 => matches!(error, Error::UnsupportedVersion { version } if version != 1),
                10..HEADER => matches!(error, Error::Altered { part: Part::Header }),
                _ => matches!(error, Error::Altered { part: Part::Secret }),
            };
            assert!(right, "byte {byte}: {error:?}");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_header_is_an_error_even_where_the_checksum_was_made_to_match() {
    for key in [PASSPHRASE, BYTES] {
        for (byte, flipped) in flips(&exported(key)).filter(|(byte, _)| (10..100).contains(byte)) {
            let error = import(&with_checksum(flipped), key).unwrap_err();
            let right = match byte {
                10 => matches!(error, Error::UnsupportedAlgorithm { .. }),
                11 => matches!(
                    error,
                    // The cost of a key is none, which is no cost of a passphrase.
                    Error::UnsupportedAlgorithm { .. }
                        | Error::OtherKeyKind { .. }
                        | Error::InvalidCost { .. }
                ),
                12..20 if key.kind() == KeyKind::Bytes => {
                    matches!(error, Error::Altered { part: Part::Secret })
                }
                12..20 => matches!(
                    error,
                    Error::WrongKey { .. } | Error::TooCostly { .. } | Error::InvalidCost { .. }
                ),
                36..60 => matches!(error, Error::Altered { part: Part::Secret }),
                20..92 => matches!(error, Error::WrongKey { .. }),
                _ => matches!(
                    error,
                    Error::Truncated { .. }
                        | Error::TrailingBytes { .. }
                        | Error::TooLong { .. }
                        | Error::Altered { part: Part::Header }
                ),
            };
            assert!(right, "byte {byte}: {error:?}");
        }
    }
}

#[test]
fn every_truncation_is_named_as_one() {
    for key in [PASSPHRASE, BYTES] {
        let envelope = exported(key);
        for length in 0..envelope.len() {
            let expected = if length < HEADER { HEADER } else { envelope.len() } as u64;
            let error = import(&envelope[..length], key).unwrap_err();
            assert!(
                matches!(error, Error::Truncated { expected: e, actual } if (e, actual) == (expected, length)),
                "{length}: {error:?}"
            );
        }
    }
}

#[test]
fn whatever_follows_an_envelope_is_an_error() {
    let envelope = exported(BYTES);
    for extra in [1, 16, 5000] {
        let mut longer = envelope.clone();
        longer.resize(envelope.len() + extra, 0);
        assert!(
            matches!(import(&longer, BYTES), Err(Error::TrailingBytes { extra: found }) if found == extra)
        );
    }
}

#[test]
fn another_version_is_named_and_nothing_behind_it_is_read() {
    let mut envelope = exported(BYTES);
    for version in [0, 2, 256, u16::MAX] {
        envelope[8..10].copy_from_slice(&version.to_le_bytes());
        for end in [10, 20, envelope.len()] {
            assert!(
                matches!(import(&envelope[..end], BYTES), Err(Error::UnsupportedVersion { version: v }) if v == version)
            );
        }
    }
}

#[test]
fn parts_of_two_envelopes_under_one_key_do_not_mix() {
    let (one, other) = (exported(BYTES), exported(BYTES));
    let mixed = [&one[..HEADER], &other[HEADER..]].concat();
    assert!(matches!(import(&mixed, BYTES), Err(Error::Altered { part: Part::Secret })));
}

#[test]
fn a_hostile_cost_is_an_error_before_it_is_paid() {
    // Paying any of these takes hours, or 4 TiB.
    let hostile = [(u32::MAX, 8), (11, 8), (1, u32::MAX), (1, (1 << 20) + 1), (u32::MAX, u32::MAX)];
    conformance::child::run("a_hostile_cost_is_an_error_before_it_is_paid", || {
        let envelope = exported(PASSPHRASE);
        let pages = boxed::status();
        for (operations, memory_kib) in hostile {
            let cost = [operations.to_le_bytes(), memory_kib.to_le_bytes()].concat();
            let error = RamMemory::import(&forged(envelope.clone(), 12, &cost), PASSPHRASE).unwrap_err();
            assert!(
                matches!(error, Error::TooCostly { operations: o, memory_kib: m, .. } if (o, m) == (operations, memory_kib)),
                "{error:?}"
            );
        }
        assert_eq!(boxed::status().pages_in_use, pages.pages_in_use);
    })
    .succeeds();
}

#[test]
fn a_hostile_length_is_an_error_and_not_an_allocation() {
    conformance::child::run("a_hostile_length_is_an_error_and_not_an_allocation", || {
        let buffer = Buffer::alloc(SECRET, SECRET.len());
        let envelope = seal(&buffer, BYTES, cheap()).unwrap();
        drop(buffer);
        let pages = boxed::status();
        for length in [u64::MAX, 1 << 60, (64 << 20) + 17] {
            let hostile = forged(envelope.clone(), LENGTH.start, &length.to_le_bytes());
            assert!(
                matches!(RamMemory::import(&hostile, BYTES), Err(Error::TooLong { bytes, limit: 0x400_0000 }) if bytes == length - 16)
            );
        }
        let within = forged(envelope.clone(), LENGTH.start, &((64_u64 << 20) + 16).to_le_bytes());
        assert!(matches!(RamMemory::import(&within, BYTES), Err(Error::Truncated { .. })));
        let status = boxed::status();
        assert_eq!(
            (status.pages_in_use, status.pages_pooled),
            (pages.pages_in_use, pages.pages_pooled)
        );
    })
    .succeeds();
}

#[test]
fn a_caller_sets_limits_of_its_own() {
    let envelope = exported(PASSPHRASE);
    let import = |limits| RamMemory::import_with(&envelope, PASSPHRASE, limits);
    assert!(import(Limits::default().operations(1).memory_kib(8).secret_bytes(SECRET.len())).is_ok());
    assert!(matches!(import(Limits::default().operations(0)), Err(Error::TooCostly { .. })));
    assert!(matches!(import(Limits::default().memory_kib(7)), Err(Error::TooCostly { .. })));
    assert!(matches!(
        import(Limits::default().secret_bytes(SECRET.len() - 1)),
        Err(Error::TooLong { bytes: 8, limit: 7 })
    ));
    let costly = RamMemory::alloc(SECRET, SECRET.len()).unwrap();
    let costly = costly.export_with(PASSPHRASE, Params::new(11, 8).unwrap()).unwrap();
    assert!(matches!(RamMemory::import(&costly, PASSPHRASE), Err(Error::TooCostly { .. })));
    assert!(RamMemory::import_with(&costly, PASSPHRASE, Limits::default().operations(11)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_open_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(import(&bytes, PASSPHRASE).is_err());
        prop_assert!(import(&bytes, BYTES).is_err());
    }

    #[test]
    fn an_arbitrary_body_behind_a_right_beginning_never_opens(
        body in proptest::collection::vec(any::<u8>(), 0..400),
        derivation in 0_u8..3,
        costs in (0_u32..30, 0_u32..80),
        matching in any::<bool>(),
    ) {
        let mut bytes = [&b"\x89SHENV\r\n\x01\0\x01"[..], &[derivation]].concat();
        bytes.extend(costs.0.to_le_bytes());
        bytes.extend(costs.1.to_le_bytes());
        bytes.extend(body);
        if bytes.len() >= HEADER {
            if matching {
                let length = (bytes.len() - HEADER) as u64;
                bytes[LENGTH].copy_from_slice(&length.to_le_bytes());
            }
            bytes = with_checksum(bytes);
        }
        prop_assert!(import(&bytes, PASSPHRASE).is_err());
        prop_assert!(import(&bytes, BYTES).is_err());
    }

    #[test]
    fn several_changes_at_once_are_an_error(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
    ) {
        let envelope = exported(BYTES);
        let mut altered = envelope.clone();
        for (at, mask) in changes {
            altered[at.index(envelope.len())] ^= mask;
        }
        prop_assume!(altered != envelope);
        prop_assert!(import(&altered, BYTES).is_err());
    }
}
