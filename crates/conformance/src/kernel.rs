//! A kernel that has less than this one, by filters of system calls: `seccomp(2)`.

use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SYS_memfd_secret, SYS_mprotect, c_long, seccomp_data};
use seccompiler::{BpfProgram, apply_filter, apply_filter_all_threads, sock_filter};
use std::error::Error;
use std::mem::offset_of;

/// Lets `memfd_secret(2)` fail with `errno` in this process and all it starts from now on, as a kernel without it does with
/// `ENOSYS` (38), and a filter of system calls most often with `EPERM` (1). Its number is the same on every processor, so it
/// fails in programs for another one, too.
///
/// # Errors
/// Where the kernel takes no filter.
pub fn deny_secret_memory(errno: u32) -> Result<(), Box<dyn Error>> {
    Ok(apply_filter_all_threads(&denying(SYS_memfd_secret, None, errno)?)?)
}

/// Lets every `mprotect(2)` of this thread that would give exactly `access` fail with `ENOMEM`, as that of a process with no
/// mapping left does: 0 is none, 3 to read and to write.
///
/// # Errors
/// Those of [`deny_secret_memory`].
pub fn deny_protection(access: u32) -> Result<(), Box<dyn Error>> {
    const ENOMEM: u32 = 12;
    Ok(apply_filter(&denying(SYS_mprotect, Some((2, access)), ENOMEM)?)?)
}

// The instructions of `linux/filter.h` that are used.
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IS_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Lets a call fail, or if an argument is given by its place and its lower 32 bits, one that has it. seccompiler makes such
/// filters as well, but not for 32-bit x86.
fn denying(call: c_long, argument: Option<(usize, u32)>, errno: u32) -> Result<BpfProgram, Box<dyn Error>> {
    let mut words = vec![(offset_of!(seccomp_data, nr), u32::try_from(call)?)];
    // The lower half comes first.
    words.extend(
        argument.map(|(place, value)| (offset_of!(seccomp_data, args) + place * size_of::<u64>(), value)),
    );
    let mut filter = Vec::new();
    for (left, (offset, value)) in (0..words.len()).rev().zip(words) {
        let to_the_last = u8::try_from(2 * left + 1)?;
        filter.push(sock_filter { code: LOAD, jt: 0, jf: 0, k: u32::try_from(offset)? });
        filter.push(sock_filter { code: IS_EQUAL, jt: 0, jf: to_the_last, k: value });
    }
    filter.push(sock_filter { code: RETURN, jt: 0, jf: 0, k: SECCOMP_RET_ERRNO | errno });
    filter.push(sock_filter { code: RETURN, jt: 0, jf: 0, k: SECCOMP_RET_ALLOW });
    Ok(filter)
}
