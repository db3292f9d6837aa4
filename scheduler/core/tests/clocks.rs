//! Clocks that are off: who is told, who hands over to whom, and what of a leading scheduler's clock is believed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use proptest::prelude::*;
use strandline_scheduler_core::state::{ReplicaStanding, Worker};
use strandline_scheduler_core::*;
use strandline_types::limits::{CLOCK_WELL_MS, MAX_CLOCK_OFFSET_MS, WORKER_UNKNOWN_MS};
use strandline_types::*;

const LS: LsId = LsId(1001);

/// Three workers; the first one leads log stream 1001.
fn world() -> World {
    let mut w = World::with_tenant(3, 3);
    w.run(2);
    for worker in w.state.workers.values_mut() {
        let is_leader = worker.id == NodeId(1);
        let seen = worker.replicas.get_mut(&(TENANT, LS)).unwrap();
        (seen.is_leader, seen.standing, seen.end_lsn) = (is_leader, ReplicaStanding::Full, Lsn(1000));
    }
    let ls = w.state.tenants.get_mut(&TENANT).unwrap().log_streams.get_mut(&LS).unwrap();
    ls.leader = Some(NodeId(1));
    w
}

fn worker(w: &mut World, id: u64) -> &mut Worker {
    w.state.workers.get_mut(&NodeId(id)).unwrap()
}

/// Puts a worker's clock so many milliseconds ahead, as of its last report.
fn put(w: &mut World, id: u64, ahead_ms: i64) {
    let row = worker(w, id);
    row.clock_ms = row.last_heard_ms.checked_add_signed(ahead_ms).unwrap();
}

fn order(w: &World, id: u64) -> ReplicaOrder {
    orders_for(&w.state, NodeId(id)).replicas.into_iter().find(|r| r.ls_id == LS).unwrap()
}

fn told(w: &World) -> Vec<NodeId> {
    let of = |line: &Waiting| if let Who::Clock(worker) = line.who { Some(worker) } else { None };
    plan(&w.state, w.state.clock_ms).waiting.iter().filter_map(of).collect()
}

#[test]
fn between_right_and_far_off_nothing_is_done_and_both_sides_count_alike() {
    let (well, off) = (CLOCK_WELL_MS as i64, MAX_CLOCK_OFFSET_MS as i64);
    for (ahead_ms, is_told, takes_over) in
        [(0, false, true), (well, false, true), (well + 1, false, false), (off, false, false), (off + 1, true, false)]
    {
        for side in [1, -1] {
            // As the leader: only one that is far off hands over.
            let mut w = world();
            put(&mut w, 1, side * ahead_ms);
            assert_eq!(told(&w), if is_told { vec![NodeId(1)] } else { Vec::new() }, "{ahead_ms}");
            assert_eq!(order(&w, 1).hand_over_to.is_some(), is_told, "{ahead_ms}");
            // As an heir: only one that is right takes over.
            let mut w = world();
            put(&mut w, 1, 3_600_000);
            put(&mut w, 2, side * ahead_ms);
            put(&mut w, 3, -3_600_000);
            assert_eq!(order(&w, 1).hand_over_to, takes_over.then_some(NodeId(2)), "{ahead_ms}");
            // One with a wrong clock keeps still while one with a right clock leads.
            let mut w = world();
            put(&mut w, 2, side * ahead_ms);
            assert_eq!(order(&w, 2).held_back, is_told, "{ahead_ms}");
            assert!(!order(&w, 1).held_back && !order(&w, 3).held_back);
        }
    }
}

