//! The archiver against a log that a framer wrote and a medium in a map.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod other_format;
mod pieces_and_rounds;
mod random_runs;
mod takeover_and_faults;

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use strandline_engine_api::PALF;
use strandline_format::palf::{ArchiveFileHeader, Framer, GroupWalker};
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES};
use strandline_types::{FileId, PalfBase, Term};

const LAG_MS: u64 = 1000;
/// Wall clocks do not begin at 0.
const T0: u64 = 1_000_000;
const CLOCK: PieceClock = PieceClock { round_start: Scn(100), base_piece: PieceId(3), interval_ns: 50 };

/// A local log.
struct Log {
    format: &'static dyn LogFormat,
    start: Lsn,
    /// Writes PALF.
    framer: Framer,
    bytes: Vec<u8>,
    scns: Vec<(Lsn, Scn)>,
}

impl Log {
    fn at(lsn: u64) -> Self {
        let base = PalfBase { lsn: Lsn(lsn), ..PalfBase::default() };
        let (framer, bytes, scns) = (Framer::new(base), Vec::new(), Vec::new());
        Self { format: &PALF, start: Lsn(lsn), framer, bytes, scns }
    }

    /// A log whose first group is old enough to be the first of the round.
    fn begun_at(lsn: u64) -> Self {
        let mut log = Self::at(lsn);
        log.put(50, b"old");
        log
    }

    fn put(&mut self, scn: u64, body: &[u8]) -> &mut Self {
        self.frame(scn, true, body)
    }

    fn blank(&mut self) -> &mut Self {
        self.frame(0, false, b"blank")
    }

    fn frame(&mut self, scn: u64, strict: bool, body: &[u8]) -> &mut Self {
        let framed = self.framer.frame(Term(1), Scn(scn), strict, body);
        self.bytes.extend_from_slice(&framed.bytes);
        self.scns.push((framed.end, framed.scn));
        self
    }

    fn end(&self) -> Lsn {
        self.start.advance(self.bytes.len() as u64)
    }

    fn view(&self) -> LogView {
        LogView { start: self.start, end: self.end() }
    }

    /// Whole groups at `from`, as an engine gives them.
    fn read(&self, from: Lsn, max_bytes: usize) -> Bytes {
        let at = (from.0 - self.start.0) as usize;
        let (rest, mut len) = (&self.bytes[at..], 0);
        while let Some(group) = self.format.group(&rest[len..], from.advance(len as u64), None).unwrap() {
            let end = (group.end().0 - from.0) as usize;
            if len > 0 && end > max_bytes {
                break;
            }
            len = end;
        }
        Bytes::copy_from_slice(&self.bytes[at..at + len])
    }
}

type Files = BTreeMap<(PieceId, FileId), Vec<u8>>;

/// A destination: one stream of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Medium {
    files: Files,
    sealed: BTreeSet<(PieceId, FileId)>,
}

impl Medium {
    fn append(&mut self, cut: &Cut, len: usize) -> Result<(), Failure> {
        let key = (cut.file.piece, cut.file.file_id());
        assert!(cut.bytes.is_empty() || !self.sealed.contains(&key), "{key:?} is sealed and grows");
        let unsealed = self.files.keys().find(|k| k.0 < cut.file.piece && !self.sealed.contains(k));
        assert_eq!(unsealed, None, "an earlier piece is not sealed");
        let file = self.files.entry(key).or_default();
        let at = cut.at as usize;
        assert!(at <= file.len(), "a hole in {:?}", cut.file);
        let there = (file.len() - at).min(cut.bytes.len());
        if file[at..at + there] != cut.bytes[..there] {
            return Err(Failure::new(ErrorClass::Fenced, "other bytes", "file", ""));
        }
        if there < len {
            file.extend_from_slice(&cut.bytes[there..len]);
        }
        Ok(())
    }

    fn list(&self, from: PieceId) -> Vec<FoundFile> {
        let found = self.files.iter().filter(|((piece, _), _)| *piece >= from);
        found
            .map(|(&(piece, file_id), b)| (piece, file_id, b.len() as u64))
            .map(|(piece, file_id, bytes)| FoundFile {
                piece,
                file_id,
                bytes,
                is_sealed: self.sealed.contains(&(piece, file_id)),
            })
            .rev()
            .collect()
    }

    fn seal(&mut self, through: PieceId) {
        self.sealed.extend(self.files.keys().filter(|(piece, _)| *piece <= through));
    }

    /// Every log byte in order, after checking that each group lies in its piece and each file begins where it must.
    fn log(&self, clock: &PieceClock) -> (Lsn, Vec<u8>) {
        let (mut out, mut base, mut start) = (Vec::new(), None::<PalfBase>, None);
        for ((piece, file_id), bytes) in &self.files {
            let header = ArchiveFileHeader::decode(bytes).unwrap();
            assert_eq!(header.file_id(), *file_id);
            let at = base.map_or(header.start_lsn, |b| b.lsn);
            assert_eq!(header.start_lsn, at, "file {file_id} of piece {piece} does not begin where the log ended");
            start.get_or_insert(at);
            let mut walker = GroupWalker::new(&bytes[ARCHIVE_FILE_HEADER_BYTES as usize..], at, base);
            while let Some(group) = walker.next_group().unwrap() {
                assert_eq!(clock.piece_of(group.header.max_scn), *piece, "a group lies in the wrong piece");
            }
            assert!(walker.rest().is_empty(), "bytes after the last whole group");
            base = walker.base();
            out.extend_from_slice(&bytes[ARCHIVE_FILE_HEADER_BYTES as usize..]);
        }
        (start.unwrap_or_default(), out)
    }
}

fn order(known: Option<KnownProgress>) -> ArchiveOrder {
    ArchiveOrder { goal: Goal::Write, clock: CLOCK, lag_target_ms: LAG_MS, known }
}

/// Does one action; `false` when there is nothing to do.
fn step(archiver: &mut Archiver, now: u64, log: &Log, medium: &mut Medium) -> bool {
    match archiver.next(now, log.view()) {
        Action::List { from } => archiver.on_listed(now, medium.list(from)),
        Action::ReadFile { piece, file_id, range } => {
            let bytes = &medium.files[&(piece, file_id)][range.0 as usize..range.1 as usize];
            archiver.on_file(now, Bytes::copy_from_slice(bytes));
        }
        Action::ReadLog { from, .. } if from < log.start => archiver.on_recycled(now, from, log.start, None),
        Action::ReadLog { from, max_bytes } => archiver.on_log(now, from, log.read(from, max_bytes)),
        Action::Append(cut) => match medium.append(&cut, cut.bytes.len()) {
            Ok(()) => archiver.on_appended(),
            Err(failure) => archiver.on_failed(now, failure, None),
        },
        Action::Seal { through } => {
            medium.seal(through);
            archiver.on_sealed(through);
        }
        Action::Wait { .. } | Action::Done => return false,
    }
    true
}

/// Works until there is nothing to do, and once more after the time that log may wait.
fn run(archiver: &mut Archiver, now: u64, log: &Log, medium: &mut Medium) {
    for now in [now, now + LAG_MS / 4] {
        let worked = (0..10_000).take_while(|_| step(archiver, now, log, medium)).count();
        assert!(worked < 10_000, "no end of work");
    }
}

fn known(archiver: &Archiver) -> Option<KnownProgress> {
    let p = archiver.progress()?;
    let piece_start = p.pieces.get(&p.piece).map_or(p.start, |span| span.start);
    Some(KnownProgress { piece: p.piece, piece_start, start: p.start, archived: p.archived, checkpoint: p.checkpoint })
}
