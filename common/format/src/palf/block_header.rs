//! The 4096-byte header of a local log block ("SB"): everything that is needed to go on framing at the block's start
//! when the blocks before it are recycled. Local disk only; never on the medium.

use super::header::u64_at;
use crate::FormatError;
use crate::checksum::crc32c_raw;
use crate::error::need;
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{LsId, Lsn, PalfBase, Scn, TenantId, Term};

const BYTES: usize = ARCHIVE_FILE_HEADER_BYTES as usize;
const MAGIC: [u8; 2] = *b"SB";
const VERSION: u16 = 1;
const WORDS: usize = 8;
const CHECKED_BYTES: usize = 8 + WORDS * 8;
const WHAT: &str = "local block header";

/// Header of a local log block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Whose log it is.
    pub tenant: TenantId,
    /// Which log stream of the tenant.
    pub ls: LsId,
    /// State of the log before the first byte of this block file.
    pub base: PalfBase,
    /// Raft index of the first entry that is framed at or after `base.lsn`.
    pub first_index: u64,
    /// Raft term of the entry before it, 0 when there is none.
    pub prev_term: Term,
}

impl BlockHeader {
    /// As it stands on disk.
    #[must_use]
    pub fn encode(&self) -> [u8; BYTES] {
        let words: [u64; WORDS] = [
            self.tenant.0,
            self.ls.0,
            self.base.lsn.0,
            self.base.prev_log_id,
            self.base.prev_accumulated_checksum,
            self.base.prev_scn.0,
            self.first_index,
            self.prev_term.0,
        ];
        let mut b = [0; BYTES];
        b[0..2].copy_from_slice(&MAGIC);
        b[2..4].copy_from_slice(&VERSION.to_be_bytes());
        for (slot, word) in b[8..CHECKED_BYTES].chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_be_bytes());
        }
        let checksum = u64::from(crc32c_raw(0, &b[..CHECKED_BYTES]));
        b[CHECKED_BYTES..CHECKED_BYTES + 8].copy_from_slice(&checksum.to_be_bytes());
        b
    }

    /// Reads and checks the header at the start of `bytes`.
    ///
    /// # Errors
    /// Too short, other bytes, a bad checksum, an unknown version, bytes where there must be zeros.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let b = need(bytes, BYTES, WHAT)?;
        if b[0..2] != MAGIC {
            return Err(FormatError::Magic { what: WHAT, at: 0, found: u64::from(u16::from_be_bytes([b[0], b[1]])) });
        }
        let (found, computed) = (u64_at(b, CHECKED_BYTES), u64::from(crc32c_raw(0, &b[..CHECKED_BYTES])));
        if found != computed {
            return Err(FormatError::Checksum { what: WHAT, at: CHECKED_BYTES as u64, found, computed });
        }
        let version = u16::from_be_bytes([b[2], b[3]]);
        if version != VERSION {
            return Err(FormatError::Version { what: WHAT, found: u64::from(version) });
        }
        if b[CHECKED_BYTES + 8..].iter().any(|byte| *byte != 0) {
            let at = CHECKED_BYTES as u64 + 8;
            return Err(FormatError::Structure { what: WHAT, at, detail: "not zero after the header".to_owned() });
        }
        let word = |n: usize| u64_at(b, 8 + n * 8);
        let base = PalfBase {
            lsn: Lsn(word(2)),
            prev_log_id: word(3),
            prev_accumulated_checksum: word(4),
            prev_scn: Scn(word(5)),
        };
        Ok(Self { tenant: TenantId(word(0)), ls: LsId(word(1)), base, first_index: word(6), prev_term: Term(word(7)) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_header_comes_back_and_each_byte_flip_is_seen(words: [u64; 4], at in 0usize..4096, mask in 1u8..) {
            let [lsn, id, acc, index] = words;
            let base =
                PalfBase { lsn: Lsn(lsn), prev_log_id: id, prev_accumulated_checksum: acc, prev_scn: Scn(index ^ lsn) };
            let header =
                BlockHeader { tenant: TenantId(1002), ls: LsId(1001), base, first_index: index, prev_term: Term(4) };
            let mut b = header.encode();
            prop_assert_eq!(BlockHeader::decode(&b).unwrap(), header);
            b[at] ^= mask;
            prop_assert!(BlockHeader::decode(&b).is_err());
        }
    }
}
