//! DROP TABLE, scripted: what it refuses, what log streams are told and when, what it means for a backup, a failed table
//! recovery and a restore.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, all_done, restore_request};
use std::collections::BTreeSet;
use strandline_scheduler_core::state::{
    BackupJob, BackupSet, Drill, DrillStage, JobHead, JobKind, Table, Tablet, TabletList, TenantStatus,
};
use strandline_scheduler_core::*;
use strandline_types::*;

fn create(w: &mut World, name: &str, tablets: u32) -> Vec<Tablet> {
    let made = w.act(Action::CreateTable { tenant: TENANT, name: name.to_owned(), tablets }).unwrap();
    let Done::Table(id) = made else { unreachable!() };
    w.state.tenants[&TENANT].tables[&id].tablets.clone()
}

fn drop_table(w: &mut World, name: &str) -> Outcome {
    w.act(Action::DropTable { tenant: TENANT, name: name.to_owned() })
}

/// What the log streams of a tenant are told about their tablets.
fn told(w: &World, tenant: TenantId) -> Vec<(LsId, TabletList)> {
    let replicas = orders_for(&w.state, NodeId(1)).replicas.into_iter().filter(|r| r.tenant_id == tenant);
    replicas.filter_map(|r| r.tablets.map(|list| (r.ls_id, list))).collect()
}

fn version(w: &World) -> u64 {
    w.state.tenants[&TENANT].dictionary_version
}

fn job(w: &World) -> &BackupJob {
    w.state.backup_jobs().next_back().unwrap()
}

fn set(w: &World) -> &BackupSet {
    w.state.backup_sets.values().next_back().unwrap()
}

#[test]
fn what_cannot_be_dropped_is_refused_with_its_reason() {
    let mut w = World::with_tenant(1, 1);
    create(&mut w, "kv", 2);
    let refused = drop_table(&mut w, "vk").unwrap_err();
    assert_eq!((refused.class, refused.code), (ErrorClass::NotFound, -5019));
    assert!(refused.object.contains("table vk of tenant t") && refused.todo.contains("CDB_OB_TABLES"), "{refused}");
    let nobody = w.act(Action::DropTable { tenant: TenantId(4), name: "kv".to_owned() }).unwrap_err();
    assert!(nobody.what.contains("no such tenant"), "{nobody}");

    for status in [TenantStatus::Restoring, TenantStatus::Standby, TenantStatus::Imported, TenantStatus::Dropping] {
        let mut other = w.state.clone();
        other.tenants.get_mut(&TENANT).unwrap().status = status;
        let command = Action::DropTable { tenant: TENANT, name: "kv".to_owned() };
        let refused = apply(&mut other, Command { proposed_at_ms: w.now_ms, action: command }).unwrap_err();
        assert!(refused.what.contains(&status.to_string()), "{refused}");
        assert_eq!(other.tenants[&TENANT].tables.len(), 1);
    }
    assert_eq!(drop_table(&mut w, "KV"), Ok(Done::Table(TableId(500_001))), "names are compared without case");
    assert!(drop_table(&mut w, "kv").unwrap_err().what.contains("no such table"), "once is enough");
}

#[test]
fn log_streams_are_told_what_is_left_once_log_stream_one_has_the_dictionary() {
    let mut w = World::with_tenant(1, 1);
    let dropped = create(&mut w, "a", 1)[0];
    let kept = create(&mut w, "b", 3);
    w.run(2);
    assert!(told(&w, TENANT).is_empty(), "a table that is new costs no list");
    drop_table(&mut w, "a").unwrap();
    assert!(told(&w, TENANT).is_empty(), "not before the dictionary: an SCN between them would have half a table");
    w.keeps_tablets = true;
    w.run(2);
    let [(ls, list)] = told(&w, TENANT).try_into().expect("only the stream that had a tablet of it");
    let left: BTreeSet<TabletId> = kept.iter().filter(|t| t.ls_id == dropped.ls_id).map(|t| t.id).collect();
    assert_eq!((ls, list.version, list.tablets), (dropped.ls_id, version(&w), left));
    assert_eq!(list.next_tablet, kept[2].id.next());
    assert!(list.after_scn >= w.state.tenants[&TENANT].log_streams[&LsId::SYS].max_scn);
    w.keeps_tablets = false;
    w.run(2);
    assert!(told(&w, TENANT).is_empty(), "and no more once it is done");
}

#[test]
fn a_name_may_be_used_again_and_a_number_never() {
    let mut w = World::with_tenant(1, 1);
    let first = create(&mut w, "a", 2);
    drop_table(&mut w, "a").unwrap();
    let second = create(&mut w, "a", 2);
    assert!(first.iter().all(|t| second.iter().all(|s| s.id != t.id)));
    let next = w.state.tenants[&TENANT].dictionary().next_tablet;
    assert_eq!(next, second[1].id.next(), "a restore of this dictionary begins there");
    drop_table(&mut w, "a").unwrap();
    assert_eq!(w.state.tenants[&TENANT].dictionary().next_tablet, next);
}

