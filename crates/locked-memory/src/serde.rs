//! A memory is the sequence of its clear bytes; a [`Buffer<T>`] the sequence of its elements.
//!
//! Every type of the runtime reads through here, so that no clear byte passes through an ordinary heap buffer.

use crate::growing::Growing;
use crate::{Buffer, Bytes, MemoryError};
use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};

impl<T: Bytes + Serialize> Serialize for Buffer<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.try_borrow().map_err(S::Error::custom)?;
        let done = serializer.collect_seq(values.iter());
        drop(values);
        boxed::scrub();
        done
    }
}

impl<'de, T: Bytes + Deserialize<'de>> Deserialize<'de> for Buffer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let failure = Cell::new(None);
        let buffer = deserializer.deserialize_seq(Gather { failure: &failure, elements: PhantomData });
        boxed::scrub();
        // The words of the format name what they found, which may be the secret.
        buffer.map_err(|_| match failure.take() {
            Some(error) => D::Error::custom(error),
            None => D::Error::custom("not a sequence of at least one element, each of its type"),
        })
    }
}

struct Gather<'a, T> {
    /// What went wrong apart from the input.
    failure: &'a Cell<Option<MemoryError>>,
    elements: PhantomData<T>,
}

impl<'de, T: Bytes + Deserialize<'de>> Visitor<'de> for Gather<'_, T> {
    type Value = Buffer<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of at least one element")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let failed = |error| {
            self.failure.set(Some(MemoryError::on_page("deserialise a Buffer")(error)));
            A::Error::custom("no memory for the sequence")
        };
        let mut growing = Growing::new(sequence.size_hint().unwrap_or(0)).map_err(failed)?;
        while let Some(value) = sequence.next_element()? {
            growing.spare().map_err(failed)?[0] = value;
            growing.advance(1);
        }
        growing.finish().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_bincode_carry_the_elements() {
        let buffer = Buffer::<u16>::alloc(&[1, 2, 300], 3);
        let json = serde_json::to_string(&buffer).unwrap();
        assert_eq!(json, "[1,2,300]");
        assert_eq!(serde_json::from_str::<Buffer<u16>>(&json).unwrap(), buffer);
        let binary = bincode::serialize(&buffer).unwrap();
        assert_eq!(binary, bincode::serialize(&[1_u16, 2, 300][..]).unwrap());
        assert_eq!(bincode::deserialize::<Buffer<u16>>(&binary).unwrap(), buffer);
    }

    #[test]
    fn a_long_input_outgrows_its_first_page() {
        let bytes: Vec<u8> = (0..=255).cycle().take(50_000).collect();
        let binary = bincode::serialize(&bytes).unwrap();
        assert_eq!(*bincode::deserialize::<Buffer<u8>>(&binary).unwrap().borrow(), *bytes);
    }

    #[test]
    fn a_hostile_length_is_an_error_and_not_an_allocation() {
        conformance::child::run("serde::tests::a_hostile_length_is_an_error_and_not_an_allocation", || {
            for length in [u64::MAX, 1 << 60, 1 << 40, u64::from(u32::MAX)] {
                let mut input = length.to_le_bytes().to_vec();
                input.extend([1; 100]);
                assert!(bincode::deserialize::<Buffer<u8>>(&input).is_err());
            }
            let status = boxed::status();
            assert_eq!((status.pages_in_use, status.pages_pooled), (0, 1));
        })
        .succeeds();
    }

    #[test]
    fn an_error_names_nothing_of_the_input() {
        for input in
            ["\"hunter2\"", "31337", "[104, 31337]", "{\"hunter2\": 1}", "[\"hunter2\"]", "true", "[1, 2"]
        {
            let error = serde_json::from_str::<Buffer<u8>>(input).unwrap_err().to_string();
            assert!(error.starts_with("not a sequence of at least one element, each of its type"), "{error}");
        }
    }

    #[test]
    fn an_empty_sequence_is_an_error() {
        let error = serde_json::from_str::<Buffer<u8>>("[]").unwrap_err();
        assert!(error.to_string().contains("at least one byte"), "{error}");
    }

    #[test]
    fn a_zeroized_buffer_does_not_serialise() {
        let mut buffer = Buffer::<u8>::zero(1);
        crate::Zeroize::zeroize(&mut buffer);
        assert!(serde_json::to_string(&buffer).is_err());
    }
}
