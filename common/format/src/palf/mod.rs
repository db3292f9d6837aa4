//! The log of a log stream as bytes: groups of entries in 64 MiB blocks (docs/format-reference.md).
//!
//! [`frame`] makes the bytes, [`walk`] reads and verifies them, [`file_header`] is the 4096 bytes before them in an
//! archive file, [`block_header`] the 4096 bytes before them in a local block, [`proof`] is what has to hold before log that
//! was read is written again. All integers are big-endian.

pub mod block_header;
pub mod file_header;
pub mod frame;
pub mod header;
pub mod proof;
pub mod walk;

pub use block_header::BlockHeader;
pub use file_header::ArchiveFileHeader;
pub use frame::{Framed, Framer};
pub use header::{ENTRY_HEADER_BYTES, EntryHeader, GROUP_HEADER_BYTES, GroupHeader};
pub use proof::{ProofError, prove_log};
pub use walk::{EntryView, GroupView, GroupWalker, PalfError, PalfFault, Walk, next_group};

use crate::checksum::crc32c_raw;

/// Leading bytes of a padding entry's body that its data checksum covers; the rest is zero. Seen in logs that the
/// original wrote.
pub(crate) const PADDING_BASE_BYTES: usize = 16;
/// The base header of a padding entry: version 1, type 25.
pub(crate) const PADDING_BASE: [u8; PADDING_BASE_BYTES] = [0, 1, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Smallest padding group that can be written. A group never leaves a smaller tail in its block, except none at all.
pub const PADDING_GROUP_BYTES_MIN: u64 = (GROUP_HEADER_BYTES + ENTRY_HEADER_BYTES + PADDING_BASE_BYTES) as u64;

/// One more entry in the chain of a group: `crc(chain, data_checksum as 8 little-endian bytes)`.
pub(crate) fn chain(so_far: u32, data_checksum: u32) -> u32 {
    crc32c_raw(so_far, &u64::from(data_checksum).to_le_bytes())
}
