//! What a job reads stays, and what is being deleted is read by no new job: one case per kind of job, all of them with a
//! destination whose attributes differ from those that the job was started with.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, address, all_done, report, restore_request};
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::state::JobKind;
use strandline_scheduler_core::state::*;
use strandline_scheduler_core::*;
use strandline_types::*;

const DATA: &str = "file:///data?max_iops=7";
const ARCHIVE: &str = "file:///arc?max_bandwidth=5MB";

/// Only backups and cleanings get on.
fn readers_hang(world: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    match order.spec {
        TaskSpec::RestoreData(_)
        | TaskSpec::RestoreLog(_)
        | TaskSpec::RecoverTable(_)
        | TaskSpec::Validate(_)
        | TaskSpec::Fingerprint(_)
        | TaskSpec::Synthetic(_) => Some(report(order, TaskState::Doing, None, None)),
        _ => all_done(world, worker, order),
    }
}

/// Some pieces pass.
fn go_on(w: &mut World) {
    for _ in 0..5 {
        w.now_ms += 60_000;
        w.write();
        w.run(3);
    }
}

fn back_up(w: &mut World, mode: BackupMode) {
    go_on(w);
    w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(mode, "") }).unwrap();
    w.until("the backup", |w| w.state.open_backup_job(TENANT).is_none());
}

/// Sets of these modes in short pieces; since then limits were set for both destinations.
fn world(modes: &[BackupMode]) -> World {
    let mut w = World::archiving(3, 3, 60);
    for mode in modes {
        back_up(&mut w, *mode);
    }
    go_on(&mut w);
    w.task_hook = readers_hang;
    let kinds: Vec<(DestId, DestKind)> = w.state.destinations.values().map(|d| (d.id, d.kind)).collect();
    for (dest, kind) in kinds {
        let uri = if kind == DestKind::Data { "file:///data?max_iops=5" } else { "file:///arc?max_iops=5" };
        w.act(Action::ChangeStorage { dest, uri: uri.to_owned(), access: Access::default() }).unwrap();
    }
    w
}

fn pieces(w: &World) -> Vec<PieceKey> {
    w.state.rounds_of(TENANT).flat_map(|r| r.pieces.values()).map(|p| p.key).collect()
}

/// A restore of set 1 with these pieces of the archive.
fn source(w: &World, log: Vec<ArchivedLog>) -> Box<StartRestore> {
    let Action::StartRestore(mut request) = restore_request("copy", 1) else { unreachable!() };
    request.source.data = address(DATA);
    request.source.log = log;
    assert!(w.state.backup_sets.contains_key(&(TENANT, request.source.set_id)));
    request
}

fn log(at: &str, pieces: &[PieceKey]) -> ArchivedLog {
    ArchivedLog { from: address(at), pieces: pieces.to_vec() }
}

fn delete_set(w: &mut World, id: u64) -> Outcome {
    w.act(Action::StartClean { tenant: TENANT, what: CleanWhat::Sets(vec![id]), description: String::new() })
}

/// Why an object would stay under a policy whose window begins after the last backup; empty = it would go.
fn kept(w: &World, object: &str) -> String {
    let mut state = w.state.clone();
    let policy = Policy {
        window_ns: 120_000_000_000,
        redundancy: 1,
        keep_weekly: 0,
        keep_monthly: 0,
        keep_yearly: 0,
        log_only: false,
    };
    state.clean_policies.insert(TENANT, CleanPolicy { policy, last_run_ms: w.now_ms });
    let rows = views::clean_preview(&state, TENANT, &CleanWhat::Obsolete, w.now_ms).unwrap().rows;
    let of_it: Vec<String> =
        rows.iter().map(|r| format!("{r:?}")).filter(|r| r.contains(&format!("\"{object}\""))).collect();
    assert_eq!(of_it.len(), 1, "{object}: {rows:?}");
    if of_it[0].contains("KEEP") { of_it[0].clone() } else { String::new() }
}

#[test]
fn nothing_is_kept_that_nobody_reads() {
    let mut w = world(&[BackupMode::Full, BackupMode::Full]);
    assert_eq!(kept(&w, &format!("piece_{}", pieces(&w)[0])), "");
    assert!(matches!(delete_set(&mut w, 1), Ok(Done::CleanJob(_))));
}

#[test]
fn a_set_that_a_restore_reads_stays_whatever_attributes_either_has() {
    let mut w = world(&[BackupMode::Full, BackupMode::Full]);
    let request = source(&w, vec![log(ARCHIVE, &pieces(&w)[..1])]);
    w.act(Action::StartRestore(request)).unwrap();
    let refused = delete_set(&mut w, 1).unwrap_err();
    assert!(refused.what.contains("restore job"), "{refused}");
    assert!(kept(&w, &format!("piece_{}", pieces(&w)[0])).contains("restore job"));
    let copy = w.state.tenant_by_name("copy").unwrap().id;
    w.act(Action::CancelJob { kind: JobKind::Restore, tenant: copy }).unwrap();
    assert!(delete_set(&mut w, 1).is_ok(), "what has ended reads nothing");
}

