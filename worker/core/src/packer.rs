//! Macroblock packer: which block goes into which `macro_block_data` file, and where.
//!
//! A pure function of the lengths of the blocks as they are stored, in their order, and of the file size. Never splits a
//! block, never reorders.

use strandline_format::blocks::{FILE_HEADER_BYTES, TRAILER_BYTES};
use strandline_format::header::COMMON_HEADER_BYTES;
use strandline_types::FileId;
use strandline_types::limits::BLOCK_ALIGN_BYTES;

const ALIGN: u64 = BLOCK_ALIGN_BYTES as u64;
const FIRST_OFFSET: u64 = FILE_HEADER_BYTES as u64;
/// Most bytes that one block takes in the block list at the end of its file.
const LIST_ITEM_BYTES_MAX: u64 = 160;

/// Place of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Number of the data file, from 0.
    pub file: FileId,
    /// Offset of the block's header in that file.
    pub offset: u64,
    /// Length with header and padding.
    pub length: u64,
}

/// Gives every block its place, in the order of the calls.
#[derive(Clone, Debug)]
pub struct Packer {
    file_bytes: u64,
    file: FileId,
    offset: u64,
    blocks_in_file: u64,
}

impl Packer {
    /// A packer that closes a file before it would exceed `file_bytes`. A block that is larger than that gets a file
    /// of its own.
    #[must_use]
    pub const fn new(file_bytes: u64) -> Self {
        Self { file_bytes, file: FileId(0), offset: FIRST_OFFSET, blocks_in_file: 0 }
    }

    /// Like [`Self::new`], but the first file has this number.
    #[must_use]
    pub const fn starting_at(file: FileId, file_bytes: u64) -> Self {
        Self { file, ..Self::new(file_bytes) }
    }

    /// The place of the next block, which has this length with header and padding.
    pub fn place(&mut self, length: u64) -> Placement {
        let whole = self.offset + length + end_bytes(self.blocks_in_file + 1);
        if self.blocks_in_file > 0 && whole > self.file_bytes {
            *self = Self::starting_at(self.file.next(), self.file_bytes);
        }
        let placement = Placement { file: self.file, offset: self.offset, length };
        self.offset += length;
        self.blocks_in_file += 1;
        placement
    }
}

/// Length of a block on the medium: header, payload, padding.
#[must_use]
pub const fn stored_bytes(payload_bytes: u64) -> u64 {
    (COMMON_HEADER_BYTES as u64 + payload_bytes).div_ceil(ALIGN) * ALIGN
}

/// Most bytes that follow the last of this many blocks in a file: block list and trailer.
const fn end_bytes(blocks: u64) -> u64 {
    stored_bytes(blocks * LIST_ITEM_BYTES_MAX) + TRAILER_BYTES as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_block_starts_right_after_the_one_before_it() {
        let mut packer = Packer::new(1 << 20);
        assert_eq!(packer.place(4096), Placement { file: FileId(0), offset: 4096, length: 4096 });
        assert_eq!(packer.place(8192), Placement { file: FileId(0), offset: 8192, length: 8192 });
        assert_eq!(packer.place(4096), Placement { file: FileId(0), offset: 16384, length: 4096 });
    }

    #[test]
    fn a_file_is_cut_so_that_its_list_and_trailer_still_fit() {
        let mut packer = Packer::new(5 * 4096);
        assert_eq!(packer.place(4096).file, FileId(0));
        assert_eq!(packer.place(4096).file, FileId(0), "header + 2 blocks + list + trailer are exactly the limit");
        assert_eq!(packer.place(4096), Placement { file: FileId(1), offset: 4096, length: 4096 });
    }

    #[test]
    fn a_block_larger_than_a_file_gets_its_own() {
        let mut packer = Packer::new(8192);
        assert_eq!(packer.place(1 << 20).file, FileId(0));
        assert_eq!(packer.place(1 << 20).file, FileId(1));
    }

    proptest! {
        #[test]
        fn blocks_tile_their_files_without_holes_and_stay_within_the_limit(
            sizes in prop::collection::vec(1u64..50, 1..60), limit in 8192u64..1_000_000,
        ) {
            let mut packer = Packer::new(limit);
            let mut at = (FileId(0), FIRST_OFFSET);
            for size in sizes {
                let p = packer.place(size * ALIGN);
                let follows = p.file == at.0 && p.offset == at.1;
                prop_assert!(follows || p.file == at.0.next() && p.offset == FIRST_OFFSET);
                prop_assert_eq!(p.offset % ALIGN, 0);
                prop_assert_eq!(p.length, size * ALIGN);
                at = (p.file, p.offset + p.length);
                prop_assert!(at.1 + TRAILER_BYTES as u64 <= limit || p.offset == FIRST_OFFSET);
            }
        }
    }
}
