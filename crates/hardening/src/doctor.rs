//! What endangers the secrets of this process from outside.

use crate::os;
use std::fmt;
use std::io::ErrorKind;

/// What a [`Check`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Topic {
    /// The system and its release.
    Kernel,
    /// Whether pages of secrets can be taken out of the kernel's own map.
    SecretMemory,
    /// How many bytes this process may lock in RAM.
    LockLimit,
    /// Where memory that is not locked can be written.
    Swap,
    /// What is left of the process when it crashes.
    CoreDump,
    /// Who may attach a debugger.
    Debugger,
    /// Whether pages with the same content are merged.
    Merging,
    /// Whether all memory can be written to disk.
    Hibernation,
    /// Whether the processor encrypts what is at rest.
    CipherHardware,
}

impl Topic {
    const ALL: [Self; 9] = [
        Self::Kernel,
        Self::SecretMemory,
        Self::LockLimit,
        Self::Swap,
        Self::CoreDump,
        Self::Debugger,
        Self::Merging,
        Self::Hibernation,
        Self::CipherHardware,
    ];
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kernel => "kernel",
            Self::SecretMemory => "secret memory",
            Self::LockLimit => "lock limit",
            Self::Swap => "swap",
            Self::CoreDump => "core dump",
            Self::Debugger => "debugger",
            Self::Merging => "page merging",
            Self::Hibernation => "hibernation",
            Self::CipherHardware => "cipher hardware",
        })
    }
}

/// What a [`Check`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It could be better.
    Weak {
        /// What to do about it.
        advice: &'static str,
    },
    /// The system does not tell, or there is no such thing on it.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "ok",
            Self::Weak { .. } => "WEAK",
            Self::Unknown => "?",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// What it is about.
    pub topic: Topic,
    /// What it came to.
    pub verdict: Verdict,
    /// What was found, for people.
    pub state: String,
}

impl Check {
    /// Weak where there is advice to give.
    pub(crate) fn new(topic: Topic, state: String, advice: Option<&'static str>) -> Self {
        let verdict = advice.map_or(Verdict::Good, |advice| Verdict::Weak { advice });
        Self { topic, verdict, state }
    }

    pub(crate) fn unknown(topic: Topic) -> Self {
        Self { topic, verdict: Verdict::Unknown, state: "this system does not tell".to_owned() }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<5} {:<16} {}", self.verdict, self.topic, self.state)?;
        match self.verdict {
            Verdict::Weak { advice } => write!(f, ": {advice}"),
            _ => Ok(()),
        }
    }
}

/// What [`doctor`] found: one check for each [`Topic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report(Vec<Check>);

impl Report {
    /// Every check.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.0.iter()
    }

    /// Those that could be better.
    pub fn weaknesses(&self) -> impl Iterator<Item = &Check> {
        self.checks().filter(|check| matches!(check.verdict, Verdict::Weak { .. }))
    }

    /// The check of one topic.
    #[must_use]
    pub fn check(&self, topic: Topic) -> Option<&Check> {
        self.checks().find(|check| check.topic == topic)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checks().try_for_each(|check| writeln!(f, "{check}"))
    }
}

/// Looks at this process and its machine, and changes nothing.
///
/// It answers for the calling process, with its user, limits and filters: call it where the secrets will be.
#[must_use]
pub fn doctor() -> Report {
    let mut found = vec![
        Check::new(Topic::Kernel, os::kernel(), None),
        secret_memory(boxed::secret_memory()),
        lock_limit(boxed::status().lock_limit, os::exceeds_lock_limit()),
        cipher_hardware(sodium::Aead::for_this_cpu()),
    ];
    found.extend(os::examine());
    let check_of = |topic| {
        let check = found.iter().find(|check| check.topic == topic);
        check.cloned().unwrap_or_else(|| Check::unknown(topic))
    };
    Report(Topic::ALL.map(check_of).into())
}

