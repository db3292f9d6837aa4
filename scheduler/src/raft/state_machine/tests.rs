//! The state machine: the storage suite, restarts, snapshots, damage.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use bytes::Bytes;
use std::sync::Arc;
use strandline_consensus::testing::{Storage, storage_suite};
use strandline_consensus::{Payload, RocksLog};
use strandline_scheduler_core::{Action, Done, Outcome};
use strandline_types::{ErrorClass, NodeId, Term};
use tempfile::TempDir;

fn entry(index: u64, action: Action) -> Entry {
    let command = Command { proposed_at_ms: index, action };
    let body = Bytes::from(strandline_stored::encode(&command).unwrap());
    Entry { pos: LogPos { term: 1, index }, body: EntryBody::Normal(Payload { scn: 0, kind: 1, body }) }
}

fn lead(index: u64) -> Entry {
    entry(index, Action::TakeLead { node: NodeId(1), term: Term(index) })
}

fn outcome(reply: &Reply) -> Outcome {
    postcard::from_bytes(&reply.0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn state_machine_and_log_pass_the_storage_suite() {
    let make = || {
        let dir = TempDir::new()?;
        Ok(Storage {
            log: Arc::new(RocksLog::open(&dir.path().join("log"))?),
            sm: Arc::new(StateMachine::open(dir.path().join("state"))?),
            guard: Box::new(dir),
        })
    };
    storage_suite(make).await.unwrap();
}

#[test]
fn a_refusal_comes_back_as_a_refusal_and_the_position_moves_on() {
    let dir = TempDir::new().unwrap();
    let state_machine = StateMachine::open(dir.path().into()).unwrap();
    let refused = entry(1, Action::DropTenant { tenant: 9.into() });
    let replies = state_machine.apply(vec![lead(0), refused]).unwrap();
    assert!(matches!(outcome(&replies[0]), Ok(Done::Ok | Done::Nothing)));
    assert_eq!(outcome(&replies[1]).unwrap_err().class, ErrorClass::NotFound);
    assert_eq!(state_machine.applied().unwrap().last, Some(LogPos { term: 1, index: 1 }));
}

#[test]
fn commands_that_were_written_before_there_were_versions_are_refused_with_the_way_to_go() {
    let dir = TempDir::new().unwrap();
    let state_machine = StateMachine::open(dir.path().into()).unwrap();
    // They began with the clock, whose first byte is above every version.
    let body = Bytes::from(postcard::to_stdvec(&1_700_000_000_000u64).unwrap());
    let body = EntryBody::Normal(Payload { scn: 0, kind: 1, body });
    let error = state_machine.apply(vec![Entry { pos: LogPos { term: 1, index: 0 }, body }]).unwrap_err();
    assert!(error.to_string().contains("the version before this one"), "{error}");
}

#[test]
fn a_command_that_cannot_be_read_stops_the_node_before_its_state_differs() {
    let dir = TempDir::new().unwrap();
    let state_machine = StateMachine::open(dir.path().into()).unwrap();
    state_machine.apply(vec![lead(1)]).unwrap();
    let newer = Bytes::from_static(&[strandline_stored::LAST_VERSION, 0xff, 0x7f]);
    let body = EntryBody::Normal(Payload { scn: 0, kind: 1, body: newer });
    let error = state_machine.apply(vec![Entry { pos: LogPos { term: 1, index: 2 }, body }]).unwrap_err();
    assert!(error.to_string().contains("upgrade"), "{error}");
    assert_eq!(state_machine.applied().unwrap().last.unwrap().index, 1, "it is applied after the upgrade");
}

#[test]
fn a_restart_loads_the_newest_snapshot_and_the_log_does_the_rest() {
    let dir = TempDir::new().unwrap();
    let state_machine = StateMachine::open(dir.path().into()).unwrap();
    state_machine.apply((1..5).map(lead).collect()).unwrap();
    state_machine.build_snapshot().unwrap();
    state_machine.apply((5..9).map(lead).collect()).unwrap();
    state_machine.build_snapshot().unwrap();
    state_machine.apply((9..12).map(lead).collect()).unwrap();
    let whole = state_machine.read(Clone::clone);

    let again = StateMachine::open(dir.path().into()).unwrap();
    assert_eq!(again.applied().unwrap().last.unwrap().index, 8, "the newest snapshot");
    again.apply((9..12).map(lead).collect()).unwrap();
    assert_eq!(again.read(Clone::clone), whole);
    assert_eq!(snapshot_dirs(dir.path()).unwrap().len(), 1, "older snapshots are gone");
}

#[test]
fn a_follower_takes_a_snapshot_whole() {
    let (a, b) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let leader = StateMachine::open(a.path().into()).unwrap();
    leader.apply((1..5).map(lead).collect()).unwrap();
    let snapshot = leader.build_snapshot().unwrap();
    let follower = StateMachine::open(b.path().into()).unwrap();
    let mut changes = follower.changes();
    follower.install_snapshot(&snapshot.dir, snapshot.last, snapshot.membership).unwrap();
    assert!(changes.has_changed().unwrap());
    assert_eq!(*changes.borrow_and_update(), 4);
    assert_eq!(follower.read(Clone::clone), leader.read(Clone::clone));
    assert_eq!(StateMachine::open(b.path().into()).unwrap().read(Clone::clone), leader.read(Clone::clone), "durably");
}

#[test]
fn a_damaged_snapshot_is_an_error_that_names_the_file() {
    let dir = TempDir::new().unwrap();
    let state_machine = StateMachine::open(dir.path().into()).unwrap();
    state_machine.apply(vec![lead(1)]).unwrap();
    let file = state_machine.build_snapshot().unwrap().dir.join("state");
    let good = fs::read(&file).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&file, &bad).unwrap();
        let error = StateMachine::open(dir.path().into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "byte {at}");
        assert!(error.to_string().contains("state"), "{error}");
    }
}
