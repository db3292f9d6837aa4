//! The state machine without a group: entries are appended and applied by hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::error::EngineError;
use crate::files;
use crate::sessions::{Known, SessionId, WriteId, WriteIdentity};
use crate::{Replayed, RestoredPoint, restore};
use bytes::Bytes;
use prost::Message;
use strandline_consensus::{EntryBody, EntryLog, Payload};
use strandline_format::entry::EntryKind;
use strandline_format::pb;
use strandline_types::{JobId, LsId, PalfBase, Scn, TabletId, TenantId};
use tempfile::TempDir;

const ID: LogId = LogId { tenant: TenantId(1002), ls: LsId::SYS };
const TABLET: TabletId = TabletId::FIRST_USER;

fn memory() -> Arc<SharedMemory> {
    Arc::new(SharedMemory::new(16 << 20, 8 << 20))
}

fn dir(tmp: &TempDir, name: &str) -> ReplicaDir {
    ReplicaDir::new(tmp.path().join(name))
}

fn open(tmp: &TempDir, name: &str) -> Arc<Machine> {
    Machine::open(dir(tmp, name), ID, &memory()).unwrap()
}

fn batch(key: &str, value: &str) -> Bytes {
    let write =
        pb::Write { tablet_id: TABLET.0, key: key.to_owned().into(), value: value.to_owned().into(), delete: false };
    pb::ClientBatch { writes: vec![write], identities: Vec::new() }.encode_to_vec().into()
}

/// Appends one entry after the last and applies it.
fn feed(machine: &Machine, scn: u64, kind: EntryKind, body: Bytes) -> Outcome {
    let index = machine.log().state().unwrap().last.map_or(0, |p| p.index + 1);
    let payload = Payload { scn, kind: kind.number(), body };
    let entry = Entry { pos: LogPos { term: 1, index }, body: EntryBody::Normal(payload) };
    machine.log().append(vec![entry]).unwrap();
    let logged = machine.log().read(index..index + 1, 1).unwrap();
    Outcome::read(&machine.apply(logged).unwrap()[0]).unwrap()
}

fn value(machine: &Machine, key: &str) -> Option<String> {
    let (value, _) = machine.store().get(TABLET, key.as_bytes()).unwrap();
    value.map(|v| String::from_utf8(v.to_vec()).unwrap())
}

fn replayed(range: std::ops::Range<u64>, scn: u64, items: Vec<(u64, EntryKind, Bytes)>) -> Bytes {
    let item = |(scn, kind, body): (u64, EntryKind, Bytes)| pb::ReplayedItem { scn, kind: kind.number().into(), body };
    let batch = pb::ReplayedBatch {
        source_start_lsn: range.start,
        source_end_lsn: range.end,
        source_scn: scn,
        items: items.into_iter().map(item).collect(),
    };
    batch.encode_to_vec().into()
}

/// A machine restored from the state of `source`; replay starts at the end of the source's log.
fn restore_from(tmp: &TempDir, source: &Machine, name: &str) -> Arc<Machine> {
    let job = JobId(1);
    let point_dir = tmp.path().join(format!("{name}-point"));
    let taken = source.checkpoint(&point_dir).unwrap();
    let target = dir(tmp, name);
    files::create_dir(&target.restore(job)).unwrap();
    std::fs::rename(&point_dir, target.restore(job).join("db")).unwrap();
    let point = RestoredPoint { job, base: taken.base, scn: taken.scn };
    restore::finish(&target, ID, &memory(), &point).unwrap();
    let machine = open(tmp, name);
    machine.install_snapshot(&target.restore(job), Some(restore::BASE_POS), Bytes::from_static(b"members")).unwrap();
    machine
}

#[test]
fn a_restored_machine_starts_where_its_source_stood() {
    let tmp = tempfile::tempdir().unwrap();
    let source = open(&tmp, "a");
    feed(&source, 10, EntryKind::ClientBatch, batch("k", "v"));
    let end = source.log().tail().lsn;
    let restored = restore_from(&tmp, &source, "b");
    assert_eq!(value(&restored, "k").as_deref(), Some("v"));
    assert_eq!(restored.inner().replayed, [Replayed { lsn: end, scn: Scn(10) }]);
    assert_eq!(restored.inner().membership, Bytes::from_static(b"members"));
    let base = PalfBase { prev_log_id: 1, prev_scn: Scn(10), ..PalfBase::default() };
    assert_eq!(restored.log().tail(), base);
    assert_eq!(feed(&restored, 3, EntryKind::KeepAlive, Bytes::new()), Outcome::Done(Scn(11)));
    drop(restored);
    let again = open(&tmp, "b");
    assert_eq!(again.log().state().unwrap().last, Some(LogPos { term: 1, index: 1 }));
    assert_eq!(again.inner().replayed, [Replayed { lsn: end, scn: Scn(10) }]);
}

