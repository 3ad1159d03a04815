//! Libraries that hand out addresses: libsodium, and memsec. Cloning and updating are left to their callers.
#![allow(unsafe_code)]

use super::{Result, Subject, keep_in_own_frame, peer};
use crate::holder::{Holder, SECRET_BYTES};
use crate::stage::Stage;
use core::ffi::c_void;
use core::ptr::NonNull;
use std::hint::black_box;

pub(super) fn all() -> [Subject; 3] {
    let secret =
        Subject { needs_secret_memory: true, ..peer("memsec 0.7.0", "memfd_secret", hold::<MemsecSecret>) };
    [
        peer("libsodium", "sodium_malloc", hold::<Sodium>),
        peer("memsec 0.7.0", "malloc", hold::<Memsec>),
        secret,
    ]
}

#[derive(Clone, Copy)]
enum Access {
    None,
    Read,
    Write,
}

/// A guarded allocation of [`SECRET_BYTES`].
trait Raw: Sized {
    /// Readable and writable.
    fn new() -> Option<Self>;
    fn start(&self) -> NonNull<u8>;
    fn protect(&self, access: Access) -> bool;
}

fn hold<R: Raw>(holder: &mut Holder) -> Result {
    let mut secret = R::new().ok_or("no memory")?;
    holder.secret(bytes(&mut secret))?;
    protect(&secret, Access::None)?;
    holder.at(Stage::AtRest)?;
    protect(&secret, Access::Read)?;
    // SAFETY: the allocation has this length and was just made readable.
    keep_in_own_frame(unsafe { core::slice::from_raw_parts(secret.start().as_ptr(), SECRET_BYTES) });
    protect(&secret, Access::None)?;
    holder.at(Stage::Used)?;
    protect(&secret, Access::Read)?;
    // SAFETY: as above.
    black_box(unsafe { secret.start().read() });
    holder.at(Stage::Borrowed)?;
    drop(secret);
    Ok(holder.at(Stage::Dropped)?)
}

fn protect(raw: &impl Raw, access: Access) -> Result {
    if raw.protect(access) { Ok(()) } else { Err("the protection cannot be changed".into()) }
}

fn bytes<R: Raw>(raw: &mut R) -> &mut [u8] {
    // SAFETY: the allocation has this length, is writable as it was made, and the borrow keeps all others from it.
    unsafe { core::slice::from_raw_parts_mut(raw.start().as_ptr(), SECRET_BYTES) }
}

struct Sodium(NonNull<u8>);

impl Raw for Sodium {
    fn new() -> Option<Self> {
        // SAFETY: takes nothing, and may be called again.
        if unsafe { libsodium_sys::sodium_init() } < 0 {
            return None;
        }
        // SAFETY: libsodium is initialised.
        NonNull::new(unsafe { libsodium_sys::sodium_malloc(SECRET_BYTES) }.cast()).map(Self)
    }

    fn start(&self) -> NonNull<u8> {
        self.0
    }

    fn protect(&self, access: Access) -> bool {
        let start = self.0.as_ptr().cast::<c_void>();
        let code = match access {
            // SAFETY: the address is that of a live allocation of `sodium_malloc`.
            Access::None => unsafe { libsodium_sys::sodium_mprotect_noaccess(start) },
            // SAFETY: as above.
            Access::Read => unsafe { libsodium_sys::sodium_mprotect_readonly(start) },
            // SAFETY: as above.
            Access::Write => unsafe { libsodium_sys::sodium_mprotect_readwrite(start) },
        };
        code == 0
    }
}

impl Drop for Sodium {
    fn drop(&mut self) {
        // SAFETY: the address is that of a live allocation of `sodium_malloc`, which no one uses after this.
        unsafe { libsodium_sys::sodium_free(self.0.as_ptr().cast()) };
    }
}

struct Memsec(NonNull<[u8]>);

impl Raw for Memsec {
    fn new() -> Option<Self> {
        // SAFETY: any length may be asked for.
        unsafe { memsec::malloc_sized(SECRET_BYTES) }.map(Self)
    }

    fn start(&self) -> NonNull<u8> {
        self.0.cast()
    }

    fn protect(&self, access: Access) -> bool {
        let access = match access {
            Access::None => memsec::Prot::NoAccess,
            Access::Read => memsec::Prot::ReadOnly,
            Access::Write => memsec::Prot::ReadWrite,
        };
        // SAFETY: the address is that of a live allocation of `malloc_sized`.
        unsafe { memsec::mprotect(self.0, access) }
    }
}

impl Drop for Memsec {
    fn drop(&mut self) {
        self.protect(Access::Write); // `free` reads its canary
        // SAFETY: the address is that of a live allocation of `malloc_sized`, which no one uses after this.
        unsafe { memsec::free(self.0) };
    }
}

struct MemsecSecret(NonNull<[u8]>);

impl Raw for MemsecSecret {
    fn new() -> Option<Self> {
        // SAFETY: any length may be asked for.
        unsafe { memsec::memfd_secret_sized(SECRET_BYTES) }.map(Self)
    }

    fn start(&self) -> NonNull<u8> {
        self.0.cast()
    }

    /// Its protection stays what it is: `mprotect` of memsec is for its other allocations.
    fn protect(&self, _: Access) -> bool {
        true
    }
}

impl Drop for MemsecSecret {
    fn drop(&mut self) {
        // SAFETY: the address is that of a live allocation of `memfd_secret_sized`, which no one uses after this.
        unsafe { memsec::free_memfd_secret(self.0) };
    }
}
