//! Libraries with a safe interface: secrets and memsafe.

use crate::{Keep, Refused};

/// `secrets` 1.3.0.
#[derive(Debug)]
pub struct Secrets(secrets::SecretVec<u8>);

impl Keep for Secrets {
    const LIBRARY: &'static str = "secrets 1.3.0";
    const WHAT: &'static str = "SecretVec";

    fn new(len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Self, Refused> {
        Ok(Self(secrets::SecretVec::new(len, fill)))
    }

    fn read<R>(&mut self, f: impl FnOnce(&[u8]) -> R) -> Result<R, Refused> {
        Ok(f(&self.0.borrow()))
    }

    fn write<R>(&mut self, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Refused> {
        Ok(f(&mut self.0.borrow_mut()))
    }
}

impl Clone for Secrets {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// `memsafe` 1.0.4, whose secrets have a length that the compiler knows.
#[allow(missing_debug_implementations)] // the library's type has none
pub struct Memsafe<const N: usize>(memsafe::Secret<N>);

impl<const N: usize> Memsafe<N> {
    fn refused(operation: &'static str) -> Refused {
        Refused { library: Self::LIBRARY, operation }
    }
}

impl<const N: usize> Keep for Memsafe<N> {
    const LIBRARY: &'static str = "memsafe 1.0.4";
    const WHAT: &'static str = "Secret";

    fn new(len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Self, Refused> {
        if len != N {
            return Err(Self::refused("make a secret of another length"));
        }
        let made = memsafe::Secret::new_with(|place: &mut [u8; N]| fill(place));
        made.map(Self).map_err(|_| Self::refused("make a secret"))
    }

    fn read<R>(&mut self, f: impl FnOnce(&[u8]) -> R) -> Result<R, Refused> {
        Ok(f(&*self.0.read().map_err(|_| Self::refused("read"))?))
    }

    fn write<R>(&mut self, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Refused> {
        Ok(f(&mut *self.0.write().map_err(|_| Self::refused("write"))?))
    }
}