#[test]
fn log_that_a_restore_reads_stays_in_every_archive_of_it_and_in_the_set_that_carries_it() {
    let mut w = world(&[BackupMode::Full, BackupMode::Full]);
    let all = pieces(&w);
    let carried = PieceKey { piece_id: PieceId(1), ..all[0] };
    let mut request = source(
        &w,
        vec![
            log("file:///data/backup_set_1_full/complement_log?max_iops=9", &[carried]),
            log("file:///elsewhere", &all[1..2]),
            log(ARCHIVE, &all[2..3]),
        ],
    );
    // Only the log of set 1 is read: its data is in another copy.
    request.source.data = address("file:///copy-of-data");
    w.act(Action::StartRestore(request)).unwrap();
    assert!(delete_set(&mut w, 1).unwrap_err().what.contains("restore job"));
    assert!(kept(&w, &format!("piece_{}", all[2])).contains("restore job"));
    assert_eq!(kept(&w, &format!("piece_{}", all[1])), "", "another place has it under the same name");
}

#[test]
fn a_set_that_a_table_recovery_reads_stays() {
    let mut w = world(&[BackupMode::Full, BackupMode::Full]);
    let tablets = vec![Tablet { id: TabletId(7), ls_id: LsId(1001) }];
    let table = |name: &str| RecoveredTable {
        source_name: name.to_owned(),
        target_name: name.to_owned(),
        tablets: tablets.clone(),
        table_id: TableId(0),
    };
    let request = StartRecoverTable {
        tenant: TENANT,
        target_scn: Scn(5000),
        source: source(&w, vec![log(ARCHIVE, &pieces(&w)[..1])]).source,
        all: false,
        tables: vec![table("a")],
        description: String::new(),
    };
    w.act(Action::StartRecoverTable(Box::new(request))).unwrap();
    let refused = delete_set(&mut w, 1).unwrap_err();
    assert!(refused.what.contains("table recovery job"), "{refused}");
    assert!(kept(&w, &format!("piece_{}", pieces(&w)[0])).contains("table recovery job"));
}

#[test]
fn log_that_a_standby_follows_stays_until_it_stops() {
    let mut w = world(&[BackupMode::Full, BackupMode::Full]);
    w.task_hook = |world, worker, order| match &order.spec {
        TaskSpec::RestoreLog(spec) if spec.follow => Some(report(order, TaskState::Doing, None, None)),
        _ => all_done(world, worker, order),
    };
    let mut request = source(&w, vec![log(ARCHIVE, &pieces(&w)[..1])]);
    request.standby = true;
    w.act(Action::StartRestore(request)).unwrap();
    w.until("the standby", |w| w.state.standbys().next().is_some());
    let standby = w.state.standbys().next().unwrap().tenant_id;
    let first = format!("piece_{}", pieces(&w)[0]);
    assert_eq!(kept(&w, &first), "", "a standby that stands still reads nothing");
    w.act(Action::RecoverStandby { tenant: standby, until: None }).unwrap();
    assert!(kept(&w, &first).contains("standby tenant"));
    w.act(Action::StopStandby { tenant: standby }).unwrap();
    assert_eq!(kept(&w, &first), "");
}

#[test]
fn the_chain_that_a_synthetic_set_is_made_of_stays() {
    let mut w = world(&[BackupMode::Full, BackupMode::Incremental]);
    w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Synthetic, "") }).unwrap();
    w.run(3);
    let refused = delete_set(&mut w, 2).unwrap_err();
    assert!(refused.what.contains("backup job"), "{refused}");
}

#[test]
fn what_a_validation_looks_at_stays_until_it_has_looked() {
    let mut w = world(&[BackupMode::Full, BackupMode::Full]);
    let object = MediumObject {
        name: MediumName::Set(BackupSetId(1), BackupSetKind::Full),
        at: address(DATA),
        dest_id: DestId(0),
        log_streams: vec![LsId(1)],
        bytes: 1,
        key_source: String::new(),
    };
    let request = StartValidate {
        tenant: TENANT,
        kind: ValidateKind::BackupSet,
        level: ValidateLevel::Physical,
        path: DATA.to_owned(),
        description: String::new(),
        objects: vec![object],
        keys: Vec::new(),
    };
    w.act(Action::StartValidate(Box::new(request.clone()))).unwrap();
    let refused = delete_set(&mut w, 1).unwrap_err();
    assert!(refused.what.contains("validation job"), "{refused}");
    w.act(Action::CancelJob { kind: JobKind::Validate, tenant: TENANT }).unwrap();
    w.run(2);
    assert!(delete_set(&mut w, 1).is_ok());
    let late = w.act(Action::StartValidate(Box::new(request))).unwrap_err();
    assert!(late.what.contains("being deleted"), "a look at what goes would find damage: {late}");
}

