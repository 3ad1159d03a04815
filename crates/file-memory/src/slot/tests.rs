use super::*;
use crate::faults::{Call, Failure, Plan, during, under};
use crate::room::BLOCK;

fn session() -> Session {
    Session::begin().unwrap()
}

/// A slot in a file of its own, however many tests run at once.
fn slot(payload: &[u8]) -> (tempfile::TempDir, Slot) {
    let directory = tempfile::tempdir().unwrap();
    let mut slot = Slot::new_in(directory.path(), payload.len()).unwrap();
    slot.write(&session(), payload).unwrap();
    (directory, slot)
}

fn content(slot: &Slot) -> Result<Vec<u8>, MemoryError> {
    let mut plain = vec![1; slot.len()];
    let read = slot.read(&session(), &mut plain);
    if read.is_err() {
        assert!(plain.iter().all(|byte| *byte < 2), "nothing of the secret");
    }
    read.map(|()| plain)
}

fn stored(slot: &Slot) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(slot.extent.size).unwrap()];
    let length = slot.len() + session().overhead();
    slot.store.read(&mut bytes[..length], slot.extent.offset).unwrap();
    bytes
}

fn does_not_open(slot: &Slot) {
    let content = content(slot);
    assert!(matches!(content, Err(MemoryError::DecryptionError { operation: READ, .. })), "{content:?}");
}

fn cause(error: &MemoryError) -> (Step, ErrorKind) {
    let cause = FileError::of(error).unwrap_or_else(|| panic!("{error:?}"));
    (cause.step, cause.source.kind())
}

#[test]
fn what_is_written_is_read_at_every_size() {
    for length in [1, 16, 31, 32, 33, 64, 65, 1984, 1985, 4095, 4096, 4097, 100_000] {
        let payload: Vec<u8> = (0..=250).cycle().take(length).collect();
        let (_directory, mut slot) = slot(&payload);
        assert_eq!((slot.len(), content(&slot).unwrap()), (length, payload.clone()));
        slot.write(&session(), &vec![7; length]).unwrap();
        assert_eq!(content(&slot).unwrap(), vec![7; length]);
    }
}

#[test]
fn no_cipher_adds_more_than_a_slot_has_room_for() {
    assert!(session().overhead() <= MOST_OVERHEAD);
}

#[test]
fn a_secret_takes_few_bytes_of_memory() {
    assert!(size_of::<crate::FileMemory>() <= 64, "{}", size_of::<crate::FileMemory>());
}

#[test]
fn other_lengths_are_refused() {
    assert!(matches!(Slot::new(0), Err(MemoryError::ZeroSizedNotAllowed)));
    let (_directory, mut slot) = slot(b"12345");
    assert_eq!(format!("{slot:?}"), DEBUG_MSG);
    for stated in [4, 6] {
        let refused = |result| {
            let expected =
                matches!(result, Err(MemoryError::SizeMismatch { stated: s, actual: 5 }) if s == stated);
            assert!(expected, "{result:?}");
        };
        refused(slot.write(&session(), &vec![0; stated]));
        refused(slot.read(&session(), &mut vec![0; stated]));
    }
    assert_eq!(content(&slot).unwrap(), b"12345");
    let error = Slot::new(usize::MAX).unwrap_err();
    assert_eq!(cause(&error), (Step::Grow, ErrorKind::FileTooLarge));
}

#[test]
fn an_altered_byte_anywhere_does_not_open() {
    let (_directory, slot) = slot(b"secret");
    let good = stored(&slot);
    for (offset, byte) in (slot.extent.offset..).zip(&good[..slot.len() + session().overhead()]) {
        slot.store.write(&[byte ^ 0x10], offset).unwrap();
        does_not_open(&slot);
        slot.store.write(&[*byte], offset).unwrap();
    }
    assert_eq!(content(&slot).unwrap(), b"secret");
}

#[test]
fn a_truncated_file_does_not_open() {
    let (_directory, slot) = slot(b"secret");
    let length = (slot.len() + session().overhead()) as u64;
    slot.store.file().set_len(slot.extent.offset + length - 1).unwrap();
    does_not_open(&slot);
    slot.store.file().set_len(0).unwrap();
    does_not_open(&slot);
    slot.store.file().set_len(BLOCK).unwrap();
    does_not_open(&slot);
}

