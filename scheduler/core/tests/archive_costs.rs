//! What archiving costs the medium when little happens, and how soon the first write after idling is safe.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, archive_spec};
use strandline_scheduler_core::*;
use strandline_types::*;

const LS: LsId = LsId(1001);
const BEATS_PER_KEEP_ALIVE: u32 = (limits::KEEP_ALIVE_IDLE_MS / limits::HEARTBEAT_MS) as u32;

/// A tenant with these many user log streams that archives and has come to rest.
fn at_rest(log_streams: u32) -> World {
    let mut w = World::new(3);
    w.act(Action::CreateTenant { name: "t".to_owned(), log_streams, replicas: 3 }).unwrap();
    w.run(5);
    let dest = Some(archive_spec("file:///arc", 86_400));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.run(50);
    assert_eq!(w.round().state, RoundState::Doing);
    w
}

/// One stream appends a group; in an idle tenant log stream 1 does so by itself.
fn append(w: &mut World, ls: LsId) -> Scn {
    let now = Scn::from_ms(w.now_ms);
    let stream = w.streams.get_mut(&(TENANT, ls)).unwrap();
    stream.end_lsn = stream.end_lsn.advance(100);
    stream.max_scn = Scn::hybrid(now.0, stream.max_scn, Scn::MIN);
    stream.max_scn
}

#[test]
fn an_idle_tenant_costs_at_most_one_small_write_per_log_stream_and_thirty_seconds() {
    for log_streams in [1, 2, 8] {
        let mut w = at_rest(log_streams);
        let ends = |w: &World| -> Vec<u64> { w.streams.values().map(|s| s.end_lsn.0).collect() };
        let (before, began_ms, done) = (ends(&w), w.now_ms, w.medium.len());
        for _ in 0..10 {
            append(&mut w, LsId::SYS);
            w.run(BEATS_PER_KEEP_ALIVE);
        }
        // Every group is an append of its own: a hundred bytes each in this world.
        let appends: u64 = before.iter().zip(ends(&w)).map(|(was, is)| (is - was) / 100).sum();
        let publish = |work: &&MediumWork| matches!(work, MediumWork::PublishCheckpoint { .. });
        let published = w.medium[done..].iter().filter(publish).count();
        assert_eq!(published, w.medium.len() - done, "nothing else is written: {:#?}", &w.medium[done..]);
        // A checkpoint is one object that comes and one that goes.
        let writes = appends + 2 * published as u64;
        let allowed = u64::from(log_streams + 1) * (w.now_ms - began_ms) / limits::IDLE_WRITE_MS;
        assert!(writes <= allowed, "{writes} writes, {allowed} are allowed, {log_streams} user log streams");
        assert!(w.round().checkpoint_scn.as_ms() > w.now_ms - 2 * limits::KEEP_ALIVE_IDLE_MS, "and it moves");
    }
}

#[test]
fn the_first_write_after_idling_is_covered_within_the_lag_target_while_the_others_stay_idle() {
    for ls in [LsId::SYS, LS] {
        let mut w = at_rest(8);
        w.run(2 * BEATS_PER_KEEP_ALIVE);
        let (scn, at_ms) = (append(&mut w, ls), w.now_ms);
        w.until("covered", |w| w.round().checkpoint_scn >= scn);
        // What the archivers add is their hold, which is none after idling, and two appends.
        assert!(w.now_ms - at_ms <= limits::ARCHIVE_LAG_TARGET_MS / 2, "{} ms", w.now_ms - at_ms);
    }
}

#[test]
fn an_object_store_sees_a_checkpoint_per_quarter_of_the_lag_target_and_the_last_one_at_once() {
    let published = |uri: &str| {
        let mut w = World::with_tenant(1, 1);
        let dest = Some(archive_spec(uri, 3600));
        w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest }).unwrap();
        w.act(Action::SetArchiveLag { tenant: TENANT, lag_target_ms: 4000 }).unwrap();
        w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
        w.run(50);
        let done = w.medium.len();
        for _ in 0..100 {
            w.write();
            w.run(1);
        }
        let publish = |work: &&MediumWork| matches!(work, MediumWork::PublishCheckpoint { .. });
        let count = w.medium[done..].iter().filter(publish).count() as u64;
        w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
        w.until("STOP", |w| w.round().state == RoundState::Stop);
        let archived = w.round().progress.values().map(|p| p.checkpoint_scn).min().unwrap();
        assert_eq!(w.round().checkpoint_scn, archived, "a round that stops waits for no pause");
        count
    };
    let seconds = 100 * limits::HEARTBEAT_MS / 1000;
    assert!((seconds - 2..=seconds + 1).contains(&published("s3://b/arc?host=h")), "one per second");
    assert!(published("file:///arc") >= 99, "a directory takes every one");
}
