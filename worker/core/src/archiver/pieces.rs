//! What the medium has of one log stream in each piece of a round.
//!
//! Log is archived without a hole, so one known start and the lengths of the files that follow tell every bound; no
//! header has to be read for it.

use super::{Cut, FoundFile};
use std::collections::BTreeMap;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, LS_PIECES_REPORTED_MAX};
use strandline_types::{Lsn, PieceClock, PieceId, Scn};

/// One piece's part of the stream's log: `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceSpan {
    /// First position in the piece.
    pub start: Lsn,
    /// Everything of the piece below is durable.
    pub end: Lsn,
    /// Every group of the piece with an SCN up to this is durable.
    pub checkpoint: Scn,
}

/// The pieces of `files`, which are in order, hold log without a hole from `start` on and are durable up to `end`, the
/// end of a group of `last_scn`.
pub(super) fn of_files(
    clock: &PieceClock,
    files: &[FoundFile],
    start: Lsn,
    end: Lsn,
    last_scn: Scn,
) -> BTreeMap<PieceId, PieceSpan> {
    let mut pieces = BTreeMap::new();
    let mut at = start;
    for file in files {
        let next = at.advance(file.bytes.saturating_sub(ARCHIVE_FILE_HEADER_BYTES)).min(end);
        if next > at {
            let checkpoint = last_scn.min(clock.range(file.piece).end.prev());
            let span = pieces.entry(file.piece).or_insert(PieceSpan { start: at, end: at, checkpoint });
            span.end = next;
        }
        at = next;
    }
    pieces
}

/// Takes a durable append in.
pub(super) fn extend(pieces: &mut BTreeMap<PieceId, PieceSpan>, done: &Cut) {
    let checkpoint = done.base_after.scn;
    let fresh = PieceSpan { start: done.range.start, end: done.range.start, checkpoint };
    let span = pieces.entry(done.file.piece).or_insert(fresh);
    span.end = span.end.max(done.range.end);
    span.checkpoint = span.checkpoint.max(checkpoint);
    while pieces.len() > LS_PIECES_REPORTED_MAX {
        pieces.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strandline_types::FileId;

    #[test]
    fn bounds_of_pieces_follow_from_one_start_and_the_lengths_of_files() {
        let clock = PieceClock { round_start: Scn(100), base_piece: PieceId(3), interval_ns: 50 };
        let file = |piece, id, log_bytes| FoundFile {
            piece: PieceId(piece),
            file_id: FileId(id),
            bytes: ARCHIVE_FILE_HEADER_BYTES + log_bytes,
            is_sealed: false,
        };
        let torn = FoundFile { bytes: 7, ..file(6, 2, 0) };
        // The last file ends with a group that is not whole.
        let files = [file(3, 1, 500), file(4, 1, 300), file(4, 2, 200), file(5, 2, 90), torn];
        let pieces = of_files(&clock, &files, Lsn(1000), Lsn(2060), Scn(203));
        let seen: Vec<_> = pieces.iter().map(|(p, s)| (p.0, s.start.0, s.end.0, s.checkpoint.0)).collect();
        assert_eq!(seen, [(3, 1000, 1500, 149), (4, 1500, 2000, 199), (5, 2000, 2060, 203)]);
    }
}
