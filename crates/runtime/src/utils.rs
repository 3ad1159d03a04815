//! Small helpers kept from the published runtime.

use crate::memories::buffer::Buffer;
use zeroize::Zeroizing;

/// Writes `noise xor payload` into the first `size` bytes of `data`.
///
/// # Panics
/// Where one of the slices is shorter than `size`.
pub fn xor(data: &mut [u8], payload: &[u8], noise: &[u8], size: usize) {
    data[..size].copy_from_slice(&payload[..size]);
    xor_mut(data, noise, size);
}

/// Combines the first `size` bytes of `payload` with those of `noise` in place.
///
/// # Panics
/// Where one of the slices is shorter than `size`.
pub fn xor_mut(payload: &mut [u8], noise: &[u8], size: usize) {
    for (byte, noise) in payload[..size].iter_mut().zip(&noise[..size]) {
        *byte ^= noise;
    }
}

/// `size` random bytes in ordinary memory, wiped when dropped. For a secret, use [`Buffer::random`].
///
/// # Panics
/// Where the system has no source of random bytes.
#[must_use]
#[allow(clippy::expect_used)]
pub fn random_vec(size: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; size]);
    sodium::random_bytes(&mut bytes).expect("the system has a source of random bytes");
    bytes
}

/// `size` random letters and digits.
///
/// # Panics
/// Where the system has no source of random bytes.
#[must_use]
pub fn random_fname(size: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut name = String::with_capacity(size);
    while name.len() < size {
        // Bytes from 62 * 4 on would favour the first letters.
        let usable = random_vec(2 * (size - name.len()))
            .iter()
            .filter(|byte| **byte < 248)
            .copied()
            .collect::<Vec<_>>();
        name.extend(
            usable.iter().take(size - name.len()).map(|byte| char::from(ALPHABET[usize::from(byte % 62)])),
        );
    }
    name
}

// The link in the documentation of `random_vec`.
const _: fn(usize) -> Buffer<u8> = Buffer::random;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xor_twice_gives_the_payload_back() {
        let mut data = [0; 4];
        xor(&mut data, b"abcd", b"wxyz", 4);
        assert_eq!(data, [b'a' ^ b'w', b'b' ^ b'x', b'c' ^ b'y', b'd' ^ b'z']);
        xor_mut(&mut data, b"wxyz", 3);
        assert_eq!(data, [b'a', b'b', b'c', b'd' ^ b'z']);
    }

    #[test]
    fn random_helpers_give_the_length_asked_for_and_differ() {
        for size in [0, 1, 32, 1000] {
            assert_eq!(random_vec(size).len(), size);
            let name = random_fname(size);
            assert_eq!(name.len(), size);
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
        assert_ne!(*random_vec(32), *random_vec(32));
        assert_ne!(random_fname(32), random_fname(32));
    }
}
