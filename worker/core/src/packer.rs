//! Macroblock packer: which block goes into which `macro_block_data` file, and where.
//!
//! A pure function of the block lengths in their order and of the file size, so that a plan can be checked before the
//! first byte is written. Never splits a block, never reorders, never leaves a directory without its file 0.

use strandline_types::limits::BLOCK_ALIGN_BYTES;

const ALIGN: u64 = BLOCK_ALIGN_BYTES as u64;
/// The header of a block (format page, section 6).
const BLOCK_HEADER_BYTES: u64 = 48;
/// File header before the blocks, trailer after them.
const FILE_FRAME_BYTES: u64 = 2 * ALIGN;

/// Place of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Number of the data file, from 0.
    pub file: u32,
    /// Offset of the block's header in that file.
    pub offset: u64,
    /// Length with header and padding.
    pub length: u64,
}

/// Gives every block its place, in the order of the calls.
#[derive(Clone, Debug)]
pub struct Packer {
    file_bytes: u64,
    file: u32,
    offset: u64,
}

impl Packer {
    /// A packer that closes a file before it would exceed `file_bytes`. A block that is larger than that gets a file
    /// of its own.
    #[must_use]
    pub const fn new(file_bytes: u64) -> Self {
        Self { file_bytes, file: 0, offset: ALIGN }
    }

    /// The place of the next block, whose payload has this length.
    pub fn place(&mut self, payload_bytes: u64) -> Placement {
        let length = stored_bytes(payload_bytes);
        let is_empty_file = self.offset == ALIGN;
        if !is_empty_file && self.offset + length + ALIGN > self.file_bytes {
            self.file += 1;
            self.offset = ALIGN;
        }
        let placement = Placement { file: self.file, offset: self.offset, length };
        self.offset += length;
        placement
    }

    /// Number of files of the directory: at least one, which may be empty.
    #[must_use]
    pub const fn files(&self) -> u32 {
        self.file + 1
    }
}

/// Length of a block on the medium: header, payload, padding.
#[must_use]
pub const fn stored_bytes(payload_bytes: u64) -> u64 {
    (BLOCK_HEADER_BYTES + payload_bytes).div_ceil(ALIGN) * ALIGN
}

/// Length of a data file that holds blocks up to `end`.
#[must_use]
pub const fn file_bytes(blocks_end: u64) -> u64 {
    blocks_end - ALIGN + FILE_FRAME_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_block_starts_right_after_the_one_before_it() {
        let mut packer = Packer::new(1 << 20);
        assert_eq!(packer.place(10), Placement { file: 0, offset: 4096, length: 4096 });
        assert_eq!(packer.place(4096 - 48), Placement { file: 0, offset: 8192, length: 4096 });
        assert_eq!(packer.place(4096 - 47), Placement { file: 0, offset: 12288, length: 8192 });
        assert_eq!(packer.files(), 1);
    }

    #[test]
    fn a_file_is_cut_so_that_its_trailer_still_fits() {
        let mut packer = Packer::new(4 * 4096);
        assert_eq!(packer.place(1).file, 0);
        assert_eq!(packer.place(1).file, 0, "header + 2 blocks + trailer are exactly the limit");
        assert_eq!(packer.place(1), Placement { file: 1, offset: 4096, length: 4096 });
    }

    #[test]
    fn a_block_larger_than_a_file_gets_its_own() {
        let mut packer = Packer::new(8192);
        assert_eq!(packer.place(1 << 20).file, 0);
        assert_eq!(packer.place(1 << 20).file, 1);
        assert_eq!(Packer::new(8192).files(), 1, "an empty directory still has file 0");
    }

    proptest! {
        #[test]
        fn blocks_tile_their_files_without_holes_and_stay_within_the_limit(
            sizes in prop::collection::vec(0u64..200_000, 1..60), limit in 8192u64..1_000_000,
        ) {
            let mut packer = Packer::new(limit);
            let mut at = (0u32, ALIGN);
            for size in sizes {
                let p = packer.place(size);
                prop_assert!(p.file == at.0 && p.offset == at.1 || p.file == at.0 + 1 && p.offset == ALIGN);
                prop_assert_eq!(p.offset % ALIGN, 0);
                prop_assert!(p.length >= size + 48);
                at = (p.file, p.offset + p.length);
                prop_assert!(file_bytes(at.1) <= limit || p.offset == ALIGN);
            }
            prop_assert_eq!(packer.files(), at.0 + 1);
        }
    }
}