fn secret_memory(probe: Result<(), boxed::Error>) -> Check {
    let topic = Topic::SecretMemory;
    let Err(error) = probe else { return Check::new(topic, "granted".to_owned(), None) };
    let (cause, advice) = match error.os_error() {
        Some(cause) => (cause.to_string(), advice_on_secret_memory(cause.kind())),
        None => (error.to_string(), advice_on_secret_memory(ErrorKind::Other)),
    };
    Check::new(topic, format!("refused ({cause})"), Some(advice))
}

fn advice_on_secret_memory(refusal: ErrorKind) -> &'static str {
    match refusal {
        ErrorKind::PermissionDenied => {
            "let `memfd_secret` pass the filter of system calls: root can read pages in use without it"
        }
        ErrorKind::WouldBlock => "raise the lock limit: root can read pages in use without it",
        _ => {
            "run Linux 5.14 or later, before 6.5 with `secretmem.enable=1`: root can read pages in use without it"
        }
    }
}

/// What a program needs that keeps its secrets sealed, in bytes.
const ENOUGH: u64 = 64 << 10;

fn lock_limit(limit: Option<u64>, is_lifted: bool) -> Check {
    let advice = "raise it to 65536 bytes or more (`ulimit -l`, LimitMEMLOCK= of the systemd unit, memlock in limits.conf)";
    let topic = Topic::LockLimit;
    match limit {
        Some(bytes) if is_lifted => Check::new(topic, format!("{bytes} bytes, lifted by CAP_IPC_LOCK"), None),
        Some(bytes) => Check::new(topic, format!("{bytes} bytes"), (bytes < ENOUGH).then_some(advice)),
        None if cfg!(unix) => Check::new(topic, "none".to_owned(), None),
        None => Check::unknown(topic),
    }
}

fn cipher_hardware(cipher: Result<sodium::Aead, sodium::Error>) -> Check {
    let topic = Topic::CipherHardware;
    match cipher {
        Ok(sodium::Aead::Aegis256) => Check::new(topic, "AES: AEGIS-256 seals".to_owned(), None),
        Ok(_) => {
            let advice =
                "let a virtual machine see its host's AES instructions: sealing is safe but slower without";
            Check::new(topic, "no AES: XChaCha20-Poly1305 seals".to_owned(), Some(advice))
        }
        Err(_) => Check::unknown(topic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_its_check() {
        let report = doctor();
        let topics: Vec<Topic> = report.checks().map(|check| check.topic).collect();
        assert_eq!(topics, Topic::ALL);
        assert_eq!(report.check(Topic::Kernel).unwrap().state, os::kernel());
    }

    #[test]
    fn a_lock_limit_below_64_kib_is_weak_unless_lifted() {
        let is_weak = |limit, is_lifted| matches!(lock_limit(limit, is_lifted).verdict, Verdict::Weak { .. });
        assert!(is_weak(Some(65_535), false));
        assert!(!is_weak(Some(65_536), false));
        assert!(!is_weak(Some(0), true));
        assert!(!is_weak(None, false));
    }

    #[test]
    fn a_processor_without_aes_is_weak() {
        assert_eq!(cipher_hardware(Ok(sodium::Aead::Aegis256)).verdict, Verdict::Good);
        let without = cipher_hardware(Ok(sodium::Aead::XChaCha20Poly1305));
        assert!(matches!(without.verdict, Verdict::Weak { .. }));
        assert_eq!(cipher_hardware(Err(sodium::Error::Unavailable)).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_weakness_is_printed_on_one_line_with_its_advice() {
        let check = lock_limit(Some(0), false);
        let line = check.to_string();
        assert!(line.starts_with("WEAK  lock limit       0 bytes: raise it"), "{line}");
        assert!(!line.contains('\n') && !line.contains("  with"), "{line}");
        let report = Report(vec![check.clone(), Check::unknown(Topic::Swap)]);
        assert_eq!(report.weaknesses().collect::<Vec<_>>(), [&check]);
        assert_eq!(report.to_string().lines().count(), 2);
    }
}