#[test]
fn a_validation_leaves_out_what_is_being_deleted_and_damage_of_it_is_no_news() {
    let mut w = world(&[BackupMode::Full, BackupMode::Full]);
    let object = |id| MediumObject {
        name: MediumName::Set(BackupSetId(id), BackupSetKind::Full),
        at: address(DATA),
        dest_id: w.state.backup_sets[&(TENANT, BackupSetId(id))].dest_id,
        log_streams: vec![LsId(1)],
        bytes: 1,
        key_source: String::new(),
    };
    let request = StartValidate {
        tenant: TENANT,
        kind: ValidateKind::Database,
        level: ValidateLevel::Physical,
        path: String::new(),
        description: String::new(),
        objects: vec![object(1), object(2)],
        keys: Vec::new(),
    };
    w.task_hook = |world, worker, order| match order.spec {
        TaskSpec::Clean(_) => None,
        TaskSpec::Validate(_) => {
            let what = Damage { path: "x".to_owned(), kind: "missing".to_owned(), detail: String::new() };
            let result = ValidateResult { damage_count: 1, damages: vec![what], ..Default::default() };
            Some(report(order, TaskState::Done, None, Some(TaskResult::Validate(result))))
        }
        _ => all_done(world, worker, order),
    };
    w.act(Action::StartValidate(Box::new(request.clone()))).unwrap();
    w.until("both are looked at", |w| w.state.open_validate_job(TENANT).is_none());
    let damaged = |w: &World| {
        let rows = views::view(&w.state, w.now_ms, "CDB_STRANDLINE_BACKUP_DAMAGES").unwrap().rows;
        ["backup_set_1_full", "backup_set_2_full"].map(|set| format!("{rows:?}").contains(set))
    };
    assert_eq!(damaged(&w), [true, true]);
    delete_set(&mut w, 1).unwrap();
    assert_eq!(damaged(&w), [false, true], "nobody has to do anything about what goes");
    w.act(Action::StartValidate(Box::new(request))).unwrap();
    let names: Vec<MediumName> =
        w.state.validate_tasks().filter(|t| !t.status.is_ended()).map(|t| t.object.name).collect();
    assert_eq!(names, [MediumName::Set(BackupSetId(2), BackupSetKind::Full)]);
}

#[test]
fn what_a_drill_is_about_to_restore_stays() {
    let mut w = world(&[BackupMode::Full, BackupMode::Incremental]);
    w.act(Action::StartDrill { tenant: TENANT, last_ms: None }).unwrap();
    let refused = delete_set(&mut w, 2).unwrap_err();
    assert!(refused.what.contains("restore drill"), "{refused}");
}

#[test]
fn nothing_begins_to_read_what_is_being_deleted() {
    let mut w = world(&[BackupMode::Full, BackupMode::Full]);
    w.task_hook = |world, worker, order| {
        if order.key.kind == TaskKind::Clean { None } else { all_done(world, worker, order) }
    };
    delete_set(&mut w, 1).unwrap();
    let request = source(&w, vec![log(ARCHIVE, &pieces(&w)[..1])]);
    let refused = w.act(Action::StartRestore(request)).unwrap_err();
    assert_eq!(refused.class, ErrorClass::Transient);
    assert!(refused.object.contains("backup set 1") && refused.what.contains("being deleted"), "{refused}");
    assert!(w.state.tenant_by_name("copy").is_err());
}

/// Three streams of one tenant are led by one worker: what that worker has to do counts, for every job.
#[test]
fn a_worker_that_digests_for_a_drill_is_not_the_least_busy_one() {
    let mut w = world(&[BackupMode::Full]);
    w.act(Action::StartDrill { tenant: TENANT, last_ms: None }).unwrap();
    w.run(3);
    let drill = w.state.drills().next().unwrap();
    let busy: Vec<NodeId> = drill.runs.values().filter_map(|r| r.executor).collect();
    assert!(!busy.is_empty());
    let least = (1..=3).map(NodeId).min_by_key(|n| (busy.iter().filter(|b| *b == n).count(), *n)).unwrap();
    let tablets = vec![Tablet { id: TabletId(7), ls_id: LsId(1001) }];
    let table =
        RecoveredTable { source_name: "a".to_owned(), target_name: "a".to_owned(), tablets, table_id: TableId(0) };
    let request = StartRecoverTable {
        tenant: TENANT,
        target_scn: Scn(5000),
        source: source(&w, Vec::new()).source,
        all: false,
        tables: vec![table],
        description: String::new(),
    };
    w.act(Action::StartRecoverTable(Box::new(request))).unwrap();
    w.until("an executor", |w| w.state.recover_jobs().any(|j| j.tasks().any(|(_, t)| t.executor.is_some())));
    let executor = harness::run_of(w.state.recover_jobs().next().unwrap().tasks(), 1001).executor.unwrap();
    assert_eq!(executor, least, "the drill keeps {busy:?} busy");
}
