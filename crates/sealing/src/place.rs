//! Where sealed bytes belong.

/// The place and generation that a sealed block belongs to. It opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    bytes: [u8; 24],
}

impl Place {
    /// Place `index` of the kind `kind`, at its `generation`: the count of values that lived there before.
    #[must_use]
    pub fn new(kind: [u8; 8], index: u64, generation: u64) -> Self {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&kind);
        bytes[8..16].copy_from_slice(&index.to_le_bytes());
        bytes[16..].copy_from_slice(&generation.to_le_bytes());
        Self { bytes }
    }

    pub(crate) fn associated_data(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_tells_places_apart() {
        let place = Place::new(*b"kind____", 1, 2);
        assert_eq!(place, Place::new(*b"kind____", 1, 2));
        for other in [
            Place::new(*b"another_", 1, 2),
            Place::new(*b"kind____", 3, 2),
            Place::new(*b"kind____", 1, 3),
            Place::new(*b"kind____", 2, 1),
        ] {
            assert_ne!(place.associated_data(), other.associated_data());
        }
    }
}
