//! The trailer: the last 4096 bytes of a finished data or index file. It tells what the file holds, where its list
//! lies, and the checksum of everything before it.

use super::BlockType;
use super::block::read_block;
use crate::header::{COMMON_HEADER_BYTES, CommonHeader};
use crate::{FormatError, pb};
use bytes::Bytes;
use prost::Message;
use strandline_types::limits::BLOCK_ALIGN_BYTES;

/// Length of a trailer.
pub const TRAILER_BYTES: usize = BLOCK_ALIGN_BYTES;

/// What the trailer of a file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trailer {
    /// Macroblocks in the file.
    pub macro_block_count: u64,
    /// Tablet metas in the file.
    pub meta_count: u64,
    /// Index entries in the file.
    pub index_entry_count: u64,
    /// Offset of the block list (data file) or root (index file).
    pub list_offset: u64,
    /// Length of that block, header and padding included.
    pub list_length: u64,
    /// Length of the file, trailer included.
    pub file_bytes: u64,
    /// Raw CRC32C of every byte before the trailer.
    pub file_checksum: u32,
}

impl Trailer {
    /// As it stands on the medium.
    #[must_use]
    pub fn encode(&self) -> [u8; TRAILER_BYTES] {
        let payload = pb::FileTrailer {
            macro_block_count: self.macro_block_count,
            meta_count: self.meta_count,
            index_entry_count: self.index_entry_count,
            list_offset: self.list_offset,
            list_length: self.list_length,
            file_bytes: self.file_bytes,
            file_checksum: self.file_checksum,
        }
        .encode_to_vec();
        let end = COMMON_HEADER_BYTES + payload.len();
        let mut header = CommonHeader::plain(BlockType::Trailer.number(), &payload);
        header.padding_bytes = (TRAILER_BYTES - end) as u64;
        let mut b = [0; TRAILER_BYTES];
        b[..COMMON_HEADER_BYTES].copy_from_slice(&header.encode());
        b[COMMON_HEADER_BYTES..end].copy_from_slice(&payload);
        b
    }

    /// Reads and checks a trailer: exactly the last [`TRAILER_BYTES`] of a file.
    ///
    /// # Errors
    /// Anything that is not a whole, intact trailer: the file is unfinished or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "file trailer";
        if bytes.len() != TRAILER_BYTES {
            let detail = format!("{} bytes instead of {TRAILER_BYTES}", bytes.len());
            return Err(FormatError::Structure { what: WHAT, at: 0, detail });
        }
        let block = read_block(&Bytes::copy_from_slice(bytes))?;
        if block.block_type != BlockType::Trailer || block.bytes != TRAILER_BYTES {
            return Err(FormatError::WrongType {
                expected: BlockType::Trailer.to_string(),
                found: block.block_type.to_string(),
            });
        }
        let t = pb::FileTrailer::decode(block.payload).map_err(|e| FormatError::Payload {
            what: WHAT,
            at: COMMON_HEADER_BYTES as u64,
            detail: e.to_string(),
        })?;
        Ok(Self {
            macro_block_count: t.macro_block_count,
            meta_count: t.meta_count,
            index_entry_count: t.index_entry_count,
            list_offset: t.list_offset,
            list_length: t.list_length,
            file_bytes: t.file_bytes,
            file_checksum: t.file_checksum,
        })
    }
}
