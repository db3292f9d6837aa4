//! The common header: 48 little-endian bytes before every small file payload and every block (docs/format-reference.md).
//!
//! Its checksum makes the XOR of all 24 words zero, so any single damaged byte of the header is seen.

use crate::FormatError;
use crate::checksum::crc32c_raw;
use crate::error::need;
use serde::Serialize;
use strandline_types::Compression;

/// Length of the common header.
pub const COMMON_HEADER_BYTES: usize = 48;
/// The only header version.
pub const HEADER_VERSION: u16 = 1;
/// First version of our protobuf payloads; the original's own serialisation stays below.
pub const DATA_VERSION: u16 = 1000;
/// Payloads that are sealed: compressed first where the header says so, then encrypted.
pub const SEALED_DATA_VERSION: u16 = 1001;

/// How a payload is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Compressor {
    /// As it is.
    #[default]
    None,
    /// LZ4, one block.
    Lz4,
    /// Zstandard, one frame.
    Zstd,
}

impl Compressor {
    /// The number on the medium and on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::None => 1,
            Self::Lz4 => 2,
            Self::Zstd => 3,
        }
    }

    /// From the number on the medium.
    #[must_use]
    pub const fn from_number(n: u16) -> Option<Self> {
        match n {
            1 => Some(Self::None),
            2 => Some(Self::Lz4),
            3 => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl From<Compression> for Compressor {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Lz4 => Self::Lz4,
            Compression::Zstd => Self::Zstd,
        }
    }
}

/// The common header, its constant fields left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommonHeader {
    /// Number of a [`crate::DataType`] (small files) or a [`crate::blocks::BlockType`] (blocks).
    pub data_type: u16,
    /// Version of the payload.
    pub data_version: u16,
    /// How the payload is stored.
    pub compressor: Compressor,
    /// Bytes of the payload once unpacked.
    pub plain_bytes: u64,
    /// Bytes of the payload as stored.
    pub stored_bytes: u64,
    /// Raw CRC32C of the payload as stored.
    pub data_checksum: u32,
    /// Zero bytes that follow the payload.
    pub padding_bytes: u64,
}

impl CommonHeader {
    /// The header of an uncompressed payload without padding.
    #[must_use]
    pub fn plain(data_type: u16, payload: &[u8]) -> Self {
        Self {
            data_type,
            data_version: DATA_VERSION,
            compressor: Compressor::None,
            plain_bytes: payload.len() as u64,
            stored_bytes: payload.len() as u64,
            data_checksum: crc32c_raw(0, payload),
            padding_bytes: 0,
        }
    }

