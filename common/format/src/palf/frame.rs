//! Framing: from Raft entries to log bytes.
//!
//! The bytes are a pure function of the base and the entries after it, so every replica writes the same file. A group
//! never crosses a block end; the padding group before it reaches exactly to that end. A group also never leaves a
//! tail that is too small for a padding group: it moves to the next block instead.

use super::{ENTRY_HEADER_BYTES, EntryHeader, GROUP_HEADER_BYTES, GroupHeader, PADDING_BASE, PADDING_BASE_BYTES};
use super::{PADDING_GROUP_BYTES_MIN, chain};
use crate::checksum::crc32c_raw;
use strandline_types::limits::{BLOCK_BODY_BYTES, LOG_ENTRY_BODY_BYTES_MAX};
use strandline_types::{Lsn, PalfBase, Scn, Term};

const GROUP_OVERHEAD: usize = GROUP_HEADER_BYTES + ENTRY_HEADER_BYTES;
const _: () = assert!((GROUP_OVERHEAD + LOG_ENTRY_BODY_BYTES_MAX) as u64 + PADDING_GROUP_BYTES_MIN <= BLOCK_BODY_BYTES);

/// Makes the groups of one log, one after the other.
#[derive(Clone, Debug)]
pub struct Framer {
    base: PalfBase,
}

/// Where one framed entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramedAt {
    /// Where the written bytes begin: the padding group if there is one, else the group.
    pub start: Lsn,
    /// LSN of the group.
    pub lsn: Lsn,
    /// First LSN after the group.
    pub end: Lsn,
    /// The effective SCN of the entry.
    pub scn: Scn,
    /// `log_id` of the group.
    pub log_id: u64,
    /// True when a padding group stands before the group.
    pub padded: bool,
}

/// One framed entry with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// The padding group, if any, and the group.
    pub bytes: Vec<u8>,
    /// LSN of the group.
    pub lsn: Lsn,
    /// First LSN after the group.
    pub end: Lsn,
    /// The effective SCN of the entry.
    pub scn: Scn,
    /// `log_id` of the group.
    pub log_id: u64,
    /// True when a padding group stands before the group.
    pub padded: bool,
}

impl Framer {
    /// Goes on at `base`.
    #[must_use]
    pub const fn new(base: PalfBase) -> Self {
        Self { base }
    }

    /// The state before the next group.
    #[must_use]
    pub const fn base(&self) -> PalfBase {
        self.base
    }

    /// The SCN that the next entry will carry: strictly after the log so far for entries that carry an SCN of their
    /// own (`strict`), else that of the group before.
    #[must_use]
    pub fn effective_scn(&self, scn: Scn, strict: bool) -> Scn {
        if strict { scn.max(self.base.prev_scn.next()) } else { self.base.prev_scn }
    }

    /// Frames one entry into bytes of its own.
    ///
    /// # Panics
    /// As [`Framer::frame_into`].
    pub fn frame(&mut self, term: Term, scn: Scn, strict: bool, body: &[u8]) -> Framed {
        let mut bytes = Vec::new();
        let at = self.frame_into(&mut bytes, term, scn, strict, &[body]);
        Framed { bytes, lsn: at.lsn, end: at.end, scn: at.scn, log_id: at.log_id, padded: at.padded }
    }

    /// Frames one entry at the end of `out`; the entry's body is `parts` one after the other.
    ///
    /// # Panics
    /// When the body is larger than [`LOG_ENTRY_BODY_BYTES_MAX`]: the proposer has checked that.
    pub fn frame_into(&mut self, out: &mut Vec<u8>, term: Term, scn: Scn, strict: bool, parts: &[&[u8]]) -> FramedAt {
        let body_bytes: usize = parts.iter().map(|p| p.len()).sum();
        assert!(body_bytes <= LOG_ENTRY_BODY_BYTES_MAX, "a log entry of {body_bytes} bytes cannot be framed");
        let scn = self.effective_scn(scn, strict);
        let start = self.base.lsn;
        let total = (GROUP_OVERHEAD + body_bytes) as u64;
        let padded = !fits(start, total);
        if padded {
            self.pad(out, term);
        }
        let lsn = self.base.lsn;
        out.reserve(GROUP_OVERHEAD + body_bytes);
        let data_checksum = parts.iter().fold(0, |crc, part| crc32c_raw(crc, part));
        let entry = EntryHeader::new(body_bytes as u32, scn, data_checksum, false);
        let group = GroupHeader::new((ENTRY_HEADER_BYTES + body_bytes) as u32, term, lsn, scn, self.next_id(), false);
        self.put_group_header(out, group, chain(0, data_checksum));
        out.extend_from_slice(&entry.encode());
        for part in parts {
            out.extend_from_slice(part);
        }
        FramedAt { start, lsn, end: self.base.lsn, scn, log_id: self.base.prev_log_id, padded }
    }

