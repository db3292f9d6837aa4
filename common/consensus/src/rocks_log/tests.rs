//! The scheduler's Raft log: what it keeps, and what it says of damage.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::types::{EntryBody, Payload};
use std::path::PathBuf;

fn entries(range: Range<u64>) -> Vec<Entry> {
    let body = |n: u64| Payload { scn: n, kind: 1, body: vec![n as u8 | 1; 200].into() };
    range.map(|n| Entry { pos: LogPos { term: 1, index: n }, body: EntryBody::Normal(body(n)) }).collect()
}

fn append(log: &RocksLog, range: Range<u64>) {
    for entry in entries(range) {
        log.append(vec![entry]).unwrap();
    }
    log.sync().unwrap();
}

fn last(log: &RocksLog) -> Option<u64> {
    log.state().unwrap().last.map(|pos| pos.index)
}

/// The only write-ahead log.
fn wal(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut logs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    logs.pop().unwrap()
}

fn set_mark(dir: &Path, index: u64, boot: BootId) {
    let (mut file, _) = MarkFile::load(dir).unwrap();
    file.store(&Mark { durable: Some(LogPos { term: 1, index }), boot, is_damaged: false }).unwrap();
}

/// Entries 0 to 3 in an SST, 4 to 9 in the WAL.
fn written() -> (tempfile::TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    append(&RocksLog::open(dir.path()).unwrap(), 0..4);
    append(&RocksLog::open(dir.path()).unwrap(), 4..10);
    let bytes = std::fs::read(wal(dir.path())).unwrap();
    (dir, bytes)
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        std::fs::copy(&file, to.path().join(file.file_name().unwrap())).unwrap();
    }
    to
}

/// With one bit of the WAL turned and its mark at `marked`: the loss that is reported, and the last entry.
fn opened(dir: &Path, at: usize, marked: u64, boot: BootId) -> (Option<String>, Option<u64>) {
    let dir = copy(dir);
    let path = wal(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    set_mark(dir.path(), marked, boot);
    let log = RocksLog::open(dir.path()).unwrap();
    (log.loss(), last(&log))
}

#[test]
fn a_log_that_is_closed_is_marked_exactly_and_whole() {
    let (dir, _) = written();
    let Found::Mark(mark) = MarkFile::load(dir.path()).unwrap().1 else { panic!("no mark") };
    assert_eq!(mark.durable, Some(LogPos { term: 1, index: 9 }));
    let log = RocksLog::open(dir.path()).unwrap();
    assert_eq!((log.loss(), last(&log)), (None, Some(9)));
}

#[test]
fn a_bad_bit_is_told_wherever_the_mark_stands_when_nothing_but_a_kill_came_between() {
    let (dir, bytes) = written();
    // Six records of one length. That of the very last one cannot be told from a write that did not finish.
    assert_eq!(bytes.len() % 6, 0);
    let last_one = bytes.len() / 6 * 5;
    for at in (0..bytes.len()).step_by(7).filter(|at| !(last_one + 4..last_one + 6).contains(at)) {
        // A mark that is as far behind as it may ever be.
        let (loss, last) = opened(dir.path(), at, 3, BootId::now());
        assert!(loss.is_some() || last == Some(9), "byte {at} of {}: {last:?}", bytes.len());
    }
}

#[test]
fn after_a_power_cut_only_what_is_above_the_mark_is_cut_in_silence() {
    let (dir, bytes) = written();
    let before = BootId([9; 16]);
    for at in (0..bytes.len()).step_by(11) {
        let (loss, last) = opened(dir.path(), at, 6, before);
        assert_eq!(loss.is_none(), last >= Some(6), "byte {at}: {loss:?} {last:?}");
    }
}

#[test]
fn a_loss_is_said_until_it_is_known_and_then_the_log_goes_on() {
    let (dir, bytes) = written();
    let path = wal(dir.path());
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    for _ in 0..2 {
        let log = RocksLog::open(dir.path()).unwrap();
        assert!(log.loss().is_some(), "opening does not take it away");
    }
    let log = RocksLog::open(dir.path()).unwrap();
    let end = last(&log).unwrap();
    log.loss_is_known().unwrap();
    assert_eq!(log.loss(), None);
    append(&log, end + 1..12);
    drop(log);
    let log = RocksLog::open(dir.path()).unwrap();
    assert_eq!((log.loss(), last(&log)), (None, Some(11)));
}

#[test]
fn entries_that_were_cut_on_purpose_are_no_loss() {
    let (dir, _) = written();
    let log = RocksLog::open(dir.path()).unwrap();
    log.truncate_after(Some(LogPos { term: 1, index: 5 })).unwrap();
    drop(log);
    let log = RocksLog::open(dir.path()).unwrap();
    assert_eq!((log.loss(), last(&log)), (None, Some(5)));
    log.purge(LogPos { term: 1, index: 20 }).unwrap();
    log.sync().unwrap();
    drop(log);
    let log = RocksLog::open(dir.path()).unwrap();
    assert_eq!((log.loss(), last(&log)), (None, Some(20)));
}

#[test]
fn a_log_of_an_earlier_version_has_no_mark_and_gets_one() {
    let (dir, _) = written();
    std::fs::remove_file(dir.path().join("durable")).unwrap();
    let log = RocksLog::open(dir.path()).unwrap();
    assert_eq!((log.loss(), last(&log)), (None, Some(9)));
    assert!(matches!(MarkFile::load(dir.path()).unwrap().1, Found::Mark(_)));
}
