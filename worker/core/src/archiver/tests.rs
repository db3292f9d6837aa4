//! The archiver against a log that a framer wrote and a medium in a map.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use strandline_format::palf::{ArchiveFileHeader, Framer, GroupWalker};
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES};
use strandline_types::{FileId, Term};

const LAG_MS: u64 = 1000;
/// Wall clocks do not begin at 0.
const T0: u64 = 1_000_000;
const CLOCK: PieceClock = PieceClock { round_start: Scn(100), base_piece: PieceId(3), interval_ns: 50 };

/// A local log.
struct Log {
    start: Lsn,
    framer: Framer,
    bytes: Vec<u8>,
    scns: Vec<(Lsn, Scn)>,
}

impl Log {
    fn at(lsn: u64) -> Self {
        let base = PalfBase { lsn: Lsn(lsn), ..PalfBase::default() };
        Self { start: Lsn(lsn), framer: Framer::new(base), bytes: Vec::new(), scns: Vec::new() }
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
        let mut walker = GroupWalker::new(&self.bytes[at..], from, None);
        let mut len = 0;
        while let Some(group) = walker.next_group().unwrap() {
            if len > 0 && len + group.bytes.len() > max_bytes {
                break;
            }
            len += group.bytes.len();
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

#[test]
fn a_fresh_log_is_archived_from_its_first_byte() {
    let mut log = Log::at(0);
    log.put(500, b"a").put(510, b"b");
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    assert_eq!(archiver.progress(), None, "nothing is reported before the medium was looked at");
    run(&mut archiver, T0, &log, &mut medium);
    assert!(medium.log(&CLOCK) == (Lsn(0), log.bytes.clone()));
    let p = archiver.progress().unwrap();
    assert_eq!((p.archived, p.checkpoint, p.piece, &p.trouble), (log.end(), Scn(510), CLOCK.piece_of(Scn(510)), &None));
    assert_eq!(p.state, ArchiveLsState::Doing);
}

#[test]
fn a_round_begins_at_the_start_of_the_block_that_holds_its_start() {
    let mut log = Log::at(BLOCK_BODY_BYTES);
    let body = vec![7; 3 << 20];
    for n in 0..48 {
        log.put(60 + n, &body);
    }
    assert_eq!(log.end().block(), 3);
    for (round_start, block) in [(61, 1), (85, 2), (107, 3)] {
        let clock = PieceClock { round_start: Scn(round_start), ..CLOCK };
        let mut archiver = Archiver::new(ArchiveOrder { clock, ..order(None) });
        let mut medium = Medium::default();
        run(&mut archiver, T0, &log, &mut medium);
        let (start, bytes) = medium.log(&clock);
        assert_eq!((start, start.block()), (start.block_start(), block), "round start {round_start}");
        assert!(bytes == log.bytes[(start.0 - log.start.0) as usize..]);
        for ((_, id), bytes) in medium.files.iter().filter(|((_, id), _)| *id < log.end().file_id()) {
            assert_eq!(bytes.len(), 64 << 20, "file {id} is full");
        }
    }
}

#[test]
fn log_that_was_recycled_before_the_round_saw_it_interrupts_the_round() {
    let mut log = Log::at(BLOCK_BODY_BYTES);
    log.put(500, b"younger than the round");
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let p = archiver.progress().unwrap();
    assert_eq!(p.state, ArchiveLsState::Interrupted);
    let (failure, since) = p.trouble.as_ref().unwrap();
    assert_eq!((failure.code, *since), (CODE_LOG_RECYCLED, T0));
    assert_eq!(archiver.next(T0 + 99_999, log.view()), Action::Done);

    let resume = KnownProgress { piece: PieceId(3), piece_start: Lsn(0), start: Lsn(0), archived: Lsn(100), checkpoint: Scn::MIN };
    let mut medium = Medium::default();
    let mut old = Log::at(0);
    old.put(100, b"12");
    run(&mut Archiver::new(order(None)), T0, &old, &mut medium);
    let mut archiver = Archiver::new(order(Some(KnownProgress { archived: old.end(), ..resume })));
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(archiver.progress().unwrap().state, ArchiveLsState::Interrupted, "a gap is never jumped over");
}

#[test]
fn a_log_that_begins_inside_a_block_is_searched_down_to_its_first_byte() {
    let mut log = Log::at(BLOCK_BODY_BYTES - 4000);
    log.put(60, &[1; 1000]).put(70, &[2; 5000]).put(500, &[3; 10]);
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(medium.log(&CLOCK).0, Lsn(BLOCK_BODY_BYTES), "the newest block begins early enough");
    let clock = PieceClock { round_start: Scn(65), ..CLOCK };
    let (mut archiver, mut medium) = (Archiver::new(ArchiveOrder { clock, ..order(None) }), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    assert!(medium.log(&clock) == (log.start, log.bytes.clone()));
}

#[test]
fn the_group_decides_the_piece_and_a_piece_border_inside_a_block_starts_a_new_file() {
    let mut log = Log::at(0);
    // Pieces are [100,150) [150,200) [200,250) …; everything below the round start counts to the first.
    for scn in [10, 100, 149, 150, 199, 420] {
        log.put(scn, &[1; 100]);
    }
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let keys: Vec<_> = medium.files.keys().map(|(p, f)| (p.0, f.0)).collect();
    assert_eq!(keys, [(3, 1), (4, 1), (9, 1)], "the same file id in every piece, and no file for empty pieces");
    assert!(medium.log(&CLOCK) == (Lsn(0), log.bytes.clone()));
}

#[test]
fn a_file_ends_where_its_block_ends() {
    let mut log = Log::begun_at(BLOCK_BODY_BYTES - 3000);
    log.put(110, &[1; 2000]).put(111, &[2; 2000]).put(112, &[3; 10]);
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    let clock = PieceClock { round_start: Scn(55), interval_ns: 1000, ..CLOCK };
    archiver.order.clock = clock;
    archiver.phase = Phase::Resuming(Resume::new(clock, None));
    run(&mut archiver, T0, &log, &mut medium);
    assert!(medium.log(&clock) == (log.start, log.bytes.clone()));
    assert_eq!(medium.files.len(), 2, "the padding lies in the first file, what follows in the second");
}

#[test]
fn a_checkpoint_never_completes_a_piece_that_may_still_grow() {
    let mut log = Log::at(0);
    log.put(100, b"x").put(149, b"last SCN of piece 3");
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(archiver.progress().unwrap().checkpoint, Scn(148));
    log.blank();
    run(&mut archiver, T0 + LAG_MS, &log, &mut medium);
    assert!(!CLOCK.is_complete(PieceId(3), archiver.progress().unwrap().checkpoint), "a blank group came into piece 3");
    log.put(150, b"piece 4");
    run(&mut archiver, T0 + 3 * LAG_MS, &log, &mut medium);
    assert!(CLOCK.is_complete(PieceId(3), archiver.progress().unwrap().checkpoint));
}

#[test]
fn log_waits_a_quarter_of_the_lag_target_unless_it_is_much() {
    let mut log = Log::at(0);
    log.put(100, b"x");
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(archiver.next(T0, log.view()), Action::Wait { until_ms: None }, "nothing to do until more is committed");
    log.put(101, b"y");
    let due = T0 + LAG_MS / 4;
    assert_eq!(archiver.next(T0 + 10, log.view()), Action::Wait { until_ms: Some(due) }, "since the last read");
    assert_eq!(archiver.next(due - 1, log.view()), Action::Wait { until_ms: Some(due) });
    assert!(matches!(archiver.next(due, log.view()), Action::ReadLog { .. }));
    run(&mut archiver, due, &log, &mut medium);
    log.put(102, &vec![0; 3 << 20]).put(103, &vec![0; 2 << 20]);
    assert!(matches!(archiver.next(T0 + 261, log.view()), Action::ReadLog { .. }), "a full read goes at once");
    run(&mut archiver, T0 + 261, &log, &mut medium);
    archiver.set_order(Goal::Write, 0);
    log.put(104, b"z");
    assert!(matches!(archiver.next(T0 + 262, log.view()), Action::ReadLog { .. }), "a target of 0 is at once");
}

#[test]
fn a_stop_drains_what_is_committed_and_not_what_comes_after() {
    for (goal, state) in [(Goal::Stop, ArchiveLsState::Stopped), (Goal::Suspend, ArchiveLsState::Suspended)] {
        let mut log = Log::at(0);
        log.put(100, b"x");
        let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
        run(&mut archiver, T0, &log, &mut medium);
        log.put(101, b"committed before the order");
        let end = log.end();
        archiver.set_order(goal, LAG_MS);
        assert!(
            matches!(archiver.next(T0 + 1, log.view()), Action::ReadLog { .. }),
            "a drain does not wait for the target"
        );
        let read = log.read(archiver.progress().unwrap().archived, 1);
        archiver.on_log(T0 + 1, archiver.progress().unwrap().archived, read);
        log.put(102, b"committed after it");
        run(&mut archiver, T0 + 1, &log, &mut medium);
        let p = archiver.progress().unwrap();
        assert_eq!((p.state, p.archived), (state, end));
        if goal == Goal::Stop {
            continue;
        }
        let mut again = Archiver::new(order(known(&archiver)));
        run(&mut again, T0 + 2, &log, &mut medium);
        assert!(medium.log(&CLOCK).1 == log.bytes, "enabling goes on where it paused");
    }
}

#[test]
fn every_earlier_piece_is_sealed_before_the_next_one_begins_and_a_stop_seals_the_last() {
    let mut log = Log::begun_at(0);
    log.put(110, b"piece 3").put(160, b"piece 4").put(260, b"piece 6");
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    // The medium of these tests refuses to begin a piece before that.
    run(&mut archiver, T0, &log, &mut medium);
    let sealed: Vec<u64> = medium.sealed.iter().map(|(piece, _)| piece.0).collect();
    assert_eq!(sealed, [3, 4]);
    archiver.set_order(Goal::Suspend, LAG_MS);
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(medium.sealed.len(), 2, "a round that pauses goes on in the same file");
    let mut archiver = Archiver::new(ArchiveOrder { goal: Goal::Stop, ..order(known(&archiver)) });
    run(&mut archiver, T0, &log, &mut medium);
    assert_eq!(archiver.progress().unwrap().state, ArchiveLsState::Stopped);
    assert_eq!(medium.sealed.len(), 3);
}

#[test]
fn what_was_sealed_for_a_stop_is_not_appended_to_by_the_next_leader() {
    let mut log = Log::begun_at(0);
    log.put(110, b"last");
    let (mut old, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut old, T0, &log, &mut medium);
    let reported = known(&old);
    old.set_order(Goal::Stop, LAG_MS);
    run(&mut old, T0, &log, &mut medium);
    let before = medium.clone();
    // It dies before it says so; the new leader's first entry is in the log.
    log.blank();
    let mut new = Archiver::new(ArchiveOrder { goal: Goal::Stop, ..order(reported) });
    run(&mut new, T0, &log, &mut medium);
    assert!(medium == before);
    let p = new.progress().unwrap();
    assert_eq!((p.state, p.checkpoint), (ArchiveLsState::Stopped, Scn(110)));
}

#[test]
fn a_stream_that_has_stopped_stays_so_under_every_later_leader() {
    let mut log = Log::begun_at(0);
    log.put(110, b"after the stop");
    let known = KnownProgress { piece: PieceId(3), piece_start: Lsn(0), start: Lsn(0), archived: Lsn(91), checkpoint: Scn(100) };
    let mut archiver = Archiver::stopped(ArchiveOrder { goal: Goal::Stop, ..order(Some(known)) });
    assert_eq!(archiver.next(T0, log.view()), Action::Done);
    let p = archiver.progress().unwrap();
    assert_eq!((p.state, p.archived, p.checkpoint), (ArchiveLsState::Stopped, Lsn(91), Scn(100)));
}

#[test]
fn a_gap_is_recorded_exactly() {
    let mut log = Log::begun_at(0);
    log.put(110, b"archived");
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let archived = archiver.progress().unwrap().archived;
    archiver.on_recycled(T0, archived, Lsn(5000), Some(Scn(777)));
    let p = archiver.progress().unwrap();
    assert_eq!(p.state, ArchiveLsState::Interrupted);
    let gap = Gap { start: archived, end: Lsn(5000), start_scn: Scn(110), end_scn: Some(Scn(777)) };
    assert_eq!(p.gap, Some(gap));
}

#[test]
fn a_medium_that_asks_for_a_pause_gets_it() {
    let mut log = Log::begun_at(0);
    log.put(110, b"x");
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    let slow_down = Failure::new(ErrorClass::Transient, "slow down", "f", "");
    archiver.on_failed(T0, slow_down, Some(7_000));
    assert_eq!(archiver.next(T0, log.view()), Action::Wait { until_ms: Some(T0 + 7_000) });
    archiver.retry_now();
    assert!(!matches!(archiver.next(T0, log.view()), Action::Wait { until_ms: Some(_) }), "a new key ends it");
}

#[test]
fn an_empty_stream_can_be_stopped() {
    let mut archiver = Archiver::new(ArchiveOrder { goal: Goal::Stop, ..order(None) });
    assert_eq!(archiver.next(0, Log::at(0).view()), Action::Done);
    assert_eq!(archiver.progress().unwrap().state, ArchiveLsState::Stopped);
}

#[test]
fn a_new_leader_completes_the_torn_append_of_the_old_one() {
    let mut log = Log::at(0);
    log.put(100, &[1; 300]).put(101, &[2; 300]);
    let (mut old, mut whole) = (Archiver::new(order(None)), Medium::default());
    run(&mut old, T0, &log, &mut whole);
    let file = whole.files.values().next().unwrap().clone();
    for cut_at in 0..file.len() {
        let mut medium = whole.clone();
        medium.files.values_mut().next().unwrap().truncate(cut_at);
        let mut new = Archiver::new(order(None));
        run(&mut new, T0, &log, &mut medium);
        assert!(medium == whole, "torn at {cut_at}");
        assert_eq!(new.progress().unwrap().archived, log.end());
        assert_eq!(new.progress().unwrap().start, Lsn(0));
    }
}

#[test]
fn a_torn_first_append_of_a_piece_is_completed_from_the_piece_before() {
    let mut log = Log::at(0);
    log.put(100, &[1; 300]);
    let (mut old, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut old, T0, &log, &mut medium);
    let reported = known(&old);
    log.put(160, &[2; 300]);
    run(&mut old, T0 + LAG_MS, &log, &mut medium);
    let whole = medium.clone();
    for cut_at in [0, 1, 4095, 4096, 4097, 4200] {
        let mut medium = whole.clone();
        medium.files.get_mut(&(PieceId(4), FileId(1))).unwrap().truncate(cut_at);
        let mut new = Archiver::new(order(reported));
        run(&mut new, T0, &log, &mut medium);
        assert!(medium == whole, "torn at {cut_at}");
    }
}

#[test]
fn what_an_earlier_leader_wrote_is_made_durable_before_it_is_reported() {
    let mut log = Log::at(0);
    log.put(100, b"written by a process that died before its sync");
    let (mut old, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut old, T0, &log, &mut medium);
    let mut new = Archiver::new(order(None));
    let made_durable = |new: &mut Archiver, medium: &mut Medium| {
        for _ in 0..10 {
            if let Action::Append(cut) = new.next(T0 + LAG_MS, log.view()) {
                return cut;
            }
            step(new, T0 + LAG_MS, &log, medium);
        }
        panic!("no sync was asked for");
    };
    let cut = made_durable(&mut new, &mut medium);
    let (file, end) = medium.files.iter().next_back().unwrap();
    assert_eq!((cut.file.piece, cut.file.file_id(), cut.at, cut.bytes.len()), (file.0, file.1, end.len() as u64, 0));
    assert_eq!(new.progress(), None);
    new.on_failed(T0 + LAG_MS, Failure::new(ErrorClass::Transient, "no sync", "f", ""), None);
    new.retry_at_ms = 0;
    assert_eq!(made_durable(&mut new, &mut medium), cut, "a sync that failed is asked for again");
    new.on_appended();
    assert_eq!(new.progress().unwrap().archived, log.end());
}

#[test]
fn another_history_on_the_medium_is_never_continued() {
    let mut theirs = Log::at(0);
    theirs.put(100, b"one").put(101, b"two");
    let mut medium = Medium::default();
    run(&mut Archiver::new(order(None)), T0, &theirs, &mut medium);
    let before = medium.clone();
    let mut ours = Log::at(0);
    ours.put(100, b"one").put(101, b"TWO").put(102, b"three");
    let mut archiver = Archiver::new(order(None));
    run(&mut archiver, T0, &ours, &mut medium);
    assert!(medium == before, "nothing was written");
    assert_eq!(archiver.trouble().unwrap().0.class, ErrorClass::Fenced);
    assert_eq!(archiver.progress(), None, "nobody knows where this stream would begin");
    let reported = KnownProgress { piece: PieceId(3), piece_start: Lsn(0), start: Lsn(0), archived: Lsn(91), checkpoint: Scn::MIN };
    let mut archiver = Archiver::new(order(Some(reported)));
    run(&mut archiver, T0, &ours, &mut medium);
    run(&mut archiver, T0 + ARCHIVE_PAUSE_MS_MAX, &ours, &mut medium);
    let p = archiver.progress().unwrap();
    assert_eq!((p.archived, p.trouble.as_ref().unwrap().1), (Lsn(91), T0), "what was durable stays, and since when");
}

#[test]
fn a_history_that_forked_where_the_local_log_is_recycled_is_still_found() {
    let mut theirs = Log::begun_at(BLOCK_BODY_BYTES - 3000);
    theirs.put(100, &[1; 2700]);
    let mut medium = Medium::default();
    let clock = PieceClock { round_start: Scn(55), interval_ns: 1000, ..CLOCK };
    let order = ArchiveOrder { clock, ..order(None) };
    run(&mut Archiver::new(order), T0, &theirs, &mut medium);
    let mut ours = Log::begun_at(BLOCK_BODY_BYTES - 3000);
    ours.put(100, &[9; 2700]).put(101, b"next block");
    let at = ours.bytes.len() - 3000;
    let recycled_below = (BLOCK_BODY_BYTES - ours.start.0) as usize;
    ours.bytes.drain(..recycled_below);
    ours.start = Lsn(BLOCK_BODY_BYTES);
    assert!(at > 0);
    let before = medium.clone();
    let mut archiver = Archiver::new(order);
    run(&mut archiver, T0, &ours, &mut medium);
    assert!(medium == before);
    assert!(archiver.trouble().is_some(), "the accumulated checksum tells");
}

#[test]
fn a_medium_that_lost_reported_log_is_corrupt() {
    let mut log = Log::at(0);
    log.put(100, b"x").put(101, b"y");
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    run(&mut archiver, T0, &log, &mut medium);
    for lost in [Medium::default(), {
        let mut m = medium.clone();
        m.files.values_mut().next().unwrap().truncate(4096 + 100);
        m
    }] {
        let mut lost = lost;
        let before = lost.clone();
        let mut new = Archiver::new(order(known(&archiver)));
        run(&mut new, T0, &log, &mut lost);
        assert_eq!(new.progress().unwrap().trouble.as_ref().unwrap().0.class, ErrorClass::Corrupt);
        assert!(lost == before);
    }
}

#[test]
fn a_full_medium_holds_the_stream_up_visibly_and_loses_nothing() {
    let mut log = Log::at(0);
    log.put(100, b"x");
    let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
    for _ in 0..3 {
        assert!(step(&mut archiver, T0, &log, &mut medium), "list, seek, read");
    }
    let full = || Failure::new(ErrorClass::Exhausted, "full", "file:///b", "free space");
    let mut now = T0;
    for failures in 0..12 {
        archiver.on_failed(now, full(), None);
        let Action::Wait { until_ms: Some(until) } = archiver.next(now, log.view()) else { panic!("must wait") };
        assert_eq!(until - now, (100 << failures).min(2_000));
        now = until;
        assert!(matches!(archiver.next(now, log.view()), Action::ReadLog { .. }), "no log is held meanwhile");
        assert!(step(&mut archiver, now, &log, &mut medium));
        assert!(matches!(archiver.next(now, log.view()), Action::Append(_)), "the same append again");
        let p = archiver.progress().unwrap();
        assert_eq!((p.archived, p.trouble.as_ref().unwrap().1), (Lsn(0), T0));
    }
    run(&mut archiver, now, &log, &mut medium);
    assert_eq!(archiver.progress().unwrap().trouble, None);
    assert!(medium.log(&CLOCK).1 == log.bytes);
}

#[test]
fn a_damaged_local_log_is_not_archived() {
    let mut log = Log::at(0);
    log.put(100, b"good").put(101, b"bad");
    let last = log.bytes.len() - 1;
    log.bytes[last] ^= 1;
    let mut archiver = Archiver::new(order(None));
    let medium = Medium::default();
    archiver.next(0, log.view());
    archiver.on_listed(0, medium.list(PieceId(0)));
    archiver.next(0, log.view());
    archiver.on_log(0, Lsn(0), Bytes::copy_from_slice(&log.bytes));
    assert!(matches!(archiver.next(T0, log.view()), Action::ReadLog { .. }));
    archiver.on_log(0, Lsn(0), Bytes::copy_from_slice(&log.bytes));
    assert_eq!(archiver.progress().unwrap().trouble.as_ref().unwrap().0.class, ErrorClass::Corrupt);
}

/// One thing that happens in a random run.
#[derive(Clone, Debug)]
enum Event {
    Commit { scn_step: u64, bytes: usize, strict: bool },
    Work,
    LostReply,
    Torn(prop::sample::Index),
    NewLeader { knows_progress: bool },
    Time(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u64..70, 0usize..400, any::<bool>())
            .prop_map(|(scn_step, bytes, strict)| Event::Commit { scn_step, bytes, strict }),
        6 => Just(Event::Work),
        1 => Just(Event::LostReply),
        1 => any::<prop::sample::Index>().prop_map(Event::Torn),
        1 => any::<bool>().prop_map(|knows_progress| Event::NewLeader { knows_progress }),
        2 => (0u64..3000).prop_map(Event::Time),
    ]
}

/// Applies a fault to the append under way, if there is one.
fn fail_append(archiver: &mut Archiver, now: u64, log: &Log, medium: &mut Medium, keep: impl Fn(usize) -> usize) {
    if let Action::Append(cut) = archiver.next(now, log.view()) {
        medium.append(&cut, keep(cut.bytes.len())).unwrap();
        archiver.on_failed(now, Failure::new(ErrorClass::Transient, "lost", "f", ""), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_medium_holds_the_log_and_progress_tells_the_truth(
        left in 300u64..6000,
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut log = Log::begun_at(BLOCK_BODY_BYTES - left);
        log.put(99, b"before the round");
        let (mut archiver, mut medium) = (Archiver::new(order(None)), Medium::default());
        let (mut now, mut reported, mut checkpoint, mut frozen) = (T0, None, Scn::MIN, BTreeMap::new());
        for event in events {
            match event {
                Event::Commit { scn_step, bytes, strict } => {
                    let scn = log.framer.base().prev_scn.0 + scn_step;
                    log.frame(scn, strict, &vec![7; bytes]);
                }
                Event::Work => drop(step(&mut archiver, now, &log, &mut medium)),
                Event::LostReply => fail_append(&mut archiver, now, &log, &mut medium, |len| len),
                Event::Torn(i) => fail_append(&mut archiver, now, &log, &mut medium, |len| i.index(len + 1)),
                Event::NewLeader { knows_progress } => {
                    archiver = Archiver::new(order(reported.filter(|_| knows_progress)));
                }
                Event::Time(ms) => now += ms,
            }
            prop_assert!(archiver.progress().is_none_or(|p| p.trouble.as_ref().is_none_or(|t| t.0.class == ErrorClass::Transient)));
            let Some(p) = archiver.progress() else { continue };
            prop_assert!(p.archived >= reported.map_or(Lsn(0), |k: KnownProgress| k.archived), "progress fell");
            reported = known(&archiver);
            checkpoint = checkpoint.max(p.checkpoint);
            let held: usize = medium.files.values().map(|f| f.len().saturating_sub(4096)).sum();
            prop_assert!(p.archived.0 - p.start.0 <= held as u64, "progress is ahead of the medium");
            // A piece that this checkpoint completes is frozen by the scheduler: it must never grow again.
            for (key, bytes) in &medium.files {
                let len = frozen.entry(*key).or_insert(bytes.len());
                prop_assert!(!CLOCK.is_complete(key.0, checkpoint) || *len == bytes.len(), "a frozen piece grew");
                *len = bytes.len();
            }
        }
        for _ in 0..10 {
            now += ARCHIVE_PAUSE_MS_MAX;
            run(&mut archiver, now, &log, &mut medium);
        }
        let (start, bytes) = medium.log(&CLOCK);
        prop_assert!(start == log.start || (start == start.block_start() && start.block() > log.start.block()));
        prop_assert!(bytes == log.bytes[(start.0 - log.start.0) as usize..]);
        let p = archiver.progress().unwrap();
        prop_assert_eq!(p.archived, log.end());
        prop_assert_eq!(p.checkpoint, covered(&CLOCK, log.framer.base().prev_scn));
    }
}
