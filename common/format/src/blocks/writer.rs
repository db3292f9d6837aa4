//! Writing a data or index file, front to back, without I/O.
//!
//! The caller puts out the bytes in the order in which it gets them: header, blocks, end. The whole-file checksum and
//! the list of blocks are kept on the way, so nothing is read twice.

use super::frame::{BlockBuffer, FramedBlock, StoredAs, combine};
use super::{BlockAt, BlockContent, BlockType, FILE_HEADER_BYTES, FileHeader, FileKind, TRAILER_BYTES, Trailer};
use crate::checksum::crc32c_raw;
use crate::header::Compressor;
use crate::{FormatError, pb};
use prost::Message;

/// Index and list blocks are small and cold; the fastest level already halves them.
const ZSTD_LEVEL: i32 = 3;

/// One file being written.
#[derive(Debug)]
pub struct DataFileWriter {
    kind: FileKind,
    offset: u64,
    checksum: u32,
    blocks: Vec<BlockAt>,
    /// Beside `blocks`, one for each.
    contents: Vec<Option<BlockContent>>,
    index_entries: u64,
}

/// A block, ready to be put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOut {
    /// Offset in the file.
    pub offset: u64,
    /// Length, header and padding included.
    pub length: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl DataFileWriter {
    /// A file of this kind.
    #[must_use]
    pub const fn new(kind: FileKind) -> Self {
        Self { kind, offset: 0, checksum: 0, blocks: Vec::new(), contents: Vec::new(), index_entries: 0 }
    }

    /// The file header: call it once, first, and put it out.
    pub fn header(&mut self) -> [u8; FILE_HEADER_BYTES] {
        let header = FileHeader { kind: self.kind }.encode();
        self.account(&header);
        header
    }

    /// One block with its payload as it is.
    pub fn block(&mut self, block_type: BlockType, payload: &[u8]) -> BlockOut {
        let block = BlockBuffer::of(payload).frame_plain(block_type);
        let offset = self.push(&block, None);
        BlockOut { offset, length: block.bytes.len() as u64, bytes: block.bytes.to_vec() }
    }

    /// Places a framed block and gives its offset; the caller puts out its bytes. `content` goes into the block list,
    /// so that a finished file tells what is in it even when its index was never written.
    pub fn push(&mut self, block: &FramedBlock, content: Option<BlockContent>) -> u64 {
        let (offset, length) = (self.offset, block.bytes.len() as u64);
        self.checksum = combine(self.checksum, block.checksum, block.bytes.len());
        self.offset += length;
        self.blocks.push(BlockAt { block_type: block.block_type, offset, length });
        self.contents.push(content);
        offset
    }

    /// One block with its payload packed by zstd.
    ///
    /// # Errors
    /// When zstd refuses, which it has no reason to.
    pub fn packed_block(&mut self, block_type: BlockType, payload: &[u8]) -> Result<BlockOut, FormatError> {
        let packed = zstd::bulk::compress(payload, ZSTD_LEVEL)
            .map_err(|e| FormatError::Unwritable { what: "packed block", detail: e.to_string() })?;
        let buffer = BlockBuffer::of(&packed);
        let stored = StoredAs { compressor: Compressor::Zstd, sealed: false, plain_bytes: payload.len() as u64 };
        let checksum = crc32c_raw(0, buffer.payload());
        let block = buffer.frame(block_type, stored, checksum);
        let offset = self.push(&block, None);
        Ok(BlockOut { offset, length: block.bytes.len() as u64, bytes: block.bytes.to_vec() })
    }

    /// Bytes of the file so far.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Blocks so far.
    #[must_use]
    pub fn blocks(&self) -> &[BlockAt] {
        &self.blocks
    }

    /// Ends a data file: the block list and the trailer, to be put out last.
    ///
    /// # Errors
    /// When zstd refuses, which it has no reason to.
    pub fn finish(mut self) -> Result<Vec<u8>, FormatError> {
        let item = |(b, content): (&BlockAt, &Option<BlockContent>)| pb::BlockListItem {
            block_type: u32::from(b.block_type.number()),
            offset: b.offset,
            length: b.length,
            content: content.as_ref().map(BlockContent::to_item),
        };
        let items = self.blocks.iter().zip(&self.contents).map(item);
        let list = pb::BlockList { blocks: items.collect() }.encode_to_vec();
        let mut end = self.packed_block(BlockType::IndexRoot, &list)?;
        let trailer = self.trailer(end.offset, end.length);
        end.bytes.extend_from_slice(&trailer);
        Ok(end.bytes)
    }

    /// Counts entries of an index file for its trailer.
    pub(crate) const fn count_entries(&mut self, entries: u64) {
        self.index_entries += entries;
    }

    /// The trailer after a list block at this place.
    pub(crate) fn trailer(self, list_offset: u64, list_length: u64) -> [u8; TRAILER_BYTES] {
        let count = |t: BlockType| self.blocks.iter().filter(|b| b.block_type == t).count() as u64;
        Trailer {
            macro_block_count: count(BlockType::MacroData),
            meta_count: count(BlockType::TabletMeta),
            index_entry_count: self.index_entries,
            list_offset,
            list_length,
            file_bytes: self.offset + TRAILER_BYTES as u64,
            file_checksum: self.checksum,
        }
        .encode()
    }

    fn account(&mut self, bytes: &[u8]) {
        self.checksum = crc32c_raw(self.checksum, bytes);
        self.offset += bytes.len() as u64;
    }
}
