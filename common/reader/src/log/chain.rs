//! The archive of one log stream as one chain of bytes: which files of which pieces hold it, in LSN order.
//!
//! Works on listings and file headers only. A file is one plain object or a prefix of parts (docs/format-reference.md);
//! when both are there the plain object counts, because parts go only after it was verified. A hole is an error that
//! names the missing bytes, never skipped; an overlap of two rounds is read once.

use std::collections::BTreeMap;
use std::ops::Range;
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{FileId, Lsn, LsnRange, PieceKey};

/// What one listed object is for a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectRole {
    /// The whole file.
    Plain,
    /// Bytes `[start, end)` of the file.
    Part {
        /// First byte.
        start: u64,
        /// First byte after the part.
        end: u64,
    },
    /// The first object of a file in parts.
    FormatMeta,
    /// The last object of a file in parts.
    SealMeta,
}

/// One listed object of a log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogObject {
    /// The file that it belongs to.
    pub file_id: FileId,
    /// Its role.
    pub role: ObjectRole,
    /// Its length on the medium.
    pub bytes: u64,
}

/// How a log file lies on the medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// One object.
    Plain,
    /// Parts, sorted by start then end; together they cover the file from byte 0.
    Parts(Vec<PartAt>),
}

/// One part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartAt {
    /// The plain bytes that it holds.
    pub range: Range<u64>,
    /// Its length on the medium.
    pub stored_bytes: u64,
}

impl PartAt {
    /// True when it does not hold its plain bytes as they are: it is compressed or sealed (or damaged).
    #[must_use]
    pub const fn is_packed(&self) -> bool {
        self.stored_bytes != self.range.end.saturating_sub(self.range.start)
    }
}

/// One log file of one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Its piece.
    pub piece: PieceKey,
    /// Its number.
    pub file_id: FileId,
    /// Its form.
    pub form: FileForm,
    /// Its length, header included.
    pub bytes: u64,
}

impl LogFile {
    /// True when it is at least as long as its header.
    #[must_use]
    pub const fn has_header(&self) -> bool {
        self.bytes >= ARCHIVE_FILE_HEADER_BYTES
    }
}

/// A stretch of the chain inside one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Index into the files that the chain was made of.
    pub file: usize,
    /// The log bytes to read from it.
    pub range: LsnRange,
    /// LSN of the first log byte of the file, as its header says.
    pub file_start: Lsn,
}

/// A chain: segments that touch exactly, from the start that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Stretches, in LSN order.
    pub segments: Vec<Segment>,
    /// End of the last stretch; the start when the archive holds nothing from there on.
    pub end: Lsn,
}

/// Files that do not make a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Log is missing between two files.
    #[error("the archive has no log {missing}; piece {piece} file {file_id} begins after it")]
    Hole {
        /// The missing log.
        missing: LsnRange,
        /// Piece of the file after the hole.
        piece: PieceKey,
        /// The file after the hole.
        file_id: FileId,
    },
    /// A part is missing inside a file.
    #[error("piece {piece} file {file_id} has no bytes [{}, {}) in any part", missing.start, missing.end)]
    PartHole {
        /// Piece of the file.
        piece: PieceKey,
        /// The file.
        file_id: FileId,
        /// The missing bytes of the file.
        missing: Range<u64>,
    },
    /// A part whose name is no range, or parts that came without their first object.
    #[error("piece {piece} file {file_id}: {what}")]
    BadPart {
        /// Piece of the file.
        piece: PieceKey,
        /// The file.
        file_id: FileId,
        /// What is wrong.
        what: String,
    },
    /// A header's LSN lies in another block than the file's name says.
    #[error("piece {piece} file {file_id} says that it starts at {start}, which is in another file")]
    ForeignStart {
        /// Piece of the file.
        piece: PieceKey,
        /// The file.
        file_id: FileId,
        /// LSN in the header.
        start: Lsn,
    },
}

/// Folds the objects of one log directory into files, sorted by number; each file on its own.
pub fn fold_each(
    piece: PieceKey,
    objects: impl IntoIterator<Item = LogObject>,
) -> Vec<(FileId, Result<LogFile, ChainError>)> {
    let mut by_file: BTreeMap<FileId, Vec<LogObject>> = BTreeMap::new();
    for object in objects {
        by_file.entry(object.file_id).or_default().push(object);
    }
    by_file.into_iter().map(|(file_id, objects)| (file_id, fold_file(piece, file_id, &objects))).collect()
}

