//! Reading whole files back, and blocks by a list of them; nothing is given out before it was verified.

use super::block::{Block, read_block};
use super::{BlockType, FILE_HEADER_BYTES, FileHeader, FileKind, TRAILER_BYTES, Trailer};
use crate::checksum::crc32c_raw;
use crate::error::need;
use crate::header::COMMON_HEADER_BYTES;
use crate::index::{MacroBlockId, Storage};
use crate::{FormatError, pb};
use bytes::Bytes;
use prost::Message;

/// Where a block lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockAt {
    /// What it holds.
    pub block_type: BlockType,
    /// Offset in the file.
    pub offset: u64,
    /// Length, header and padding included.
    pub length: u64,
}

/// A file that was read as a whole and found intact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCheck {
    /// What the file holds.
    pub kind: FileKind,
    /// Its blocks in order, the trailer left out.
    pub blocks: Vec<BlockAt>,
    /// Its trailer.
    pub trailer: Trailer,
}

/// Verifies a whole file and gives its blocks to `each`, one by one, with their place.
///
/// # Errors
/// Anything that is not a whole, finished, intact file; what `each` says.
pub fn read_file(
    file: &Bytes,
    mut each: impl FnMut(BlockAt, Block) -> Result<(), FormatError>,
) -> Result<FileCheck, FormatError> {
    const WHOLE: &str = "data or index file";
    let kind = FileHeader::decode(file)?.kind;
    need(file, FILE_HEADER_BYTES + TRAILER_BYTES, WHOLE)?;
    let trailer_at = file.len() - TRAILER_BYTES;
    let trailer = Trailer::decode(&file[trailer_at..]).map_err(|e| e.moved(trailer_at as u64))?;
    if trailer.file_bytes != file.len() as u64 {
        let detail = format!("{} bytes, its trailer says {}", file.len(), trailer.file_bytes);
        return Err(FormatError::Structure { what: WHOLE, at: 0, detail });
    }
    let mut blocks = Vec::new();
    let mut at = FILE_HEADER_BYTES;
    while at < trailer_at {
        let block = read_block(&file.slice(at..trailer_at)).map_err(|e| e.moved(at as u64))?;
        let place = BlockAt { block_type: block.block_type, offset: at as u64, length: block.bytes as u64 };
        at += block.bytes;
        blocks.push(place);
        each(place, block).map_err(|e| e.moved(place.offset))?;
    }
    let (found, computed) = (u64::from(trailer.file_checksum), u64::from(crc32c_raw(0, &file[..trailer_at])));
    if found != computed {
        return Err(FormatError::Checksum { what: WHOLE, at: trailer_at as u64, found, computed });
    }
    let count = |t: BlockType| blocks.iter().filter(|b| b.block_type == t).count() as u64;
    let list = blocks.last().filter(|b| b.block_type == BlockType::IndexRoot);
    let list = list.map(|b| (b.offset, b.length));
    if trailer.macro_block_count != count(BlockType::MacroData)
        || trailer.meta_count != count(BlockType::TabletMeta)
        || list != Some((trailer.list_offset, trailer.list_length))
    {
        let detail = "its trailer does not match its blocks".to_owned();
        return Err(FormatError::Structure { what: WHOLE, at: trailer_at as u64, detail });
    }
    Ok(FileCheck { kind, blocks, trailer })
}

/// What a macroblock is, as the block list of its data file says; its place is that of its item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockContent {
    /// What it is.
    pub logical: MacroBlockId,
    /// Its length before it was compressed and sealed.
    pub plain_bytes: u64,
    /// Raw CRC32C of it before that.
    pub checksum: u32,
    /// The engine's own id.
    pub unique_id: Vec<u8>,
    /// How it is stored.
    pub storage: Storage,
}

impl BlockContent {
    pub(super) fn to_item(&self) -> pb::MacroIndexItem {
        let (compressor, cipher, key_fingerprint) = self.storage.to_pb();
        pb::MacroIndexItem {
            logical: Some(self.logical.to_pb()),
            plain_bytes: self.plain_bytes,
            checksum: self.checksum,
            unique_id: Bytes::copy_from_slice(&self.unique_id),
            compressor,
            cipher,
            key_fingerprint,
            ..pb::MacroIndexItem::default()
        }
    }

    fn from_item(item: pb::MacroIndexItem) -> Result<Self, FormatError> {
        Ok(Self {
            logical: MacroBlockId::from_pb(item.logical)?,
            plain_bytes: item.plain_bytes,
            checksum: item.checksum,
            storage: Storage::from_pb(item.compressor, item.cipher, &item.key_fingerprint)?,
            unique_id: item.unique_id.into(),
        })
    }
}

/// The places of a data file's blocks, out of the payload of its list block.
///
/// # Errors
/// When the payload is no block list.
pub fn read_block_list(payload: Bytes) -> Result<Vec<BlockAt>, FormatError> {
    Ok(read_listed_blocks(payload)?.into_iter().map(|(at, _)| at).collect())
}

/// The places of a data file's blocks and what its macroblocks are, out of the payload of its list block.
///
/// # Errors
/// When the payload is no block list.
pub fn read_listed_blocks(payload: Bytes) -> Result<Vec<(BlockAt, Option<BlockContent>)>, FormatError> {
    const LIST: &str = "block list";
    let list = pb::BlockList::decode(payload).map_err(|e| FormatError::Payload {
        what: LIST,
        at: COMMON_HEADER_BYTES as u64,
        detail: e.to_string(),
    })?;
    let listed = |item: pb::BlockListItem| {
        let block_type = u16::try_from(item.block_type).ok().and_then(BlockType::from_number);
        let found = u64::from(item.block_type);
        let block_type = block_type.ok_or(FormatError::UnknownType { what: LIST, at: 0, found })?;
        let content = item.content.map(BlockContent::from_item).transpose()?;
        Ok((BlockAt { block_type, offset: item.offset, length: item.length }, content))
    };
    list.blocks.into_iter().map(listed).collect()
}
