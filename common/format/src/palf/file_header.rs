//! The 4096-byte header at the start of an archive log file (`<file_id>.obarc`, one object or parts): the magic "FH",
//! version, flags, unit size, the LSN of the first log byte, and the CRC32C of these 24 bytes, big-endian; then zeros
//! (docs/format-reference.md).

use super::header::u64_at;
use crate::FormatError;
use crate::checksum::crc32c_raw;
use crate::error::need;
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{FileId, Lsn};

const BYTES: usize = ARCHIVE_FILE_HEADER_BYTES as usize;
const MAGIC: [u8; 2] = *b"FH";
const VERSION: u16 = 1;
const UNIT_BYTES: u64 = 16384;
/// The checksum covers the bytes before it.
const CHECKED_BYTES: usize = 24;
const WHAT: &str = "archive file header";

/// Header of an archive log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveFileHeader {
    /// LSN of the first log byte in the file.
    pub start_lsn: Lsn,
}

impl ArchiveFileHeader {
    /// The file that this header belongs to.
    #[must_use]
    pub const fn file_id(&self) -> FileId {
        self.start_lsn.file_id()
    }

    /// As it stands on the medium.
    #[must_use]
    pub fn encode(&self) -> [u8; BYTES] {
        let mut b = [0; BYTES];
        b[0..2].copy_from_slice(&MAGIC);
        b[2..4].copy_from_slice(&VERSION.to_be_bytes());
        b[8..16].copy_from_slice(&UNIT_BYTES.to_be_bytes());
        b[16..24].copy_from_slice(&self.start_lsn.0.to_be_bytes());
        let checksum = u64::from(crc32c_raw(0, &b[..CHECKED_BYTES]));
        b[24..32].copy_from_slice(&checksum.to_be_bytes());
        b
    }

    /// Reads and checks the header at the start of `bytes`.
    ///
    /// # Errors
    /// Too short, other bytes, a bad checksum, an unknown version, bytes where there must be zeros.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let b = need(bytes, BYTES, WHAT)?;
        if b[0..2] != MAGIC {
            return Err(FormatError::Magic { what: WHAT, at: 0, found: u64::from(u16::from_be_bytes([b[0], b[1]])) });
        }
        let (found, computed) = (u64_at(b, 24), u64::from(crc32c_raw(0, &b[..CHECKED_BYTES])));
        if found != computed {
            return Err(FormatError::Checksum { what: WHAT, at: 24, found, computed });
        }
        let version = u16::from_be_bytes([b[2], b[3]]);
        if version != VERSION {
            return Err(FormatError::Version { what: WHAT, found: u64::from(version) });
        }
        if b[4..8] != [0; 4] || u64_at(b, 8) != UNIT_BYTES {
            let detail = "flags or unit size are not known here".to_owned();
            return Err(FormatError::Structure { what: WHAT, at: 4, detail });
        }
        if b[32..].iter().any(|byte| *byte != 0) {
            return Err(FormatError::Structure { what: WHAT, at: 32, detail: "not zero after the header".to_owned() });
        }
        Ok(Self { start_lsn: Lsn(u64_at(b, 16)) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_comes_back_and_each_byte_flip_is_seen(lsn in 0u64..1 << 62, at in 0usize..4096, mask in 1u8..) {
            let header = ArchiveFileHeader { start_lsn: Lsn(lsn) };
            let mut b = header.encode();
            prop_assert_eq!(ArchiveFileHeader::decode(&b).unwrap(), header);
            b[at] ^= mask;
            prop_assert!(ArchiveFileHeader::decode(&b).is_err());
        }
    }
}
