//! The time during which the root key is joined.

use crate::root::{self, Joined, Root, Salt};
use crate::{Error, Place};
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use std::sync::Arc;

/// What a sealed block is opened with besides its place: the number under which it was sealed, never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(u64);

/// A session: as long as it lives, the root key is joined, and everything that seals or opens in this process shares it.
///
/// Every operation of a memory begins one of its own. To make a batch of them cheaper, hold one around it:
///
/// ```
/// let batch = sealing::Session::begin()?;
/// // a thousand unlocks, which join the root key once instead of a thousand times
/// drop(batch);
/// # Ok::<(), sealing::Error>(())
/// ```
///
/// It trades protection for speed: hold it for moments. The shards are not replaced while it lives. It stays on the thread
/// that began it:
///
/// ```compile_fail,E0277
/// let batch = sealing::Session::begin().unwrap();
/// std::thread::spawn(move || drop(batch));
/// ```
#[derive(Debug)]
pub struct Session {
    root: &'static Root,
    joined: Arc<Joined>,
    /// Whether the joining may have left a trace on the dead stack of this thread, which the session therefore stays on.
    traces: Cell<bool>,
    _one_thread: PhantomData<*const ()>,
}

/// Replaces both shards of the root key now, on top of the regular re-splits.
///
/// # Errors
/// [`Error::Page`] where the pages of the shards cannot be opened.
pub fn resplit() -> Result<(), Error> {
    boxed::together(|| Root::current()?.resplit())
}

impl Session {
    /// Joins the root key: two system calls, none where another session has it joined. The first call of a process draws
    /// the key.
    ///
    /// # Errors
    /// [`Error::Page`] where there is no guarded page for the key, [`Error::Cipher`] where there are no random bytes.
    pub fn begin() -> Result<Self, Error> {
        boxed::together(|| {
            let root = Root::current()?;
            Ok(Self { root, joined: root.join()?, traces: Cell::new(true), _one_thread: PhantomData })
        })
    }

    /// How many bytes longer than the message a sealed block is.
    #[must_use]
    pub fn overhead(&self) -> usize {
        self.root.aead.tag_bytes() + size_of::<Salt>()
    }

    /// Seals `message`, which belongs to `place`, into `block`.
    ///
    /// # Errors
    /// [`Error::Cipher`] unless `block` is [`overhead`](Self::overhead) bytes longer than `message`; [`Error::Forked`] in
    /// a child of the process that began the session; [`Error::NoncesExhausted`].
    pub fn seal(&self, place: &Place, message: &[u8], block: &mut [u8]) -> Result<Nonce, Error> {
        self.check()?;
        let nonce = Nonce(self.root.nonce(self.joined.generation)?);
        let Some((sealed, salt)) = block.split_last_chunk_mut::<{ size_of::<Salt>() }>() else {
            return Err(sodium::Error::Length { argument: "block", bytes: block.len() }.into());
        };
        let sealing = self.root.aead.seal(
            self.key()?,
            &nonce_bytes(nonce, self.joined.salt)[..self.root.aead.nonce_bytes()],
            place.associated_data(),
            message,
            sealed,
        );
        *salt = self.joined.salt;
        self.scrub();
        sealing?;
        Ok(nonce)
    }

    /// Opens `block`, sealed for `place` under `nonce`, into `message`.
    ///
    /// # Errors
    /// [`Error::Cipher`] where anything differs from the sealing, `message` then holds zeros; [`Error::Forked`] where the
    /// parent of this process sealed it or began the session; [`Error::Page`] with [`boxed::Error::Lost`] where the root key
    /// that sealed it was destroyed, because its page could not be closed.
    pub fn open(&self, place: &Place, nonce: Nonce, block: &[u8], message: &mut [u8]) -> Result<(), Error> {
        self.check()?;
        if root::is_foreign(nonce.0, self.joined.generation) {
            return Err(Error::Forked);
        }
        if self.root.has_lost(nonce.0) {
            return Err(Error::Page(boxed::Error::Lost));
        }
        let Some((sealed, salt)) = block.split_last_chunk::<{ size_of::<Salt>() }>() else {
            return Err(sodium::Error::Length { argument: "block", bytes: block.len() }.into());
        };
        let opening = self.root.aead.open(
            self.key()?,
            &nonce_bytes(nonce, *salt)[..self.root.aead.nonce_bytes()],
            place.associated_data(),
            sealed,
            message,
        );
        self.scrub();
        Ok(opening?)
    }