#[test]
fn what_a_restored_source_passed_over_its_own_restore_passes_over_too() {
    let tmp = tempfile::tempdir().unwrap();
    let first = open(&tmp, "a");
    feed(&first, 10, EntryKind::ClientBatch, batch("k", "first"));
    let from = first.log().tail().lsn.0;
    let second = restore_from(&tmp, &first, "b");
    let good = replayed(from..from + 100, 20, vec![(20, EntryKind::ClientBatch, batch("k", "second"))]);
    let hole = replayed(from + 200..from + 300, 30, vec![(30, EntryKind::ClientBatch, batch("k", "never"))]);
    let third = restore_from(&tmp, &second, "c");
    assert_eq!(third.inner().replayed.len(), 2, "its own position, then that of its source");
    let at = second.log().tail().lsn.0;
    assert_eq!(feed(&second, 20, EntryKind::Replayed, good.clone()), Outcome::Done(Scn(20)));
    assert_eq!(feed(&second, 21, EntryKind::Replayed, hole.clone()), Outcome::Gap(Lsn(from + 100)));
    feed(&second, 22, EntryKind::ClientBatch, batch("new", "life"));
    assert_eq!(feed(&second, 23, EntryKind::Replayed, good.clone()), Outcome::Done(Scn(23)));
    let items = vec![
        (20, EntryKind::Replayed, good.clone()),
        (21, EntryKind::Replayed, hole),
        (22, EntryKind::ClientBatch, batch("new", "life")),
        (23, EntryKind::Replayed, good),
    ];
    assert_eq!(feed(&third, 23, EntryKind::Replayed, replayed(at..at + 900, 23, items)), Outcome::Done(Scn(23)));
    for key in ["k", "new"] {
        assert_eq!(value(&third, key), value(&second, key), "{key}");
    }
    assert_eq!(value(&third, "k").as_deref(), Some("second"));
}

#[test]
fn a_dictionary_inside_replayed_log_is_taken_with_its_own_scn() {
    let tmp = tempfile::tempdir().unwrap();
    let source = open(&tmp, "a");
    let dictionary = |version| Bytes::from(pb::Dictionary { version, ..Default::default() }.encode_to_vec());
    feed(&source, 10, EntryKind::Dictionary, dictionary(1));
    let from = source.log().tail().lsn.0;
    let restored = restore_from(&tmp, &source, "b");
    assert_eq!(restored.inner().dictionary.as_ref().unwrap().version, 1);
    let items = vec![(44, EntryKind::Dictionary, dictionary(2)), (45, EntryKind::Dictionary, dictionary(1))];
    feed(&restored, 50, EntryKind::Replayed, replayed(from..from + 10, 45, items));
    let stored = restored.inner().dictionary.clone().unwrap();
    assert_eq!((stored.version, stored.scn), (2, 44));
}

