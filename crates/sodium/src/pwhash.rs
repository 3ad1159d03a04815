//! Argon2id: a key from a passphrase, at a cost that guessing has to pay too (RFC 9106).
#![allow(unsafe_code)]

use crate::Error;
use core::ffi::c_char;

/// The length of the salt of [`argon2id`], in bytes.
pub const ARGON2ID_SALT_BYTES: usize = libsodium_sys::crypto_pwhash_argon2id_SALTBYTES as usize;

/// The fewest passes over the memory that [`argon2id`] takes.
pub const ARGON2ID_OPERATIONS_MIN: u32 = libsodium_sys::crypto_pwhash_argon2id_OPSLIMIT_MIN;

/// The least memory that [`argon2id`] takes, in KiB.
pub const ARGON2ID_MEMORY_KIB_MIN: u32 = libsodium_sys::crypto_pwhash_argon2id_MEMLIMIT_MIN / 1024;

const OUT_MIN: usize = libsodium_sys::crypto_pwhash_argon2id_BYTES_MIN as usize;

/// Fills `out` with the Argon2id hash (version 1.3, one lane) of `passphrase`, in `operations` passes over `memory_kib`
/// KiB of memory.
///
/// The work takes `operations` times `memory_kib` steps whatever the passphrase is. Its memory is ordinary memory, neither
/// locked nor wiped, which goes back to the system when the function returns; up to 8 KiB of dead stack stay to be wiped
/// with [`scrub`](crate::scrub()).
///
/// # Errors
/// [`Error::Cost`] below [`ARGON2ID_OPERATIONS_MIN`] or [`ARGON2ID_MEMORY_KIB_MIN`], and for more memory than this system
/// can address; [`Error::Length`] for less than 16 bytes of `out`, or more than `u32::MAX` of it or of the passphrase;
/// [`Error::OutOfMemory`]. `out` then holds zeros.
///
/// Reference: <https://doc.libsodium.org/password_hashing/default_phf>.
pub fn argon2id(
    out: &mut [u8],
    passphrase: &[u8],
    salt: &[u8; ARGON2ID_SALT_BYTES],
    operations: u32,
    memory_kib: u32,
) -> Result<(), Error> {
    let done = hash(out, passphrase, salt, operations, memory_kib);
    if done.is_err() {
        crate::memzero(out);
    }
    done
}