    fn scrub(&self) {
        boxed::scrub();
        self.traces.set(false);
    }

    fn key(&self) -> Result<&[u8; sodium::KEY_BYTES], Error> {
        self.joined.joint.key().ok_or(sodium::Error::Length { argument: "key", bytes: 0 }.into())
    }

    fn check(&self) -> Result<(), Error> {
        if self.joined.generation == boxed::generation() { Ok(()) } else { Err(Error::Forked) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.traces.get() {
            boxed::scrub();
        }
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(boxed::DEBUG_MSG)
    }
}

/// Nonce, salt, and zeros up to the longest nonce of any cipher.
fn nonce_bytes(nonce: Nonce, salt: Salt) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&nonce.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&salt);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place::new(*b"test____", 1, 1)
    }

    fn sealed(message: &[u8]) -> (Nonce, Vec<u8>) {
        let session = Session::begin().unwrap();
        let mut block = vec![0; message.len() + session.overhead()];
        let nonce = session.seal(&place(), message, &mut block).unwrap();
        (nonce, block)
    }

    fn opened(nonce: Nonce, block: &[u8]) -> Result<Vec<u8>, Error> {
        let session = Session::begin().unwrap();
        let mut message = vec![1; block.len().saturating_sub(session.overhead())];
        session.open(&place(), nonce, block, &mut message).map(|()| message)
    }

    #[test]
    fn what_one_session_sealed_another_opens() {
        for length in [0, 1, 31, 32, 33, 4096, 100_000] {
            let message = vec![0xa5; length];
            let (nonce, block) = sealed(&message);
            assert_eq!(opened(nonce, &block).unwrap(), message);
        }
    }

    #[test]
    fn equal_messages_seal_to_different_blocks() {
        let ((nonce, block), (other_nonce, other_block)) = (sealed(b"message"), sealed(b"message"));
        assert_ne!(nonce, other_nonce);
        assert_ne!(block, other_block);
    }

    #[test]
    fn an_altered_swapped_or_moved_block_does_not_open() {
        let (nonce, block) = sealed(b"message");
        let (other_nonce, other_block) = sealed(b"message");
        for at in 0..block.len() {
            let mut altered = block.clone();
            altered[at] ^= 0x80;
            assert!(matches!(opened(nonce, &altered), Err(Error::Cipher(sodium::Error::Forged))));
        }
        assert!(matches!(opened(nonce, &other_block), Err(Error::Cipher(_))));
        assert!(matches!(opened(other_nonce, &block), Err(Error::Cipher(_))));
        assert!(matches!(opened(nonce, &block[1..]), Err(Error::Cipher(_))));
        assert!(matches!(opened(nonce, &[]), Err(Error::Cipher(_))));
        let session = Session::begin().unwrap();
        let mut message = [7; 7];
        let elsewhere = Place::new(*b"test____", 2, 1);
        assert!(session.open(&elsewhere, nonce, &block, &mut message).is_err());
        assert_eq!(message, [0; 7]);
        assert_eq!(opened(nonce, &block).unwrap(), b"message");
    }

    #[test]
    fn a_session_of_the_parent_neither_seals_nor_opens() {
        let (nonce, block) = sealed(b"message");
        let own = Session::begin().unwrap();
        let joint = crate::shards::Joint::new().unwrap();
        let joined = Joined { joint, generation: own.joined.generation + 1, salt: own.joined.salt };
        let mut others = Session::begin().unwrap();
        others.joined = Arc::new(joined);
        let mut message = [0; 7];
        assert!(matches!(others.open(&place(), nonce, &block, &mut message), Err(Error::Forked)));
        let mut block = vec![0; 7 + others.overhead()];
        assert!(matches!(others.seal(&place(), &message, &mut block), Err(Error::Forked)));
    }

    #[test]
    fn the_key_is_random_and_hidden() {
        let session = Session::begin().unwrap();
        let key = session.key().unwrap();
        assert!(key.iter().any(|byte| *byte != key[0]));
        assert_eq!(format!("{:?}", session.root), boxed::DEBUG_MSG);
    }

    #[test]
    fn a_resplit_changes_no_ciphertext() {
        let (nonce, block) = sealed(b"message");
        for _ in 0..3 {
            resplit().unwrap();
        }
        assert_eq!(opened(nonce, &block).unwrap(), b"message");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_root_key_that_was_destroyed_is_followed_by_another() {
        use conformance::{child, grants::Grant, kernel};
        if Grant::Filters.is_lacking() {
            return;
        }
        child::run("session::tests::a_root_key_that_was_destroyed_is_followed_by_another", || {
            // Both shards in one page, which is opened and closed at every joining.
            boxed::Policy::new().on_fork(boxed::OnFork::Inherit).install().unwrap();
            let (nonce, block) = sealed(b"message");
            // Pages for all that follows: no new one could be closed.
            drop([(); 4].map(|()| boxed::Scratch::<u8>::new(32).unwrap()));
            let destroy = || {
                let joining = std::thread::spawn(|| {
                    kernel::deny_protection(0).unwrap();
                    assert!(resplit().is_err());
                });
                joining.join().unwrap();
            };
            destroy();
            for _ in 0..2 {
                let lost = opened(nonce, &block);
                assert!(matches!(lost, Err(Error::Page(boxed::Error::Lost))), "{lost:?}");
            }
            let (nonce, block) = sealed(b"another");
            assert_eq!(opened(nonce, &block).unwrap(), b"another");
            let session = Session::begin().unwrap();
            destroy();
            assert!(resplit().is_err());
            session.open(&place(), nonce, &block, &mut [0; 7]).unwrap();
            drop(session);
            resplit().unwrap();
            assert!(matches!(opened(nonce, &block), Err(Error::Page(boxed::Error::Lost))));
        })
        .succeeds();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn who_waited_for_the_pages_of_the_root_key_shares_that_of_another_thread() {
        use boxed::{AtLimit, Policy, Scratch};
        use conformance::child::{Conditions, run_under};
        use std::time::Duration;
        let test = "session::tests::who_waited_for_the_pages_of_the_root_key_shares_that_of_another_thread";
        // Three to make the key, of which it keeps two, and one for each session: not enough for two keys.
        let user = Conditions { lock_limit_kib: Some(16), ordinary_user: true };
        run_under(user, test, || {
            Policy::new().at_limit(AtLimit::Wait(Duration::from_secs(20))).install().unwrap();
            let held = [(); 4].map(|()| Scratch::<u8>::new(32).unwrap());
            std::thread::scope(|scope| {
                let first = [(); 2].map(|()| scope.spawn(|| Session::begin().map(drop)));
                std::thread::sleep(Duration::from_millis(50)); // in which they begin to wait
                drop(held);
                first.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
            });
        })
        .succeeds();
    }

    #[test]
    fn many_threads_seal_and_open_at_once() {
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                scope.spawn(move || {
                    for round in 0..2000_u32 {
                        let message = [thread, round.to_le_bytes()[0]];
                        let (nonce, block) = sealed(&message);
                        assert_eq!(opened(nonce, &block).unwrap(), message);
                    }
                });
            }
        });
    }
}
