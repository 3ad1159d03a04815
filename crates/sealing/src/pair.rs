//! A secret of any length as two shards, while they are worked with.
//!
//! ```text
//! L   random, 32 bytes
//! R   S xor stream(BLAKE2b(L)), as long as the secret S
//! ```

use crate::Error;
use boxed::Scratch;
use core::fmt;
use sodium::{KEY_BYTES, STREAM_NONCE_BYTES, blake2b, stream_xor};

/// The left shard of a secret: random bytes.
pub type Left = [u8; KEY_BYTES];

/// The two shards of a secret in guarded pages, for the length of one operation. Dropped, they are wiped.
///
/// A memory keeps the shards in two places, reads them into a `Pair` to work with them and writes them back:
///
/// ```
/// let mut pair = sealing::Pair::split(b"secret")?;
/// let (left, right) = (*pair.left(), pair.right().to_vec());
///
/// pair.refresh()?;
/// assert!(*pair.left() != left && *pair.right() != *right);
/// assert_eq!(*pair.join()?, *b"secret");
/// # Ok::<(), sealing::Error>(())
/// ```
///
/// Neither shard alone says anything of the secret but its length, and neither does a left shard together with the right
/// one of before or after a refresh.
pub struct Pair {
    /// In a page of its own, for the right one can be long.
    small: Scratch<Left>,
    right: Scratch<u8>,
    /// Whether the key to the mask of the left shard was made.
    has_key: bool,
}

/// What lies where in the small page: a left shard and the one that is to follow it, then the keys to their masks.
const LEFT: usize = 0;
const NEXT: usize = 1;
const KEY: usize = 2;

impl Pair {
    /// Splits a copy of `secret`. One system call, for the random left shard.
    ///
    /// # Errors
    /// [`Error::Page`] where there are no guarded pages for the shards, or the secret has no byte; [`Error::Cipher`] where
    /// there are no random bytes.
    pub fn split(secret: &[u8]) -> Result<Self, Error> {
        let mut pair = Self::room(secret.len())?;
        sodium::random_bytes(&mut pair.small[LEFT])?;
        // The mask first: the secret never lies clear where its shard is made.
        pair.mask()?;
        for (byte, secret) in pair.right.iter_mut().zip(secret) {
            *byte ^= secret;
        }
        boxed::scrub();
        Ok(pair)
    }

    /// Room for the shards of a secret of `len` bytes, all zeros, to be filled from where they are kept.
    ///
    /// # Errors
    /// [`Error::Page`] where there are no guarded pages for the shards, or `len` is zero.
    pub fn room(len: usize) -> Result<Self, Error> {
        boxed::together(|| {
            Ok(Self { right: Scratch::new(len)?, small: Scratch::new(2 * KEY)?, has_key: false })
        })
    }

    /// Both shards, the left and the right one, to be filled.
    pub fn shards_mut(&mut self) -> (&mut Left, &mut [u8]) {
        self.has_key = false;
        (&mut self.small[LEFT], &mut self.right)
    }

    /// The left shard.
    #[must_use]
    pub fn left(&self) -> &Left {
        &self.small[LEFT]
    }

    /// The right shard, as long as the secret.
    #[must_use]
    pub fn right(&self) -> &[u8] {
        &self.right
    }

    /// Replaces both shards by new ones of the same secret, which itself appears at no moment. One system call, for the
    /// random left shard: it cannot be foretold from what was seen of any before.
    ///
    /// # Errors
    /// [`Error::Cipher`] where there are no random bytes; the pair is then to be dropped.
    pub fn refresh(&mut self) -> Result<(), Error> {
        sodium::random_bytes(&mut self.small[NEXT])?;
        // The new mask goes on before the old one comes off.
        self.make_key(NEXT)?;
        self.mask_with(NEXT)?;
        self.mask()?;
        self.small.swap(LEFT, NEXT);
        self.small.swap(KEY + LEFT, KEY + NEXT);
        boxed::scrub();
        Ok(())
    }

