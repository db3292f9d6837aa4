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
        free_bytes: None,
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
    waiting.into_iter().find(|x| matches!(x.who, Who::LogStream(LS, _))).map(|x| x.on.to_string())
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

/// The worker does not run its replica of [`LS`] for this reason.
fn stops(w: &mut World, worker: NodeId, class: ErrorClass, what: &str) {
    let mut report = again(w, worker);
    report.replicas.retain(|r| r.ls_id != LS);
    let trouble = Failure::new(class, what, "/d/log", "look at the disk");
    report.replica_troubles = BTreeMap::from([((TENANT, LS), trouble)]);
    hear(w, report);
}

fn is_rebuilt(w: &World, worker: NodeId) -> bool {
    orders_for(&w.state, worker).replicas.iter().any(|r| r.rebuild && r.ls_id == LS)
}

#[test]
fn a_replica_that_does_not_run_is_shown_with_its_reason_and_left_alone_when_its_files_are_sound() {
    let mut w = World::with_tenant(3, 3);
    let leader = w.state.tenants[&TENANT].log_streams[&LS].leader.unwrap();
    let other = (1..=3).map(NodeId).find(|n| *n != leader).unwrap();
    stops(&mut w, other, ErrorClass::Exhausted, "no space left on device");
    let (_, status, comment) = shown(&w, other);
    assert_eq!(status, "STOPPED");
    assert!(comment.contains("no space left"), "{comment}");
    let on = waits_on(&w).unwrap();
    assert!(on.contains(&format!("worker {other}")) && on.contains("no space left"), "{on}");
    assert!(!is_rebuilt(&w, other), "a full disk comes back by itself");
}

#[test]
fn a_damaged_replica_is_rebuilt_while_the_others_are_a_majority_that_votes() {
    let mut w = World::with_tenant(3, 3);
    let leader = w.state.tenants[&TENANT].log_streams[&LS].leader.unwrap();
    let others: Vec<NodeId> = (1..=3).map(NodeId).filter(|n| *n != leader).collect();
    stops(&mut w, others[0], ErrorClass::Corrupt, "log group at lsn 77 is damaged");
    let (_, status, comment) = shown(&w, others[0]);
    assert_eq!(status, "DAMAGED");
    assert!(comment.contains("lsn 77 is damaged") && comment.contains("rebuilt from the others"), "{comment}");
    let on = waits_on(&w).unwrap();
    assert!(on.contains(&format!("worker {}", others[0])) && on.contains("lsn 77"), "{on}");
    assert!(is_rebuilt(&w, others[0]) && !is_rebuilt(&w, leader) && !is_rebuilt(&w, others[1]));
    // One of the others does not vote: two of three replicas would be at stake.
    let mut report = again(&w, others[1]);
    report.replicas.iter_mut().for_each(|r| r.standing = ReplicaStanding::CatchingUp);
    hear(&mut w, report);
    assert!(!is_rebuilt(&w, others[0]));
    let comment = shown(&w, others[0]).2;
    assert!(comment.contains("nothing is moved"), "{comment}");
    let mut report = again(&w, others[1]);
    report.replicas.iter_mut().for_each(|r| r.standing = ReplicaStanding::Full);
    hear(&mut w, report);
    assert!(is_rebuilt(&w, others[0]));
    // Nor while two are damaged.
    stops(&mut w, others[1], ErrorClass::Corrupt, "the manifest is damaged");
    assert!(!is_rebuilt(&w, others[0]) && !is_rebuilt(&w, others[1]));
}

#[test]
fn a_damaged_replica_is_not_rebuilt_from_workers_that_are_not_heard() {
    let mut w = World::with_tenant(3, 3);
    let leader = w.state.tenants[&TENANT].log_streams[&LS].leader.unwrap();
    let others: Vec<NodeId> = (1..=3).map(NodeId).filter(|n| *n != leader).collect();
    w.kill(others[1]);
    w.now_ms += limits::WORKER_UNKNOWN_MS;
    w.run(2);
    stops(&mut w, others[0], ErrorClass::Corrupt, "log group at lsn 77 is damaged");
    assert!(!is_rebuilt(&w, others[0]));
}

#[test]
fn the_only_replica_is_shown_as_damaged_and_stays_as_it_is() {
    let mut w = World::with_tenant(1, 1);
    stops(&mut w, NodeId(1), ErrorClass::Corrupt, "log group at lsn 77 is damaged");
    let (_, status, comment) = shown(&w, NodeId(1));
    assert_eq!(status, "DAMAGED");
    assert!(comment.contains("the only one") && comment.contains("lsn 77"), "{comment}");
    assert!(!is_rebuilt(&w, NodeId(1)));
}

