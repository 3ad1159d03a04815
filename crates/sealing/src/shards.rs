//! A 32-byte key as two shards: `L` random, `R = K xor BLAKE2b(L)`.

use crate::Error;
use boxed::{Boxed, Scratch};
use sodium::blake2b;

/// The length of a key and of each shard, in bytes.
pub(crate) const KEY_BYTES: usize = sodium::KEY_BYTES;

/// Two shards in two different pages of one guarded range, so that one system call opens both.
///
/// The range is a row of slots as long as a key. Its first and its last slot lie a page apart; those between stay zero.
pub(crate) struct Shards {
    slots: Boxed<[u8; KEY_BYTES]>,
    /// How often the shards were replaced.
    splits: u64,
}

impl Shards {
    /// Splits a new random key.
    pub(crate) fn of_a_random_key() -> Result<Self, Error> {
        let slots = boxed::page_size() / KEY_BYTES + 1;
        let mut scratch = Scratch::<[u8; KEY_BYTES]>::new(slots)?;
        let [left, .., right] = &mut *scratch else { return Err(boxed::Error::ZeroSize.into()) };
        // K xor BLAKE2b(L) of a random K is a random R.
        sodium::random_bytes(left)?;
        sodium::random_bytes(right)?;
        Ok(Self { slots: scratch.close()?, splits: 0 })
    }

    /// Joins the key into `key`.
    pub(crate) fn join(&self, key: &mut [u8]) -> Result<(), Error> {
        let slots = self.slots.read()?;
        let [left, .., right] = &*slots else { return Err(boxed::Error::ZeroSize.into()) };
        blake2b(key, left, &[])?;
        xor_into(key, right);
        Ok(())
    }

    /// Joins the key into `key` and replaces both shards.
    ///
    /// The new left shard is a pseudo-random function, keyed with the key itself, of a count: to everyone who does not
    /// have the key it is as good as random, and it costs no system call.
    pub(crate) fn join_and_resplit(&mut self, key: &mut [u8]) -> Result<(), Error> {
        let count = self.splits + 1;
        let mut slots = self.slots.write()?;
        let [left, .., right] = &mut *slots else { return Err(boxed::Error::ZeroSize.into()) };
        blake2b(key, left, &[])?;
        xor_into(key, right);
        blake2b(left, &count.to_le_bytes(), key)?;
        blake2b(right, left, &[])?;
        xor_into(right, key);
        self.splits = count;
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn copy(&self) -> ([u8; KEY_BYTES], [u8; KEY_BYTES]) {
        let slots = self.slots.read().unwrap();
        (slots[0], slots[slots.len() - 1])
    }

    #[cfg(test)]
    pub(crate) fn addresses(&self) -> (usize, usize) {
        let first = self.slots.address();
        (first, first + self.slots.size() - KEY_BYTES)
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
        let mut key = [0; KEY_BYTES];
        shards.join(&mut key).unwrap();
        key
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
            let mut again = [0; KEY_BYTES];
            shards.join_and_resplit(&mut again).unwrap();
            assert_eq!(again, key);
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
    fn the_shards_lie_in_different_pages_without_access() {
        let shards = Shards::of_a_random_key().unwrap();
        let (left, right) = shards.addresses();
        assert_ne!(left / boxed::page_size(), right / boxed::page_size());
        assert_eq!(shards.slots.prot(), boxed::Prot::NoAccess);
    }
}
