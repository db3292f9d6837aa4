//! Tenants, tables, workers, orders.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{START_MS, TENANT, World, archive_spec};
use std::collections::BTreeMap;
use strandline_scheduler_core::*;
use strandline_types::*;

#[test]
fn replicas_and_first_members_are_spread_over_live_workers() {
    let mut w = World::new(4);
    w.act(Action::CreateTenant { name: "t".to_owned(), log_streams: 7, replicas: 3 }).unwrap();
    let mut replicas: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut firsts: BTreeMap<NodeId, usize> = BTreeMap::new();
    for ls in w.state.tenants[&TENANT].log_streams.values() {
        for m in &ls.members {
            *replicas.entry(*m).or_default() += 1;
        }
        *firsts.entry(ls.members[0]).or_default() += 1;
    }
    assert_eq!(replicas.values().collect::<Vec<_>>(), [&6, &6, &6, &6]);
    assert!(firsts.len() >= 3, "{firsts:?}");
}

#[test]
fn an_unknown_worker_gets_no_replica() {
    let mut w = World::new(3);
    w.kill(NodeId(2));
    w.now_ms += limits::WORKER_UNKNOWN_MS + 1;
    w.beat();
    let made = w.act(Action::CreateTenant { name: "t".to_owned(), log_streams: 1, replicas: 3 });
    assert_eq!(made.unwrap_err().class, ErrorClass::Exhausted);
    w.act(Action::CreateTenant { name: "t".to_owned(), log_streams: 3, replicas: 1 }).unwrap();
    let streams = &w.state.tenants[&TENANT].log_streams;
    assert!(streams.values().all(|ls| !ls.members.contains(&NodeId(2))));
}

#[test]
fn a_new_leader_hears_the_workers_before_it_calls_them_unknown() {
    let mut w = World::new(1);
    let later = w.now_ms + 60_000;
    assert!(!w.state.is_known(NodeId(1), later));
    w.now_ms = later;
    w.act(Action::TakeLead { node: NodeId(902), term: Term(2) }).unwrap();
    assert!(w.state.is_known(NodeId(1), later + 1000));
    assert!(!w.state.is_known(NodeId(1), later + limits::WORKER_UNKNOWN_MS));
    assert_eq!(w.act(Action::TakeLead { node: NodeId(901), term: Term(2) }), Ok(Done::Nothing), "an old term");
}

#[test]
fn the_states_clock_never_falls() {
    let mut w = World::new(1);
    w.now_ms = START_MS - 1_000_000;
    w.act(Action::CreateTenant { name: "t".to_owned(), log_streams: 1, replicas: 1 }).unwrap();
    assert_eq!(w.state.clock_ms, START_MS);
    assert_eq!(w.state.tenants[&TENANT].created_ms, START_MS);
}

#[test]
fn only_one_member_starts_a_fresh_group_and_nobody_starts_it_again() {
    let mut w = World::new(3);
    w.act(Action::CreateTenant { name: "t".to_owned(), log_streams: 1, replicas: 3 }).unwrap();
    let starters = |w: &World, ls: u64| {
        let all = (1..=3).flat_map(|n| orders_for(&w.state, NodeId(n)).replicas);
        all.filter(|r| r.ls_id == LsId(ls) && r.bootstrap).count()
    };
    assert_eq!((starters(&w, 1), starters(&w, 1001)), (1, 1));
    w.run(3);
    assert_eq!((starters(&w, 1), starters(&w, 1001)), (0, 0), "a wiped member must not found a second group");
}

#[test]
fn the_dictionary_is_ordered_until_log_stream_one_holds_it() {
    let mut w = World::with_tenant(3, 3);
    w.act(Action::CreateTable { tenant: TENANT, name: "kv".to_owned(), tablets: 8 }).unwrap();
    let ordered = |w: &World| {
        let all = (1..=3).flat_map(|n| orders_for(&w.state, NodeId(n)).replicas);
        all.filter(|r| r.dictionary.is_some()).map(|r| r.ls_id).collect::<Vec<_>>()
    };
    assert_eq!(ordered(&w), [LsId::SYS; 3]);
    w.run(2);
    assert_eq!(ordered(&w), []);
}

#[test]
fn tablets_are_spread_over_user_log_streams() {
    let mut w = World::with_tenant(1, 1);
    for n in 0..6 {
        w.act(Action::CreateTable { tenant: TENANT, name: format!("t{n}"), tablets: 1 }).unwrap();
    }
    let tenant = &w.state.tenants[&TENANT];
    let on = |ls| tenant.tables.values().flat_map(|t| &t.tablets).filter(|t| t.ls_id == LsId(ls)).count();
    assert_eq!((on(1), on(1001), on(1002)), (0, 3, 3));
}

#[test]
fn log_is_kept_until_the_open_round_has_it() {
    let mut w = World::with_tenant(1, 1);
    let recycle = |w: &World| orders_for(&w.state, NodeId(1)).replicas[0].recycle_lsn;
    assert_eq!(recycle(&w), Lsn(u64::MAX));
    let spec = archive_spec("file:///arc", 60);
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: Some(spec) }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    assert_eq!(recycle(&w), Lsn::ZERO, "not one byte before the round has progress");
    w.run(3);
    let archived = w.round().progress[&LsId(1)].archived_lsn;
    assert_eq!(recycle(&w), archived);
}

