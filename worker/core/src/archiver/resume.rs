//! Where to go on: what the medium holds decides, and the local log must agree.
//!
//! The newest file of the newest piece is read whole; its groups are walked and verified and, as far as the local log
//! still has them, compared byte for byte. A group that is not whole at its end is a torn append: the next append
//! begins at its first byte and completes it. When nothing was written yet, the round begins at the start of the block
//! that holds the round's start. Nothing is written here.

use super::{Action, KnownProgress, LogFile, LogView, PieceSpan, pieces};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use strandline_engine_api::{Bounds, LogBase, LogFormat};
use strandline_format::palf::ArchiveFileHeader;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, ARCHIVE_READ_BYTES_MAX, BLOCK_BODY_BYTES};
use strandline_types::{ErrorClass, Failure, FileId, Lsn, LsnRange, PieceClock, PieceId};

/// A log file of the stream as the medium lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundFile {
    /// Piece.
    pub piece: PieceId,
    /// Number.
    pub file_id: FileId,
    /// Length, header included; of a file in parts, what is there without a hole.
    pub bytes: u64,
    /// It never grows again.
    pub is_sealed: bool,
}

/// Why the search for the place ended.
#[derive(Debug)]
pub(super) enum ResumeError {
    /// The local log does not reach back far enough.
    Recycled { needed: Lsn, log_start: Lsn },
    /// Anything else.
    Failure(Failure),
}

impl From<Failure> for ResumeError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// The next probe of the search, or the reason why there is none.
fn seek_next(seek: &mut Option<Seek>, log: LogView) -> Result<Action, ResumeError> {
    let mut block = seek.map_or(log.end.block_start(), |s| s.block);
    let is_decided = seek.is_some_and(|s| s.is_decided);
    loop {
        if block.block_end() <= log.start {
            return Err(ResumeError::Recycled { needed: block, log_start: log.start });
        }
        let probe = block.max(log.start);
        *seek = Some(Seek { block, probe, is_decided });
        if probe < log.end {
            return Ok(Action::ReadLog { from: probe, max_bytes: 1 });
        }
        if probe == log.start || is_decided {
            // Not one group yet.
            return Ok(Action::Wait { until_ms: None });
        }
        block = previous_block(block);
    }
}

/// Where streaming begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resumed {
    /// First position that the round holds.
    pub start: Lsn,
    /// First position that is not durable.
    pub next: Lsn,
    /// File of the group before `next`.
    pub file: Option<LogFile>,
    /// The log before `next`.
    pub base: Option<LogBase>,
    /// That file never grows again.
    pub is_sealed: bool,
    /// What the medium has, from the piece on that was known.
    pub pieces: BTreeMap<PieceId, PieceSpan>,
}

impl Resumed {
    /// A round that begins here.
    fn fresh(start: Lsn) -> Self {
        Self { start, next: start, file: None, base: None, is_sealed: false, pieces: BTreeMap::new() }
    }
}

#[derive(Debug)]
enum Step {
    List,
    /// Reads the header of the first file, to learn where the round began.
    FirstHeader,
    Walk(WalkFile),
    /// Looks for the block that holds the round's start.
    Seek(Option<Seek>),
}

/// One candidate: blocks are tried from the newest backwards.
#[derive(Clone, Copy, Debug)]
struct Seek {
    /// Start of the block.
    block: Lsn,
    /// Where its first local group begins: the block start, or the start of the local log inside it.
    probe: Lsn,
    /// An earlier leader decided for this block.
    is_decided: bool,
}

/// One file being walked.
#[derive(Debug)]
struct WalkFile {
    found: FoundFile,
    /// Known once the header is read.
    start: Option<Lsn>,
    /// Next byte of the file to read.
    read_at: u64,
    /// Read and not walked: at most one group that is not whole.
    carry: Bytes,
    /// Where `carry` begins.
    lsn: Lsn,
    base: Option<LogBase>,
    /// Walked and not compared with the local log yet.
    uncompared: Option<(Lsn, Bytes)>,
}

/// The search for the place to go on.
#[derive(Debug)]
pub(super) struct Resume {
    format: &'static dyn LogFormat,
    clock: PieceClock,
    known: Option<KnownProgress>,
    start: Option<Lsn>,
    files: Vec<FoundFile>,
    step: Step,
}

impl Resume {
    pub(super) fn new(format: &'static dyn LogFormat, clock: PieceClock, known: Option<KnownProgress>) -> Self {
        Self { format, clock, known, start: known.map(|k| k.start), files: Vec::new(), step: Step::List }
    }

    pub(super) fn next(&mut self, log: LogView) -> Result<Action, ResumeError> {
        match &mut self.step {
            Step::List => Ok(Action::List { from: self.known.map_or(self.clock.base_piece, |k| k.piece) }),
            Step::FirstHeader => {
                let FoundFile { piece, file_id, .. } = self.files[0];
                Ok(Action::ReadFile { piece, file_id, range: (0, ARCHIVE_FILE_HEADER_BYTES) })
            }
            Step::Walk(file) => Ok(file.next(log)),
            Step::Seek(seek) => seek_next(seek, log),
        }
    }

