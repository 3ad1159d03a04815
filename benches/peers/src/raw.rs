//! Libraries that hand out addresses: libsodium, and memsec.
#![allow(unsafe_code)]

use crate::{Keep, Refused};
use core::ffi::c_void;
use core::ptr::NonNull;

#[derive(Clone, Copy)]
enum Access {
    None,
    Read,
    Write,
}

/// A guarded allocation, readable and writable when new.
trait Allocation: Sized {
    const NAMES: [&'static str; 2];

    fn allocate(len: usize) -> Option<Self>;
    fn bytes(&self) -> NonNull<[u8]>;
    fn protect(&self, access: Access) -> bool;

    fn refused(operation: &'static str) -> Refused {
        Refused { library: Self::NAMES[0], operation }
    }
}

impl<A: Allocation> Keep for A {
    const LIBRARY: &'static str = A::NAMES[0];
    const WHAT: &'static str = A::NAMES[1];

    fn new(len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Self, Refused> {
        let mut secret = A::allocate(len).ok_or(A::refused("make a secret"))?;
        secret.open(Access::Write, |mut bytes| {
            // SAFETY: the bytes are writable now, and the exclusive borrow keeps all others from them.
            fill(unsafe { bytes.as_mut() });
        })?;
        Ok(secret)
    }

    fn read<R>(&mut self, f: impl FnOnce(&[u8]) -> R) -> Result<R, Refused> {
        self.open(Access::Read, |bytes| {
            // SAFETY: the bytes are readable now, and the exclusive borrow keeps all others from them.
            f(unsafe { bytes.as_ref() })
        })
    }

    fn write<R>(&mut self, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Refused> {
        self.open(Access::Write, |mut bytes| {
            // SAFETY: the bytes are writable now, and the exclusive borrow keeps all others from them.
            f(unsafe { bytes.as_mut() })
        })
    }
}

trait Open: Allocation {
    /// Shows the bytes to `f`, open, and closes them.
    fn open<R>(&mut self, access: Access, f: impl FnOnce(NonNull<[u8]>) -> R) -> Result<R, Refused> {
        let refused = Self::refused("change its protection");
        if !self.protect(access) {
            return Err(refused);
        }
        let result = f(self.bytes());
        if self.protect(Access::None) { Ok(result) } else { Err(refused) }
    }
}

impl<A: Allocation> Open for A {}

/// `sodium_malloc` of libsodium, the one that this workspace is built with.
#[derive(Debug)]
pub struct Sodium(NonNull<[u8]>);

impl Allocation for Sodium {
    const NAMES: [&'static str; 2] = ["libsodium", "sodium_malloc"];

    fn allocate(len: usize) -> Option<Self> {
        // SAFETY: takes nothing, and may be called again.
        if unsafe { libsodium_sys::sodium_init() } < 0 {
            return None;
        }
        // SAFETY: libsodium is initialised.
        let start = NonNull::new(unsafe { libsodium_sys::sodium_malloc(len) }.cast())?;
        Some(Self(NonNull::slice_from_raw_parts(start, len)))
    }

    fn bytes(&self) -> NonNull<[u8]> {
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

/// `malloc_sized` of `memsec` 0.7.0.
#[derive(Debug)]
pub struct Memsec(NonNull<[u8]>);

impl Allocation for Memsec {
    const NAMES: [&'static str; 2] = ["memsec 0.7.0", "malloc"];

    fn allocate(len: usize) -> Option<Self> {
        // SAFETY: any length may be asked for.
        unsafe { memsec::malloc_sized(len) }.map(Self)
    }

    fn bytes(&self) -> NonNull<[u8]> {
        self.0
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

/// `memfd_secret_sized` of `memsec` 0.7.0.
#[derive(Debug)]
pub struct MemsecSecret(NonNull<[u8]>);

impl Allocation for MemsecSecret {
    const NAMES: [&'static str; 2] = ["memsec 0.7.0", "memfd_secret"];

    fn allocate(len: usize) -> Option<Self> {
        // SAFETY: any length may be asked for.
        unsafe { memsec::memfd_secret_sized(len) }.map(Self)
    }

    fn bytes(&self) -> NonNull<[u8]> {
        self.0
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
