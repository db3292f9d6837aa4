//! Replicas that lost their disks, or do not run: shown as what they are, with what to do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use std::collections::BTreeMap;
use strandline_scheduler_core::state::{ReplicaStanding, Worker};
use strandline_scheduler_core::views::{Value, view};
use strandline_scheduler_core::*;
use strandline_types::*;

const LS: LsId = LsId(1001);

/// What a worker said last, again.
fn again(w: &World, worker: NodeId) -> WorkerReport {
    let Worker { id, address, boot_id, clock_ms, replicas, .. } = w.state.workers[&worker].clone();
    let replicas = replicas.into_iter().map(|((tenant_id, ls_id), r)| ReplicaReport {
        tenant_id,
        ls_id,
        is_leader: r.is_leader,
        term: r.term,
        leader: None,
        end_lsn: r.end_lsn,
        max_scn: r.max_scn,
        log_start_lsn: r.log_start_lsn,
        dictionary_version: 0,
        tablets_version: 0,
        restored_dictionary: None,
        replayed_scn: r.replayed_scn,
        standing: r.standing,
    });
    WorkerReport {
        worker_id: id,
        address,
        boot_id,
        clock_ms: clock_ms + 1,
        replicas: replicas.collect(),
        archive: Vec::new(),
        archive_waiting: Vec::new(),
        tasks: Vec::new(),
        replica_troubles: BTreeMap::new(),
    }
}

/// The worker comes back with an empty disk.
fn lose_disk(w: &mut World, worker: NodeId) {
    let mut report = again(w, worker);
    report.boot_id += 1;
    for r in &mut report.replicas {
        (r.is_leader, r.term, r.end_lsn, r.max_scn) = (false, Term(0), Lsn::ZERO, Scn::MIN);
        r.standing = ReplicaStanding::Empty;
    }
    hear(w, report);
}

fn hear(w: &mut World, report: WorkerReport) {
    let report = news(&w.state, report, w.now_ms).expect("it is news");
    w.act(Action::Heartbeats(vec![report])).unwrap();
}

/// Role, status and comment of the replica of [`LS`] on a worker.
fn shown(w: &World, worker: NodeId) -> (String, String, String) {
    let table = view(&w.state, w.now_ms, "CDB_OB_LS_LOCATIONS").unwrap();
    let at = |name: &str| table.columns.iter().position(|c| *c == name).unwrap();
    let text = |row: &[Value], name: &str| match &row[at(name)] {
        Value::Text(t) => t.clone(),
        other => format!("{other:?}"),
    };
    let is = |row: &&Vec<Value>| row[at("LS_ID")] == Value::Uint(LS.0) && row[at("SVR_ID")] == Value::Uint(worker.0);
    let row = table.rows.iter().find(is).unwrap();
    (text(row, "ROLE"), text(row, "STATUS"), text(row, "COMMENT"))
}

/// What [`LS`] waits on.
fn waits_on(w: &World) -> Option<String> {
    let waiting = plan(&w.state, w.now_ms).waiting;
    waiting.into_iter().find(|x| x.what.contains("log stream 1001")).map(|x| x.on)
}

#[test]
fn the_only_replica_of_a_log_stream_is_lost_with_its_disk() {
    let mut w = World::with_tenant(1, 1);
    assert_eq!(shown(&w, NodeId(1)), ("LEADER".into(), "NORMAL".into(), String::new()));
    assert_eq!(waits_on(&w), None);
    lose_disk(&mut w, NodeId(1));
    let (role, status, comment) = shown(&w, NodeId(1));
    assert_eq!((role.as_str(), status.as_str()), ("FOLLOWER", "LOST"));
    assert!(comment.contains("RESTORE it from a backup"), "{comment}");
    let on = waits_on(&w).unwrap();
    assert!(on.contains("worker 1 lost with its disk") && on.contains("DROP TENANT"), "{on}");
    assert_eq!(w.state.tenants[&TENANT].log_streams[&LS].leader, None);
}

#[test]
fn one_lost_disk_of_three_is_healed_and_two_are_a_loss() {
    let mut w = World::with_tenant(3, 3);
    let leader = w.state.tenants[&TENANT].log_streams[&LS].leader.unwrap();
    let others: Vec<NodeId> = (1..=3).map(NodeId).filter(|n| *n != leader).collect();
    lose_disk(&mut w, others[0]);
    assert_eq!(shown(&w, others[0]).1, "EMPTY");
    assert_eq!(waits_on(&w), None);
    let mut report = again(&w, others[0]);
    report.replicas.iter_mut().for_each(|r| r.standing = ReplicaStanding::CatchingUp);
    hear(&mut w, report);
    assert_eq!(shown(&w, others[0]).1, "CATCHING_UP");

    lose_disk(&mut w, others[0]);
    lose_disk(&mut w, others[1]);
    assert_eq!(shown(&w, others[1]).1, "EMPTY", "the leader feeds them both");
    let mut report = again(&w, leader);
    report.replicas.iter_mut().for_each(|r| r.is_leader = false);
    hear(&mut w, report);
    assert_eq!(shown(&w, leader).1, "NORMAL");
    assert_eq!((shown(&w, others[0]).1, shown(&w, others[1]).1), ("LOST".into(), "LOST".into()));
    assert!(waits_on(&w).unwrap().contains("lost with its disk"));
}

#[test]
fn a_replica_that_does_not_run_is_shown_with_its_reason() {
    let mut w = World::with_tenant(3, 3);
    let leader = w.state.tenants[&TENANT].log_streams[&LS].leader.unwrap();
    let other = (1..=3).map(NodeId).find(|n| *n != leader).unwrap();
    let mut report = again(&w, other);
    report.replicas.retain(|r| r.ls_id != LS);
    let trouble = Failure::new(ErrorClass::Corrupt, "log group at lsn 77 is damaged", "/d/log", "remove this replica");
    report.replica_troubles = BTreeMap::from([((TENANT, LS), trouble)]);
    hear(&mut w, report);
    let (_, status, comment) = shown(&w, other);
    assert_eq!(status, "STOPPED");
    assert!(comment.contains("lsn 77 is damaged"), "{comment}");
    let on = waits_on(&w).unwrap();
    assert!(on.contains(&format!("worker {other}")) && on.contains("lsn 77"), "{on}");
}

#[test]
fn a_cluster_id_is_a_number_from_one_on_and_is_given_once() {
    let mut fresh = State::default();
    let init = |id| Action::InitCluster {
        id: ClusterId(id),
        name: "n".to_owned(),
        schedulers: vec![(NodeId(1), "a:1".into())],
    };
    let mut act = |id, ms| apply(&mut fresh, Command { proposed_at_ms: ms, action: init(id) });
    assert_eq!(act(0, 1000).unwrap_err().class, ErrorClass::Invalid);
    act(7, 2000).unwrap();
    assert_eq!(act(8, 3000).unwrap_err().class, ErrorClass::Invalid);
    assert_eq!(act(7, 4000), Ok(Done::Nothing));
    assert_eq!((fresh.cluster.id, fresh.cluster.born_ms), (ClusterId(7), 2000));
    // One that an earlier version let begin without an id: workers know it by its birth.
    let mut old = State::default();
    old.cluster.born_ms = 500;
    apply(&mut old, Command { proposed_at_ms: 9000, action: init(7) }).unwrap();
    assert_eq!((old.cluster.id, old.cluster.born_ms), (ClusterId(7), 500));
}
