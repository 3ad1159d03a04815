//! A 32-byte key as two shards: `L` random, `R = K xor BLAKE2b(L)`.

use crate::Error;
use boxed::{Scratch, Twin};
use sodium::blake2b;

/// The length of a key and of each shard, in bytes.
pub(crate) const KEY_BYTES: usize = sodium::KEY_BYTES;

/// Two shards, which lie in two guarded pages that are reached by different means.
pub(crate) struct Shards {
    twin: Twin<KEY_BYTES>,
    /// How often the shards were replaced.
    splits: u64,
}

/// Guarded memory for one joining: the key, room for what it is joined from, and for the hash that masks a new shard.
pub(crate) struct Joint {
    bytes: Scratch<u8>,
}

impl Joint {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { bytes: Scratch::new(KEY_BYTES + Twin::<KEY_BYTES>::ROOM + KEY_BYTES)? })
    }

    /// The key, zeros before a joining.
    pub(crate) fn key(&self) -> Option<&[u8; KEY_BYTES]> {
        self.bytes.first_chunk()
    }

    fn parts(&mut self) -> (&mut [u8], &mut [u8]) {
        self.bytes.split_at_mut(KEY_BYTES)
    }
}

impl Shards {
    /// Splits a new random key.
    pub(crate) fn of_a_random_key() -> Result<Self, Error> {
        // K xor BLAKE2b(L) of a random K is a random R.
        let mut random = Scratch::<[u8; KEY_BYTES]>::new(2)?;
        sodium::random_bytes(random.as_flattened_mut())?;
        Ok(Self { twin: Twin::new(&random[0], &random[1])?, splits: 0 })
    }

    /// Joins the key into `joint`.
    pub(crate) fn join(&self, joint: &mut Joint) -> Result<(), Error> {
        let (key, room) = joint.parts();
        self.twin.read(room, |left, right| {
            blake2b(key, left, &[])?;
            xor_into(key, right);
            Ok(())
        })?
    }

    /// Joins the key into `joint` and replaces both shards.
    ///
    /// The new left shard is a pseudo-random function, keyed with the key itself, of a count: to everyone who does not
    /// have the key it is as good as random.
    pub(crate) fn join_and_resplit(&mut self, joint: &mut Joint) -> Result<(), Error> {
        self.join(joint)?;
        let count = self.splits + 1;
        let (key, rest) = joint.parts();
        let (room, hash) = rest.split_at_mut(Twin::<KEY_BYTES>::ROOM);
        let (new_left, _) = room.split_at_mut(KEY_BYTES);
        blake2b(new_left, &count.to_le_bytes(), key)?;
        // The key's part of `joint` becomes the new right shard, and the key again after it was stored.
        blake2b(hash, new_left, &[])?;
        xor_into(key, hash);
        let stored = self.twin.write(|left, right| {
            left.copy_from_slice(new_left);
            right.copy_from_slice(key);
        });
        xor_into(key, hash);
        sodium::memzero(rest);
        stored?;
        self.splits = count;
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn copy(&self) -> ([u8; KEY_BYTES], [u8; KEY_BYTES]) {
        self.twin.read(&mut [0; Twin::<KEY_BYTES>::ROOM], |left, right| (*left, *right)).unwrap()
    }
}

fn xor_into(bytes: &mut [u8], mask: &[u8]) {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(shards: &Shards) -> [u8; KEY_BYTES] {
        let mut joint = Joint::new().unwrap();
        shards.join(&mut joint).unwrap();
        *joint.key().unwrap()
    }

    #[test]
    fn joining_is_repeatable_and_two_keys_differ() {
        let (one, other) = (Shards::of_a_random_key().unwrap(), Shards::of_a_random_key().unwrap());
        assert_eq!(joined(&one), joined(&one));
        assert_ne!(joined(&one), joined(&other));
    }

    #[test]
    fn a_resplit_keeps_the_key_and_changes_both_shards() {
        let mut shards = Shards::of_a_random_key().unwrap();
        let key = joined(&shards);
        let mut seen = vec![shards.copy()];
        for _ in 0..50 {
            let mut again = Joint::new().unwrap();
            shards.join_and_resplit(&mut again).unwrap();
            assert_eq!(*again.key().unwrap(), key);
            assert_eq!(joined(&shards), key);
            let (left, right) = shards.copy();
            assert!(seen.iter().all(|(l, r)| *l != left && *r != right));
            seen.push((left, right));
        }
    }

    #[test]
    fn no_shard_is_the_key_and_neither_is_their_plain_sum() {
        let shards = Shards::of_a_random_key().unwrap();
        let (mut left, right) = shards.copy();
        let key = joined(&shards);
        assert!(left != key && right != key);
        xor_into(&mut left, &right);
        assert_ne!(left, key);
    }

    #[test]
    fn the_shards_lie_in_different_pages() {
        let (left, right) = Shards::of_a_random_key().unwrap().twin.addresses();
        assert_ne!(left / boxed::page_size(), right / boxed::page_size());
    }
}
