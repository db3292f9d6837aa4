//! Group header (56 bytes) and entry header (32 bytes), big-endian on disk and on the medium.
//!
//! The header checksum is computed over the *little-endian* layout, as the engine that invented it has it in memory:
//! the low 16 bits of XXH64 with those 16 bits of `flag` zero.

use crate::FormatError;
use crate::checksum::xxh64;
use crate::error::need;
use strandline_types::{Lsn, Scn, Term};

/// Length of a group header.
pub const GROUP_HEADER_BYTES: usize = 56;
/// Length of an entry header.
pub const ENTRY_HEADER_BYTES: usize = 32;
const GROUP_MAGIC: u16 = 0x4752;
const ENTRY_MAGIC: u16 = 0x4C48;
const VERSION: u16 = 2;
/// `flag` bit of a padding group and of the entry in it.
const FLAG_PADDING: u64 = 1 << 62;
const FLAG_CHECKSUM: u64 = 0xFFFF;

/// Header of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHeader {
    /// Bytes after this header.
    pub group_bytes: u32,
    /// Raft term that wrote the group.
    pub proposal_id: Term,
    /// LSN up to which the log was committed; for logs of this project the LSN of the group itself.
    pub committed_end_lsn: Lsn,
    /// Highest SCN in the group.
    pub max_scn: Scn,
    /// Checksum of the log up to the end of this group.
    pub accumulated_checksum: u64,
    /// Number of the group in its log.
    pub log_id: u64,
    /// Flag bits but for the checksum.
    flag: u64,
}

impl GroupHeader {
    /// A header for framing.
    #[must_use]
    pub const fn new(group_bytes: u32, proposal_id: Term, lsn: Lsn, max_scn: Scn, log_id: u64, padding: bool) -> Self {
        let flag = if padding { FLAG_PADDING } else { 0 };
        Self { group_bytes, proposal_id, committed_end_lsn: lsn, max_scn, accumulated_checksum: 0, log_id, flag }
    }

    /// True for a group that only fills its block.
    #[must_use]
    pub const fn is_padding(&self) -> bool {
        self.flag & FLAG_PADDING != 0
    }

    /// Header and body together.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        GROUP_HEADER_BYTES as u64 + self.group_bytes as u64
    }

    /// As it stands on disk, checksum included.
    #[must_use]
    pub fn encode(&self) -> [u8; GROUP_HEADER_BYTES] {
        let words = self.words();
        let flag = self.flag | checksum16(&little_endian::<GROUP_HEADER_BYTES>(GROUP_MAGIC, self.group_bytes, &words));
        let mut b = [0; GROUP_HEADER_BYTES];
        b[0..2].copy_from_slice(&GROUP_MAGIC.to_be_bytes());
        b[2..4].copy_from_slice(&VERSION.to_be_bytes());
        b[4..8].copy_from_slice(&self.group_bytes.to_be_bytes());
        put_words(&mut b[8..], &words);
        b[48..56].copy_from_slice(&flag.to_be_bytes());
        b
    }

    /// Reads and checks the header at the start of `bytes`.
    ///
    /// # Errors
    /// Too short, other bytes, a bad checksum, an unknown version.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "log group header";
        let b = need(bytes, GROUP_HEADER_BYTES, WHAT)?;
        let group_bytes = prefix(b, GROUP_MAGIC, WHAT)?;
        let flag = u64_at(b, 48);
        let header = Self {
            group_bytes,
            proposal_id: Term(u64_at(b, 8)),
            committed_end_lsn: Lsn(u64_at(b, 16)),
            max_scn: Scn(u64_at(b, 24)),
            accumulated_checksum: u64_at(b, 32),
            log_id: u64_at(b, 40),
            flag: flag & !FLAG_CHECKSUM,
        };
        let layout = little_endian::<GROUP_HEADER_BYTES>(GROUP_MAGIC, group_bytes, &header.words());
        compare(flag & FLAG_CHECKSUM, checksum16(&layout), WHAT)?;
        Ok(header)
    }

    const fn words(&self) -> [u64; 6] {
        [
            self.proposal_id.0,
            self.committed_end_lsn.0,
            self.max_scn.0,
            self.accumulated_checksum,
            self.log_id,
            self.flag,
        ]
    }
}

/// Header of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// Bytes after this header.
    pub log_bytes: u32,
    /// SCN of the entry.
    pub scn: Scn,
    /// Raw CRC32C of the body.
    pub data_checksum: u64,
    /// Flag bits but for the checksum.
    flag: u64,
}

