//! LSN: a byte position in the log of one log stream, and its place in 64 MiB blocks (docs/format-reference.md).

use crate::FileId;
use crate::limits::{ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A byte position in the log of one log stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The start of every log.
    pub const ZERO: Self = Self(0);

    /// Number of the local block that holds this position.
    #[must_use]
    pub const fn block(self) -> u64 {
        self.0 / BLOCK_BODY_BYTES
    }

    /// The archive file that holds this position: the block number plus one.
    #[must_use]
    pub const fn file_id(self) -> FileId {
        FileId(self.block() + 1)
    }

    /// First position of the block that holds this position.
    #[must_use]
    pub const fn block_start(self) -> Self {
        Self(self.block() * BLOCK_BODY_BYTES)
    }

    /// First position after the block that holds this position.
    #[must_use]
    pub const fn block_end(self) -> Self {
        Self((self.block() + 1) * BLOCK_BODY_BYTES)
    }

    /// Bytes left in the block, at least 1.
    #[must_use]
    pub const fn left_in_block(self) -> u64 {
        self.block_end().0 - self.0
    }

    /// Offset of this position in an archive file whose header says that it starts at `file_start`.
    ///
    /// `None` when the file starts after this position or holds another block.
    #[must_use]
    pub const fn offset_in_file(self, file_start: Self) -> Option<u64> {
        // The end of a block is also a legal position "at the end of the file".
        if self.0 < file_start.0 || self.0 > file_start.block_end().0 {
            return None;
        }
        Some(ARCHIVE_FILE_HEADER_BYTES + self.0 - file_start.0)
    }

    /// This position moved on by `bytes`.
    #[must_use]
    pub const fn advance(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_archive_file_is_exactly_64_mib() {
        assert_eq!(ARCHIVE_FILE_HEADER_BYTES + BLOCK_BODY_BYTES, 64 << 20);
        assert_eq!(Lsn(0).block_end().offset_in_file(Lsn(0)), Some(64 << 20));
    }

    #[test]
    fn block_and_file_numbers_follow_the_format_page() {
        assert_eq!(Lsn(0).file_id(), FileId(1));
        assert_eq!(Lsn(BLOCK_BODY_BYTES - 1).file_id(), FileId(1));
        assert_eq!(Lsn(BLOCK_BODY_BYTES).file_id(), FileId(2));
        assert_eq!(Lsn(BLOCK_BODY_BYTES).offset_in_file(Lsn(BLOCK_BODY_BYTES)), Some(4096));
        let mid = Lsn(BLOCK_BODY_BYTES + 100);
        assert_eq!(Lsn(mid.0 + 7).offset_in_file(mid), Some(4103), "a piece's second file starts at its own LSN");
        assert_eq!(Lsn(0).offset_in_file(mid), None);
    }
}