    /// Fills the block. The caller has seen that the tail has room for a padding group.
    fn pad(&mut self, out: &mut Vec<u8>, term: Term) {
        let lsn = self.base.lsn;
        let tail = lsn.left_in_block();
        assert!(tail >= PADDING_GROUP_BYTES_MIN, "a log cannot go on at lsn {lsn}: its block has {tail} bytes left");
        let group_bytes = tail as usize - GROUP_HEADER_BYTES;
        let body_bytes = group_bytes - ENTRY_HEADER_BYTES;
        let scn = self.base.prev_scn;
        let group = GroupHeader::new(group_bytes as u32, term, lsn, scn, self.next_id(), true);
        let entry = EntryHeader::new(body_bytes as u32, scn, crc32c_raw(0, &PADDING_BASE), true);
        out.reserve(tail as usize);
        self.put_group_header(out, group, 0);
        out.extend_from_slice(&entry.encode());
        out.extend_from_slice(&PADDING_BASE);
        out.resize(out.len() + body_bytes - PADDING_BASE_BYTES, 0);
    }

    fn put_group_header(&mut self, out: &mut Vec<u8>, mut group: GroupHeader, entries: u32) {
        group.accumulated_checksum = u64::from(chain(self.base.prev_accumulated_checksum as u32, entries));
        out.extend_from_slice(&group.encode());
        self.base = PalfBase {
            lsn: group.committed_end_lsn.advance(group.total_bytes()),
            prev_log_id: group.log_id,
            prev_accumulated_checksum: group.accumulated_checksum,
            prev_scn: group.max_scn,
        };
    }

    const fn next_id(&self) -> u64 {
        self.base.prev_log_id + 1
    }
}

/// True when a group of `total` bytes may stand at `lsn`: inside the block, and leaving no tail that cannot be filled.
const fn fits(lsn: Lsn, total: u64) -> bool {
    let left = lsn.left_in_block();
    total == left || total + PADDING_GROUP_BYTES_MIN <= left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near_block_end(left: u64) -> Framer {
        let lsn = Lsn(BLOCK_BODY_BYTES - left);
        Framer::new(PalfBase { lsn, prev_log_id: 7, prev_accumulated_checksum: 9, prev_scn: Scn(100) })
    }

    #[test]
    fn a_group_that_fills_its_block_exactly_needs_no_padding() {
        let framed = near_block_end(1000).frame(Term(1), Scn(200), true, &[1; 1000 - GROUP_OVERHEAD]);
        assert!(!framed.padded);
        assert_eq!(framed.end, Lsn(BLOCK_BODY_BYTES));
    }

    #[test]
    fn a_group_never_leaves_a_tail_that_cannot_be_filled() {
        for tail in 1..PADDING_GROUP_BYTES_MIN {
            let mut framer = near_block_end(1000);
            let framed = framer.frame(Term(1), Scn(200), true, &vec![1; 1000 - GROUP_OVERHEAD - tail as usize]);
            assert!(framed.padded, "tail {tail}");
            assert_eq!((framed.lsn, framed.log_id), (Lsn(BLOCK_BODY_BYTES), 9));
            assert_eq!(framed.bytes.len() as u64, 1000 + framed.end.0 - framed.lsn.0);
        }
        let body = vec![1; 1000 - GROUP_OVERHEAD - PADDING_GROUP_BYTES_MIN as usize];
        let mut framer = near_block_end(1000);
        assert!(!framer.frame(Term(1), Scn(200), true, &body).padded);
        assert_eq!(
            framer.frame(Term(1), Scn(200), true, &[1]).lsn,
            Lsn(BLOCK_BODY_BYTES),
            "the smallest tail is filled"
        );
    }

    #[test]
    fn the_effective_scn_rises_for_strict_entries_and_stands_for_others() {
        let mut framer = near_block_end(5000);
        assert_eq!(framer.frame(Term(1), Scn(50), true, b"x").scn, Scn(101), "a clock that fell back");
        assert_eq!(framer.frame(Term(1), Scn(9999), false, b"x").scn, Scn(101), "a blank entry has no SCN of its own");
        assert_eq!(framer.frame(Term(1), Scn(500), true, b"x").scn, Scn(500));
        assert_eq!(framer.base().prev_scn, Scn(500));
    }

    #[test]
    fn two_replicas_frame_the_same_bytes() {
        let (mut a, mut b) = (near_block_end(3000), near_block_end(3000));
        let (mut one, mut parts) = (Vec::new(), Vec::new());
        for n in 0..60u8 {
            one.extend(a.frame(Term(3), Scn(100 + u64::from(n)), true, &[n; 77]).bytes);
            b.frame_into(&mut parts, Term(3), Scn(100 + u64::from(n)), true, &[&[n], &[n; 76]]);
        }
        assert!(one == parts);
        assert_eq!(a.base(), b.base());
    }
}