#[test]
fn a_dropped_tenant_is_gone_once_no_known_worker_hosts_it() {
    let mut w = World::with_tenant(3, 3);
    w.kill(NodeId(3));
    w.act(Action::DropTenant { tenant: TENANT }).unwrap();
    assert!(orders_for(&w.state, NodeId(1)).replicas.is_empty());
    let again = w.act(Action::DropTenant { tenant: TENANT }).unwrap_err();
    assert!(again.what.contains("DROPPING"));
    let same_name = Action::CreateTenant { name: "t".to_owned(), log_streams: 1, replicas: 1 };
    assert_eq!(w.act(same_name).unwrap_err().class, ErrorClass::Transient, "the name is free in a moment");
    w.run(2);
    assert!(w.state.tenants.contains_key(&TENANT), "worker 3 may still host it");
    w.until("gone", |w| !w.state.tenants.contains_key(&TENANT));
    assert!(!w.state.is_known(NodeId(3), w.now_ms));
    w.boot(NodeId(3));
    w.run(1);
    assert!(orders_for(&w.state, NodeId(3)).replicas.is_empty(), "it comes back and removes them");
}

#[test]
fn bad_tenants_and_tables_are_refused() {
    let mut w = World::with_tenant(1, 1);
    let tenant = |w: &mut World, name: &str, n, r| {
        w.act(Action::CreateTenant { name: name.to_owned(), log_streams: n, replicas: r }).unwrap_err()
    };
    assert!(tenant(&mut w, "T", 1, 1).what.contains("exists"), "names are compared without case");
    for name in ["", "a b", "x;y", &"x".repeat(65)] {
        assert!(tenant(&mut w, name, 1, 1).what.contains("not a name"), "{name}");
    }
    assert!(tenant(&mut w, "u", 0, 1).object.contains("LOG_STREAMS"));
    assert!(tenant(&mut w, "u", 256, 1).object.contains("LOG_STREAMS"));
    assert!(tenant(&mut w, "u", 1, 6).todo.contains("1 to 5"));
    let table =
        |w: &mut World, name: &str, n| w.act(Action::CreateTable { tenant: TENANT, name: name.to_owned(), tablets: n });
    table(&mut w, "kv", 1).unwrap();
    assert!(table(&mut w, "KV", 1).unwrap_err().what.contains("exists"));
    assert!(table(&mut w, "k", 0).is_err() && table(&mut w, "k", 1025).is_err());
}

#[test]
fn a_report_without_news_goes_through_raft_once_a_second() {
    let w = World::with_tenant(1, 1);
    let worker = w.state.workers[&NodeId(1)].clone();
    let replicas = worker.replicas.iter().map(|((t, ls), r)| ReplicaReport {
        tenant_id: *t,
        ls_id: *ls,
        is_leader: r.is_leader,
        term: r.term,
        leader: None,
        end_lsn: r.end_lsn,
        max_scn: r.max_scn,

        log_start_lsn: Lsn::ZERO,
        dictionary_version: 0,
        tablets_version: 0,
        restored_dictionary: None,
        replayed_scn: r.replayed_scn,
        standing: Default::default(),
    });
    let report = WorkerReport {
        worker_id: NodeId(1),
        address: worker.address.clone(),
        boot_id: worker.boot_id,
        clock_ms: w.now_ms,
        replicas: replicas.collect(),
        archive: vec![],
        archive_waiting: vec![],
        tasks: vec![],
        replica_troubles: Default::default(),
        free_bytes: None,
    };
    let heard = worker.last_heard_ms;
    assert_eq!(news(&w.state, report.clone(), heard + 999), None);
    assert!(news(&w.state, report.clone(), heard + 1000).is_some());
    let restarted = WorkerReport { boot_id: 5, ..report.clone() };
    assert!(news(&w.state, restarted, heard).is_some());
    let mut moved = report;
    moved.replicas[0].max_scn = moved.replicas[0].max_scn.next();
    assert!(news(&w.state, moved, heard).is_some());
}

#[test]
fn a_late_report_is_ignored_and_a_clock_that_jumped_back_is_believed() {
    let mut w = World::new(1);
    let worker = w.state.workers[&NodeId(1)].clone();
    let mut say = |clock_ms, address: &str| {
        let report = WorkerReport {
            worker_id: NodeId(1),
            address: address.to_owned(),
            boot_id: worker.boot_id,
            clock_ms,
            replicas: vec![],
            archive: vec![],
            archive_waiting: vec![],
            tasks: vec![],
            replica_troubles: Default::default(),
            free_bytes: None,
        };
        w.act(Action::Heartbeats(vec![report])).unwrap();
        w.state.workers[&NodeId(1)].address.clone()
    };
    assert_eq!(say(worker.clock_ms - 100, "late"), worker.address);
    assert_eq!(say(worker.clock_ms - 60_000, "jumped"), "jumped");
}

#[test]
fn a_tenant_has_no_name_that_means_something_else() {
    let mut w = World::with_tenant(1, 1);
    let create = |name: &str| Action::CreateTenant { name: name.to_owned(), log_streams: 1, replicas: 1 };
    for name in ["all", "ALL_USER", "All_Meta", "sys", "SYS", "tenant", "from", "until", "preview", "drill", "drill_7"]
    {
        let refused = w.act(create(name)).unwrap_err();
        assert!(refused.what.contains("means something else") && refused.object.contains(name), "{refused}");
        assert!(check_restore_name(&w.state, name).is_err(), "{name} may not be restored into either");
    }
    for name in ["allx", "drill_x", "_", "1t", "select"] {
        assert_eq!(check_restore_name(&w.state, name), Ok(()), "{name}");
        w.act(create(name)).unwrap();
        let refused = w.act(create(&name.to_uppercase())).unwrap_err();
        assert!(refused.what.contains("exist"), "names have no case: {refused}");
    }
}