    pub(super) fn on_listed(&mut self, mut files: Vec<FoundFile>) -> Result<Option<Resumed>, Failure> {
        files.sort_unstable();
        self.files = files;
        match (self.files.last().copied(), self.start) {
            (None, _) => return self.nothing_there(),
            (Some(last), Some(_)) => self.step = Step::Walk(WalkFile::new(last)),
            (Some(last), None) if self.files[0].bytes < ARCHIVE_FILE_HEADER_BYTES => {
                // Only one file can be that short: the first append of the round was torn.
                self.step = Step::Walk(WalkFile::new(last));
            }
            (Some(_), None) => self.step = Step::FirstHeader,
        }
        Ok(None)
    }

    pub(super) fn on_file(&mut self, bytes: Bytes) -> Result<Option<Resumed>, Failure> {
        match &mut self.step {
            Step::FirstHeader => {
                self.start = Some(header_start(self.files[0], &bytes)?);
                let last = self.files[self.files.len() - 1];
                self.step = Step::Walk(WalkFile::new(last));
                Ok(None)
            }
            Step::Walk(file) => {
                file.on_bytes(self.format, bytes)?;
                self.walked()
            }
            Step::List | Step::Seek(_) => Ok(None),
        }
    }

    pub(super) fn on_log(&mut self, from: Lsn, bytes: &Bytes) -> Result<Option<Resumed>, Failure> {
        match &mut self.step {
            Step::Walk(file) => {
                file.on_local(from, bytes)?;
                self.walked()
            }
            Step::Seek(Some(seek)) if seek.probe == from => {
                let is_decided = seek.is_decided;
                self.sought(from, bytes, is_decided)
            }
            _ => Ok(None),
        }
    }

    /// A listing without files: a fresh start, unless something was reported durable.
    fn nothing_there(&mut self) -> Result<Option<Resumed>, Failure> {
        match self.known {
            Some(known) if known.archived > known.start => Err(lost(known.archived, known.start)),
            // The place where an earlier leader wanted to begin stays the place.
            Some(known) => Ok(Some(Resumed::fresh(known.start))),
            None => {
                self.step = Step::Seek(None);
                Ok(None)
            }
        }
    }

    /// The first group at a candidate block start is here.
    fn sought(&mut self, at: Lsn, bytes: &Bytes, is_decided: bool) -> Result<Option<Resumed>, Failure> {
        let first = self.format.group(bytes, at, None).map_err(super::local_log_damaged)?;
        let is_early_enough = match first {
            None => return Ok(None),
            Some(group) => group.scn() <= self.clock.round_start,
        };
        if is_early_enough || is_decided || at == Lsn::ZERO {
            return Ok(Some(Resumed::fresh(at)));
        }
        let block = previous_block(at.block_start());
        self.step = Step::Seek(Some(Seek { block, probe: block, is_decided: false }));
        Ok(None)
    }

    /// Looks whether the file under way is finished, and what that means.
    fn walked(&mut self) -> Result<Option<Resumed>, Failure> {
        let Step::Walk(file) = &self.step else { return Ok(None) };
        if !file.is_finished() {
            return Ok(None);
        }
        let (found, start, next, base) = (file.found, file.start, file.lsn, file.base);
        if base.is_none() {
            return self.without_groups(found, start);
        }
        if let Some(known) = self.known.filter(|k| k.archived > next) {
            return Err(lost(known.archived, next));
        }
        let file = start.map(|start| LogFile { piece: found.piece, start });
        // A full block is followed by the next file; only a drain or the end of a piece seals before that.
        let is_sealed = found.is_sealed && next != next.block_start();
        let start = self.start.unwrap_or(next);
        let listed_from = self.known.map_or(start, |k| k.piece_start);
        let last_scn = base.map(|b| b.scn).unwrap_or_default();
        let pieces = pieces::of_files(&self.clock, &self.files, listed_from, next, last_scn);
        Ok(Some(Resumed { start, next, file, base, is_sealed, pieces }))
    }

    /// A file without a whole group: the file before it tells; without one, the round begins here.
    fn without_groups(&mut self, found: FoundFile, start: Option<Lsn>) -> Result<Option<Resumed>, Failure> {
        if let Some(before) = self.files.iter().rev().find(|f| **f < found).copied() {
            self.step = Step::Walk(WalkFile::new(before));
            return Ok(None);
        }
        match start.or(self.start) {
            Some(start) => {
                if let Some(known) = self.known.filter(|k| k.archived > start) {
                    return Err(lost(known.archived, start));
                }
                Ok(Some(Resumed::fresh(start)))
            }
            // The very first append of the round was torn inside its header: its name tells the block.
            None => {
                let block = Lsn((found.file_id.0.saturating_sub(1)) * BLOCK_BODY_BYTES);
                self.step = Step::Seek(Some(Seek { block, probe: block, is_decided: true }));
                Ok(None)
            }
        }
    }
}

