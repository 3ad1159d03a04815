#![doc = include_str!("../README.md")]

mod abort;
mod absent;
mod attempt;
mod backing;
mod boxed;
mod error;
#[cfg(all(test, target_os = "linux"))]
mod faults;
mod fragment;
mod gate;
mod os;
mod page;
mod policy;
mod pool;
mod process;
mod protection;
mod region;
mod reservation;
mod scratch;
mod size;
mod spot;
mod sync;
mod twin;

pub use crate::boxed::{Boxed, Ref, RefMut};
pub use error::Error;
pub use fragment::{Fragment, Vacant};
pub use policy::{AtLimit, Backing, Lock, OnFork, Policy, PolicyError};
pub use process::{PerProcess, generation};
pub use protection::{ForkBehaviour, Prot, Protection, Status, status};
pub use scratch::Scratch;
pub use spot::{Origin, Spot};
pub use twin::Twin;

/// What every type that holds a secret prints in place of its content.
pub const DEBUG_MSG: &str = "Content of Locked Memory is hidden";

/// Plain old data: integers, and arrays and structures of them without padding; any bytes are a valid value.
///
/// An alias of [`bytemuck::Pod`]: what is `Pod` is `Bytes`, and the `unsafe` promise is made there, once.
pub trait Bytes: bytemuck::Pod {}

impl<T: bytemuck::Pod> Bytes for T {}

/// The size of a page of this system, in bytes.
#[must_use]
pub fn page_size() -> usize {
    os::page_size()
}

/// Calls `take`, which takes several pages, such as two [`Scratch`]es, so that this thread holds none of them while it waits for
/// another.
///
/// It is for [`AtLimit::Wait`]: two threads that each hold one page of the last two, and need two, would wait for each other.
/// Within `take` nothing waits. Where it is refused a page at the limit of lockable memory, it is to return that error and to
/// drop the pages that it took; it is called again, at once and after pages came back, until the time of the policy is over, and
/// the last outcome is returned. Pages that this thread had before are kept. Calls within `take` are part of it. It must not wait
/// for a lock that another thread may hold while that waits for a page, nor fork.
///
/// ```
/// let (left, right) = boxed::together(|| {
///     Ok::<_, boxed::Error>((boxed::Scratch::<u8>::new(32)?, boxed::Scratch::<u8>::new(5000)?))
/// })?;
/// # drop((left, right));
/// # Ok::<(), boxed::Error>(())
/// ```
///
/// # Errors
/// Those of `take`.
pub fn together<T, E>(take: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    pool::current().together(take)
}

/// Whether this process is granted secret memory, as [`Backing::SecretMem`] uses it: makes a page of it and gives it back.
///
/// # Errors
/// [`Error::Refused`] with what the system said: it lacks the call (`ENOSYS`), a filter of system calls forbids it (most often
/// `EPERM`), or a page more than there is may not be locked (`EAGAIN`).
pub fn secret_memory() -> Result<(), Error> {
    backing::probe_secret_memory()
}

/// Wipes dead stack and vector registers after work on a secret: 4,096 bytes below the caller's frame, which is more than
/// any cipher or hash of libsodium uses.
///
/// Call it from the function that called those that saw the secret.
pub fn scrub() {
    sodium::scrub(4096);
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    fn scrubbing_wipes_vector_registers() {
        use core::arch::asm;
        let seen: u64;
        // SAFETY: writes a declared register, which is the caller's on no system.
        unsafe { asm!("movq xmm5, {}", in(reg) 0x5a5a_u64, out("xmm5") _) };
        super::scrub();
        // SAFETY: reads a register and writes a declared one.
        unsafe { asm!("movq {}, xmm5", out(reg) seen) };
        assert_eq!(seen, 0);
    }
}