/// Folds the objects of one log directory into files, sorted by number.
///
/// # Errors
/// [`ChainError::BadPart`] and [`ChainError::PartHole`] for parts that do not make a file.
pub fn fold_objects(piece: PieceKey, objects: impl IntoIterator<Item = LogObject>) -> Result<Vec<LogFile>, ChainError> {
    fold_each(piece, objects).into_iter().map(|(_, file)| file).collect()
}

fn fold_file(piece: PieceKey, file_id: FileId, objects: &[LogObject]) -> Result<LogFile, ChainError> {
    if let Some(plain) = objects.iter().find(|o| o.role == ObjectRole::Plain) {
        return Ok(LogFile { piece, file_id, form: FileForm::Plain, bytes: plain.bytes });
    }
    let bad = |what: String| ChainError::BadPart { piece, file_id, what };
    let mut parts = Vec::new();
    for object in objects {
        if let ObjectRole::Part { start, end } = object.role {
            if end <= start {
                return Err(bad(format!("part [{start}, {end}) holds nothing")));
            }
            parts.push(PartAt { range: start..end, stored_bytes: object.bytes });
        }
    }
    if !parts.is_empty() && !objects.iter().any(|o| o.role == ObjectRole::FormatMeta) {
        return Err(bad("parts without FORMAT_META".to_owned()));
    }
    parts.sort_by_key(|p| (p.range.start, p.range.end));
    let mut covered = 0;
    for part in &parts {
        if part.range.start > covered {
            return Err(ChainError::PartHole { piece, file_id, missing: covered..part.range.start });
        }
        covered = covered.max(part.range.end);
    }
    Ok(LogFile { piece, file_id, form: FileForm::Parts(parts), bytes: covered })
}

