//! Framing one block before its place is known: header, payload, padding in one buffer that can be put out as it is.
//!
//! Framing is where the CPU goes (checksums, packing, sealing), placing is not: so blocks are framed side by side on
//! many threads and then placed one after the other by [`super::DataFileWriter::push`]. The buffer begins at a multiple
//! of the block alignment in memory too, so that a medium may hand it to the disk without a copy.

use super::{BlockType, padding_for, read_block};
use crate::FormatError;
use crate::checksum::crc32c_raw;
use crate::header::{COMMON_HEADER_BYTES, CommonHeader, Compressor, SEALED_DATA_VERSION};
use bytes::Bytes;
use strandline_types::limits::BLOCK_ALIGN_BYTES;

/// Room for one block whose payload is filled in by the caller, without a second copy.
#[derive(Debug)]
pub struct BlockBuffer {
    bytes: Vec<u8>,
    start: usize,
}

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredAs {
    /// Its compressor.
    pub compressor: Compressor,
    /// True when it is sealed, after it was compressed.
    pub sealed: bool,
    /// Bytes before it was compressed and sealed.
    pub plain_bytes: u64,
}

/// A whole block without a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramedBlock {
    /// What it holds.
    pub block_type: BlockType,
    /// Header, payload and padding.
    pub bytes: Bytes,
    /// Raw CRC32C of the payload as stored.
    pub payload_checksum: u32,
    /// Raw CRC32C of `bytes`.
    pub checksum: u32,
}

impl BlockBuffer {
    /// A buffer for a payload of up to this many bytes; a larger one costs a copy.
    #[must_use]
    pub fn with_room(payload_bytes: usize) -> Self {
        // Twice the alignment: for the start, and for the padding.
        let mut bytes: Vec<u8> = Vec::with_capacity(COMMON_HEADER_BYTES + payload_bytes + 2 * BLOCK_ALIGN_BYTES);
        let start = bytes.as_ptr().align_offset(BLOCK_ALIGN_BYTES).min(BLOCK_ALIGN_BYTES);
        bytes.resize(start + COMMON_HEADER_BYTES, 0);
        Self { bytes, start }
    }

    /// A buffer that holds this payload.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        let mut this = Self::with_room(payload.len());
        this.bytes.extend_from_slice(payload);
        this
    }

    /// Other bytes of a file, as well aligned in memory as blocks are.
    #[must_use]
    pub fn aligned(bytes: &[u8]) -> Bytes {
        let mut aligned: Vec<u8> = Vec::with_capacity(bytes.len() + BLOCK_ALIGN_BYTES);
        let start = aligned.as_ptr().align_offset(BLOCK_ALIGN_BYTES).min(BLOCK_ALIGN_BYTES);
        aligned.resize(start, 0);
        aligned.extend_from_slice(bytes);
        Bytes::from(aligned).slice(start..)
    }

    /// Where the payload is added at the end; what is there already must stay.
    pub const fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The payload so far.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.start + COMMON_HEADER_BYTES..).unwrap_or_default()
    }

    /// The payload is whole: puts the header before it and the padding behind. `payload_checksum` is its raw CRC32C.
    #[must_use]
    pub fn frame(mut self, block_type: BlockType, stored: StoredAs, payload_checksum: u32) -> FramedBlock {
        let payload_bytes = self.payload().len();
        let padding = padding_for(COMMON_HEADER_BYTES + payload_bytes);
        let mut header = CommonHeader::plain(block_type.number(), &[]);
        if stored.sealed {
            header.data_version = SEALED_DATA_VERSION;
        }
        header.compressor = stored.compressor;
        header.plain_bytes = stored.plain_bytes;
        header.stored_bytes = payload_bytes as u64;
        header.data_checksum = payload_checksum;
        header.padding_bytes = padding as u64;
        let header = header.encode();
        self.bytes.resize(self.bytes.len() + padding, 0);
        self.bytes[self.start..self.start + COMMON_HEADER_BYTES].copy_from_slice(&header);
        let bytes = Bytes::from(self.bytes).slice(self.start..);
        let whole = combine(crc32c_raw(0, &header), payload_checksum, payload_bytes);
        let checksum = crc32c_raw(whole, &bytes[bytes.len() - padding..]);
        FramedBlock { block_type, bytes, payload_checksum, checksum }
    }

    /// Like [`Self::frame`] for a payload that is stored as it is.
    #[must_use]
    pub fn frame_plain(self, block_type: BlockType) -> FramedBlock {
        let checksum = crc32c_raw(0, self.payload());
        let plain_bytes = self.payload().len() as u64;
        self.frame(block_type, StoredAs { compressor: Compressor::None, sealed: false, plain_bytes }, checksum)
    }
}

