//! What a system can show to tests, found out without the code under test. A test of something else ends with a line that
//! says why, which `cargo xtask targets` collects.

/// What some tests need of the system they run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Advice of `madvise(2)` that has an effect.
    Advice,
    /// Memory that another process sees as the program sees it.
    OutsideView,
    /// One count of all locked memory: secret memory is marked and counted as locked pages are.
    OneCount,
    /// Filters of system calls, see `seccomp(2)`.
    Filters,
}

impl Grant {
    /// Whether the system has it.
    #[must_use]
    pub fn is_there(self) -> bool {
        self.missing().is_none()
    }

    /// Whether the calling test has to end here, because the system lacks what it is about. Says why.
    #[must_use]
    pub fn is_lacking(self) -> bool {
        let missing = self.missing();
        if let Some(why) = missing {
            println!("skipped: {why}");
        }
        missing.is_some()
    }

    fn missing(self) -> Option<&'static str> {
        #[cfg(target_os = "linux")]
        if self == Self::OneCount && counts_secret_memory_apart() {
            return Some(
                "the kernel counts secret memory apart from locked pages, and does not mark it as locked",
            );
        }
        if self == Self::Filters && cfg!(target_endian = "big") {
            return Some("nothing is known that installs filters of system calls on this processor");
        }
        is_emulated().then_some(match self {
            Self::Advice => "the emulator answers `madvise` and does nothing, so children inherit all pages",
            Self::OutsideView => "the emulator keeps the registers of the program in memory of its own",
            Self::Filters => "the emulator knows no filters of system calls",
            Self::OneCount => return None,
        })
    }
}

/// Whether another processor is emulated for this program alone, by qemu, whose name the kernel then has for it.
#[must_use]
pub fn is_emulated() -> bool {
    cfg!(target_os = "linux")
        && std::fs::read_to_string("/proc/self/comm").is_ok_and(|name| name.starts_with("qemu-"))
}

/// Whether a page of secret memory lacks the mark of locked pages, `lo` in `/proc/PID/smaps`, as it does since the kernel counts
/// such pages when they are made and not when they are mapped.
#[cfg(target_os = "linux")]
fn counts_secret_memory_apart() -> bool {
    let Ok(page) = boxed::Boxed::<u8>::random(1) else { return false };
    page.protection().secret_memory && !crate::scan::flags(page.address()).iter().any(|flag| flag == "lo")
}
