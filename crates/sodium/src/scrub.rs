//! Wiping what a computation left behind below the stack pointer and in vector registers.
#![allow(unsafe_code)]

/// Zeros the `stack_bytes` bytes of dead stack below the caller's frame, then the vector registers of x86 and ARM, as far as
/// they are not the caller's by the system's calling convention.
///
/// Ciphers and hashes keep keys and blocks of plain text on the stack while they run and return without wiping all of
/// it; copies of memory pass through vector registers, which a later function or a signal may spill. Called after such
/// work, at the same call depth or above, this removes both.
///
/// `stack_bytes` must fit the rest of the stack; the library passes a few thousand.
///
/// Reference: <https://doc.libsodium.org/memory_management#zeroing-memory> (`sodium_stackzero`).
pub fn scrub(stack_bytes: usize) {
    // SAFETY: the function writes to an array in its own stack frame only.
    unsafe { libsodium_sys::sodium_stackzero(stack_bytes) };
    vector_registers();
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn vector_registers() {
    use core::arch::asm;
    if std::is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has AVX-512F; every register written is declared as written, no memory is touched.
        unsafe {
            asm!(
                "vpxorq zmm16, zmm16, zmm16", "vpxorq zmm17, zmm17, zmm17", "vpxorq zmm18, zmm18, zmm18",
                "vpxorq zmm19, zmm19, zmm19", "vpxorq zmm20, zmm20, zmm20", "vpxorq zmm21, zmm21, zmm21",
                "vpxorq zmm22, zmm22, zmm22", "vpxorq zmm23, zmm23, zmm23", "vpxorq zmm24, zmm24, zmm24",
                "vpxorq zmm25, zmm25, zmm25", "vpxorq zmm26, zmm26, zmm26", "vpxorq zmm27, zmm27, zmm27",
                "vpxorq zmm28, zmm28, zmm28", "vpxorq zmm29, zmm29, zmm29", "vpxorq zmm30, zmm30, zmm30",
                "vpxorq zmm31, zmm31, zmm31",
                out("xmm16") _, out("xmm17") _, out("xmm18") _, out("xmm19") _, out("xmm20") _, out("xmm21") _,
                out("xmm22") _, out("xmm23") _, out("xmm24") _, out("xmm25") _, out("xmm26") _, out("xmm27") _,
                out("xmm28") _, out("xmm29") _, out("xmm30") _, out("xmm31") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }
    low_registers();
}

/// Registers 0 to 15, none of which a caller relies on.
#[cfg(all(target_arch = "x86_64", not(miri), not(windows)))]
fn low_registers() {
    use core::arch::asm;
    if std::is_x86_feature_detected!("avx") {
        // SAFETY: the processor has AVX; `vzeroall` clears registers 0 to 15 in full and touches no memory.
        unsafe {
            asm!(
                "vzeroall",
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    } else {
        // SAFETY: every x86-64 processor has SSE2; every register written is declared as written.
        unsafe {
            asm!(
                "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3", "pxor xmm4, xmm4",
                "pxor xmm5, xmm5", "pxor xmm6, xmm6", "pxor xmm7, xmm7", "pxor xmm8, xmm8", "pxor xmm9, xmm9",
                "pxor xmm10, xmm10", "pxor xmm11, xmm11", "pxor xmm12, xmm12", "pxor xmm13, xmm13",
                "pxor xmm14, xmm14", "pxor xmm15, xmm15",
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }
}

/// Registers 0 to 5 and the upper halves of the others. The lower halves of 6 to 15 are the caller's: whoever uses them puts
/// them back, so that zeroing them here would only leave a copy of what they hold on the stack.
#[cfg(all(target_arch = "x86_64", not(miri), windows))]
#[inline(never)] // at the call of a function no caller relies on the upper halves
fn low_registers() {
    use core::arch::asm;
    if std::is_x86_feature_detected!("avx") {
        // SAFETY: the processor has AVX; no memory is touched, and no caller relies on the upper halves.
        unsafe { asm!("vzeroupper", options(nomem, nostack, preserves_flags)) };
    }
    // SAFETY: every x86-64 processor has SSE2; every register written is declared as written.
    unsafe {
        asm!(
            "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3", "pxor xmm4, xmm4",
            "pxor xmm5, xmm5",
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// All registers, but for the lower halves of 8 to 15: those are the caller's, who gets them back from whoever uses them.
#[cfg(all(target_arch = "aarch64", not(miri)))]
#[inline(never)] // at the call of a function no caller relies on the upper halves of 8 to 15
fn vector_registers() {
    use core::arch::asm;
    // SAFETY: every register written is declared as written, but for 8 to 15, whose lower halves stay as they are and on
    // whose upper halves no caller relies; no memory is touched.
    unsafe {
        asm!(
            // A write to the lower half zeros the upper one.
            "fmov d8, d8", "fmov d9, d9", "fmov d10, d10", "fmov d11, d11", "fmov d12, d12", "fmov d13, d13",
            "fmov d14, d14", "fmov d15, d15",
            "movi v0.2d, #0", "movi v1.2d, #0", "movi v2.2d, #0", "movi v3.2d, #0", "movi v4.2d, #0",
            "movi v5.2d, #0", "movi v6.2d, #0", "movi v7.2d, #0", "movi v16.2d, #0", "movi v17.2d, #0",
            "movi v18.2d, #0", "movi v19.2d, #0", "movi v20.2d, #0", "movi v21.2d, #0", "movi v22.2d, #0",
            "movi v23.2d, #0", "movi v24.2d, #0", "movi v25.2d, #0", "movi v26.2d, #0", "movi v27.2d, #0",
            "movi v28.2d, #0", "movi v29.2d, #0", "movi v30.2d, #0", "movi v31.2d, #0",
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _,
            out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _,
            out("v30") _, out("v31") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// All eight.
#[cfg(all(target_arch = "x86", not(miri)))]
fn vector_registers() {
    use core::arch::asm;
    if std::is_x86_feature_detected!("avx") {
        // SAFETY: the processor has AVX; `vzeroall` clears registers 0 to 7 in full and touches no memory.
        unsafe {
            asm!(
                "vzeroall",
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    } else if std::is_x86_feature_detected!("sse2") {
        // SAFETY: the processor has SSE2; every register written is declared as written.
        unsafe {
            asm!(
                "pxor xmm0, xmm0", "pxor xmm1, xmm1", "pxor xmm2, xmm2", "pxor xmm3, xmm3", "pxor xmm4, xmm4",
                "pxor xmm5, xmm5", "pxor xmm6, xmm6", "pxor xmm7, xmm7",
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }
}

/// Stable Rust names no vector registers of these processors.
#[cfg(not(all(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
fn vector_registers() {}

#[cfg(test)]
mod tests {
    use super::scrub;
    use core::hint::black_box;

    const PATTERN: u8 = 0x5a;

    /// Leaves a recognisable pattern below the caller's frame and says where.
    #[inline(never)]
    fn litter() -> usize {
        let mut pattern = [PATTERN; 1024];
        black_box(&mut pattern);
        black_box(pattern.as_ptr() as usize)
    }

    /// The same, so far below the caller's frame that the reading afterwards does not overwrite it.
    #[inline(never)]
    fn litter_far_below() -> usize {
        let mut distance = [0_u8; 8192];
        black_box(&mut distance);
        let address = litter();
        black_box(&mut distance);
        address
    }

    #[inline(never)]
    fn pattern_left_at(address: usize) -> usize {
        let mut count = 0;
        for at in address..address + 1024 {
            // SAFETY: the address lies in the mapped part of this thread's stack, and a volatile read of dead stack
            // sees whatever is there.
            count += usize::from(unsafe { (at as *const u8).read_volatile() } == PATTERN);
        }
        count
    }

    #[test]
    fn dead_stack_is_wiped() {
        let address = litter_far_below();
        assert!(pattern_left_at(address) > 512, "the test must see the litter that scrub removes");
        let address = litter_far_below();
        scrub(32 * 1024);
        assert_eq!(pattern_left_at(address), 0);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_vector_register_is_wiped() {
        use core::arch::asm;
        let seen: u64;
        // SAFETY: writes a declared register, which is the caller's on no system.
        unsafe { asm!("movq xmm5, {}", in(reg) 0x5a5a_u64, out("xmm5") _) };
        super::vector_registers();
        // SAFETY: reads a register and writes a declared one.
        unsafe { asm!("movq {}, xmm5", out(reg) seen) };
        assert_eq!(seen, 0);
    }

    /// The upper half of a register, whose lower half is the caller's on Windows.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_upper_half_of_a_vector_register_is_wiped() {
        use core::arch::asm;
        if !std::is_x86_feature_detected!("avx2") {
            return println!("skipped: the processor has no AVX2");
        }
        let seen: u64;
        // SAFETY: the processor has AVX2; writes declared registers.
        unsafe {
            asm!(
                "vmovq xmm15, {}", "vpermq ymm15, ymm15, 0", in(reg) 0x5a5a_u64, out("xmm15") _,
            );
        }
        super::vector_registers();
        // SAFETY: the processor has AVX2; writes declared registers.
        unsafe {
            asm!(
                "vextracti128 xmm15, ymm15, 1", "vmovq {}, xmm15", out(reg) seen, out("xmm15") _,
            );
        }
        assert_eq!(seen, 0);
    }

    #[test]
    #[cfg(target_arch = "x86")]
    fn a_vector_register_is_wiped() {
        use core::arch::asm;
        let seen: u32;
        // SAFETY: writes a declared register.
        unsafe { asm!("movd xmm5, {}", in(reg) 0x5a5a_u32, out("xmm5") _) };
        super::vector_registers();
        // SAFETY: reads a register and writes a declared one.
        unsafe { asm!("movd {}, xmm5", out(reg) seen) };
        assert_eq!(seen, 0);
    }

    /// Of registers 8 to 15 the upper half, for the lower one is the caller's.
    #[test]
    #[cfg(target_arch = "aarch64")]
    fn a_vector_register_is_wiped() {
        use core::arch::asm;
        let (whole, upper): (u64, u64);
        // SAFETY: writes declared registers.
        unsafe { asm!("dup v7.2d, {0}", "dup v8.2d, {0}", in(reg) 0x5a5a_u64, out("v7") _, out("v8") _) };
        super::vector_registers();
        // SAFETY: reads registers and writes declared ones.
        unsafe { asm!("mov {}, v7.d[0]", "mov {}, v8.d[1]", out(reg) whole, out(reg) upper) };
        assert_eq!((whole, upper), (0, 0));
    }
}