/// A worker whose clock is off by this.
fn set_clock(w: &mut World, worker: NodeId, offset_ms: i64) {
    let mut report = again(w, worker);
    report.boot_id += 1;
    report.clock_ms = w.now_ms.saturating_add_signed(offset_ms);
    w.act(Action::Heartbeats(vec![report])).unwrap();
}

fn order(w: &World, worker: NodeId) -> ReplicaOrder {
    orders_for(&w.state, worker).replicas.into_iter().find(|r| r.ls_id == LS).unwrap()
}

#[test]
fn a_leader_with_a_wrong_clock_hands_over_to_a_member_with_a_right_one_and_does_not_come_back() {
    let mut w = World::with_tenant(3, 3);
    let leader = w.state.tenants[&TENANT].log_streams[&LS].leader.unwrap();
    let others: Vec<NodeId> = (1..=3).map(NodeId).filter(|n| *n != leader).collect();
    for worker in (1..=3).map(NodeId) {
        assert_eq!((order(&w, worker).hand_over_to, order(&w, worker).held_back), (None, false));
    }
    set_clock(&mut w, leader, 3_600_000);
    set_clock(&mut w, others[0], -(limits::CLOCK_WELL_MS as i64) - 1);
    assert_eq!(order(&w, leader).hand_over_to, Some(others[1]), "the first of the others is neither right nor far off");
    assert!(!order(&w, leader).held_back, "nobody with a right clock leads yet");
    // The other one leads.
    let mut report = again(&w, leader);
    report.replicas.iter_mut().filter(|r| r.ls_id == LS).for_each(|r| r.is_leader = false);
    hear(&mut w, report);
    let mut report = again(&w, others[1]);
    report.replicas.iter_mut().filter(|r| r.ls_id == LS).for_each(|r| (r.is_leader, r.term) = (true, r.term.next()));
    hear(&mut w, report);
    assert_eq!((order(&w, leader).hand_over_to, order(&w, leader).held_back), (None, true));
    assert!(!order(&w, others[0]).held_back && !order(&w, others[1]).held_back);
    set_clock(&mut w, leader, 0);
    assert!(!order(&w, leader).held_back, "it was put right");
}

#[test]
fn nobody_is_moved_when_all_clocks_are_off_and_the_schedulers_is_named() {
    let mut w = World::with_tenant(3, 3);
    for worker in (1..=3).map(NodeId) {
        set_clock(&mut w, worker, 3_600_000);
    }
    for worker in (1..=3).map(NodeId) {
        assert_eq!((order(&w, worker).hand_over_to, order(&w, worker).held_back), (None, false));
    }
    let waiting = plan(&w.state, w.now_ms).waiting;
    let on: Vec<String> =
        waiting.into_iter().filter(|x| matches!(x.who, Who::Clock(_))).map(|x| x.on.to_string()).collect();
    assert!(!on.is_empty() && on.iter().all(|on| on.contains("clock of the leading scheduler")), "{on:?}");
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

#[test]
fn a_clock_that_is_far_off_is_shown_and_named_until_it_is_right() {
    let mut w = World::with_tenant(3, 3);
    w.run(2);
    let wrong = |w: &World| {
        let waiting = plan(&w.state, w.now_ms).waiting;
        waiting.into_iter().find(|x| x.who == Who::Clock(NodeId(2))).map(|x| x.on.to_string())
    };
    assert_eq!(wrong(&w), None);
    let hour_ms = 3_600_000;
    for (offset_ms, said) in [(hour_ms, "3600 s ahead of"), (-hour_ms, "3600 s behind")] {
        let mut report = again(&w, NodeId(2));
        report.boot_id += 1;
        report.clock_ms = w.now_ms.saturating_add_signed(offset_ms);
        w.act(Action::Heartbeats(vec![report])).unwrap();
        let on = wrong(&w).unwrap_or_else(|| panic!("{offset_ms} ms is not named"));
        assert!(on.contains(said), "{on}");
        let servers = view(&w.state, w.now_ms, "CDB_OB_SERVERS").unwrap();
        let at = servers.columns.iter().position(|c| *c == "CLOCK_OFFSET_MS").unwrap();
        assert!(servers.rows.iter().any(|row| row[at] == Value::Int(offset_ms)), "{:?}", servers.rows);
    }
    w.run(2);
    assert_eq!(wrong(&w), None, "it was put right");
}
