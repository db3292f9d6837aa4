//! Every source of a job keeps its own address, attributes and keys up to the orders of the workers, and none of the keys
//! when the job has ended.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, address, all_done, report, restore_request};
use strandline_scheduler_core::state::*;
use strandline_scheduler_core::*;
use strandline_types::*;

const DATA: &str = "s3://b/data?host=http://a.example:9000&s3_region=eu-a&access_id=a&access_key=secret-a";
const ARCHIVE: &str =
    "s3://b/arc?host=http://b.example:9000&addressing_model=path_style&s3_region=eu-b&access_id=b&access_key=secret-b";
const SECOND: &str = "oss://c/arc?host=c.example&access_key_file=/keys/c";

fn piece(id: u64) -> PieceKey {
    PieceKey { dest_id: DestId(1001), round_id: RoundId(1), piece_id: PieceId(id) }
}

fn source() -> RestoreSource {
    let Action::StartRestore(request) = restore_request("x", 1) else { unreachable!() };
    RestoreSource {
        data: address(DATA),
        log: vec![
            ArchivedLog { from: address(ARCHIVE), pieces: vec![piece(1), piece(2)] },
            ArchivedLog { from: address(SECOND), pieces: vec![piece(3)] },
        ],
        ..request.source
    }
}

fn specs(w: &World) -> Vec<TaskSpec> {
    (1..=3).flat_map(|n| orders_for(&w.state, NodeId(n)).tasks).map(|t| t.spec).collect()
}

fn hangs(world: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    match order.spec {
        TaskSpec::RestoreLog(_) | TaskSpec::RecoverTable(_) => Some(report(order, TaskState::Doing, None, None)),
        _ => all_done(world, worker, order),
    }
}

#[test]
fn a_restore_reaches_each_destination_in_its_own_way_and_keeps_no_key_when_it_has_ended() {
    let mut w = World::new(3);
    let Action::StartRestore(mut request) = restore_request("copy", 1) else { unreachable!() };
    request.source = source();
    w.task_hook = |world, worker, order| match &order.spec {
        TaskSpec::RestoreData(s) => {
            assert_eq!(s.data, address(DATA));
            all_done(world, worker, order)
        }
        _ => hangs(world, worker, order),
    };
    w.act(Action::StartRestore(request)).unwrap();
    w.until("the replay", |w| specs(w).iter().any(|s| matches!(s, TaskSpec::RestoreLog(_))));
    let logs: Vec<Vec<ArchivedLog>> = specs(&w)
        .into_iter()
        .filter_map(|s| if let TaskSpec::RestoreLog(s) = s { Some(s.log) } else { None })
        .collect();
    assert!(logs.iter().all(|log| *log == source().log));
    w.task_hook = all_done;
    w.until("the end", |w| w.state.restore_jobs().all(|j| j.stage.is_ended()));
    assert!(!keys(&w.state).contains("secret-"), "the State has forgotten the keys");
    let shown = format!("{:?}", views::view(&w.state, w.now_ms, "CDB_OB_RESTORE_HISTORY").unwrap().rows);
    assert!(shown.contains("s3_region=eu-a") && shown.contains("s3_region=eu-b"), "{shown}");
}

/// Every key that ended and running restores hold.
fn keys(state: &State) -> String {
    let sources = state.restore_jobs().map(|j| &j.source);
    let of = |s: &RestoreSource| {
        let archives: Vec<&str> = s.log.iter().map(|l| l.from.access.reveal()).collect();
        format!("{}{}", s.data.access.reveal(), archives.concat())
    };
    sources.map(of).collect()
}

#[test]
fn a_table_recovery_does_so_too() {
    let mut w = World::with_tenant(3, 3);
    w.task_hook = hangs;
    let table = RecoveredTable {
        source_name: "a".to_owned(),
        target_name: "a".to_owned(),
        tablets: vec![Tablet { id: TabletId(7), ls_id: LsId(1001) }],
        table_id: TableId(0),
    };
    let request = StartRecoverTable {
        tenant: TENANT,
        target_scn: Scn(5000),
        source: source(),
        all: false,
        tables: vec![table],
        description: String::new(),
    };
    w.act(Action::StartRecoverTable(Box::new(request))).unwrap();
    w.until("the task", |w| specs(w).iter().any(|s| matches!(s, TaskSpec::RecoverTable(_))));
    for spec in specs(&w) {
        if let TaskSpec::RecoverTable(s) = spec {
            assert_eq!((s.data.data, s.log.log), (address(DATA), source().log));
        }
    }
}