    /// Joins the secret, in the page of the right shard.
    ///
    /// # Errors
    /// [`Error::Cipher`], where libsodium is not available.
    pub fn join(mut self) -> Result<Scratch<u8>, Error> {
        self.mask()?;
        boxed::scrub();
        Ok(self.right)
    }

    /// Puts the mask of the left shard on the right one, or takes it off.
    fn mask(&mut self) -> Result<(), Error> {
        if !self.has_key {
            self.make_key(LEFT)?;
            self.has_key = true;
        }
        self.mask_with(LEFT)
    }

    fn make_key(&mut self, of: usize) -> Result<(), Error> {
        let (lefts, keys) = self.small.split_at_mut(KEY);
        Ok(blake2b(&mut keys[of], &lefts[of], &[])?)
    }

    fn mask_with(&mut self, left: usize) -> Result<(), Error> {
        // A left shard, and so a key, masks one text alone: there is nothing for a nonce to tell apart.
        Ok(stream_xor(&mut self.right, &[0; STREAM_NONCE_BYTES], &self.small[KEY + left])?)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(boxed::DEBUG_MSG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reloaded(left: &Left, right: &[u8]) -> Pair {
        let mut pair = Pair::room(right.len()).unwrap();
        let (l, r) = pair.shards_mut();
        l.copy_from_slice(left);
        r.copy_from_slice(right);
        pair
    }

    #[test]
    fn secrets_of_any_length_are_joined_again_before_and_after_refreshes() {
        for length in [1, 16, 31, 32, 33, 4095, 4096, 4097, 65_536] {
            let secret: Vec<u8> = (0..251).cycle().take(length).collect();
            let mut pair = Pair::split(&secret).unwrap();
            for _ in 0..5 {
                let kept = (*pair.left(), pair.right().to_vec());
                assert_eq!(*reloaded(&kept.0, &kept.1).join().unwrap(), *secret);
                pair.refresh().unwrap();
                assert!(*pair.left() != kept.0);
                // One byte in 256 stays as it was.
                assert!(length == 1 || pair.right() != kept.1);
            }
            assert_eq!(*pair.join().unwrap(), *secret);
        }
    }

    #[test]
    fn shards_of_different_splits_or_refreshes_do_not_fit() {
        let secret = [7; 32];
        let mut pair = Pair::split(&secret).unwrap();
        let old = (*pair.left(), pair.right().to_vec());
        pair.refresh().unwrap();
        assert_ne!(*reloaded(&old.0, pair.right()).join().unwrap(), secret);
        assert_ne!(*reloaded(pair.left(), &old.1).join().unwrap(), secret);
        let other = Pair::split(&secret).unwrap();
        assert_ne!(*reloaded(other.left(), pair.right()).join().unwrap(), secret);
    }

    #[test]
    fn the_right_shard_says_nothing_of_the_secret() {
        // One secret of all zeros, one of all ones: both give bytes in which each value is as frequent.
        for fill in [0, 0xff] {
            let pair = Pair::split(&[fill; 65_536]).unwrap();
            let mut counts = [0_u32; 256];
            pair.right().iter().for_each(|byte| counts[usize::from(*byte)] += 1);
            // 256 expected, deviation 16: ten deviations either way never happen.
            assert!(counts.iter().all(|count| (96..416).contains(count)), "{counts:?}");
        }
        // And two shards of one secret have nothing in common.
        let (one, other) = (Pair::split(&[1; 4096]).unwrap(), Pair::split(&[1; 4096]).unwrap());
        let equal = one.right().iter().zip(other.right()).filter(|(a, b)| a == b).count();
        assert!(equal < 80, "{equal} of 4,096 bytes are equal, 16 are to be expected");
    }

    #[test]
    fn an_empty_secret_is_an_error() {
        assert!(matches!(Pair::split(&[]), Err(Error::Page(boxed::Error::ZeroSize))));
        assert!(matches!(Pair::room(0), Err(Error::Page(boxed::Error::ZeroSize))));
    }

    #[test]
    fn debug_hides_the_shards() {
        assert_eq!(format!("{:?}", Pair::split(b"secret").unwrap()), boxed::DEBUG_MSG);
    }
}