#[test]
fn a_table_that_is_dropped_meanwhile_costs_another_turn_of_what_it_touches_after_its_tablets_are_gone() {
    let mut w = World::archiving(3, 3, 3600);
    let home = create(&mut w, "a", 1)[0].ls_id;
    w.run(2);
    w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Full, "") }).unwrap();
    w.task_hook =
        |world, worker, order| if order.key.part.ls_number().is_sys() { all_done(world, worker, order) } else { None };
    w.until("log stream 1 is copied", |w| job(w).results.contains_key(&LsId::SYS));
    w.keeps_tablets = true;
    drop_table(&mut w, "a").unwrap();
    w.task_hook = all_done;
    w.run(6);
    assert_eq!((job(&w).turn, job(&w).status), (TurnId(1), BackupJobStatus::Data), "it would copy them again");
    let waits = views::view(&w.state, w.now_ms, "CDB_STRANDLINE_WAITING");
    let waits = format!("{:?}", waits.map(|v| v.rows).unwrap_or_default());
    assert!(waits.contains("to drop the tablets"), "{waits}");
    w.keeps_tablets = false;
    w.until("the end", |w| !job(w).is_open());
    assert_eq!(set(&w).status, BackupSetStatus::Success);
    assert_eq!((set(&w).data_turn, set(&w).meta_turn), (TurnId(2), TurnId(2)));
    for (ls, part) in &set(&w).parts {
        let redone = ls.is_sys() || *ls == home;
        assert_eq!(part.turn, TurnId(if redone { 2 } else { 1 }), "log stream {ls}");
    }
}

#[test]
fn the_tablets_of_a_recovery_that_failed_are_dropped_like_any_others() {
    let mut w = World::with_tenant(3, 3);
    let kept = create(&mut w, "kept", 2);
    w.task_hook = |world, worker, order| match order.spec {
        TaskSpec::RecoverTable(_) => None,
        _ => all_done(world, worker, order),
    };
    let Action::StartRestore(restore) = restore_request("x", 1) else { unreachable!() };
    let tablets = vec![Tablet { id: TabletId(7), ls_id: LsId(1001) }; 2];
    let request = StartRecoverTable {
        tenant: TENANT,
        target_scn: Scn(5000),
        source: restore.source,
        all: false,
        tables: vec![state::RecoveredTable {
            source_name: "a".to_owned(),
            target_name: "a".to_owned(),
            tablets,
            table_id: TableId(0),
        }],
        description: String::new(),
    };
    w.act(Action::StartRecoverTable(Box::new(request))).unwrap();
    w.run(3);
    let refused = drop_table(&mut w, "A").unwrap_err();
    assert!(refused.what.contains("being recovered") && refused.todo.contains("CANCEL RECOVER TABLE"), "{refused}");
    let hidden = w.state.tenants[&TENANT].tables.values().find(|t| t.is_hidden()).unwrap().clone();
    assert!(drop_table(&mut w, &hidden.name).unwrap_err().what.contains("no such table"), "nobody sees it");
    w.act(Action::CancelJob { kind: JobKind::RecoverTable, tenant: TENANT }).unwrap();
    w.keeps_tablets = true;
    w.run(2);
    let homes: BTreeSet<LsId> = hidden.tablets.iter().map(|t| t.ls_id).collect();
    assert_eq!(told(&w, TENANT).iter().map(|(ls, _)| *ls).collect::<BTreeSet<_>>(), homes);
    let left: BTreeSet<TabletId> = told(&w, TENANT).into_iter().flat_map(|(_, list)| list.tablets).collect();
    let kept: BTreeSet<TabletId> = kept.iter().filter(|t| homes.contains(&t.ls_id)).map(|t| t.id).collect();
    assert_eq!(left, kept);
}

/// A restore whose replay has made this dictionary, up to its end.
fn restored(w: &mut World, dictionary: state::Dictionary) -> TenantId {
    w.keeps_tablets = true;
    w.act(restore_request("r", 3)).unwrap();
    let of = |w: &World| w.state.restore_jobs().next_back().unwrap().clone();
    w.until("the check", |w| of(w).stage == RestoreStage::PostCheck);
    w.state.restore_job_mut(of(w).id).unwrap().dictionary = Some(dictionary);
    w.until("the end", |w| of(w).stage.is_ended());
    of(w).tenant_id
}

#[test]
fn a_restored_tenant_drops_what_its_dictionary_does_not_name_and_gives_no_number_twice() {
    let mut w = World::new(3);
    let table = |id: u64, name: &str, tablet: u64| Table {
        id: TableId(id),
        name: name.to_owned(),
        tablets: vec![Tablet { id: TabletId(tablet), ls_id: LsId(1001) }],
    };
    let dictionary = state::Dictionary {
        version: 9,
        scn: Scn(5),
        tables: vec![table(500_001, "kv", 200_001), table(500_002, "half$7", 200_002)],
        next_tablet: TabletId(200_900),
    };
    let tenant = restored(&mut w, dictionary);
    let made = &w.state.tenants[&tenant];
    assert_eq!(made.tables.values().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["kv"]);
    assert_eq!((made.dictionary_version, made.next.tablet), (10, TabletId(200_900)));
    w.run(2);
    let lists = told(&w, tenant);
    assert_eq!(lists.len(), made_streams(&w, tenant));
    let of_1001 = lists.iter().find(|(ls, _)| *ls == LsId(1001)).unwrap();
    assert_eq!(of_1001.1.tablets, BTreeSet::from([TabletId(200_001)]));
    assert_eq!((of_1001.1.version, of_1001.1.next_tablet), (10, TabletId(200_900)));

    let drill = Drill {
        head: JobHead::new(JobId(99), TENANT, w.now_ms),
        scn: Scn(5),
        stage: DrillStage::Restored,
        restore: Some((JobId(1), tenant)),
        set_id: BackupSetId(1),
        source: Default::default(),
        restored: Default::default(),
    };
    w.state.jobs.insert(drill.id, drill.into());
    assert!(told(&w, tenant).is_empty(), "a drill compares everything that came back");
}

fn made_streams(w: &World, tenant: TenantId) -> usize {
    w.state.tenants[&tenant].log_streams.len()
}