impl FramedBlock {
    /// A block that lies on a medium, verified, to be placed once more as it is.
    ///
    /// # Errors
    /// Anything that is not exactly one whole, intact block.
    pub fn read(bytes: &Bytes) -> Result<Self, FormatError> {
        let block = read_block(bytes)?;
        if block.bytes != bytes.len() {
            let (at, extra) = (block.bytes as u64, (bytes.len() - block.bytes) as u64);
            return Err(FormatError::Trailing { what: "block", at, extra });
        }
        let header = CommonHeader::decode(bytes)?;
        // `read_block` found the payload inside the bytes.
        let payload_end = COMMON_HEADER_BYTES + header.stored_bytes as usize;
        let whole = combine(
            crc32c_raw(0, &bytes[..COMMON_HEADER_BYTES]),
            header.data_checksum,
            payload_end - COMMON_HEADER_BYTES,
        );
        let checksum = crc32c_raw(whole, &bytes[payload_end..]);
        let (block_type, payload_checksum) = (block.block_type, header.data_checksum);
        Ok(Self { block_type, bytes: bytes.clone(), payload_checksum, checksum })
    }
}

/// Raw CRC32C of two pieces together, from that of each and the length of the second.
pub(super) fn combine(first: u32, second: u32, second_bytes: usize) -> u32 {
    let (first, second) = (u64::from(first), u64::from(second));
    // A CRC-32 never has more than 32 bits.
    crc_fast::checksum_combine(crc_fast::CrcAlgorithm::Crc32Iscsi, first, second, second_bytes as u64) as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_framed_block_lies_aligned_in_memory() {
        for payload in [0, 1, 4047, 4048, 4049, 4 << 20] {
            let block = BlockBuffer::of(&vec![7; payload]).frame_plain(BlockType::MacroData);
            assert_eq!(block.bytes.as_ptr().align_offset(BLOCK_ALIGN_BYTES), 0);
            assert_eq!(block.bytes.len() % BLOCK_ALIGN_BYTES, 0);
        }
    }

    proptest! {
        #[test]
        fn the_sum_of_a_frame_is_that_of_all_its_bytes(payload in proptest::collection::vec(any::<u8>(), 0..9000)) {
            let block = BlockBuffer::of(&payload).frame_plain(BlockType::MacroData);
            prop_assert_eq!(block.checksum, crc32c_raw(0, &block.bytes));
            prop_assert_eq!(block.payload_checksum, crc32c_raw(0, &payload));
            prop_assert_eq!(&FramedBlock::read(&block.bytes).unwrap(), &block);
            let more = Bytes::from([&block.bytes[..], &[0]].concat());
            prop_assert!(FramedBlock::read(&more).is_err());
        }

        #[test]
        fn sums_of_pieces_combine(
            a in proptest::collection::vec(any::<u8>(), 0..300), b in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let whole = crc32c_raw(0, &[&a[..], &b[..]].concat());
            prop_assert_eq!(combine(crc32c_raw(0, &a), crc32c_raw(0, &b), b.len()), whole);
        }
    }
}
