//! The 4096-byte header of a data or index file, little-endian: which of the four kinds it is.

use crate::FormatError;
use crate::error::need;
use std::fmt;
use strandline_types::limits::BLOCK_ALIGN_BYTES;

/// Length of a file header.
pub const FILE_HEADER_BYTES: usize = BLOCK_ALIGN_BYTES;
const VERSION: u32 = 1;
const WHAT: &str = "file header";

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Macroblocks.
    Data,
    /// Macroblocks by logical id.
    RangeIndex,
    /// Tablet metas.
    MetaIndex,
    /// Logical to physical ids.
    SecMetaIndex,
}

impl FileKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Data, Self::RangeIndex, Self::MetaIndex, Self::SecMetaIndex];

    const fn magic(self) -> u32 {
        match self {
            Self::Data => 0x0F0F,
            Self::RangeIndex => 0x1F1F,
            Self::MetaIndex => 0x2F2F,
            Self::SecMetaIndex => 0x3F3F,
        }
    }

    /// The number of the kind: its place in the list of magics.
    const fn number(self) -> u32 {
        self.magic() >> 12
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "macroblock data",
            Self::RangeIndex => "macro range index",
            Self::MetaIndex => "meta index",
            Self::SecMetaIndex => "secondary meta index",
        })
    }
}

/// Header of a data or index file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// What the file holds.
    pub kind: FileKind,
}

impl FileHeader {
    /// As it stands on the medium.
    #[must_use]
    pub fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut b = [0; FILE_HEADER_BYTES];
        b[0..4].copy_from_slice(&self.kind.number().to_le_bytes());
        b[4..8].copy_from_slice(&VERSION.to_le_bytes());
        b[8..12].copy_from_slice(&self.kind.magic().to_le_bytes());
        b
    }

    /// Reads and checks the header at the start of `bytes`.
    ///
    /// # Errors
    /// Too short, an unknown magic or version, any byte that is not as this kind writes it.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let b = need(bytes, FILE_HEADER_BYTES, WHAT)?;
        let word = |at: usize| u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        let kind = FileKind::ALL.into_iter().find(|kind| kind.magic() == word(8)).ok_or(FormatError::Magic {
            what: WHAT,
            at: 8,
            found: u64::from(word(8)),
        })?;
        if word(4) != VERSION {
            return Err(FormatError::Version { what: WHAT, found: u64::from(word(4)) });
        }
        let header = Self { kind };
        // The header has no checksum: it is compared as a whole.
        if header.encode() != *b {
            return Err(FormatError::Structure { what: WHAT, at: 0, detail: "damaged".to_owned() });
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_comes_back_and_each_byte_flip_is_seen(kind in 0usize..4, at in 0usize..4096, mask in 1u8..) {
            let header = FileHeader { kind: FileKind::ALL[kind] };
            let mut b = header.encode();
            prop_assert_eq!(FileHeader::decode(&b).unwrap(), header);
            b[at] ^= mask;
            prop_assert!(FileHeader::decode(&b).is_err());
        }
    }
}
