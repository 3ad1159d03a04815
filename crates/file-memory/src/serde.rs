//! A memory is the sequence of its clear bytes, as a [`Buffer<u8>`] is.

use crate::FileMemory;
use locked_memory::{Buffer, LockedMemory as _};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};

impl Serialize for FileMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.unlock().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FileMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Buffer::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}