#[test]
fn replayed_log_in_a_stream_that_was_never_restored_stops_it() {
    let tmp = tempfile::tempdir().unwrap();
    let machine = open(&tmp, "a");
    let payload = Payload { scn: 1, kind: EntryKind::Replayed.number(), body: replayed(0..9, 1, vec![]) };
    let entry = Entry { pos: LogPos { term: 1, index: 0 }, body: EntryBody::Normal(payload) };
    machine.log().append(vec![entry.clone()]).unwrap();
    assert_eq!(machine.apply(vec![entry]).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn tablets_that_are_ahead_of_their_log_are_corruption() {
    let tmp = tempfile::tempdir().unwrap();
    let machine = open(&tmp, "a");
    feed(&machine, 10, EntryKind::ClientBatch, batch("k", "v"));
    machine.flush().unwrap();
    let log = dir(&tmp, "a").open().unwrap().log();
    drop(machine);
    let block = std::fs::OpenOptions::new().write(true).open(log.join("0.log")).unwrap();
    block.set_len(4096).unwrap();
    std::fs::remove_file(log.join("durable")).unwrap();
    let error = Machine::open(dir(&tmp, "a"), ID, &memory()).unwrap_err();
    let error = EngineError::io("opening", tmp.path(), error);
    assert!(matches!(error, EngineError::Corrupt { .. }), "{error}");
}

#[test]
fn a_snapshot_is_found_again_after_a_restart_and_the_older_one_is_gone() {
    let tmp = tempfile::tempdir().unwrap();
    let machine = open(&tmp, "a");
    feed(&machine, 10, EntryKind::ClientBatch, batch("k", "v"));
    let first = machine.build_snapshot().unwrap();
    assert_eq!(machine.build_snapshot().unwrap().dir, first.dir, "nothing new");
    feed(&machine, 11, EntryKind::ClientBatch, batch("k", "w"));
    let second = machine.build_snapshot().unwrap();
    assert!(!first.dir.exists());
    drop(machine);
    let machine = open(&tmp, "a");
    let found = machine.current_snapshot().unwrap().unwrap();
    assert_eq!((found.last, found.dir), (second.last, second.dir));
}

#[test]
fn an_installed_snapshot_replaces_everything_and_keeps_uncommitted_log_that_follows_it() {
    let tmp = tempfile::tempdir().unwrap();
    let (leader, follower) = (open(&tmp, "a"), open(&tmp, "b"));
    for n in 0..5 {
        feed(&leader, 10 + n, EntryKind::ClientBatch, batch(&format!("k{n}"), "v"));
    }
    let sent = leader.build_snapshot().unwrap();
    // Has everything in its log, one entry more, but applied nothing.
    feed(&leader, 20, EntryKind::ClientBatch, batch("later", "v"));
    follower.log().append(leader.log().read(0..6, usize::MAX).unwrap()).unwrap();
    follower.install_snapshot(&sent.dir, sent.last, Bytes::from_static(b"m")).unwrap();
    assert_eq!(value(&follower, "k4").as_deref(), Some("v"));
    assert_eq!(value(&follower, "later"), None);
    assert_eq!(follower.log().tail(), leader.log().tail(), "the entry after the snapshot stayed");
    assert_eq!(*follower.committed().borrow(), leader.log().after(4).unwrap().unwrap().1.lsn);
    assert_eq!(follower.log().start(), Lsn::ZERO);
    let damaged = follower.install_snapshot(&sent.dir, Some(LogPos { term: 1, index: 3 }), Bytes::new());
    assert_eq!(damaged.unwrap_err().kind(), io::ErrorKind::InvalidData, "not the snapshot that was announced");
}

#[test]
fn requests_that_are_done_are_known_after_a_crash_and_on_a_replica_that_began_from_a_snapshot() {
    let tmp = tempfile::tempdir().unwrap();
    let (leader, follower) = (open(&tmp, "a"), open(&tmp, "b"));
    let session = SessionId(9);
    let done = |machine: &Machine, number| {
        let identity = WriteIdentity { id: WriteId { session, number }, settled: 1, uncertain_ms: 1 };
        machine.sessions().look(&identity, Scn(100))
    };
    let numbered = |number, value: &str| {
        let identity = pb::WriteIdentity { session: session.0.to_be_bytes().to_vec().into(), number, settled: 1 };
        let mut batch = pb::ClientBatch::decode(batch("k", value)).unwrap();
        batch.identities.push(identity);
        Bytes::from(batch.encode_to_vec())
    };
    feed(&leader, 10, EntryKind::ClientBatch, numbered(1, "v"));
    // Two requests that one entry carries, as the proposer joins them.
    let both = [numbered(2, "w"), numbered(3, "x")].concat();
    feed(&leader, 11, EntryKind::ClientBatch, both.into());
    let sent = leader.build_snapshot().unwrap();
    follower.install_snapshot(&sent.dir, sent.last, Bytes::from_static(b"m")).unwrap();
    leader.flush().unwrap();
    files::link_tree(&tmp.path().join("a"), &tmp.path().join("crashed")).unwrap();
    for machine in [leader, follower, open(&tmp, "crashed")] {
        let known = [1, 2, 3, 4].map(|number| done(&machine, number));
        assert_eq!(known, [Known::Done(Scn(10)), Known::Done(Scn(11)), Known::Done(Scn(11)), Known::New]);
    }
}

fn list(version: u64, left: &[u64]) -> Bytes {
    let list = pb::TabletList { version, next_tablet_id: TABLET.0 + 2, tablet_ids: left.to_vec() };
    list.encode_to_vec().into()
}

fn has(machine: &Machine) -> bool {
    machine.store().has_tablet(TABLET)
}

#[test]
fn a_drop_is_durable_before_the_tablet_is_gone() {
    let tmp = tempfile::tempdir().unwrap();
    let machine = open(&tmp, "a");
    feed(&machine, 10, EntryKind::ClientBatch, batch("k", "v"));
    machine.flush().unwrap();
    feed(&machine, 11, EntryKind::ClientBatch, batch("k2", "v"));
    feed(&machine, 12, EntryKind::Tablets, list(5, &[]));
    assert!(!has(&machine));
    // As a crash leaves it: what was written and not flushed is lost.
    files::link_tree(&tmp.path().join("a"), &tmp.path().join("crashed")).unwrap();
    let crashed = open(&tmp, "crashed");
    assert_eq!(crashed.inner().applied.unwrap().base.prev_scn, Scn(12), "else it would stand before rows that it lost");
    assert!(!has(&crashed) && crashed.inner().is_dropped(TABLET));
}

#[test]
fn a_drop_that_was_interrupted_is_carried_out_when_the_replica_opens() {
    let tmp = tempfile::tempdir().unwrap();
    let (other, machine) = (open(&tmp, "other"), open(&tmp, "a"));
    feed(&other, 10, EntryKind::ClientBatch, batch("k", "v"));
    feed(&machine, 10, EntryKind::Tablets, list(5, &[]));
    machine.store().copy_tablet(&other.store(), TABLET, 1 << 20).unwrap();
    machine.flush().unwrap();
    assert!(has(&machine), "as if the process had died before it was removed");
    drop(machine);
    assert!(!has(&open(&tmp, "a")));
}

#[test]
fn a_write_that_the_drop_has_overtaken_leaves_nothing_and_the_rest_of_its_batch_stays() {
    let tmp = tempfile::tempdir().unwrap();
    let machine = open(&tmp, "a");
    feed(&machine, 10, EntryKind::ClientBatch, batch("k", "v"));
    feed(&machine, 11, EntryKind::Tablets, list(5, &[TABLET.0 + 1]));
    let write = |n, key: &'static str| pb::Write { tablet_id: TABLET.0 + n, key: key.into(), ..pb::Write::default() };
    let writes = vec![write(0, "k"), write(1, "left"), write(2, "new")];
    let late = pb::ClientBatch { writes, identities: Vec::new() };
    assert_eq!(feed(&machine, 12, EntryKind::ClientBatch, late.encode_to_vec().into()), Outcome::Done(Scn(12)));
    assert!(!has(&machine));
    for n in [1, 2] {
        assert!(machine.store().has_tablet(TabletId(TABLET.0 + n)), "tablet {n} is left, or made later");
    }
    feed(&machine, 13, EntryKind::Tablets, list(4, &[]));
    assert!(machine.store().has_tablet(TabletId(TABLET.0 + 1)), "an older list says nothing");
}

#[test]
fn replayed_log_drops_at_its_own_place_however_often_it_was_restored() {
    let tmp = tempfile::tempdir().unwrap();
    let first = open(&tmp, "a");
    feed(&first, 10, EntryKind::ClientBatch, batch("k", "v"));
    let from = first.log().tail().lsn.0;
    let second = restore_from(&tmp, &first, "b");
    let third = restore_from(&tmp, &second, "c");
    let at = second.log().tail().lsn.0;
    let items = vec![
        (20, EntryKind::ClientBatch, batch("late", "v")),
        (21, EntryKind::Tablets, list(5, &[])),
        (22, EntryKind::ClientBatch, batch("overtaken", "v")),
    ];
    let log = replayed(from..from + 100, 22, items);
    feed(&second, 22, EntryKind::Replayed, log.clone());
    assert!(!has(&second) && second.inner().is_dropped(TABLET));
    assert!(has(&third));
    feed(&third, 23, EntryKind::Replayed, replayed(at..at + 100, 23, vec![(22, EntryKind::Replayed, log)]));
    assert!(!has(&third), "through two restores");
}
