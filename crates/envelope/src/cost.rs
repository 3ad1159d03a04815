//! What deriving a key from a passphrase costs, and the most that an envelope may ask for.

use crate::Error;

/// The cost of deriving a key from a passphrase with Argon2id. Who guesses passphrases pays it for every guess.
///
/// The presets are libsodium's. The default is [`MODERATE`](Self::MODERATE): an envelope is stored where it may be stolen
/// and guessed at for years, and is opened seldom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    operations: u32,
    memory_kib: u32,
}

impl Params {
    /// 2 passes over 64 MiB: about a tenth of a second.
    pub const INTERACTIVE: Self = Self { operations: 2, memory_kib: 64 << 10 };
    /// 3 passes over 256 MiB: well under a second.
    pub const MODERATE: Self = Self { operations: 3, memory_kib: 256 << 10 };
    /// 4 passes over 1 GiB: some seconds.
    pub const SENSITIVE: Self = Self { operations: 4, memory_kib: 1 << 20 };

    /// `operations` passes over `memory_kib` KiB.
    ///
    /// An envelope that costs more than the [default limits](Limits::default) opens with raised limits alone.
    ///
    /// # Errors
    /// [`Error::InvalidCost`] for less than one pass or 8 KiB.
    pub const fn new(operations: u32, memory_kib: u32) -> Result<Self, Error> {
        if operations < sodium::ARGON2ID_OPERATIONS_MIN || memory_kib < sodium::ARGON2ID_MEMORY_KIB_MIN {
            return Err(Error::InvalidCost { operations, memory_kib });
        }
        Ok(Self { operations, memory_kib })
    }

    /// How often the derivation passes over its memory.
    #[must_use]
    pub const fn operations(self) -> u32 {
        self.operations
    }

    /// The memory of the derivation, in KiB.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }
}

impl Default for Params {
    fn default() -> Self {
        Self::MODERATE
    }
}

/// The most that opening an envelope may cost. What asks for more is an error before anything is spent on it.
///
/// The default admits 10 passes over at most 1 GiB, which is every preset of [`Params`], and secrets of at most 64 MiB.
///
/// ```
/// let frugal = envelope::Limits::default().memory_kib(64 << 10).operations(4).secret_bytes(4096);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    operations: u32,
    memory_kib: u32,
    secret_bytes: usize,
}

impl Limits {
    /// The most passes of the derivation.
    #[must_use]
    pub const fn operations(self, operations: u32) -> Self {
        Self { operations, ..self }
    }

    /// The most memory of the derivation, in KiB.
    #[must_use]
    pub const fn memory_kib(self, memory_kib: u32) -> Self {
        Self { memory_kib, ..self }
    }

    /// The longest secret, in bytes.
    #[must_use]
    pub const fn secret_bytes(self, secret_bytes: usize) -> Self {
        Self { secret_bytes, ..self }
    }

    pub(crate) fn admit(self, params: Params) -> Result<(), Error> {
        if params.operations <= self.operations && params.memory_kib <= self.memory_kib {
            return Ok(());
        }
        Err(Error::TooCostly {
            operations: params.operations,
            memory_kib: params.memory_kib,
            operations_limit: self.operations,
            memory_kib_limit: self.memory_kib,
        })
    }

    /// The length of a secret that is stated as `bytes`, where it is allowed.
    pub(crate) fn admit_secret(self, bytes: u64) -> Result<usize, Error> {
        let admitted = usize::try_from(bytes).ok().filter(|bytes| *bytes <= self.secret_bytes);
        admitted.ok_or(Error::TooLong { bytes, limit: self.secret_bytes })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { operations: 10, memory_kib: 1 << 20, secret_bytes: 64 << 20 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_valid_cost_within_the_default_limits() {
        for preset in [Params::INTERACTIVE, Params::MODERATE, Params::SENSITIVE, Params::default()] {
            assert_eq!(Params::new(preset.operations(), preset.memory_kib()).unwrap(), preset);
            Limits::default().admit(preset).unwrap();
        }
    }

    #[test]
    fn a_cost_below_the_least_is_an_error() {
        assert!(matches!(Params::new(0, 8), Err(Error::InvalidCost { operations: 0, memory_kib: 8 })));
        assert!(matches!(Params::new(1, 7), Err(Error::InvalidCost { operations: 1, memory_kib: 7 })));
        assert!(Params::new(1, 8).is_ok() && Params::new(u32::MAX, u32::MAX).is_ok());
    }

    #[test]
    fn each_limit_binds_alone() {
        let limits = Limits::default().operations(2).memory_kib(16).secret_bytes(3);
        let admit =
            |operations, memory_kib| limits.admit(Params::new(operations, memory_kib).unwrap()).is_ok();
        assert!(admit(2, 16) && !admit(3, 16) && !admit(2, 17));
        assert_eq!(limits.admit_secret(3).unwrap(), 3);
        assert!(matches!(limits.admit_secret(4), Err(Error::TooLong { bytes: 4, limit: 3 })));
        assert!(Limits::default().admit_secret(u64::MAX).is_err());
    }
}
