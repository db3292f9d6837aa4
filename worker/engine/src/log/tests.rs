//! The log against a model, and against broken files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use strandline_consensus::{BootId, EntryBody, Payload};
use strandline_format::entry::EntryKind;
use strandline_format::palf::GroupWalker;
use strandline_types::limits::BLOCK_BODY_BYTES;
use strandline_types::{LsId, TenantId};
use tempfile::TempDir;

const ID: LogId = LogId { tenant: TenantId(1002), ls: LsId(1001) };

fn open(dir: &TempDir) -> PalfLog {
    PalfLog::open(dir.path(), ID).unwrap()
}

fn entry(term: u64, index: u64, scn: u64, body: Vec<u8>) -> Entry {
    let payload = Payload { scn, kind: EntryKind::ClientBatch.number(), body: body.into() };
    Entry { pos: LogPos { term, index }, body: EntryBody::Normal(payload) }
}

fn small(range: Range<u64>) -> Vec<Entry> {
    range.map(|i| entry(1, i, 1000 + i, vec![i as u8; 40])).collect()
}

/// There was a power cut since the log was written: its mark is of another boot.
fn cut_power(dir: &TempDir) {
    let mark = mark::load(dir.path());
    mark::write(dir.path(), mark::Mark { boot: BootId([7; 16]), ..mark }).unwrap();
}

fn all(log: &PalfLog) -> Vec<Entry> {
    log.read(0..u64::MAX, usize::MAX).unwrap()
}

fn block_file(dir: &TempDir, n: u64) -> PathBuf {
    dir.path().join(format!("{n}.log"))
}

/// All log bytes from the start to the end.
fn bytes_of(log: &PalfLog) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = log.start();
    while at < log.tail().lsn {
        let groups = log.groups(at, log.tail().lsn, 1 << 20).unwrap().unwrap();
        out.extend_from_slice(&groups.bytes);
        at = groups.end;
    }
    out
}

#[test]
fn what_was_appended_is_read_back_with_its_effective_scn() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    let members = Entry { pos: LogPos { term: 0, index: 0 }, body: EntryBody::Membership(Bytes::from_static(b"m")) };
    let blank = Entry { pos: LogPos { term: 1, index: 1 }, body: EntryBody::Blank };
    log.append(vec![members.clone(), blank.clone(), entry(1, 2, 50, vec![1]), entry(1, 3, 50, vec![2])]).unwrap();
    log.append(vec![Entry { pos: LogPos { term: 2, index: 4 }, body: EntryBody::Blank }, entry(2, 5, 7, vec![3])])
        .unwrap();
    let read = all(&log);
    assert_eq!(read[..2], [members, blank]);
    let scns: Vec<u64> = read
        .iter()
        .filter_map(|e| match &e.body {
            EntryBody::Normal(p) => Some(p.scn),
            _ => None,
        })
        .collect();
    assert_eq!(scns, [50, 51, 52], "an SCN that does not rise is moved after the one before");
    assert_eq!(log.tail().prev_log_id, 6);
}

#[test]
fn a_follower_that_gets_the_entries_from_the_leaders_log_writes_the_same_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (leader, follower) = (open(&a), open(&b));
    for i in 0..40 {
        leader.append(vec![entry(1, i, 90 - i, vec![i as u8; 300])]).unwrap();
    }
    follower.append(leader.read(0..7, usize::MAX).unwrap()).unwrap();
    follower.append(leader.read(7..40, usize::MAX).unwrap()).unwrap();
    assert_eq!(bytes_of(&leader), bytes_of(&follower));
}

#[test]
fn a_read_is_capped_by_bytes_but_gives_at_least_one_entry() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append(small(0..100)).unwrap();
    assert_eq!(log.read(3..100, 1).unwrap().len(), 1);
    let some = log.read(3..100, 1000).unwrap();
    assert!(some.len() > 1 && some.len() < 20);
    assert_eq!(some[0].pos.index, 3);
    assert!(log.read(100..200, 1000).unwrap().is_empty());
}