/// The chain from `from` on, over files in piece order then file order, each with the LSN of its header.
/// Files that end at or before `from` are left out; so are files that do not have a whole header yet.
///
/// # Errors
/// [`ChainError::Hole`] and [`ChainError::ForeignStart`].
pub fn chain(files: &[(LogFile, Lsn)], from: Lsn) -> Result<Chain, ChainError> {
    let mut chain = Chain { segments: Vec::new(), end: from };
    for (index, (file, start)) in files.iter().enumerate() {
        if file.bytes <= ARCHIVE_FILE_HEADER_BYTES {
            continue;
        }
        let end = start.advance(file.bytes - ARCHIVE_FILE_HEADER_BYTES);
        if start.file_id() != file.file_id || end > start.block_end() {
            return Err(ChainError::ForeignStart { piece: file.piece, file_id: file.file_id, start: *start });
        }
        if end <= chain.end {
            continue;
        }
        if *start > chain.end {
            let missing = LsnRange { start: chain.end, end: *start };
            return Err(ChainError::Hole { missing, piece: file.piece, file_id: file.file_id });
        }
        let range = LsnRange { start: chain.end, end };
        chain.segments.push(Segment { file: index, range, file_start: *start });
        chain.end = end;
    }
    Ok(chain)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use strandline_types::limits::BLOCK_BODY_BYTES as B;
    use strandline_types::{DestId, PieceId, RoundId};

    const fn piece(p: u64) -> PieceKey {
        PieceKey { dest_id: DestId(1002), round_id: RoundId(1), piece_id: PieceId(p) }
    }

    const fn file(p: u64, id: u64, start: u64, log_bytes: u64) -> (LogFile, Lsn) {
        (
            LogFile {
                piece: piece(p),
                file_id: FileId(id),
                form: FileForm::Plain,
                bytes: ARCHIVE_FILE_HEADER_BYTES + log_bytes,
            },
            Lsn(start),
        )
    }

    const fn range(start: u64, end: u64) -> LsnRange {
        LsnRange { start: Lsn(start), end: Lsn(end) }
    }

    #[test]
    fn a_chain_runs_over_files_and_over_a_piece_border_inside_a_block() {
        let files = [file(1, 1, 0, B), file(1, 2, B, 500), file(2, 2, B + 500, B - 500), file(2, 3, 2 * B, 10)];
        let got = chain(&files, Lsn(B + 100)).unwrap();
        let ranges: Vec<_> = got.segments.iter().map(|s| (s.file, s.range)).collect();
        assert_eq!(ranges, [(1, range(B + 100, B + 500)), (2, range(B + 500, 2 * B)), (3, range(2 * B, 2 * B + 10))]);
        assert_eq!(got.end, Lsn(2 * B + 10));
    }

    #[test]
    fn a_hole_names_the_missing_log() {
        let missing_file = [file(1, 1, 0, B), file(1, 3, 2 * B, 10)];
        assert_eq!(
            chain(&missing_file, Lsn(0)),
            Err(ChainError::Hole { missing: range(B, 2 * B), piece: piece(1), file_id: FileId(3) })
        );
        let short_file = [file(1, 1, 0, B - 1), file(2, 2, B, 10)];
        assert_eq!(
            chain(&short_file, Lsn(0)),
            Err(ChainError::Hole { missing: range(B - 1, B), piece: piece(2), file_id: FileId(2) })
        );
        let begins_late = [file(1, 1, 700, 10)];
        assert!(matches!(chain(&begins_late, Lsn(0)), Err(ChainError::Hole { .. })));
    }

    #[test]
    fn two_rounds_may_overlap_and_empty_files_do_not_count() {
        let files = [file(1, 1, 0, 900), file(2, 1, 0, 400), file(3, 1, 0, 1200), file(4, 1, 1200, 0)];
        let got = chain(&files, Lsn(0)).unwrap();
        let ranges: Vec<_> = got.segments.iter().map(|s| (s.file, s.range)).collect();
        assert_eq!(ranges, [(0, range(0, 900)), (2, range(900, 1200))]);
    }

    #[test]
    fn an_archive_that_ends_before_the_start_gives_an_empty_chain() {
        let got = chain(&[file(1, 1, 0, 100)], Lsn(100)).unwrap();
        assert_eq!(got, Chain { segments: vec![], end: Lsn(100) });
    }

    #[test]
    fn a_header_of_another_block_is_refused() {
        assert!(matches!(chain(&[file(1, 2, 0, 100)], Lsn(0)), Err(ChainError::ForeignStart { .. })));
        assert!(matches!(chain(&[file(1, 1, 1, B)], Lsn(1)), Err(ChainError::ForeignStart { .. })), "too long");
    }

    fn part(start: u64, end: u64) -> LogObject {
        LogObject { file_id: FileId(7), role: ObjectRole::Part { start, end }, bytes: end - start }
    }

    const META: LogObject = LogObject { file_id: FileId(7), role: ObjectRole::FormatMeta, bytes: 3 };

    #[test]
    fn parts_make_a_file_whatever_their_order_and_overlap() {
        let got = fold_objects(piece(1), [part(4096, 9000), META, part(0, 4096), part(4096, 5000)]).unwrap();
        assert_eq!(got[0].bytes, 9000);
        let FileForm::Parts(parts) = &got[0].form else { panic!("parts") };
        let ranges: Vec<_> = parts.iter().map(|p| p.range.clone()).collect();
        assert_eq!(ranges, [0..4096, 4096..5000, 4096..9000]);
    }

    #[test]
    fn parts_with_a_hole_or_without_their_first_object_are_refused() {
        assert_eq!(
            fold_objects(piece(1), [META, part(0, 4096), part(5000, 6000)]),
            Err(ChainError::PartHole { piece: piece(1), file_id: FileId(7), missing: 4096..5000 })
        );
        assert!(matches!(fold_objects(piece(1), [part(0, 10)]), Err(ChainError::BadPart { .. })));
        assert!(matches!(fold_objects(piece(1), [META, part(10, 10)]), Err(ChainError::BadPart { .. })));
    }

    #[test]
    fn a_part_of_another_length_than_its_range_is_packed() {
        let short = LogObject { bytes: 9, ..part(0, 10) };
        let got = fold_objects(piece(1), [META, short]).unwrap();
        let FileForm::Parts(parts) = &got[0].form else { panic!("parts") };
        assert!(parts[0].is_packed());
        assert_eq!(got[0].bytes, 10, "the length of a file is the plain one");
    }

    #[test]
    fn a_plain_object_counts_before_its_parts() {
        let plain = LogObject { file_id: FileId(7), role: ObjectRole::Plain, bytes: 64 << 20 };
        let got = fold_objects(piece(1), [META, part(0, 10), plain]).unwrap();
        assert_eq!((got.len(), got[0].bytes, &got[0].form), (1, 64 << 20, &FileForm::Plain));
    }
}
