//! Data files and index files: a 4096-byte file header, blocks, and a trailer in the last 4096 bytes. A file without a
//! valid trailer is unfinished (docs/format-reference.md).
//!
//! Nothing here does I/O: writers give bytes in the order in which they stand in the file, readers take bytes.

mod block;
mod file_header;
mod frame;
mod macroblock;
mod reader;
mod trailer;
mod writer;

pub use block::{Block, read_block};
pub use file_header::{FILE_HEADER_BYTES, FileHeader, FileKind};
pub use frame::{BlockBuffer, FramedBlock, StoredAs};
pub use macroblock::{Coding, EncodedBlock, encode_macroblock, open_macroblock};
pub use reader::{BlockAt, BlockContent, FileCheck, read_block_list, read_file, read_listed_blocks};
pub use trailer::{TRAILER_BYTES, Trailer};
pub use writer::{BlockOut, DataFileWriter};

use std::fmt;
use strandline_types::limits::BLOCK_ALIGN_BYTES;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockType {
    /// One macroblock, as the engine wrote it.
    MacroData,
    /// Meta of one tablet.
    TabletMeta,
    /// Sorted index entries.
    IndexLeaf,
    /// Where the leaves (index file) or the blocks (data file) lie.
    IndexRoot,
    /// Last block of every file.
    Trailer,
}

impl BlockType {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::MacroData, Self::TabletMeta, Self::IndexLeaf, Self::IndexRoot, Self::Trailer];

    /// The number on the medium.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::MacroData => 0,
            Self::TabletMeta => 1,
            Self::IndexLeaf => 4,
            Self::IndexRoot => 5,
            Self::Trailer => 8,
        }
    }

    /// From the number on the medium.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.number() == number)
    }
}

impl fmt::Display for BlockType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MacroData => "macroblock",
            Self::TabletMeta => "tablet meta",
            Self::IndexLeaf => "index leaf",
            Self::IndexRoot => "index root",
            Self::Trailer => "trailer",
        })
    }
}

/// Zero bytes that bring `bytes` to the next multiple of the block alignment.
const fn padding_for(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK_ALIGN_BYTES) - bytes
}
