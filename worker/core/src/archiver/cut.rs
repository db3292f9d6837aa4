//! Where log goes in the archive: a stretch of committed log, cut into appends.
//!
//! A file of a piece begins at a block start, or at the first group of the piece when that lies inside a block. A
//! group belongs to the piece of its `max_scn`; groups never cross a block end and `max_scn` never falls, so a stretch
//! is cut at most at those two kinds of borders. The log format verifies every group on its way.

use bytes::{Bytes, BytesMut};
use strandline_engine_api::{Bounds, LogBase, LogDamage, LogFormat, LogGroup};
use strandline_format::palf::ArchiveFileHeader;
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{FileId, Lsn, LsnRange, PieceClock, PieceId};

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
    pub base_after: LogBase,
}

impl Cut {
    /// An append without bytes behind the log that ends with `base`: it only makes the file durable.
    pub(super) fn nothing_after(file: LogFile, base: LogBase) -> Self {
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
    format: &dyn LogFormat,
    clock: &PieceClock,
    current: Option<LogFile>,
    from: Lsn,
    base: Option<LogBase>,
    bytes: &Bytes,
) -> Result<Vec<Cut>, LogDamage> {
    let mut cuts: Vec<Cut> = Vec::new();
    let mut file = current;
    let end = format.walk(bytes, from, base, &mut |before, group| {
        extend_last(&mut cuts, before);
        let piece = clock.piece_of(group.scn());
        let target = file.filter(|f| f.takes(piece, group.start)).unwrap_or(LogFile { piece, start: group.start });
        if cuts.last().is_none_or(|last| last.file != target) {
            cuts.push(begin(target, group));
        }
        file = Some(target);
        Bounds { lsn: group.start.block_end(), scn: clock.range(piece).end }
    })?;
    extend_last(&mut cuts, end);
    for cut in &mut cuts {
        let start = (cut.range.start.0 - from.0) as usize;
        let log = bytes.slice(start..start + cut.range.bytes() as usize);
        cut.bytes = if cut.at == 0 { with_header(cut.file, &log) } else { log };
    }
    Ok(cuts)
}

fn begin(file: LogFile, group: &LogGroup) -> Cut {
    let is_new = group.start == file.start;
    Cut {
        file,
        at: if is_new { 0 } else { file.offset(group.start) },
        bytes: Bytes::new(),
        range: LsnRange { start: group.start, end: group.end() },
        base_after: group.after,
    }
}

/// The last cut holds everything up to here.
fn extend_last(cuts: &mut [Cut], end: Option<LogBase>) {
    if let (Some(last), Some(end)) = (cuts.last_mut(), end) {
        last.range.end = end.lsn;
        last.base_after = end;
    }
}

fn with_header(file: LogFile, log: &[u8]) -> Bytes {
    let header = ArchiveFileHeader { start_lsn: file.start }.encode();
    let mut bytes = BytesMut::with_capacity(header.len() + log.len());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(log);
    bytes.freeze()
}