#[test]
fn a_log_goes_on_over_block_ends_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    let big = |i: u64| entry(1, i, i + 1, vec![i as u8; 2 << 20]);
    for chunk in 0..14 {
        log.append((chunk * 5..chunk * 5 + 5).map(big).collect()).unwrap();
        if chunk % 4 == 1 {
            log.sync().unwrap();
        }
    }
    assert!(log.tail().lsn.block() == 2);
    let (tail, bytes) = (log.tail(), bytes_of(&log));
    assert_eq!(tail.prev_log_id, 70 + 2, "two padding groups");
    let mut walker = GroupWalker::new(&bytes, Lsn::ZERO, Some(PalfBase::default()));
    while walker.next_group().unwrap().is_some() {}
    assert_eq!(walker.lsn(), tail.lsn);
    let before = all(&log);
    drop(log);
    let log = open(&dir);
    assert_eq!((log.tail(), all(&log)), (tail, before));
    let mid = log.after(40).unwrap().unwrap().1;
    assert_eq!(log.base_at(mid.lsn).unwrap(), Some(mid));
    assert_eq!(log.last_index_before(mid.lsn), Some(40));
    assert_eq!(log.last_index_before(Lsn::ZERO), None);
    log.append(vec![big(70)]).unwrap();
    assert_eq!(log.read(70..71, 1).unwrap(), [big(70)]);
}

#[test]
fn truncation_over_a_block_end_restores_the_framing() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (log, plain) = (open(&a), open(&b));
    let big = |term: u64, i: u64| entry(term, i, i + 1, vec![term as u8; 3_000_000]);
    log.append((0..30).map(|i| big(1, i)).collect()).unwrap();
    log.sync().unwrap();
    assert_eq!(log.tail().lsn.block(), 1);
    log.truncate_after(Some(LogPos { term: 1, index: 9 })).unwrap();
    log.append((10..24).map(|i| big(2, i)).collect()).unwrap();
    plain.append((0..10).map(|i| big(1, i)).chain((10..24).map(|i| big(2, i))).collect()).unwrap();
    assert!(bytes_of(&log) == bytes_of(&plain));
    drop(log);
    assert_eq!(open(&a).tail(), plain.tail());
}

#[test]
fn blocks_go_only_when_raft_and_the_archive_have_both_passed_them() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append((0..70).map(|i| entry(1, i, i + 1, vec![0; 2 << 20])).collect()).unwrap();
    log.sync().unwrap();
    let block = BLOCK_BODY_BYTES;
    log.purge(LogPos { term: 1, index: 65 }).unwrap();
    assert_eq!(log.start(), Lsn::ZERO, "not archived yet");
    log.recycle(Lsn(block + 5)).unwrap();
    assert_eq!(log.start(), Lsn(block));
    assert!(log.groups(Lsn::ZERO, log.tail().lsn, 1).unwrap().is_none(), "recycled");
    log.recycle(Lsn(10 * block)).unwrap();
    assert_eq!(log.start(), Lsn(2 * block), "the block that is written to stays");
    drop(log);
    let log = open(&dir);
    assert_eq!(log.state().unwrap().purged, Some(LogPos { term: 1, index: 65 }));
    assert_eq!(all(&log).first().unwrap().pos.index, 66);
}

#[test]
fn a_round_that_begins_keeps_log_that_nothing_needed_before() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.recycle(Lsn(u64::MAX)).unwrap();
    log.append((0..70).map(|i| entry(1, i, i + 1, vec![0; 2 << 20])).collect()).unwrap();
    log.sync().unwrap();
    log.recycle(Lsn::ZERO).unwrap();
    log.purge(LogPos { term: 1, index: 65 }).unwrap();
    assert_eq!(log.start(), Lsn::ZERO, "the archive has not seen it yet");
}

#[test]
fn a_torn_last_group_is_cut_at_whatever_byte_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append(small(0..5)).unwrap();
    let whole = log.tail();
    log.append(small(5..6)).unwrap();
    let end = log.tail().lsn;
    drop(log);
    let original = fs::read(block_file(&dir, 0)).unwrap();
    for left in 0..(end.0 - whole.lsn.0) {
        let keep = (4096 + whole.lsn.0 + left) as usize;
        fs::write(block_file(&dir, 0), &original[..keep]).unwrap();
        let log = open(&dir);
        assert_eq!((log.tail(), all(&log).len()), (whole, 5), "cut after {left} bytes");
        log.append(small(5..6)).unwrap();
        drop(log);
        assert!(fs::read(block_file(&dir, 0)).unwrap() == original);
    }
}

