//! Which parts of a file are taken: sizes and offsets alone, nothing is read or written here.
//!
//! ```text
//! block      | 128 | 128 | 128 | ...  | 128 |   32 slots of one class
//! block      |    1024    |     1024  | ...     4 slots of one class
//! blocks     |   a slot of whole blocks     |
//! ```

use std::collections::{BTreeMap, VecDeque};

/// What files are divided into, in bytes: no file system has smaller holes.
pub(crate) const BLOCK: u64 = 4096;
/// The smallest slot, in bytes.
const SMALLEST: u64 = 128;
/// How many empty blocks keep their space in the file system, so that a secret that comes and goes costs no allocation
/// there.
const IDLE_BLOCKS: usize = 64;

/// The free and the taken slots of a file.
#[derive(Default)]
pub(crate) struct Room {
    /// Where the file ends, or will once all slots are written.
    end: u64,
    /// Free slots by their size; those at the back are taken first.
    free: BTreeMap<u64, VecDeque<u64>>,
    /// The blocks that are divided into slots, by their offset.
    divided: BTreeMap<u64, Divided>,
    /// How many divided blocks are empty and not punched.
    idle: usize,
}

#[derive(Default)]
struct Divided {
    taken: u32,
    /// Whether the block is a hole.
    punched: bool,
}

/// The size of the slot that takes `bytes` bytes: a power of two up to half a block, whole blocks beyond.
pub(crate) fn slot_size(bytes: u64) -> Option<u64> {
    match bytes {
        0..=SMALLEST => Some(SMALLEST),
        _ if bytes <= BLOCK / 2 => Some(bytes.next_power_of_two()),
        _ => bytes.checked_next_multiple_of(BLOCK),
    }
}

impl Room {
    /// A free slot of `size` bytes.
    pub(crate) fn take(&mut self, size: u64) -> Option<u64> {
        let offset = self.free.get_mut(&size)?.pop_back()?;
        if let Some(block) = self.divided.get_mut(&block_of(offset)).filter(|_| size < BLOCK) {
            if block.taken == 0 && !block.punched {
                self.idle -= 1;
            }
            block.taken += 1;
            block.punched = false;
        }
        Some(offset)
    }

    /// Where the file would end were it to [`grow`](Self::grow) by a slot of `size` bytes.
    pub(crate) fn end_with(&self, size: u64) -> Option<u64> {
        self.end.checked_add(size.max(BLOCK)).filter(|end| i64::try_from(*end).is_ok())
    }

    /// Puts slots of `size` bytes behind all others, up to `end`, and takes the first.
    pub(crate) fn grow(&mut self, size: u64, end: u64) -> u64 {
        let offset = self.end;
        self.end = end;
        if size < BLOCK {
            self.divided.insert(offset, Divided { taken: 1, punched: false });
            let others = (1..BLOCK / size).rev().map(|slot| offset + slot * size);
            self.free.entry(size).or_default().extend(others);
        }
        offset
    }

    /// Frees a slot: to be taken next, or last of all where it is `broken`, for it may be one that the disk has no room
    /// for. Returns the block that is to be punched before anything else happens in it.
    pub(crate) fn give_back(&mut self, size: u64, offset: u64, broken: bool) -> Option<u64> {
        let free = self.free.entry(size).or_default();
        match free.try_reserve(1) {
            Ok(()) if broken => free.push_front(offset),
            Ok(()) => free.push_back(offset),
            Err(_) => (), // the slot is lost until the file goes
        }
        let block = self.divided.get_mut(&block_of(offset)).filter(|_| size < BLOCK)?;
        block.taken -= 1;
        if block.taken > 0 {
            return None;
        }
        if self.idle < IDLE_BLOCKS {
            self.idle += 1;
            return None;
        }
        block.punched = true;
        Some(block_of(offset))
    }
}

fn block_of(offset: u64) -> u64 {
    offset - offset % BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(room: &mut Room, size: u64) -> u64 {
        room.take(size).unwrap_or_else(|| {
            let end = room.end_with(size).unwrap();
            room.grow(size, end)
        })
    }

    #[test]
    fn a_slot_is_no_smaller_than_what_it_takes_and_fits_its_block() {
        for bytes in (0..3 * BLOCK).chain([1 << 20, (1 << 20) + 1]) {
            let size = slot_size(bytes).unwrap();
            assert!(size >= bytes.max(SMALLEST) && size < 2 * bytes.max(BLOCK));
            assert!(BLOCK.is_multiple_of(size) || size.is_multiple_of(BLOCK), "{bytes}: {size}");
        }
        assert_eq!(
            [1, 72, 128, 129, 2048, 2049, 4097].map(|bytes| slot_size(bytes).unwrap()),
            [128, 128, 128, 256, 2048, 4096, 8192]
        );
        assert_eq!(slot_size(u64::MAX), None);
        let room = Room { end: i64::MAX as u64 - BLOCK, ..Room::default() };
        assert!(room.end_with(BLOCK).is_some());
        assert_eq!(room.end_with(2 * BLOCK), None);
    }

    #[test]
    fn slots_taken_at_one_time_never_overlap_and_freed_ones_are_reused() {
        let mut room = Room::default();
        let mut slots: Vec<(u64, u64)> = Vec::new();
        let mut random = 88_172_645_463_325_252_u64;
        let mut end = 0;
        for round in 0..30_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // Grows to hundreds of slots, then shrinks to few, again and again.
            if slots.is_empty() || random % 10 < if round / 2000 % 2 == 0 { 7 } else { 3 } {
                let size = slot_size(random >> 20 & 0x3fff).unwrap();
                let offset = taken(&mut room, size);
                let apart = |(s, o): &(u64, u64)| offset + size <= *o || o + s <= offset;
                assert!(slots.iter().all(apart), "{offset} {size}");
                slots.push((size, offset));
            } else {
                let (size, offset) =
                    slots.swap_remove(usize::try_from((random >> 20) % slots.len() as u64).unwrap());
                if let Some(block) = room.give_back(size, offset, false) {
                    let outside = |(s, o): &(u64, u64)| o + s <= block || block + BLOCK <= *o;
                    assert!(slots.iter().all(outside), "{block}");
                }
            }
            if round == 4000 {
                end = room.end;
            }
        }
        assert!(room.end < 2 * end, "{} {end}", room.end);
    }

    #[test]
    fn all_but_a_few_empty_blocks_are_punched_once() {
        let mut room = Room::default();
        for _ in 0..2 {
            let slots: Vec<_> = (0..100 * 32).map(|_| taken(&mut room, 128)).collect();
            assert_eq!((room.end, room.idle), (100 * BLOCK, 0));
            let punched: Vec<_> =
                slots.iter().filter_map(|offset| room.give_back(128, *offset, false)).collect();
            assert_eq!((punched.len(), room.idle), (100 - IDLE_BLOCKS, IDLE_BLOCKS));
        }
    }

    #[test]
    fn a_slot_that_could_not_be_written_is_tried_again_last() {
        let mut room = Room::default();
        let slots: Vec<_> = (0..64).map(|_| taken(&mut room, 128)).collect();
        room.give_back(128, slots[0], false);
        room.give_back(128, slots[40], true);
        assert_eq!([taken(&mut room, 128), taken(&mut room, 128)], [slots[0], slots[40]]);
    }

    #[test]
    fn a_secret_that_comes_and_goes_leaves_its_block_alone() {
        let mut room = Room::default();
        for _ in 0..1000 {
            let offset = taken(&mut room, 256);
            assert_eq!(room.give_back(256, offset, false), None);
        }
        assert_eq!(room.end, BLOCK);
    }
}
