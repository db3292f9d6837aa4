//! Proof of a stretch of an archived log file by the checksums that it carries itself.
//!
//! Code that reads log from a medium to write it again (merged, copied, carried) asks here first: what does not prove itself
//! is never written, and what it was read from is never removed for it. A stretch begins and ends with a whole group; at
//! the start of the file stands its header.
//!
//! A group header has 16 bits of checksum. Number, place and accumulated checksum of every group but the first are proven
//! by the group before it besides, so a changed bit is missed at most in term and SCN of a header, one time in 65,536.

use super::{ArchiveFileHeader, GroupWalker, PalfError};
use crate::FormatError;
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{ErrorClass, Failure, FileId, Lsn, LsnRange};

/// Why a stretch of a log file does not prove itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It has no whole header of the file, or no header of a group where one has to begin.
    #[error("{0}")]
    Header(FormatError),
    /// A group in it is damaged, or does not follow the group before it.
    #[error("{0}")]
    Group(#[from] PalfError),
    /// Whole log that belongs somewhere else.
    #[error("the log at byte {offset} says that it lies at lsn {found}, which is not its place in file {file_id}")]
    Misplaced {
        /// Byte of the file.
        offset: u64,
        /// LSN that its header says.
        found: Lsn,
        /// The file.
        file_id: FileId,
    },
    /// It ends inside of a group.
    #[error("the log group at lsn {at} is cut off: {there} bytes of it are there")]
    CutOff {
        /// Where the group begins.
        at: Lsn,
        /// Bytes of it that are there.
        there: usize,
    },
}

impl ProofError {
    /// As a user reads it; `object` is the path of what was read.
    #[must_use]
    pub fn into_failure(self, object: impl Into<String>) -> Failure {
        let todo = "its log is damaged as it was read: compare it with another copy of the destination";
        Failure::new(ErrorClass::Corrupt, self.to_string(), object, todo)
    }
}

/// Verifies `bytes`, which were read from byte `offset` of the log file `file_id`, and gives the log in them.
///
/// # Errors
/// Anything that is not exactly whole groups of this place, every checksum right and each following the one before it.
pub fn prove_log(file_id: FileId, offset: u64, bytes: &[u8]) -> Result<LsnRange, ProofError> {
    if offset >= ARCHIVE_FILE_HEADER_BYTES {
        let start = first_lsn(bytes)?;
        // Where the file begins is not known here, but it is in the block of its number.
        let begins_at = start.0.checked_sub(offset - ARCHIVE_FILE_HEADER_BYTES).map(Lsn);
        if begins_at.is_none_or(|at| at.file_id() != file_id || start.file_id() != file_id) {
            return Err(ProofError::Misplaced { offset, found: start, file_id });
        }
        return groups(file_id, offset, bytes, start);
    }
    let header = ArchiveFileHeader::decode(bytes.get(..).filter(|_| offset == 0).unwrap_or_default());
    let start = header.map_err(ProofError::Header)?.start_lsn;
    if start.file_id() != file_id {
        return Err(ProofError::Misplaced { offset, found: start, file_id });
    }
    let log = bytes.get(ARCHIVE_FILE_HEADER_BYTES as usize..).unwrap_or_default();
    groups(file_id, ARCHIVE_FILE_HEADER_BYTES, log, start)
}

fn first_lsn(bytes: &[u8]) -> Result<Lsn, ProofError> {
    super::GroupHeader::decode(bytes).map(|header| header.committed_end_lsn).map_err(ProofError::Header)
}

fn groups(file_id: FileId, offset: u64, log: &[u8], start: Lsn) -> Result<LsnRange, ProofError> {
    let mut walker = GroupWalker::new(log, start, None);
    while let Some(group) = walker.next_group()? {
        let found = group.header.committed_end_lsn;
        if found != group.lsn {
            let offset = offset + (group.lsn.0 - start.0);
            return Err(ProofError::Misplaced { offset, found, file_id });
        }
    }
    if !walker.rest().is_empty() {
        return Err(ProofError::CutOff { at: walker.lsn(), there: walker.rest().len() });
    }
    Ok(LsnRange { start, end: walker.lsn() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Framer;
    use super::*;
    use strandline_types::limits::BLOCK_BODY_BYTES;
    use strandline_types::{PalfBase, Scn, Term};

    const HEADER: usize = ARCHIVE_FILE_HEADER_BYTES as usize;
    /// The file begins inside of its block, as the first one of a piece may.
    const START: Lsn = Lsn(BLOCK_BODY_BYTES + 5000);

    /// A file of a few groups, and where they begin in it.
    fn file() -> (Vec<u8>, Vec<usize>) {
        let base = PalfBase { lsn: START, prev_log_id: 41, prev_accumulated_checksum: 77, prev_scn: Scn(5) };
        let (mut framer, mut starts) = (Framer::new(base), Vec::new());
        let mut bytes = ArchiveFileHeader { start_lsn: START }.encode().to_vec();
        for n in 0..6_u64 {
            starts.push(bytes.len());
            framer.frame_into(&mut bytes, Term(3), Scn(10 + n), true, &[&[n as u8; 60]]);
        }
        (bytes, starts)
    }

    fn proven(offset: usize, bytes: &[u8]) -> Result<LsnRange, ProofError> {
        prove_log(START.file_id(), offset as u64, bytes)
    }

    #[test]
    fn whole_groups_prove_themselves_wherever_they_begin() {
        let (bytes, starts) = file();
        let end = START.advance((bytes.len() - HEADER) as u64);
        assert_eq!(proven(0, &bytes), Ok(LsnRange { start: START, end }));
        for at in starts {
            let start = START.advance((at - HEADER) as u64);
            assert_eq!(proven(at, &bytes[at..]), Ok(LsnRange { start, end }));
        }
        assert_eq!(proven(0, &bytes[..HEADER]), Ok(LsnRange { start: START, end: START }), "a header alone");
    }

    #[test]
    fn no_bit_can_change_unseen_but_in_a_header_of_16_bits_of_checksum() {
        let (bytes, starts) = file();
        let mut missed = 0;
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            missed += u32::from(proven(0, &bad).is_ok());
            if bit / 8 >= starts[2] {
                missed += u32::from(proven(starts[2], &bad[starts[2]..]).is_ok());
            }
        }
        assert_eq!(missed, 0, "of {} changed bits", bytes.len() * 8);
    }

    #[test]
    fn what_is_cut_or_elsewhere_or_from_elsewhere_is_refused() {
        let (bytes, starts) = file();
        for end in 1..bytes.len() {
            let is_border = end == HEADER || starts.contains(&end);
            assert_eq!(proven(0, &bytes[..end]).is_ok(), is_border, "cut at {end}");
        }
        assert!(proven(starts[1] + 1, &bytes[starts[1] + 1..]).is_err());
        assert!(proven(4000, &bytes[4000..]).is_err(), "inside of the header");
        let other = FileId(START.file_id().0 + 1);
        assert!(matches!(prove_log(other, 0, &bytes), Err(ProofError::Misplaced { .. })));
        let too_far = prove_log(START.file_id(), bytes.len() as u64 + 8000, &bytes[starts[1]..]);
        assert!(matches!(too_far, Err(ProofError::Misplaced { .. })), "the file would begin before its block");
        let swapped = [&bytes[..starts[1]], &bytes[starts[2]..starts[3]], &bytes[starts[1]..starts[2]]].concat();
        assert!(proven(0, &swapped).is_err());
    }
}
