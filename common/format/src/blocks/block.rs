//! Reading one block; it is given out only when it is whole and intact.

use super::BlockType;
use crate::error::need;
use crate::header::{COMMON_HEADER_BYTES, CommonHeader, Compressor, SEALED_DATA_VERSION};
use crate::{FormatError, compress};
use bytes::Bytes;
use strandline_types::limits::{BLOCK_ALIGN_BYTES, MACROBLOCK_BYTES_MAX};

const WHAT: &str = "block";

/// A verified block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it holds.
    pub block_type: BlockType,
    /// Its payload, unpacked; shares memory with the bytes that were read when it was not packed. A sealed one is given
    /// as it is stored: [`super::open_macroblock`] opens it.
    pub payload: Bytes,
    /// True when the payload is sealed.
    pub sealed: bool,
    /// Length of the block in the file, header and padding included.
    pub bytes: usize,
}

/// Verifies the block at the start of `bytes`, which may hold more.
///
/// # Errors
/// Anything that is not a whole, intact block.
pub fn read_block(bytes: &Bytes) -> Result<Block, FormatError> {
    let header = CommonHeader::decode(bytes)?;
    let found = u64::from(header.data_type);
    let block_type =
        BlockType::from_number(header.data_type).ok_or(FormatError::UnknownType { what: WHAT, at: 0, found })?;
    let total = header.total_bytes();
    if total % BLOCK_ALIGN_BYTES as u64 != 0 || header.padding_bytes >= BLOCK_ALIGN_BYTES as u64 {
        return Err(FormatError::Structure { what: WHAT, at: 0, detail: format!("length {total} is not aligned") });
    }
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let whole = need(bytes, total, WHAT)?;
    let payload_end = COMMON_HEADER_BYTES + header.stored_bytes as usize;
    let stored = &whole[COMMON_HEADER_BYTES..payload_end];
    header.check_payload(stored, WHAT)?;
    if whole[payload_end..].iter().any(|byte| *byte != 0) {
        let detail = "padding is not zero".to_owned();
        return Err(FormatError::Structure { what: WHAT, at: payload_end as u64, detail });
    }
    let stored = bytes.slice(COMMON_HEADER_BYTES..payload_end);
    if header.data_version == SEALED_DATA_VERSION {
        return Ok(Block { block_type, payload: stored, sealed: true, bytes: total });
    }
    let payload = unpack(header.compressor, stored, header.plain_bytes)?;
    Ok(Block { block_type, payload, sealed: false, bytes: total })
}

/// The plain payload of one that is stored like this, its length checked.
pub(super) fn unpack(compressor: Compressor, stored: Bytes, plain_bytes: u64) -> Result<Bytes, FormatError> {
    let bad = |detail: String| FormatError::Payload { what: "packed block", at: COMMON_HEADER_BYTES as u64, detail };
    if plain_bytes > MACROBLOCK_BYTES_MAX {
        return Err(bad(format!("{plain_bytes} bytes unpacked are more than a block may hold")));
    }
    let plain = match compressor {
        Compressor::None => stored,
        packed => Bytes::from(compress::unpack(packed, &stored, plain_bytes as usize)?),
    };
    if plain.len() as u64 != plain_bytes {
        return Err(bad(format!("{} bytes unpacked, its header says {plain_bytes}", plain.len())));
    }
    Ok(plain)
}