#[test]
fn swapped_slots_do_not_open() {
    let (directory, one) = slot(b"one");
    let mut other = one.beside(3).unwrap();
    other.write(&session(), b"two").unwrap();
    let (_, in_another_file) = slot(b"six");
    let swap = |a: &Slot, b: &Slot| {
        let (in_a, in_b) = (stored(a), stored(b));
        a.store.write(&in_b, a.extent.offset).unwrap();
        b.store.write(&in_a, b.extent.offset).unwrap();
    };
    for (a, b) in [(&one, &other), (&one, &in_another_file)] {
        let before = (content(a).unwrap(), content(b).unwrap());
        swap(a, b);
        does_not_open(a);
        does_not_open(b);
        swap(a, b);
        assert_eq!((content(a).unwrap(), content(b).unwrap()), before);
    }
    drop(directory);
}

#[test]
fn older_content_of_the_same_slot_does_not_open() {
    let (_directory, mut slot) = slot(b"older");
    let older = stored(&slot);
    slot.write(&session(), b"newer").unwrap();
    slot.store.write(&older, slot.extent.offset).unwrap();
    does_not_open(&slot);

    // Nor that of a slot that was there before.
    let (store, extent) = (slot.store.clone(), slot.extent);
    drop(slot);
    let mut slot = Slot::take(store, Chosen::Given, 5, MAKE).unwrap();
    assert_eq!(slot.extent, extent);
    slot.write(&session(), b"third").unwrap();
    slot.store.write(&older, slot.extent.offset).unwrap();
    does_not_open(&slot);
}

#[test]
fn a_block_belongs_to_its_place_and_generation_besides_its_nonce() {
    let (_directory, one) = slot(b"one");
    let mut other = one.beside(3).unwrap();
    other.store.write(&stored(&one), other.extent.offset).unwrap();
    other.state = one.state;
    does_not_open(&other);

    let State::Written { nonce, generation } = one.state else { unreachable!() };
    other.extent = one.extent;
    assert_eq!(content(&other).unwrap(), b"one");
    other.state = State::Written { nonce, generation: generation + 1 };
    does_not_open(&other);
    std::mem::forget(other); // its extent is that of the other
}

#[test]
fn every_write_has_a_generation_of_its_own() {
    let (_directory, mut slot) = slot(b"first");
    let mut before = None;
    for _ in 0..3 {
        slot.write(&session(), b"again").unwrap();
        let State::Written { generation, .. } = slot.state else { unreachable!() };
        assert!(Some(generation) > before);
        before = Some(generation);
    }
}

#[test]
fn holes_are_made_of_whole_blocks_alone() {
    if !crate::os::HAS_HOLES {
        return;
    }
    let (_directory, keep) = slot(b"secret");
    let block = usize::try_from(BLOCK).unwrap();
    for (length, holes) in [(32, 0), (block / 4, 0), (block - MOST_OVERHEAD, 1), (block, 1)] {
        let mut dropped = keep.beside(length).unwrap();
        dropped.write(&session(), &vec![2; length]).unwrap();
        let never = Plan {
            call: Call::Punch,
            error: Failure::Kind(ErrorKind::Other),
            after: usize::MAX,
            for_good: false,
        };
        assert_eq!(under(never, || drop(dropped)).1, holes, "{length}");
    }
}

#[test]
fn a_slot_that_was_not_written_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut slot = Slot::new_in(directory.path(), 5).unwrap();
    does_not_open(&slot);
    slot.write(&session(), b"first").unwrap();
    let error = during(Call::Write, ErrorKind::StorageFull, || slot.write(&session(), b"other")).unwrap_err();
    assert_eq!(cause(&error), (Step::Write, ErrorKind::StorageFull));
    does_not_open(&slot);
    slot.write(&session(), b"other").unwrap();
    assert_eq!(content(&slot).unwrap(), b"other");
}

