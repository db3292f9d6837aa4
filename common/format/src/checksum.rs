//! The two checksums of the format: raw CRC32C (register starts at `init`, no final inversion) and XXH64 with seed 0.

use crc_fast::{CrcAlgorithm, Digest};

/// Raw CRC32C of `data` with the register starting at `init`; chaining calls equals one call over all bytes.
#[must_use]
pub fn crc32c_raw(init: u32, data: &[u8]) -> u32 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(init));
    digest.update(data);
    // A CRC-32 register never has more than 32 bits.
    digest.get_state() as u32
}

/// XXH64 of `data`, seed 0.
#[must_use]
pub fn xxh64(data: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(data, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, bit by bit.
    fn slow(init: u32, data: &[u8]) -> u32 {
        data.iter().fold(init, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| (c >> 1) ^ if c & 1 == 1 { 0x82F6_3B78 } else { 0 })
        })
    }

    #[test]
    fn the_published_check_value_comes_out() {
        assert_eq!(!crc32c_raw(u32::MAX, b"123456789"), 0xE306_9283);
        assert_eq!(crc32c_raw(7, b""), 7);
        assert_eq!(crc32c_raw(0, &[0; 5000]), 0, "zero bytes leave a zero register alone");
    }

    proptest! {
        #[test]
        fn any_start_and_any_split_give_the_same_sum(
            init: u32, data in proptest::collection::vec(any::<u8>(), 0..2000), cut in 0usize..2000,
        ) {
            let cut = cut.min(data.len());
            prop_assert_eq!(crc32c_raw(init, &data), slow(init, &data));
            prop_assert_eq!(crc32c_raw(crc32c_raw(init, &data[..cut]), &data[cut..]), slow(init, &data));
        }
    }
}
