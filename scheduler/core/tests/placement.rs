//! Where replicas go: on as many workers as there are replicas, evenly, and only on workers that are heard of.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{World, restore_request};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use strandline_scheduler_core::state::Tenant;
use strandline_scheduler_core::*;
use strandline_types::*;

fn create(w: &mut World, n: usize, log_streams: u32, replicas: u32) -> Result<TenantId, Failure> {
    let made = w.act(Action::CreateTenant { name: format!("t{n}"), log_streams, replicas })?;
    let Done::Tenant(id) = made else { panic!("{made:?}") };
    Ok(id)
}

/// Replicas on each of these workers, of all tenants.
fn load(w: &World, workers: &BTreeSet<NodeId>) -> BTreeMap<NodeId, usize> {
    let members = || w.state.tenants.values().flat_map(|t| t.log_streams.values()).flat_map(|ls| &ls.members);
    workers.iter().map(|id| (*id, members().filter(|m| *m == id).count())).collect()
}

/// How far the most and the least busy one are apart.
fn spread(load: &BTreeMap<NodeId, usize>) -> usize {
    load.values().max().unwrap() - load.values().min().unwrap()
}

fn is_sound(tenant: &Tenant, live: &BTreeSet<NodeId>) -> bool {
    tenant.log_streams.values().all(|ls| {
        let members: BTreeSet<NodeId> = ls.members.iter().copied().collect();
        members.len() == tenant.replicas as usize && members.len() == ls.members.len() && members.is_subset(live)
    })
}

proptest! {
    #[test]
    fn no_two_replicas_share_a_worker_and_no_worker_has_more_than_one_replica_above_another(
        workers in 1u64..8, tenants in prop::collection::vec((1u32..7, 1u32..6), 1..6),
    ) {
        let mut w = World::new(workers);
        let live = w.alive.clone();
        for (n, (log_streams, replicas)) in tenants.into_iter().enumerate() {
            let before = w.state.clone();
            match create(&mut w, n, log_streams, replicas) {
                Ok(id) => prop_assert!(is_sound(&w.state.tenants[&id], &live)),
                Err(refused) => {
                    prop_assert!(u64::from(replicas) > workers, "{}", refused);
                    prop_assert_eq!(&before, &w.state);
                }
            }
            prop_assert!(spread(&load(&w, &live)) <= 1, "{:?}", load(&w, &live));
        }
    }

    #[test]
    fn the_groups_of_a_tenant_on_all_workers_are_started_by_each_of_them_in_turn(workers in 1u64..6, streams in 1u32..12) {
        let mut w = World::new(workers);
        let id = create(&mut w, 0, streams, u32::try_from(workers).unwrap()).unwrap();
        let mut starts: BTreeMap<NodeId, usize> = w.alive.iter().map(|n| (*n, 0)).collect();
        for ls in w.state.tenants[&id].log_streams.values() {
            *starts.get_mut(&ls.members[0]).unwrap() += 1;
        }
        prop_assert!(spread(&starts) <= 1, "{:?}", starts);
    }
}

#[test]
fn too_few_workers_are_counted_in_the_refusal_and_nothing_is_made() {
    for (workers, silent) in [(1, 0), (2, 0), (3, 1), (5, 3)] {
        let mut w = World::new(workers);
        for n in 1..=silent {
            w.kill(NodeId(n));
        }
        w.now_ms += limits::WORKER_UNKNOWN_MS;
        w.beat();
        let before = w.state.clone();
        let refused = create(&mut w, 0, 2, 3).unwrap_err();
        assert_eq!(refused.class, ErrorClass::Exhausted);
        let text = refused.to_string();
        assert!(text.contains(&format!("3 live workers, there are {}", workers - silent)), "{text}");
        assert!(text.contains("CDB_OB_SERVERS") && text.contains("fewer replicas"), "{text}");
        assert_eq!((w.state.tenants.len(), w.state.next), (0, before.next), "no number is lost");
        assert!(create(&mut w, 0, 2, 2.min(u32::try_from(workers - silent).unwrap())).is_ok());
    }
}

#[test]
fn a_new_worker_and_one_that_comes_back_get_what_the_others_have_more() {
    let mut w = World::new(2);
    create(&mut w, 0, 3, 2).unwrap();
    w.boot(NodeId(3));
    w.beat();
    create(&mut w, 1, 3, 1).unwrap();
    assert_eq!(load(&w, &w.alive), BTreeMap::from([(NodeId(1), 4), (NodeId(2), 4), (NodeId(3), 4)]));
    // One that is silent is no place, though it has the fewest; later it is.
    w.kill(NodeId(3));
    w.now_ms += limits::WORKER_UNKNOWN_MS;
    w.beat();
    create(&mut w, 2, 3, 1).unwrap();
    let all: BTreeSet<NodeId> = (1..=3).map(NodeId).collect();
    assert_eq!(load(&w, &all), BTreeMap::from([(NodeId(1), 6), (NodeId(2), 6), (NodeId(3), 4)]));
    w.boot(NodeId(3));
    w.beat();
    create(&mut w, 3, 1, 1).unwrap();
    assert_eq!(load(&w, &all)[&NodeId(3)], 6);
}

#[test]
fn the_replica_of_a_restore_moves_to_the_least_busy_worker_that_has_none_and_else_waits_for_its_own() {
    for (workers, moves_to) in [(4, Some(NodeId(4))), (3, None)] {
        let mut w = World::new(3);
        // Workers that come later have the fewest replicas.
        create(&mut w, 0, 2, 3).unwrap();
        w.run(3);
        for n in 4..=workers {
            w.boot(NodeId(n));
        }
        w.task_hook = |_, _, order| Some(harness::report(order, TaskState::Doing, None, None));
        w.act(restore_request("r", 3)).unwrap();
        w.run(2);
        let tenant = w.state.restore_jobs().next().unwrap().tenant_id;
        let lost = w.state.tenants[&tenant].log_streams[&LsId::SYS].members[0];
        w.kill(lost);
        w.now_ms += limits::WORKER_UNKNOWN_MS;
        w.beat();
        let planned = plan(&w.state, w.now_ms);
        let to = planned.steps.iter().find_map(|s| match s.then {
            Action::MoveReplica { ls: LsId::SYS, from, to, .. } if from == lost => Some(to),
            _ => None,
        });
        assert_eq!(to.is_some(), moves_to.is_some(), "{planned:#?}");
        assert!(to.is_none_or(|to| !w.state.tenants[&tenant].log_streams[&LsId::SYS].members.contains(&to)));
        if to.is_none() {
            w.run(2);
            let waiting = plan(&w.state, w.now_ms).waiting;
            assert!(
                waiting.iter().any(|x| x.on == On::LiveWorker || x.on.to_string().contains("lost")),
                "{waiting:#?}"
            );
        }
    }
}