impl EntryHeader {
    /// A header for framing.
    #[must_use]
    pub const fn new(log_bytes: u32, scn: Scn, data_checksum: u32, padding: bool) -> Self {
        Self { log_bytes, scn, data_checksum: data_checksum as u64, flag: if padding { FLAG_PADDING } else { 0 } }
    }

    /// As it stands on disk, checksum included.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_HEADER_BYTES] {
        let words = [self.scn.0, self.data_checksum, self.flag];
        let flag = self.flag | checksum16(&little_endian::<ENTRY_HEADER_BYTES>(ENTRY_MAGIC, self.log_bytes, &words));
        let mut b = [0; ENTRY_HEADER_BYTES];
        b[0..2].copy_from_slice(&ENTRY_MAGIC.to_be_bytes());
        b[2..4].copy_from_slice(&VERSION.to_be_bytes());
        b[4..8].copy_from_slice(&self.log_bytes.to_be_bytes());
        put_words(&mut b[8..], &words);
        b[24..32].copy_from_slice(&flag.to_be_bytes());
        b
    }

    /// Reads and checks the header at the start of `bytes`.
    ///
    /// # Errors
    /// Too short, other bytes, a bad checksum, an unknown version.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "log entry header";
        let b = need(bytes, ENTRY_HEADER_BYTES, WHAT)?;
        let log_bytes = prefix(b, ENTRY_MAGIC, WHAT)?;
        let flag = u64_at(b, 24);
        let header =
            Self { log_bytes, scn: Scn(u64_at(b, 8)), data_checksum: u64_at(b, 16), flag: flag & !FLAG_CHECKSUM };
        let words = [header.scn.0, header.data_checksum, header.flag];
        let layout = little_endian::<ENTRY_HEADER_BYTES>(ENTRY_MAGIC, log_bytes, &words);
        compare(flag & FLAG_CHECKSUM, checksum16(&layout), WHAT)?;
        Ok(header)
    }
}

/// Checks magic and version; the size field.
fn prefix(b: &[u8], magic: u16, what: &'static str) -> Result<u32, FormatError> {
    let (found, version) = (u16::from_be_bytes([b[0], b[1]]), u16::from_be_bytes([b[2], b[3]]));
    if found != magic {
        return Err(FormatError::Magic { what, at: 0, found: u64::from(found) });
    }
    if version != VERSION {
        return Err(FormatError::Version { what, found: u64::from(version) });
    }
    let size = u32::from_be_bytes([b[4], b[5], b[6], b[7]]);
    // A signed field on disk: a negative size is damage, whatever its checksum says.
    if size > i32::MAX as u32 {
        return Err(FormatError::Structure { what, at: 4, detail: "negative size".to_owned() });
    }
    Ok(size)
}

fn little_endian<const N: usize>(magic: u16, size: u32, words: &[u64]) -> [u8; N] {
    let mut b = [0; N];
    b[0..2].copy_from_slice(&magic.to_le_bytes());
    b[2..4].copy_from_slice(&VERSION.to_le_bytes());
    b[4..8].copy_from_slice(&size.to_le_bytes());
    for (slot, word) in b[8..].chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    b
}

fn put_words(b: &mut [u8], words: &[u64]) {
    for (slot, word) in b.chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_be_bytes());
    }
}

fn checksum16(layout: &[u8]) -> u64 {
    xxh64(layout) & FLAG_CHECKSUM
}

fn compare(found: u64, computed: u64, what: &'static str) -> Result<(), FormatError> {
    if found == computed { Ok(()) } else { Err(FormatError::Checksum { what, at: 0, found, computed }) }
}

pub(super) fn u64_at(b: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&b[at..at + 8]);
    u64::from_be_bytes(word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        let g = GroupHeader::new(99_144, Term(1), Lsn(67_005_568), Scn(1_795_161_939_311_416_001), 2673, true);
        let g = GroupHeader { accumulated_checksum: 1_394_699_811, ..g };
        assert_eq!(GroupHeader::decode(&g.encode()).unwrap(), g);
        assert_eq!(g.encode()[48..], [0x40, 0, 0, 0, 0, 0, 0xfb, 0x6b], "as the original engine wrote this very group");
        let e = EntryHeader::new(99_112, g.max_scn, 3_610_668_542, true);
        assert_eq!(EntryHeader::decode(&e.encode()).unwrap(), e);
        assert_eq!(e.encode()[24..], [0x40, 0, 0, 0, 0, 0, 0xec, 0xb2]);
    }
}