fn hash(
    out: &mut [u8],
    passphrase: &[u8],
    salt: &[u8; ARGON2ID_SALT_BYTES],
    operations: u32,
    memory_kib: u32,
) -> Result<(), Error> {
    if out.len() < OUT_MIN || u32::try_from(out.len()).is_err() {
        return Err(Error::Length { argument: "Argon2id output", bytes: out.len() });
    }
    if u32::try_from(passphrase.len()).is_err() {
        return Err(Error::Length { argument: "passphrase", bytes: passphrase.len() });
    }
    let too_cheap = operations < ARGON2ID_OPERATIONS_MIN || memory_kib < ARGON2ID_MEMORY_KIB_MIN;
    let memory = usize::try_from(u64::from(memory_kib) * 1024).ok().filter(|_| !too_cheap);
    let memory = memory.ok_or(Error::Cost { operations, memory_kib })?;
    crate::init()?;
    // SAFETY: three slices, each valid for its length; the salt has its length by its type, the other lengths and the
    // costs were checked above.
    let code = unsafe {
        libsodium_sys::crypto_pwhash_argon2id(
            out.as_mut_ptr(),
            out.len() as u64,
            passphrase.as_ptr().cast::<c_char>(),
            passphrase.len() as u64,
            salt.as_ptr(),
            u64::from(operations),
            memory,
            libsodium_sys::crypto_pwhash_argon2id_ALG_ARGON2ID13.cast_signed(),
        )
    };
    // The inputs are valid, so there is one reason left.
    if code == 0 { Ok(()) } else { Err(Error::OutOfMemory { bytes: memory }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = *b"sixteen of salt.";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_hash_is_that_of_a_known_answer() {
        // The vector of libsodium's test suite with one pass over 1,593 KiB.
        let passphrase = unhex("b540beb016a5366524d4605156493f9874514a5aa58818cd0c6dfffaa9e90205f17b");
        let salt = unhex("44071f6d181561670bda728d43fb79b4").try_into().unwrap();
        let mut out = [0; 231];
        argon2id(&mut out, &passphrase, &salt, 1, 1593).unwrap();
        assert_eq!(
            hex(&out),
            "7fb72409b0987f8190c3729710e98c3f80c5a8727d425fdcde7f3644d467fe973f5b5fee683bd3fce812\
             cb9ae5e9921a2d06c2f1905e4e839692f2b934b682f11a2fe2b90482ea5dd234863516dba6f52dc0702d\
             324ec77d860c2e181f84472bd7104fedce071ffa93c5309494ad51623d214447a7b2b1462dc7d5d55a1f\
             6fd5b54ce024118d86f0c6489d16545aaa87b6689dad9f2fb47fda9894f8e12b87d978b483ccd4cc5fd9\
             595cdc7a818452f915ce2f7df95ec12b1c72e3788d473441d884f9748eb14703c21b45d82fd667b85f5b\
             2d98c13303b3fe76285531a826b6fc0fe8e3dddecf"
        );
    }

    #[test]
    fn every_input_changes_the_hash() {
        let with = |passphrase: &[u8], salt: [u8; 16], operations, memory_kib| {
            let mut out = [0; 32];
            argon2id(&mut out, passphrase, &salt, operations, memory_kib).unwrap();
            out
        };
        let hash = with(b"p", SALT, 1, 8);
        assert_eq!(hash, with(b"p", SALT, 1, 8));
        assert_ne!(hash, [0; 32]);
        assert_ne!(hash, with(b"q", SALT, 1, 8));
        assert_ne!(hash, with(b"", SALT, 1, 8));
        assert_ne!(hash, with(b"p", [0; 16], 1, 8));
        assert_ne!(hash, with(b"p", SALT, 2, 8));
        assert_ne!(hash, with(b"p", SALT, 1, 9));
    }

    #[test]
    fn costs_and_lengths_outside_the_standard_are_errors_and_leave_zeros() {
        let mut out = [7; 32];
        for (operations, memory_kib) in [(0, 8), (1, 7), (1, 0), (0, u32::MAX)] {
            assert!(matches!(
                argon2id(&mut out, b"p", &SALT, operations, memory_kib),
                Err(Error::Cost { operations: o, memory_kib: m }) if (o, m) == (operations, memory_kib)
            ));
            assert_eq!(out, [0; 32]);
        }
        assert!(matches!(argon2id(&mut out[..15], b"p", &SALT, 1, 8), Err(Error::Length { bytes: 15, .. })));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn too_little_memory_is_an_error_and_leaves_zeros() {
        const TEST: &str = "pwhash::tests::too_little_memory_is_an_error_and_leaves_zeros";
        const MARK: &str = "STRONGHOLD_SODIUM_TEST_CHILD";
        if std::env::var_os(MARK).is_some() {
            let mut out = [7; 32];
            let two_gib = 2 << 20;
            let result = argon2id(&mut out, b"p", &SALT, 1, two_gib);
            assert!(matches!(result, Err(Error::OutOfMemory { bytes }) if bytes == 2 << 30), "{result:?}");
            assert_eq!(out, [0; 32]);
            return;
        }
        // A process of its own, with 1 GiB of address space; run as conformance::child runs one.
        let exe = std::env::current_exe().unwrap();
        let mut child = std::process::Command::new("sh");
        child.args([
            "-c",
            "ulimit -v 1048576 && exec $STRONGHOLD_TEST_RUNNER \"$0\" --exact \"$1\" --test-threads=1",
        ]);
        let output = child.arg(exe).arg(TEST).env(MARK, "1").output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
    }
}