#[test]
fn a_standby_follows_its_last_archive_with_that_ones_keys_and_another_one_with_its_own() {
    let mut w = World::new(3);
    w.task_hook = |world, worker, order| match &order.spec {
        TaskSpec::RestoreLog(spec) if spec.follow => Some(report(order, TaskState::Doing, None, None)),
        _ => all_done(world, worker, order),
    };
    let Action::StartRestore(mut request) = restore_request("s", 3) else { unreachable!() };
    (request.standby, request.source) = (true, source());
    request.source.log.reverse();
    w.act(Action::StartRestore(request)).unwrap();
    w.until("the restore", |w| w.state.restore_jobs().all(|j| j.stage.is_ended()));
    let tenant = w.state.standbys().next().unwrap().tenant_id;
    w.act(Action::RecoverStandby { tenant, until: None }).unwrap();
    w.run(2);
    let looked_at = |w: &World| {
        let last = w.medium.iter().rev().find_map(|m| if let MediumWork::Follow(f) = m { Some(&f.dest) } else { None });
        last.map(|d| Address { uri: d.uri.clone(), access: d.access.clone() }).unwrap()
    };
    assert_eq!(looked_at(&w), address(ARCHIVE));
    w.act(Action::StandbySource { tenant, pieces: vec![piece(5)], reach: Scn(9000) }).unwrap();
    let followed = |w: &World| {
        let spec = specs(w).into_iter().find_map(|s| if let TaskSpec::RestoreLog(s) = s { Some(s) } else { None });
        spec.unwrap().log
    };
    assert_eq!(followed(&w), [ArchivedLog { from: address(ARCHIVE), pieces: vec![piece(5)] }]);
    w.act(Action::SetRestoreSource { tenant, from: address(SECOND) }).unwrap();
    w.run(2);
    assert_eq!(looked_at(&w), address(SECOND));
}

#[test]
fn an_imported_destination_is_known_by_its_place_and_opened_as_it_was_last_named() {
    let mut w = World::archiving(3, 3, 3600);
    let import = |at: &str| {
        Action::ImportCatalog(Box::new(ImportCatalog {
            at: address(at),
            kind: DestKind::Data,
            from: ImportedFrom {
                cluster_id: ClusterId(77),
                cluster_name: "old".to_owned(),
                tenant_id: TenantId(1002),
                tenant_name: "lost".to_owned(),
                allow_delete: false,
            },
            name: None,
            sets: Vec::new(),
            rounds: Vec::new(),
        }))
    };
    let own = w.act(import("file:///data?max_iops=3")).unwrap_err();
    assert!(own.what.contains("this cluster's own"), "{own}");
    w.act(import(DATA)).unwrap();
    let changed = "s3://b/data/?s3_region=eu-z&host=http://A.example:9000&access_id=n&access_key=new";
    w.act(import(changed)).unwrap();
    let dests: Vec<Address> = w
        .state
        .destinations
        .values()
        .filter(|d| d.uri.place().bucket == "b")
        .map(|d| Address { uri: d.uri.clone(), access: d.access.clone() })
        .collect();
    assert_eq!(dests, [address(changed)], "one destination, with what was named last");
    w.act(Action::ForgetCatalog { uri: DestUri::parse("s3://b/data?host=http://a.example:9000").unwrap() }).unwrap();
    assert!(w.state.destinations.values().all(|d| d.uri.place().bucket != "b"));
}

#[test]
fn a_backup_to_a_known_place_goes_on_with_its_chain_whatever_attributes_it_is_named_with() {
    let mut w = World::archiving(3, 3, 3600);
    for mode in [BackupMode::Full, BackupMode::Incremental] {
        w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(mode, "") }).unwrap();
        w.until("the backup", |w| w.state.open_backup_job(TENANT).is_none());
    }
    let to = Some(BackupDest { uri: "file:///data?max_iops=9".to_owned(), access: Access::default() });
    let request = BackupRequest { to, ..BackupRequest::new(BackupMode::Synthetic, "") };
    w.act(Action::StartBackup { tenant: TENANT, request }).unwrap();
}

#[test]
fn the_check_file_of_a_destination_is_shown() {
    let mut w = World::archiving(3, 3, 3600);
    let dest = w.state.tenants[&TENANT].data_dest.unwrap();
    let check_file = "check_file/1002_connect_file_20230101T000000Z.obbak".to_owned();
    w.act(Action::DestChecked { dest, check_file: check_file.clone() }).unwrap();
    let view = views::view(&w.state, w.now_ms, "CDB_OB_BACKUP_STORAGE_INFO").unwrap();
    assert!(format!("{:?}", view.rows).contains(&check_file));
}

#[test]
fn a_destination_that_a_statement_has_proved_is_still_claimed_for_the_first_time() {
    let mut w = World::with_tenant(3, 3);
    let uri = Some("file:///data".to_owned());
    let Ok(Done::Dest(dest)) = w.act(Action::SetDataDest { tenant: TENANT, uri, access: Access::default() }) else {
        panic!("not taken")
    };
    // The statement's own probe is told before the plan's step has written format.obbak.
    w.act(Action::DestChecked { dest, check_file: "check_file/x".to_owned() }).unwrap();
    let work: Vec<MediumWork> = plan(&w.state, w.now_ms).steps.into_iter().flat_map(|s| s.work).collect();
    assert!(matches!(work[..], [MediumWork::Format { again: false, .. }]), "{work:?}");
    w.run(3);
    assert!(w.state.destinations[&dest].formatted && w.state.destinations[&dest].was_claimed());
}
