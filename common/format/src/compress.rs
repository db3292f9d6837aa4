//! Packing of payloads: LZ4 (a raw block) or Zstandard (one frame), and nothing when it would not help.
//!
//! The compressor is named in the common header before the payload; its plain length is there, too, so a reader never
//! takes more memory than the header says. Data that does not shrink in a sample is not tried as a whole.

use crate::FormatError;
use strandline_types::limits::MACROBLOCK_BYTES_MAX;

pub use crate::header::Compressor;

/// Fast enough for log on its way, and well below half of the usual log.
const ZSTD_LEVEL: i32 = 1;
/// Longer data is sampled first.
const SAMPLED_FROM_BYTES: usize = 256 << 10;
/// One sample; three are taken: from the start, the middle and the end.
const SAMPLE_BYTES: usize = 16 << 10;
const WHAT: &str = "packed payload";

/// Packs `plain` as asked, or keeps it as it is when that does not make it shorter. Gives what was done.
#[must_use]
pub fn pack(compressor: Compressor, plain: &[u8]) -> (Compressor, Vec<u8>) {
    let packed = match compressor {
        Compressor::None => None,
        _ if looks_random(plain) => None,
        Compressor::Lz4 => Some(lz4_flex::block::compress(plain)),
        // It can only fail for want of memory; the bytes as they are stay right.
        Compressor::Zstd => zstd::bulk::compress(plain, ZSTD_LEVEL).ok(),
    };
    match packed {
        Some(packed) if packed.len() < plain.len() => (compressor, packed),
        _ => (Compressor::None, plain.to_vec()),
    }
}

/// The plain bytes, exactly `plain_len` of them.
///
/// # Errors
/// Bytes that the compressor did not make, or that have another plain length.
pub fn unpack(compressor: Compressor, bytes: &[u8], plain_len: usize) -> Result<Vec<u8>, FormatError> {
    let structure = |detail: String| FormatError::Structure { what: WHAT, at: 0, detail };
    if plain_len as u64 > MACROBLOCK_BYTES_MAX {
        return Err(structure(format!("{plain_len} plain bytes are more than anything here has")));
    }
    let plain = match compressor {
        Compressor::None => bytes.to_vec(),
        Compressor::Lz4 => lz4_flex::block::decompress(bytes, plain_len).map_err(|e| structure(e.to_string()))?,
        Compressor::Zstd => zstd::bulk::decompress(bytes, plain_len).map_err(|e| structure(e.to_string()))?,
    };
    if plain.len() != plain_len {
        return Err(structure(format!("{} plain bytes, the header says {plain_len}", plain.len())));
    }
    Ok(plain)
}

/// True when three samples do not shrink by a twentieth: encrypted or already packed data.
fn looks_random(plain: &[u8]) -> bool {
    if plain.len() < SAMPLED_FROM_BYTES {
        return false;
    }
    let starts = [0, plain.len() / 2, plain.len() - SAMPLE_BYTES];
    let packed: usize = starts.iter().map(|at| lz4_flex::block::compress(&plain[*at..at + SAMPLE_BYTES]).len()).sum();
    packed > starts.len() * SAMPLE_BYTES * 19 / 20
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const REAL: [Compressor; 2] = [Compressor::Lz4, Compressor::Zstd];

    /// Bytes without any pattern, the same on every run.
    fn random(len: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn text_shrinks_and_comes_back() {
        let plain = b"one row of log like every other row of log; ".repeat(10_000);
        for compressor in REAL {
            let (done, packed) = pack(compressor, &plain);
            assert_eq!(done, compressor);
            assert!(packed.len() * 10 < plain.len());
            assert_eq!(unpack(done, &packed, plain.len()).unwrap(), plain);
        }
    }

    #[test]
    fn data_that_does_not_shrink_is_kept_as_it_is() {
        for len in [0, 1, 100, SAMPLED_FROM_BYTES + 1] {
            let plain = random(len);
            for compressor in REAL {
                assert_eq!(pack(compressor, &plain), (Compressor::None, plain.clone()));
            }
            assert_eq!(unpack(Compressor::None, &plain, len).unwrap(), plain);
        }
    }

    #[test]
    fn another_length_than_the_header_says_is_an_error() {
        let plain = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".repeat(9);
        for compressor in REAL {
            let (done, packed) = pack(compressor, &plain);
            for wrong in [0, plain.len() - 1, plain.len() + 1, usize::MAX] {
                assert!(unpack(done, &packed, wrong).is_err(), "{compressor:?} {wrong}");
            }
        }
        assert!(unpack(Compressor::None, &plain, 3).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(plain in proptest::collection::vec(0u8..4, 0..5000)) {
            for compressor in REAL {
                let (done, packed) = pack(compressor, &plain);
                prop_assert!(packed.len() <= plain.len());
                prop_assert_eq!(&unpack(done, &packed, plain.len()).unwrap(), &plain);
            }
        }

        #[test]
        fn damaged_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), len in 0usize..5000) {
            for compressor in REAL {
                if let Ok(plain) = unpack(compressor, &bytes, len) {
                    prop_assert_eq!(plain.len(), len);
                }
            }
        }
    }
}