#[test]
fn a_damaged_last_group_is_a_torn_one_after_a_power_cut() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append(small(0..5)).unwrap();
    let whole = log.tail();
    log.append(small(5..6)).unwrap();
    drop(log);
    let mut bytes = fs::read(block_file(&dir, 0)).unwrap();
    let n = bytes.len();
    bytes[n - 10..].fill(0);
    fs::write(block_file(&dir, 0), bytes).unwrap();
    let damaged = PalfLog::open(dir.path(), ID).unwrap_err();
    assert_eq!(damaged.kind(), io::ErrorKind::InvalidData, "no kill leaves that: {damaged}");
    cut_power(&dir);
    assert_eq!(open(&dir).tail(), whole);
}

#[test]
fn no_bit_above_the_mark_takes_acknowledged_log_away_within_one_boot() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append(small(0..2)).unwrap();
    log.sync().unwrap();
    let first = log.tail().lsn;
    // Durable and acknowledged, and the mark does not know it yet.
    log.append(small(2..5)).unwrap();
    log.sync().unwrap();
    let end = log.tail().lsn;
    drop(log);
    assert!(mark::load(dir.path()).durable < first);
    let original = fs::read(block_file(&dir, 0)).unwrap();
    for at in first.0..end.0 {
        let mut bytes = original.clone();
        bytes[4096 + at as usize] ^= 0x10;
        fs::write(block_file(&dir, 0), bytes).unwrap();
        let damaged = PalfLog::open(dir.path(), ID).unwrap_err();
        assert_eq!(damaged.kind(), io::ErrorKind::InvalidData, "byte {at}: {damaged}");
    }
    fs::write(block_file(&dir, 0), original).unwrap();
    assert_eq!(open(&dir).tail().lsn, end);
}

#[test]
fn the_mark_of_an_earlier_version_is_read_and_of_no_boot() {
    let dir = tempfile::tempdir().unwrap();
    let lsn = 4711u64.to_be_bytes();
    let sum = strandline_format::checksum::crc32c_raw(!0, &lsn).to_be_bytes();
    fs::write(dir.path().join("durable"), [&lsn[..], &sum[..]].concat()).unwrap();
    assert_eq!(mark::load(dir.path()), mark::Mark { durable: Lsn(4711), boot: BootId::default() });
    mark::store(dir.path(), Lsn(9)).unwrap();
    assert_eq!(mark::load(dir.path()), mark::Mark { durable: Lsn(9), boot: BootId::now() });
}

#[test]
fn a_bad_byte_with_log_after_it_is_corruption() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append(small(0..6)).unwrap();
    log.sync().unwrap();
    log.mark_durable();
    let (third, fourth) = (log.after(2).unwrap().unwrap().1.lsn, log.after(3).unwrap().unwrap().1.lsn);
    drop(log);
    let original = fs::read(block_file(&dir, 0)).unwrap();
    for at in third.0..fourth.0 {
        let mut bytes = original.clone();
        bytes[4096 + at as usize] ^= 0x10;
        fs::write(block_file(&dir, 0), bytes).unwrap();
        let error = PalfLog::open(dir.path(), ID).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "byte {at}: {error}");
        assert!(error.to_string().contains(&format!("lsn {third}")), "{error}");
    }
    let mut bytes = original;
    bytes[100] ^= 1;
    fs::write(block_file(&dir, 0), bytes).unwrap();
    assert_eq!(PalfLog::open(dir.path(), ID).unwrap_err().kind(), io::ErrorKind::InvalidData, "block header");
}