#[test]
fn the_heir_is_the_member_with_the_most_log_that_is_sound_votes_and_is_heard() {
    let mut w = world();
    put(&mut w, 1, 3_600_000);
    let heir = |w: &World| order(w, 1).hand_over_to;
    assert_eq!(heir(&w), Some(NodeId(2)), "of equals the lowest id");
    worker(&mut w, 3).replicas.get_mut(&(TENANT, LS)).unwrap().end_lsn = Lsn(1001);
    assert_eq!(heir(&w), Some(NodeId(3)));
    for standing in [ReplicaStanding::CatchingUp, ReplicaStanding::Empty] {
        worker(&mut w, 3).replicas.get_mut(&(TENANT, LS)).unwrap().standing = standing;
        assert_eq!(heir(&w), Some(NodeId(2)), "{standing:?}");
    }
    worker(&mut w, 3).replicas.get_mut(&(TENANT, LS)).unwrap().standing = ReplicaStanding::Full;
    let failure = Failure::new(ErrorClass::Transient, "it does not start", "replica", "");
    worker(&mut w, 3).replica_troubles.insert((TENANT, LS), failure);
    assert_eq!(heir(&w), Some(NodeId(2)));
    put(&mut w, 2, 3_600_000);
    assert_eq!((heir(&w), order(&w, 2).held_back), (None, false), "without an heir all stays as it is");
    worker(&mut w, 3).replica_troubles.clear();
    assert_eq!(heir(&w), Some(NodeId(3)));
    let heard_ms = w.state.clock_ms;
    w.state.clock_ms += WORKER_UNKNOWN_MS;
    for id in [1, 2] {
        worker(&mut w, id).last_heard_ms = heard_ms + WORKER_UNKNOWN_MS;
        put(&mut w, id, 3_600_000);
    }
    assert_eq!(heir(&w), None, "worker 3 is not heard any more");
    w.state.tenants.get_mut(&TENANT).unwrap().log_streams.get_mut(&LS).unwrap().leader = Some(NodeId(2));
    assert_eq!(heir(&w), None, "it does not lead any more");
}

#[test]
fn the_line_names_worker_side_and_seconds_and_blames_the_scheduler_only_when_nobody_agrees_with_it() {
    for (others_ms, blamed) in [(0, "set the time of that host"), (60_000, "clock of the leading scheduler")] {
        let mut w = world();
        put(&mut w, 1, -11_000);
        put(&mut w, 2, others_ms);
        put(&mut w, 3, others_ms);
        let planned = plan(&w.state, w.state.clock_ms);
        let line = planned.waiting.iter().find(|l| l.who == Who::Clock(NodeId(1))).unwrap();
        assert_eq!((line.tenant_id, line.since_ms), (TenantId::SYS, Some(w.state.workers[&NodeId(1)].last_heard_ms)));
        let text = line.to_string();
        assert!(text.starts_with("the clock of worker 1") && text.contains("11 s behind"), "{text}");
        assert!(text.contains(blamed), "{text}");
    }
}

proptest! {
    #[test]
    fn a_leaders_clock_is_believed_as_far_as_the_workers_bear_it_out_and_time_never_falls(
        words in prop::collection::vec((-20_000i64..40_000_000, any::<bool>(), 0u64..400), 1..40),
    ) {
        let mut w = World::new(3);
        for (leader_ahead_ms, beats, passed_ms) in words {
            w.now_ms += passed_ms;
            let before_ms = w.state.clock_ms;
            let said_ms = w.now_ms.checked_add_signed(leader_ahead_ms).unwrap();
            let is_heard = said_ms.saturating_sub(w.state.schedulers.heard_raw_ms) < WORKER_UNKNOWN_MS;
            let bound_ms = w.state.workers.values().map(|x| x.clock_ms).max().unwrap() + MAX_CLOCK_OFFSET_MS;
            let action = Action::SetArchiveLag { tenant: TENANT, lag_target_ms: 1 };
            let _ = apply(&mut w.state, Command { proposed_at_ms: said_ms, action });
            prop_assert!(w.state.clock_ms >= before_ms);
            prop_assert!(!is_heard || w.state.clock_ms <= before_ms.max(bound_ms), "dragged along");
            prop_assert!(w.state.present(said_ms) >= w.state.clock_ms);
            prop_assert_eq!(w.state.believed(said_ms, None), w.state.believed(said_ms, None).min(said_ms));
            if beats {
                w.beat();
            }
        }
    }
}
