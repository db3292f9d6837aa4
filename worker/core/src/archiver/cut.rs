//! Where log goes in the archive: a stretch of committed log, cut into appends.
//!
//! A file of a piece begins at a block start, or at the first group of the piece when that lies inside a block. A
//! group belongs to the piece of its `max_scn`; groups never cross a block end and `max_scn` never falls, so a stretch
//! is cut at most at those two kinds of borders. Every group is verified on its way.

use bytes::{Bytes, BytesMut};
use strandline_format::palf::{ArchiveFileHeader, GroupView, GroupWalker, PalfError};
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{FileId, Lsn, LsnRange, PalfBase, PieceClock, PieceId};

/// One archive log file of a log stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// The piece in whose directory it lies.
    pub piece: PieceId,
    /// First log byte in it.
    pub start: Lsn,
}

impl LogFile {
    /// Its name.
    #[must_use]
    pub const fn file_id(&self) -> FileId {
        self.start.file_id()
    }

    /// True when a group of `piece` at `lsn` goes into this file.
    #[must_use]
    fn takes(&self, piece: PieceId, lsn: Lsn) -> bool {
        self.piece == piece && self.start.block() == lsn.block()
    }

    /// Offset of a position of this file's block.
    #[must_use]
    pub fn offset(&self, lsn: Lsn) -> u64 {
        // Callers hold positions of this file only; a foreign one lands at its header and is fenced there.
        lsn.offset_in_file(self.start).unwrap_or(0)
    }
}

/// One append: whole groups of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Which file.
    pub file: LogFile,
    /// Where in the file; 0 for a new file, whose header then stands in front of the log bytes.
    pub at: u64,
    /// What.
    pub bytes: Bytes,
    /// Which log positions it makes durable.
    pub range: LsnRange,
    /// The log after it.
    pub base_after: PalfBase,
}

impl Cut {
    /// An append without bytes behind the log that ends with `base`: it only makes the file durable.
    pub(super) fn nothing_after(file: LogFile, base: PalfBase) -> Self {
        let at = ARCHIVE_FILE_HEADER_BYTES + (base.lsn.0 - file.start.0);
        let range = LsnRange { start: base.lsn, end: base.lsn };
        Self { file, at, bytes: Bytes::new(), range, base_after: base }
    }
}

/// Cuts the log bytes at `from` into appends. `current` is the file that holds the group before `from`, if any; with
/// `base` the groups are verified to follow it.
///
/// # Errors
/// The first group that is not right; nothing of the stretch may be written then. Bytes after the last whole group are
/// left out.
pub fn cut(
    clock: &PieceClock,
    current: Option<LogFile>,
    from: Lsn,
    base: Option<PalfBase>,
    bytes: &Bytes,
) -> Result<Vec<Cut>, PalfError> {
    let mut cuts: Vec<Cut> = Vec::new();
    let mut file = current;
    let mut walker = GroupWalker::new(bytes, from, base);
    while let Some(group) = walker.next_group()? {
        let piece = clock.piece_of(group.header.max_scn);
        match (file.filter(|f| f.takes(piece, group.lsn)), cuts.last_mut()) {
            (Some(open), Some(last)) if last.file == open => extend(last, &group),
            (open, _) => {
                let target = open.unwrap_or(LogFile { piece, start: group.lsn });
                cuts.push(begin(target, &group));
                file = Some(target);
            }
        }
    }
    for cut in &mut cuts {
        let start = (cut.range.start.0 - from.0) as usize;
        let log = bytes.slice(start..start + cut.range.bytes() as usize);
        cut.bytes = if cut.at == 0 { with_header(cut.file, &log) } else { log };
    }
    Ok(cuts)
}

fn begin(file: LogFile, group: &GroupView<'_>) -> Cut {
    let is_new = group.lsn == file.start;
    Cut {
        file,
        at: if is_new { 0 } else { file.offset(group.lsn) },
        bytes: Bytes::new(),
        range: LsnRange { start: group.lsn, end: group.end },
        base_after: group.base_after(),
    }
}

fn extend(cut: &mut Cut, group: &GroupView<'_>) {
    cut.range.end = group.end;
    cut.base_after = group.base_after();
}

fn with_header(file: LogFile, log: &[u8]) -> Bytes {
    let header = ArchiveFileHeader { start_lsn: file.start }.encode();
    let mut bytes = BytesMut::with_capacity(header.len() + log.len());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(log);
    bytes.freeze()
}
