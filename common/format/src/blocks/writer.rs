//! Writing a data or index file, front to back, without I/O.
//!
//! The caller puts out the bytes in the order in which it gets them: header, blocks, end. The whole-file checksum and
//! the list of blocks are kept on the way, so nothing is read twice.

use super::{BlockAt, BlockType, FILE_HEADER_BYTES, FileHeader, FileKind, TRAILER_BYTES, Trailer, padding_for};
use crate::checksum::crc32c_raw;
use crate::header::{COMMON_HEADER_BYTES, CommonHeader, Compressor};
use crate::{FormatError, pb};
use prost::Message;
use strandline_types::limits::BLOCK_ALIGN_BYTES;

/// Index and list blocks are small and cold; the fastest level already halves them.
const ZSTD_LEVEL: i32 = 3;

/// One file being written.
#[derive(Debug)]
pub struct DataFileWriter {
    kind: FileKind,
    offset: u64,
    checksum: u32,
    blocks: Vec<BlockAt>,
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

/// The parts of a block around a payload that the caller puts out itself, without a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFrame {
    /// Offset in the file.
    pub offset: u64,
    /// Length, header and padding included.
    pub length: u64,
    /// Goes before the payload.
    pub header: [u8; COMMON_HEADER_BYTES],
    /// Zero bytes that go after the payload.
    pub padding: &'static [u8],
}

static ZEROS: [u8; BLOCK_ALIGN_BYTES] = [0; BLOCK_ALIGN_BYTES];

impl DataFileWriter {
    /// A file of this kind.
    #[must_use]
    pub const fn new(kind: FileKind) -> Self {
        Self { kind, offset: 0, checksum: 0, blocks: Vec::new(), index_entries: 0 }
    }

    /// The file header: call it once, first, and put it out.
    pub fn header(&mut self) -> [u8; FILE_HEADER_BYTES] {
        let header = FileHeader { kind: self.kind }.encode();
        self.account(&header);
        header
    }

    /// One block with its payload as it is.
    pub fn block(&mut self, block_type: BlockType, payload: &[u8]) -> BlockOut {
        let frame = self.frame(block_type, payload);
        let mut bytes = Vec::with_capacity(frame.length as usize);
        bytes.extend_from_slice(&frame.header);
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(frame.padding);
        BlockOut { offset: frame.offset, length: frame.length, bytes }
    }

    /// What goes around `payload`: the caller puts out header, payload and padding.
    pub fn frame(&mut self, block_type: BlockType, payload: &[u8]) -> BlockFrame {
        let header = CommonHeader::plain(block_type.number(), payload);
        self.place(block_type, header, payload)
    }

    /// One block with its payload packed by zstd.
    ///
    /// # Errors
    /// When zstd refuses, which it has no reason to.
    pub fn packed_block(&mut self, block_type: BlockType, payload: &[u8]) -> Result<BlockOut, FormatError> {
        let packed = zstd::bulk::compress(payload, ZSTD_LEVEL)
            .map_err(|e| FormatError::Unwritable { what: "packed block", detail: e.to_string() })?;
        let mut header = CommonHeader::plain(block_type.number(), &packed);
        header.compressor = Compressor::Zstd;
        header.plain_bytes = payload.len() as u64;
        let frame = self.place(block_type, header, &packed);
        let bytes = [&frame.header[..], &packed, frame.padding].concat();
        Ok(BlockOut { offset: frame.offset, length: frame.length, bytes })
    }

    /// Bytes of the file so far.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of the file if it were finished after one more payload of this length; the block list is estimated.
    #[must_use]
    pub fn bytes_with(&self, payload_bytes: usize) -> u64 {
        let block = COMMON_HEADER_BYTES + payload_bytes;
        let list = COMMON_HEADER_BYTES + (self.blocks.len() + 1) * 16;
        let aligned = block + padding_for(block) + list + padding_for(list) + TRAILER_BYTES;
        self.offset + aligned as u64
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
        let item = |b: &BlockAt| pb::BlockListItem {
            block_type: u32::from(b.block_type.number()),
            offset: b.offset,
            length: b.length,
        };
        let list = pb::BlockList { blocks: self.blocks.iter().map(item).collect() }.encode_to_vec();
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

    fn place(&mut self, block_type: BlockType, mut header: CommonHeader, stored: &[u8]) -> BlockFrame {
        let padding = padding_for(COMMON_HEADER_BYTES + stored.len());
        header.padding_bytes = padding as u64;
        let frame = BlockFrame {
            offset: self.offset,
            length: header.total_bytes(),
            header: header.encode(),
            padding: &ZEROS[..padding],
        };
        self.account(&frame.header);
        self.account(stored);
        self.account(frame.padding);
        self.blocks.push(BlockAt { block_type, offset: frame.offset, length: frame.length });
        frame
    }

    fn account(&mut self, bytes: &[u8]) {
        self.checksum = crc32c_raw(self.checksum, bytes);
        self.offset += bytes.len() as u64;
    }
}