impl WalkFile {
    fn new(found: FoundFile) -> Self {
        Self { found, start: None, read_at: 0, carry: Bytes::new(), lsn: Lsn::ZERO, base: None, uncompared: None }
    }

    fn is_torn_header(&self) -> bool {
        self.found.bytes < ARCHIVE_FILE_HEADER_BYTES
    }

    fn is_finished(&self) -> bool {
        self.uncompared.is_none() && (self.is_torn_header() || self.read_at >= self.found.bytes)
    }

    fn next(&mut self, log: LogView) -> Action {
        if let Some((from, bytes)) = &self.uncompared {
            let end = from.advance(bytes.len() as u64);
            if *from < log.start {
                // Recycled here: the accumulated checksum of what follows proves the rest.
                self.uncompared = None;
            } else if end > log.end {
                // Archived log is committed; this replica will learn it.
                return Action::Wait { until_ms: None };
            } else {
                return Action::ReadLog { from: *from, max_bytes: bytes.len() };
            }
        }
        let FoundFile { piece, file_id, bytes, .. } = self.found;
        // A file that is shorter than its header is read as nothing: one byte keeps the answer coming.
        let end = if self.is_torn_header() { 0 } else { bytes.min(self.read_at + ARCHIVE_READ_BYTES_MAX as u64) };
        Action::ReadFile { piece, file_id, range: (self.read_at.min(end), end) }
    }

    fn on_bytes(&mut self, format: &dyn LogFormat, bytes: Bytes) -> Result<(), Failure> {
        if self.is_torn_header() {
            return Ok(());
        }
        let mut fresh = bytes;
        self.read_at += fresh.len() as u64;
        if self.start.is_none() {
            let start = header_start(self.found, &fresh)?;
            self.start = Some(start);
            self.lsn = start;
            fresh = fresh.slice(ARCHIVE_FILE_HEADER_BYTES as usize..);
        }
        let data = if self.carry.is_empty() {
            fresh
        } else {
            let mut joined = BytesMut::from(&self.carry[..]);
            joined.extend_from_slice(&fresh);
            joined.freeze()
        };
        let walked = format.walk(&data, self.lsn, self.base, &mut |_, _| Bounds::NONE);
        let base = walked.map_err(|e| read_damaged(e.to_string(), self.found))?;
        let end = base.map_or(self.lsn, |base| base.lsn);
        let whole = (end.0 - self.lsn.0) as usize;
        if whole > 0 {
            self.uncompared = Some((self.lsn, data.slice(..whole)));
        }
        (self.lsn, self.base) = (end, base);
        self.carry = data.slice(whole..);
        Ok(())
    }

    /// Local log at `from`, as much as the reader had at hand: must be the bytes that the medium has there, as far as both go.
    fn on_local(&mut self, from: Lsn, local: &Bytes) -> Result<(), Failure> {
        let Some((at, medium)) = &self.uncompared else { return Ok(()) };
        if *at != from || local.is_empty() {
            return Ok(());
        }
        let both = local.len().min(medium.len());
        if medium[..both] != local[..both] {
            let range = LsnRange { start: *at, end: at.advance(both as u64) };
            return Err(Failure::new(
                ErrorClass::Fenced,
                format!("the archive and the local log differ in the log positions {range}"),
                object(self.found),
                "the destination holds another history of this log stream: use another destination",
            ));
        }
        self.uncompared =
            (local.len() < medium.len()).then(|| (at.advance(local.len() as u64), medium.slice(local.len()..)));
        Ok(())
    }
}

fn header_start(found: FoundFile, bytes: &[u8]) -> Result<Lsn, Failure> {
    let header = ArchiveFileHeader::decode(bytes).map_err(|e| read_damaged(e.to_string(), found))?;
    if header.file_id() != found.file_id {
        return Err(read_damaged(format!("its header belongs to file {}", header.file_id()), found));
    }
    Ok(header.start_lsn)
}

/// Bytes that are not what they must be, as this answer of the medium had them: the next one may be right.
fn read_damaged(what: String, found: FoundFile) -> Failure {
    let todo = "it is read again, and archiving then goes on by itself; if this lasts the archive is damaged here: start a \
                new round and take a full backup";
    Failure::new(ErrorClass::Corrupt, what, object(found), todo)
}

fn lost(reported: Lsn, there: Lsn) -> Failure {
    Failure::new(
        ErrorClass::Corrupt,
        format!("log up to {reported} was durable on the medium, only log up to {there} is there"),
        format!("log position {there}"),
        "the medium lost data: repair it, or stop the round, start a new one and take a full backup",
    )
}

fn object(found: FoundFile) -> String {
    format!("piece {} log file {}", found.piece, found.file_id)
}

fn previous_block(at: Lsn) -> Lsn {
    Lsn(at.0.saturating_sub(1)).block_start()
}
