//! Secrets that can be made again: to be compared with what comes back, or searched for.

/// A secret of `len` bytes, which no other seed and number gives.
///
/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): bytes without a
/// pattern, so that no two secrets share a piece, and none is found where it was not put.
pub(crate) fn secret(seed: u64, number: u64, len: usize) -> Vec<u8> {
    let mut state = mix(seed).wrapping_add(mix(number.wrapping_add(1)));
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        bytes.extend_from_slice(&mix(state).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