#[test]
fn a_power_cut_that_wrote_pages_out_of_order_costs_only_what_was_not_durable() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append(small(0..5)).unwrap();
    log.sync().unwrap();
    log.mark_durable();
    log.append(small(5..30)).unwrap();
    let (durable, hole, after) = [4, 9, 10].map(|n| log.after(n).unwrap().unwrap().1).into();
    drop(log);
    let original = fs::read(block_file(&dir, 0)).unwrap();
    let without = |from: Lsn, to: Lsn| {
        let mut bytes = original.clone();
        bytes[4096 + from.0 as usize..4096 + to.0 as usize].fill(0);
        fs::write(block_file(&dir, 0), bytes).unwrap();
        mark::store(dir.path(), durable.lsn).unwrap();
        cut_power(&dir);
    };
    without(hole.lsn, after.lsn);
    assert_eq!(open(&dir).tail(), hole, "whole groups lie after the hole, but they were not reported as durable");
    without(durable.lsn, after.lsn);
    let log = open(&dir);
    assert_eq!((log.tail(), all(&log).len()), (durable, 5));
    drop(log);
    without(Lsn(durable.lsn.0 - 1), durable.lsn);
    let damaged = PalfLog::open(dir.path(), ID).unwrap_err();
    assert_eq!(damaged.kind(), io::ErrorKind::InvalidData, "{damaged}");
    fs::write(block_file(&dir, 0), &original[..4096 + durable.lsn.0 as usize - 1]).unwrap();
    let short = PalfLog::open(dir.path(), ID).unwrap_err();
    assert!(short.to_string().contains("durable up to"), "{short}");
}

#[test]
fn a_cut_below_the_mark_lowers_it_before_other_log_is_written_there() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append(small(0..9)).unwrap();
    log.sync().unwrap();
    log.mark_durable();
    log.truncate_after(Some(LogPos { term: 1, index: 3 })).unwrap();
    let cut = log.tail();
    log.append((4..9).map(|i| entry(2, i, 2000 + i, vec![9; 40])).collect()).unwrap();
    drop(log);
    let mut bytes = fs::read(block_file(&dir, 0)).unwrap();
    bytes[4096 + cut.lsn.0 as usize + 20] ^= 1;
    fs::write(block_file(&dir, 0), bytes).unwrap();
    cut_power(&dir);
    assert_eq!(open(&dir).tail(), cut);
}

#[test]
fn log_that_a_broken_disk_never_took_is_not_durable_after_a_reopen_in_the_same_process() {
    for mebibytes in [0, 150] {
        let dir = tempfile::tempdir().unwrap();
        let log = open(&dir);
        log.append(small(0..5)).unwrap();
        log.sync().unwrap();
        let durable = log.tail();
        log.append(small(5..8)).unwrap();
        log.append((8..8 + mebibytes / 2).map(|i| entry(1, i, 5000 + i, vec![0; 2 << 20])).collect()).unwrap();
        log.breaks.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(log.sync().is_err());
        assert!(log.append(small(8 + mebibytes / 2..9 + mebibytes / 2)).is_err(), "the log has ended for this process");
        drop(log);
        let log = open(&dir);
        assert_eq!((log.tail(), all(&log)), (durable, small(0..5)), "{mebibytes} MiB");
        log.append(small(5..6)).unwrap();
        log.sync().unwrap();
    }
}

#[test]
fn a_missing_block_is_corruption() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append((0..70).map(|i| entry(1, i, i + 1, vec![0; 2 << 20])).collect()).unwrap();
    log.sync().unwrap();
    drop(log);
    fs::rename(block_file(&dir, 1), dir.path().join("kept")).unwrap();
    assert_eq!(PalfLog::open(dir.path(), ID).unwrap_err().kind(), io::ErrorKind::InvalidData);
    fs::rename(dir.path().join("kept"), block_file(&dir, 1)).unwrap();
    fs::OpenOptions::new().write(true).open(block_file(&dir, 1)).unwrap().set_len(30 << 20).unwrap();
    assert_eq!(PalfLog::open(dir.path(), ID).unwrap_err().kind(), io::ErrorKind::InvalidData, "cut in the middle");
}

#[test]
fn a_torn_block_is_cut_when_the_block_after_it_was_only_provisional() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append(small(0..3)).unwrap();
    log.sync().unwrap();
    log.append((3..40).map(|i| entry(1, i, i + 5000, vec![0; 2 << 20])).collect()).unwrap();
    assert_eq!(log.tail().lsn.block(), 1);
    drop(log);
    assert!(dir.path().join("1.log.new").exists());
    fs::OpenOptions::new().write(true).open(block_file(&dir, 0)).unwrap().set_len(10 << 20).unwrap();
    assert!(PalfLog::open(dir.path(), ID).is_err(), "no kill leaves that");
    cut_power(&dir);
    let log = open(&dir);
    assert_eq!(log.tail().lsn.block(), 0);
    let kept = all(&log);
    assert!(kept.len() > 3 && kept.len() < 9);
    assert!(!dir.path().join("1.log.new").exists());
}