    /// Header, payload and padding together.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        COMMON_HEADER_BYTES as u64 + self.stored_bytes + self.padding_bytes
    }

    /// As it stands on the medium.
    #[must_use]
    pub fn encode(&self) -> [u8; COMMON_HEADER_BYTES] {
        let mut b = [0; COMMON_HEADER_BYTES];
        b[0..2].copy_from_slice(&self.data_type.to_le_bytes());
        b[2..4].copy_from_slice(&HEADER_VERSION.to_le_bytes());
        b[4..6].copy_from_slice(&self.data_version.to_le_bytes());
        b[6..8].copy_from_slice(&self.compressor.number().to_le_bytes());
        b[8..10].copy_from_slice(&(COMMON_HEADER_BYTES as u16).to_le_bytes());
        b[16..24].copy_from_slice(&self.plain_bytes.to_le_bytes());
        b[24..32].copy_from_slice(&self.stored_bytes.to_le_bytes());
        b[32..40].copy_from_slice(&u64::from(self.data_checksum).to_le_bytes());
        b[40..48].copy_from_slice(&self.padding_bytes.to_le_bytes());
        let fold = fold(&b);
        b[10..12].copy_from_slice(&fold.to_le_bytes());
        b
    }

    /// Reads and checks the header at the start of `bytes`.
    ///
    /// # Errors
    /// Too short, a bad checksum, an unknown version or compressor.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "common header";
        let b = need(bytes, COMMON_HEADER_BYTES, WHAT)?;
        let fold = fold(b);
        if fold != 0 {
            let found = u64::from(u16_at(b, 10));
            return Err(FormatError::Checksum { what: WHAT, at: 0, found, computed: found ^ u64::from(fold) });
        }
        let version = u16_at(b, 2);
        if version != HEADER_VERSION {
            return Err(FormatError::Version { what: WHAT, found: u64::from(version) });
        }
        let data_version = u16_at(b, 4);
        if data_version < DATA_VERSION {
            return Err(FormatError::Version { what: "payload", found: u64::from(data_version) });
        }
        let compressor = Compressor::from_number(u16_at(b, 6)).ok_or(FormatError::UnknownType {
            what: "compressor",
            at: 6,
            found: u64::from(u16_at(b, 6)),
        })?;
        let (length, checksum) = (u16_at(b, 8), u64_at(b, 32));
        if usize::from(length) != COMMON_HEADER_BYTES || b[12..16] != [0; 4] || checksum > u64::from(u32::MAX) {
            return Err(FormatError::Structure { what: WHAT, at: 8, detail: "constant fields differ".to_owned() });
        }
        let header = Self {
            data_type: u16_at(b, 0),
            data_version,
            compressor,
            plain_bytes: u64_at(b, 16),
            stored_bytes: u64_at(b, 24),
            data_checksum: checksum as u32,
            padding_bytes: u64_at(b, 40),
        };
        // Lengths that cannot be added up can only be damage, and would overflow every reader.
        if [header.plain_bytes, header.stored_bytes, header.padding_bytes].iter().any(|n| *n > 1 << 40) {
            return Err(FormatError::Structure { what: WHAT, at: 16, detail: "impossible lengths".to_owned() });
        }
        Ok(header)
    }

    /// Checks the payload checksum of `stored`, the bytes after the header.
    ///
    /// # Errors
    /// [`FormatError::Checksum`].
    pub fn check_payload(&self, stored: &[u8], what: &'static str) -> Result<(), FormatError> {
        let computed = crc32c_raw(0, stored);
        if computed == self.data_checksum {
            return Ok(());
        }
        Err(FormatError::Checksum {
            what,
            at: COMMON_HEADER_BYTES as u64,
            found: u64::from(self.data_checksum),
            computed: u64::from(computed),
        })
    }
}

fn fold(header: &[u8]) -> u16 {
    header.chunks_exact(2).fold(0, |sum, w| sum ^ u16::from_le_bytes([w[0], w[1]]))
}

fn u16_at(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}

fn u64_at(b: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&b[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn sample() -> CommonHeader {
        CommonHeader { padding_bytes: 17, compressor: Compressor::Zstd, ..CommonHeader::plain(29, b"payload") }
    }

    #[test]
    fn all_24_words_fold_to_zero() {
        assert_eq!(fold(&sample().encode()), 0);
        assert_eq!(CommonHeader::decode(&sample().encode()).unwrap(), sample());
    }

    #[test]
    fn an_unknown_header_version_is_refused_even_with_a_right_checksum() {
        let mut b = sample().encode();
        b[2] ^= 3;
        b[10] ^= 3;
        assert_eq!(CommonHeader::decode(&b), Err(FormatError::Version { what: "common header", found: 2 }));
    }

    #[test]
    fn a_header_that_is_too_short_says_so() {
        let e = CommonHeader::decode(&[0; 47]).unwrap_err();
        assert!(matches!(e, FormatError::Truncated { need: 48, have: 47, .. }));
    }

    proptest! {
        #[test]
        fn each_byte_flip_is_seen(at in 0usize..48, mask in 1u8..) {
            let mut b = sample().encode();
            b[at] ^= mask;
            prop_assert!(CommonHeader::decode(&b).is_err());
        }
    }
}