#[test]
fn a_dropped_slot_reads_as_zeros_and_is_reused() {
    for length in [32, 1500, 5000] {
        let (_directory, keep) = slot(&vec![1; length]);
        for failing in [None, Some(Call::Punch), Some(Call::Write)] {
            if failing == Some(Call::Write) && !crate::os::HAS_HOLES {
                continue; // nothing else takes the ciphertext away
            }
            let mut dropped = keep.beside(length).unwrap();
            dropped.write(&session(), &vec![2; length]).unwrap();
            assert!(stored(&dropped).iter().any(|byte| *byte != 0));
            let extent = dropped.extent;
            match failing {
                Some(call) => during(call, ErrorKind::Other, || drop(dropped)),
                None => drop(dropped),
            }
            let again = keep.beside(length).unwrap();
            assert_eq!(again.extent, extent);
            assert!(stored(&again).iter().all(|byte| *byte == 0), "{length} {failing:?}");
        }
        assert_eq!(content(&keep).unwrap(), vec![1; length]);
    }
}

#[test]
fn a_file_system_without_holes_is_asked_once_and_slots_are_wiped_all_the_same() {
    let (_directory, keep) = slot(&[1; 5000]);
    let extent = during(Call::Punch, ErrorKind::Unsupported, || {
        let mut dropped = keep.beside(5000).unwrap();
        dropped.write(&session(), &[2; 5000]).unwrap();
        dropped.extent
    });
    for _ in 0..2 {
        let mut dropped = keep.beside(5000).unwrap();
        assert_eq!(dropped.extent, extent);
        dropped.write(&session(), &[2; 5000]).unwrap();
        drop(dropped);
        assert!(stored(&keep.beside(5000).unwrap()).iter().all(|byte| *byte == 0));
    }
}

#[test]
fn every_failing_call_is_an_error_that_names_its_step_and_directory() {
    let (directory, slot) = slot(b"secret");
    let kind = ErrorKind::PermissionDenied;
    let fresh = tempfile::tempdir().unwrap();
    let made = during(Call::Make, kind, || Slot::new_in(fresh.path(), 5)).unwrap_err();
    assert_eq!(cause(&made), (Step::Make, kind));
    let grown = during(Call::Grow, kind, || slot.beside(5000)).unwrap_err();
    assert_eq!(cause(&grown), (Step::Grow, kind));
    let read = during(Call::Read, kind, || content(&slot)).unwrap_err();
    assert_eq!(cause(&read), (Step::Read, kind));
    assert_eq!(FileError::of(&read).unwrap().directory, Directory::Given(directory.path().to_owned()));
    assert_eq!(content(&slot).unwrap(), b"secret");
    let text = format!("{read}: {}", std::error::Error::source(&read).unwrap());
    assert!(
        text.starts_with("cannot read a slot of a file: cannot read from the temporary file in the given"),
        "{text}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn empty_blocks_go_back_to_the_file_system() {
    use std::os::unix::fs::MetadataExt as _;
    let (_directory, keep) = slot(&[1; 32]);
    let blocks = || keep.store.file().metadata().unwrap().blocks();
    let slots: Vec<Slot> = (0..8000)
        .map(|_| {
            let mut slot = keep.beside(32).unwrap();
            slot.write(&session(), &[2; 32]).unwrap();
            slot
        })
        .collect();
    let full = blocks();
    assert!(full * 512 >= 8000 * 128);
    drop(slots);
    assert!(blocks() <= full / 3, "{} of {full}", blocks());
    assert_eq!(content(&keep).unwrap(), [1; 32]);
}

#[test]
fn many_threads_share_a_file() {
    let (_directory, keep) = slot(&[9; 32]);
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let keep = &keep;
            scope.spawn(move || {
                let mut slots = Vec::new();
                for round in 0..500_usize {
                    let length = 1 + round * 37 % 3000;
                    let mut slot = keep.beside(length).unwrap();
                    slot.write(&session(), &vec![thread; length]).unwrap();
                    slots.push(slot);
                    if round % 3 == 2 {
                        slots.swap_remove(round % slots.len());
                    }
                    let some = &slots[round % slots.len()];
                    assert_eq!(content(some).unwrap(), vec![thread; some.len()]);
                }
            });
        }
    });
    assert_eq!(content(&keep).unwrap(), [9; 32]);
}