#[test]
fn a_log_of_another_log_stream_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(&dir));
    let other = LogId { ls: LsId(1002), ..ID };
    assert_eq!(PalfLog::open(dir.path(), other).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_purge_beyond_the_end_needs_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir);
    log.append(small(0..3)).unwrap();
    assert!(log.purge(LogPos { term: 1, index: 9 }).is_err());
    let base = PalfBase { lsn: Lsn(900), prev_log_id: 10, prev_accumulated_checksum: 5, prev_scn: Scn(77) };
    let next = tempfile::tempdir().unwrap();
    let floor = Floor { purged: Some(LogPos { term: 1, index: 9 }), base };
    PalfLog::begin_at(next.path(), ID, &floor).unwrap();
    log.switch_to(next.path()).unwrap();
    log.purge(LogPos { term: 1, index: 9 }).unwrap();
    assert_eq!((log.tail(), log.start()), (base, Lsn(900)));
    log.append(small(10..12)).unwrap();
    drop(log);
    let log = open(&next);
    assert_eq!(all(&log).len(), 2);
    assert_eq!(log.state().unwrap().purged, Some(LogPos { term: 1, index: 9 }));
}

#[derive(Clone, Debug)]
enum Step {
    Append { entries: u8, bytes: u16, term_step: bool },
    Truncate { back: u8 },
    Purge { ahead: u8 },
    Sync,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u8..6, 0u16..3000, any::<bool>())
            .prop_map(|(entries, bytes, term_step)| Step::Append { entries, bytes, term_step }),
        1 => (0u8..8).prop_map(|back| Step::Truncate { back }),
        1 => (0u8..8).prop_map(|ahead| Step::Purge { ahead }),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
    ]
}

/// What the log must hold.
#[derive(Default)]
struct Model {
    purged: Option<LogPos>,
    entries: Vec<Entry>,
    term: u64,
}

impl Model {
    fn next(&self) -> u64 {
        self.entries.last().map_or(self.purged.map_or(0, |p| p.index + 1), |e| e.pos.index + 1)
    }

    fn run(&mut self, log: &PalfLog, step: &Step) {
        match step {
            Step::Append { entries, bytes, term_step } => {
                self.term += u64::from(*term_step);
                let first = self.next();
                let new: Vec<Entry> = (first..first + u64::from(*entries))
                    .map(|i| entry(self.term, i, 10 + i * 10, vec![i as u8; usize::from(*bytes)]))
                    .collect();
                log.append(new.clone()).unwrap();
                self.entries.extend(new);
            }
            Step::Truncate { back } => {
                let keep = self.entries.len().saturating_sub(usize::from(*back));
                self.entries.truncate(keep);
                log.truncate_after(self.entries.last().map(|e| e.pos).or(self.purged)).unwrap();
            }
            Step::Purge { ahead } => {
                let gone = usize::from(*ahead).min(self.entries.len());
                if let Some(last) = self.entries.drain(..gone).next_back() {
                    log.purge(last.pos).unwrap();
                    self.purged = Some(last.pos);
                }
            }
            Step::Sync | Step::Reopen => log.sync().unwrap(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_log_is_what_the_model_says(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(&dir);
        let mut model = Model { term: 1, ..Model::default() };
        for step in &steps {
            model.run(&log, step);
            if matches!(step, Step::Reopen) {
                drop(log);
                log = open(&dir);
            }
            let state = log.state().unwrap();
            prop_assert_eq!(state.purged, model.purged);
            prop_assert_eq!(state.last, model.entries.last().map(|e| e.pos).or(model.purged));
            prop_assert_eq!(&all(&log), &model.entries);
        }
        let bytes = bytes_of(&log);
        let mut walker = GroupWalker::new(&bytes, Lsn::ZERO, Some(PalfBase::default()));
        while walker.next_group().unwrap().is_some() {}
        prop_assert_eq!(walker.base(), Some(log.tail()));
    }
}
