//! Every view: the original's columns, rows that fit them, and what they tell.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, restore_request};
use std::collections::BTreeSet;
use strandline_scheduler_core::state::{
    CleanWhat, DestKind, ImportedFrom, JobKind, MediumObject, RecoveredTable, SchedulePlan, Tablet, ValidateKind,
};
use strandline_scheduler_core::views::{ALL, Table, Value, view};
use strandline_scheduler_core::*;
use strandline_types::*;

/// A world in which every view has rows.
fn full_world() -> World {
    let mut w = World::archiving(3, 3, 1);
    w.act(Action::CreateTable { tenant: TENANT, name: "kv".to_owned(), tablets: 4 }).unwrap();
    for _ in 0..20 {
        w.write();
        w.run(1);
    }
    let backup = Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Full, "nightly") };
    w.act(backup.clone()).unwrap();
    w.until("the set", |w| w.state.open_backup_job(TENANT).is_none());
    clean_and_validate(&mut w);
    schedule(&mut w);
    let Action::StartRestore(mut standby) = restore_request("standby", 3) else { unreachable!() };
    standby.standby = true;
    w.act(Action::StartRestore(standby)).unwrap();
    w.until("the standby", |w| w.state.standbys().next().is_some());
    w.act(Action::StartDrill { tenant: TENANT, last_ms: None }).unwrap();
    w.act(Action::CancelJob { kind: JobKind::Drill, tenant: TENANT }).unwrap();
    w.act(restore_request("done", 3)).unwrap();
    w.until("the restore", |w| w.state.restore_jobs().all(|j| j.stage.is_ended()));
    w.act(recovery("recovered")).unwrap();
    w.until("the recovery", |w| w.state.open_recover_job(TENANT).is_none());
    w.act(import()).unwrap();
    w.act(Action::CheckDest { uri: "file:///x".to_owned(), access: Access::default(), key_source: String::new() })
        .unwrap();
    w.run(2);
    let dest = w.round().dest_id;
    for uri in ["file:///arc?max_iops=5", "file:///arc"] {
        w.act(Action::ChangeStorage { dest, uri: uri.to_owned(), access: Access::default() }).unwrap();
    }
    w.task_hook = |_, _, _| None;
    w.act(backup).unwrap();
    w.act(restore_request("running", 3)).unwrap();
    w.act(recovery("half")).unwrap();
    w.act(validation(1, "file:///data")).unwrap();
    w.act(clean(2)).unwrap();
    let policy = strandline_catalogue::retention::Policy {
        window_ns: 86_400_000_000_000,
        redundancy: 9,
        keep_weekly: 0,
        keep_monthly: 0,
        keep_yearly: 0,
        log_only: false,
    };
    w.act(Action::AddCleanPolicy { tenant: TENANT, policy }).unwrap();
    w.run(2);
    w.kill(NodeId(3));
    w.run(40);
    w
}

/// A schedule whose first run was left out.
fn schedule(w: &mut World) {
    let plan = SchedulePlan { full: "0 2 * * 6".into(), time_zone: "UTC".into(), ..SchedulePlan::default() };
    let change = ScheduleChange::Set { plan, enable: true };
    w.act(Action::ChangeSchedule { tenant: TENANT, change }).unwrap();
    w.run(1);
    let (due_ms, mode) = (w.now_ms, BackupMode::Full);
    w.act(Action::RunSchedule { tenant: TENANT, revision: 1, due_ms, mode, request: None, left_out: (Vec::new(), 0) })
        .unwrap();
}

fn recovery(target_name: &str) -> Action {
    let Action::StartRestore(restore) = restore_request("x", 1) else { unreachable!() };
    let table = RecoveredTable {
        source_name: "kv".to_owned(),
        target_name: target_name.to_owned(),
        tablets: vec![Tablet { id: TabletId(7), ls_id: LsId(1001) }],
        table_id: TableId(0),
    };
    Action::StartRecoverTable(Box::new(StartRecoverTable {
        tenant: TENANT,
        target_scn: Scn(5000),
        source: restore.source,
        all: false,
        tables: vec![table],
        description: String::new(),
    }))
}

fn import() -> Action {
    Action::ImportCatalog(Box::new(ImportCatalog {
        at: harness::address("file:///imported"),
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
}

fn clean(set: u64) -> Action {
    Action::StartClean { tenant: TENANT, what: CleanWhat::Sets(vec![set]), description: String::new() }
}

fn validation(set: u64, at: &str) -> Action {
    let object = MediumObject {
        name: MediumName::Set(BackupSetId(set), BackupSetKind::Full),
        at: harness::address(at),
        dest_id: DestId(1002),
        log_streams: vec![LsId(1)],
        bytes: 100,
        key_source: String::new(),
    };
    Action::StartValidate(Box::new(StartValidate {
        tenant: TENANT,
        kind: ValidateKind::BackupSet,
        level: ValidateLevel::Physical,
        path: String::new(),
        description: String::new(),
        objects: vec![object],
        keys: Vec::new(),
    }))
}

/// A validation that found something, a set that was deleted, a policy and an orphan; two more sets to work on.
fn clean_and_validate(w: &mut World) {
    for _ in 0..2 {
        w.write();
        w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Full, "x") }).unwrap();
        w.until("the set", |w| w.state.open_backup_job(TENANT).is_none());
    }
    w.task_hook = |_, _, order| {
        let damages = vec![Damage { path: "x".to_owned(), kind: "corrupt".to_owned(), detail: "y".to_owned() }];
        let result = ValidateResult { objects: 1, bytes: 1, damage_count: 1, damages };
        Some(harness::report(order, TaskState::Done, None, Some(TaskResult::Validate(result))))
    };
    // The damage of a set of ours goes with it; nobody deletes what is elsewhere.
    for at in ["file:///elsewhere", "file:///data"] {
        w.act(validation(1, at)).unwrap();
        w.until("the validation", |w| w.state.open_validate_job(TENANT).is_none());
    }
    w.task_hook = harness::all_done;
    w.act(clean(1)).unwrap();
    w.until("the cleaning", |w| w.state.open_clean_job(TENANT).is_none());
    let seen = Swept { orphans: vec!["backup_set_1_full".to_owned()], ..Swept::default() };
    w.act(Action::Swept { dest: DestId(1002), seen }).unwrap();
}

fn table(w: &World, name: &str) -> Table {
    view(&w.state, w.now_ms, name).unwrap()
}

fn text(table: &Table, row: usize, column: &str) -> String {
    let at = table.columns.iter().position(|c| *c == column).unwrap_or_else(|| panic!("no column {column}"));
    match &table.rows[row][at] {
        Value::Null => "NULL".to_owned(),
        Value::Int(v) => v.to_string(),
        Value::Uint(v) => v.to_string(),
        Value::Real(v) => v.to_string(),
        Value::Text(v) => v.clone(),
    }
}

/// Every name of every view, without those of twins.
fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|view| view.names())
}

#[test]
fn every_view_has_rows_whose_values_are_of_the_types_of_their_columns() {
    let w = full_world();
    for declared in ALL {
        let (name, columns) = (declared.name, declared.columns());
        let table = table(&w, name);
        // No log is lost in this world.
        let may_be_empty = name == "CDB_STRANDLINE_ARCHIVE_GAPS";
        assert!(may_be_empty || !table.rows.is_empty(), "{name} is empty");
        for row in &table.rows {
            assert_eq!(row.len(), columns.len(), "{name}");
            for (value, column) in row.iter().zip(&columns) {
                assert!(column.sql_type.holds(value), "{name}: {column:?} has {value:?}");
            }
        }
    }
    assert!(view(&w.state, w.now_ms, "cdb_ob_archivelog").is_some(), "names have no case");
    assert!(view(&w.state, w.now_ms, "CDB_OB_NOTHING").is_none());
}

#[test]
fn names_of_views_and_of_columns_are_unique_and_in_upper_case() {
    let every = views::all_names();
    assert_eq!(every.iter().collect::<BTreeSet<_>>().len(), every.len(), "a name of two views");
    assert!(every.iter().all(|name| *name == name.to_ascii_uppercase()));
    for declared in ALL {
        let columns: Vec<_> = declared.columns().into_iter().map(|column| column.name).collect();
        let unique: BTreeSet<_> = columns.iter().collect();
        assert_eq!(unique.len(), columns.len(), "{} names a column twice", declared.name);
        assert!(columns.iter().all(|name| *name == name.to_ascii_uppercase()), "{}", declared.name);
    }
}

#[test]
fn a_view_declares_columns_that_it_has_and_a_twin_lacks_the_tenant() {
    for declared in ALL {
        let (name, tenancy) = (declared.name, declared.tenancy);
        let has = |column: &str| declared.columns().iter().any(|c| c.name == column);
        assert!(tenancy.column.is_none_or(has), "{name}");
        assert!(tenancy.twin_lacks.is_none_or(|lacks| lacks.iter().all(|column| has(column))), "{name}");
        // A tenant reads the twin: its own id in every row would say nothing.
        let lacks = tenancy.twin_lacks.unwrap_or_default();
        assert!(tenancy.twin_lacks.is_none() || tenancy.column.is_none_or(|c| lacks.contains(&c)), "{name}");
        assert!(tenancy.column.is_some() || !has("TENANT_ID"), "{name} has rows of tenants and shows all to each");
        assert_eq!(tenancy.twin_lacks.is_some(), name.starts_with("CDB_"), "{name}");
    }
}

#[test]
fn every_view_of_an_empty_state_still_has_its_columns() {
    for name in names() {
        let table = view(&State::default(), 0, name).unwrap();
        assert!(!table.columns.is_empty() && table.rows.is_empty(), "{name}");
    }
}

/// The columns of docs/oceanbase.md, in its order; ours may follow after them.
#[test]
fn the_columns_are_the_originals() {
    let columns = |name: &str| view(&State::default(), 0, name).unwrap().columns.join(" ");
    let originals = [
        (
            "CDB_OB_ARCHIVELOG",
            "TENANT_ID DEST_ID ROUND_ID INCARNATION DEST_NO STATUS START_SCN START_SCN_DISPLAY CHECKPOINT_SCN \
             CHECKPOINT_SCN_DISPLAY COMPATIBLE BASE_PIECE_ID USED_PIECE_ID PIECE_SWITCH_INTERVAL UNIT_SIZE COMPRESSION \
             INPUT_BYTES INPUT_BYTES_DISPLAY OUTPUT_BYTES OUTPUT_BYTES_DISPLAY COMPRESSION_RATIO DELETED_INPUT_BYTES \
             DELETED_INPUT_BYTES_DISPLAY DELETED_OUTPUT_BYTES DELETED_OUTPUT_BYTES_DISPLAY COMMENT PATH",
        ),
        (
            "CDB_OB_ARCHIVELOG_PIECE_FILES",
            "TENANT_ID DEST_ID ROUND_ID PIECE_ID INCARNATION DEST_NO STATUS START_SCN START_SCN_DISPLAY CHECKPOINT_SCN \
             CHECKPOINT_SCN_DISPLAY MAX_SCN END_SCN END_SCN_DISPLAY COMPATIBLE UNIT_SIZE COMPRESSION INPUT_BYTES \
             INPUT_BYTES_DISPLAY OUTPUT_BYTES OUTPUT_BYTES_DISPLAY COMPRESSION_RATIO FILE_STATUS PATH",
        ),
        (
            "CDB_OB_LS_LOG_ARCHIVE_PROGRESS",
            "TENANT_ID DEST_ID LS_ID ROUND_ID PIECE_ID INCARNATION START_SCN MIN_LSN MAX_LSN CHECKPOINT_SCN STATUS \
             FILE_ID FILE_OFFSET INPUT_BYTES OUTPUT_BYTES",
        ),
        ("CDB_OB_ARCHIVE_DEST", "TENANT_ID DEST_NO NAME VALUE"),
        ("V$OB_ARCHIVE_DEST_STATUS", "TENANT_ID DEST_ID PATH STATUS CHECKPOINT_SCN SYNCHRONIZED COMMENT"),
        (
            "CDB_OB_BACKUP_STORAGE_INFO",
            "TENANT_ID PATH ENDPOINT DEST_ID DEST_TYPE AUTHORIZATION EXTENSION CHECK_FILE_NAME LAST_CHECK_TIMESTAMP STATUS \
             MAX_IOPS MAX_BANDWIDTH",
        ),
        (
            "CDB_OB_BACKUP_JOBS",
            "TENANT_ID JOB_ID INCARNATION BACKUP_SET_ID INITIATOR_TENANT_ID INITIATOR_JOB_ID EXECUTOR_TENANT_ID \
             PLUS_ARCHIVELOG BACKUP_TYPE JOB_LEVEL ENCRYPTION_MODE PASSWD START_TIMESTAMP END_TIMESTAMP STATUS RESULT \
             COMMENT DESCRIPTION PATH",
        ),
        (
            "CDB_OB_BACKUP_TASKS",
            "TENANT_ID TASK_ID JOB_ID INCARNATION BACKUP_SET_ID START_TIMESTAMP END_TIMESTAMP STATUS START_SCN END_SCN \
             USER_LS_START_SCN ENCRYPTION_MODE PASSWD INPUT_BYTES OUTPUT_BYTES OUTPUT_RATE_BYTES EXTRA_META_BYTES \
             TABLET_COUNT FINISH_TABLET_COUNT MACRO_BLOCK_COUNT FINISH_MACRO_BLOCK_COUNT FILE_COUNT META_TURN_ID \
             DATA_TURN_ID RESULT COMMENT PATH MINOR_TURN_ID MAJOR_TURN_ID DATA_PROGRESS LOG_FILE_COUNT \
             FINISH_LOG_FILE_COUNT LOG_PROGRESS",
        ),
        (
            "CDB_OB_BACKUP_SET_FILES",
            "TENANT_ID BACKUP_SET_ID DEST_ID INCARNATION BACKUP_TYPE PREV_FULL_BACKUP_SET_ID PREV_INC_BACKUP_SET_ID \
             START_TIMESTAMP END_TIMESTAMP STATUS FILE_STATUS ELAPSED_SECONDES PLUS_ARCHIVELOG START_REPLAY_SCN \
             START_REPLAY_SCN_DISPLAY MIN_RESTORE_SCN MIN_RESTORE_SCN_DISPLAY INPUT_BYTES OUTPUT_BYTES \
             OUTPUT_RATE_BYTES EXTRA_META_BYTES TABLET_COUNT FINISH_TABLET_COUNT MACRO_BLOCK_COUNT \
             FINISH_MACRO_BLOCK_COUNT FILE_COUNT META_TURN_ID DATA_TURN_ID RESULT COMMENT ENCRYPTION_MODE PASSWD \
             TENANT_COMPATIBLE BACKUP_COMPATIBLE PATH CLUSTER_VERSION CONSISTENT_SCN MINOR_TURN_ID MAJOR_TURN_ID",
        ),
        (
            "CDB_OB_RESTORE_PROGRESS",
            "TENANT_ID JOB_ID RESTORE_TENANT_NAME RESTORE_TENANT_ID BACKUP_TENANT_NAME BACKUP_TENANT_ID \
             BACKUP_CLUSTER_NAME BACKUP_DEST RESTORE_OPTION RESTORE_SCN RESTORE_SCN_DISPLAY STATUS START_TIMESTAMP \
             BACKUP_SET_LIST BACKUP_PIECE_LIST TABLET_COUNT FINISH_TABLET_COUNT RESTORE_PROGRESS TOTAL_BYTES \
             TOTAL_BYTES_DISPLAY FINISH_BYTES FINISH_BYTES_DISPLAY DESCRIPTION",
        ),
        (
            "CDB_OB_BACKUP_VALIDATE_JOBS",
            "TENANT_ID JOB_ID INCARNATION INITIATOR_TENANT_ID INITIATOR_JOB_ID EXECUTOR_TENANT_ID TYPE PATH PATH_TYPE ID \
             VALIDATE_LEVEL START_TIMESTAMP END_TIMESTAMP STATUS RETRY_COUNT TASK_COUNT SUCCESS_TASK_COUNT RESULT \
             DESCRIPTION COMMENT",
        ),
        (
            "CDB_OB_BACKUP_DELETE_JOBS",
            "TENANT_ID JOB_ID INCARNATION INITIATOR_TENANT_ID INITIATOR_JOB_ID EXECUTOR_TENANT_ID TYPE PARAMETER \
             JOB_LEVEL START_TIMESTAMP END_TIMESTAMP STATUS TASK_COUNT SUCCESS_TASK_COUNT RESULT COMMENT DESCRIPTION",
        ),
        (
            "CDB_OB_BACKUP_DELETE_TASKS",
            "TENANT_ID TASK_ID INCARNATION JOB_ID TASK_TYPE ID ROUND_ID DEST_ID START_TIMESTAMP END_TIMESTAMP STATUS \
             TOTAL_LS_COUNT FINISH_LS_COUNT RESULT COMMENT PATH",
        ),
        ("CDB_OB_BACKUP_DELETE_POLICY", "TENANT_ID POLICY_NAME RECOVERY_WINDOW"),
    ];
    for (name, wanted) in originals {
        assert!(columns(name).starts_with(wanted), "{name}:\n{}\n{wanted}", columns(name));
    }
    // Views with the columns of another one: all rounds, and the names of generation 3.
    for (name, same) in [
        ("CDB_OB_ARCHIVELOG_SUMMARY", "CDB_OB_ARCHIVELOG"),
        ("CDB_OB_BACKUP_ARCHIVELOG", "CDB_OB_ARCHIVELOG"),
        ("CDB_OB_BACKUP_ARCHIVELOG_SUMMARY", "CDB_OB_ARCHIVELOG"),
        ("CDB_OB_BACKUP_ARCHIVELOG_PROGRESS", "CDB_OB_LS_LOG_ARCHIVE_PROGRESS"),
        ("CDB_OB_BACKUP_PIECE_FILES", "CDB_OB_ARCHIVELOG_PIECE_FILES"),
    ] {
        assert_eq!(columns(name), columns(same), "{name}");
    }
}

#[test]
fn the_archive_views_tell_the_round_as_it_is() {
    let w = full_world();
    let rounds = table(&w, "CDB_OB_ARCHIVELOG");
    assert_eq!(text(&rounds, 0, "STATUS"), "DOING");
    assert_eq!(text(&rounds, 0, "CHECKPOINT_SCN"), w.round().checkpoint_scn.to_string());
    assert_eq!(text(&rounds, 0, "PIECE_SWITCH_INTERVAL"), "1000000", "microseconds");
    assert_eq!(text(&rounds, 0, "PATH"), "file:///arc");
    let pieces = table(&w, "CDB_OB_ARCHIVELOG_PIECE_FILES");
    assert_eq!((text(&pieces, 0, "STATUS"), text(&pieces, 0, "FILE_STATUS")), ("FROZEN".into(), "AVAILABLE".into()));
    let last = pieces.rows.len() - 1;
    assert_eq!(
        (text(&pieces, last, "STATUS"), text(&pieces, last, "FILE_STATUS")),
        ("ACTIVE".into(), "INCOMPLETE".into())
    );
    let dest = table(&w, "CDB_OB_ARCHIVE_DEST");
    let parts: Vec<_> = (0..5).map(|n| format!("{}={}", text(&dest, n, "NAME"), text(&dest, n, "VALUE"))).collect();
    assert_eq!(
        parts,
        ["binding=OPTIONAL", "dest_id=1001", "path=file:///arc", "piece_switch_interval=1s", "state=ENABLE"]
    );
}

#[test]
fn the_event_history_tells_what_changed_its_state_and_to_a_tenant_only_its_own() {
    let w = full_world();
    let name = "DBA_OB_ROOTSERVICE_EVENT_HISTORY";
    let events = table(&w, name);
    let seen = |module: &str, event: &str, word: &str| {
        let is = |row: usize| text(&events, row, "MODULE") == module && text(&events, row, "EVENT") == event;
        (0..events.rows.len()).any(|row| is(row) && format!("{:?}", events.rows[row]).contains(word))
    };
    assert!(seen("log_archive", "change_status", "DOING"));
    assert!(seen("backup_data", "start_backup_data", "job_id"));
    assert!(seen("physical_restore", "change_restore_status", "job_id"));
    let own = strandline_scheduler_core::views::view_for(&w.state, w.now_ms, name, Some(TENANT)).unwrap();
    assert!(!own.rows.is_empty() && own.rows.len() < events.rows.len());
    assert!((0..own.rows.len()).all(|row| text(&own, row, "VALUE1") == TENANT.to_string()));
}

#[test]
fn the_backup_views_tell_running_and_ended_jobs_apart() {
    let w = full_world();
    let running = table(&w, "CDB_OB_BACKUP_JOBS");
    let ended = table(&w, "CDB_OB_BACKUP_JOB_HISTORY");
    assert_eq!((running.rows.len(), ended.rows.len()), (1, 3));
    assert_eq!(text(&running, 0, "STATUS"), "DOING");
    assert_eq!((text(&ended, 0, "STATUS"), text(&ended, 0, "RESULT")), ("COMPLETED".into(), "0".into()));
    assert_eq!(text(&ended, 0, "DESCRIPTION"), "nightly");
    let tasks = table(&w, "CDB_OB_BACKUP_TASKS");
    assert_eq!(text(&tasks, 0, "STATUS"), "BACKUP_USER_DATA");
    assert!(text(&tasks, 0, "LS_TASKS").contains("1001: PENDING on worker"), "{}", text(&tasks, 0, "LS_TASKS"));
    let of_tenant: usize = w.state.tenants[&TENANT].tables.values().map(|t| t.tablets.len()).sum();
    assert_eq!(text(&tasks, 0, "TABLET_COUNT"), of_tenant.to_string(), "what there is to do, from the beginning on");
    assert_eq!((text(&tasks, 0, "FINISH_TABLET_COUNT"), text(&tasks, 0, "DATA_PROGRESS")), ("0".into(), "0".into()));
    assert_eq!(text(&tasks, 0, "ETA_SECONDS"), "NULL");
    let sets = table(&w, "CDB_OB_BACKUP_SET_FILES");
    let newest = sets.rows.len() - 1;
    assert_eq!((text(&sets, 0, "STATUS"), text(&sets, newest, "STATUS")), ("SUCCESS".into(), "DOING".into()));
    assert_eq!(text(&sets, 0, "BACKUP_TYPE"), "FULL");
    assert_eq!(text(&table(&w, "CDB_OB_BACKUP_PARAMETER"), 0, "VALUE"), "file:///data");
}

#[test]
fn the_restore_views_show_the_clusters_part_and_the_tenants() {
    let w = full_world();
    let progress = table(&w, "CDB_OB_RESTORE_PROGRESS");
    assert_eq!(text(&progress, 0, "STATUS"), "WAIT_TENANT_RESTORE_FINISH");
    assert_eq!(
        (text(&progress, 1, "STATUS"), text(&progress, 1, "RESTORE_TENANT_NAME")),
        ("RESTORING".into(), "running".into())
    );
    assert_eq!(text(&progress, 1, "BACKUP_SET_LIST"), "backup_set_1_full");
    assert_eq!(text(&progress, 1, "BACKUP_PIECE_LIST"), "piece_d1001r1p1");
    let history = table(&w, "CDB_OB_RESTORE_HISTORY");
    assert_eq!((text(&history, 0, "STATUS"), text(&history, 0, "FINISH_LS_COUNT")), ("SUCCESS".into(), "2".into()));
}

#[test]
fn the_cluster_views_show_who_lives_and_what_waits() {
    let w = full_world();
    let servers = table(&w, "CDB_OB_SERVERS");
    let find = |kind: &str, id: &str| {
        (0..servers.rows.len())
            .find(|r| text(&servers, *r, "SVR_TYPE") == kind && text(&servers, *r, "SVR_ID") == id)
            .unwrap()
    };
    assert_eq!(text(&servers, find("SCHEDULER", "901"), "WITH_LEADER"), "YES");
    assert_eq!(text(&servers, find("WORKER", "1"), "STATUS"), "ACTIVE");
    assert_eq!(text(&servers, find("WORKER", "3"), "STATUS"), "UNKNOWN");
    let waiting = table(&w, "CDB_STRANDLINE_WAITING");
    let lines: Vec<_> = (0..waiting.rows.len()).map(|r| text(&waiting, r, "WAITING_ON")).collect();
    assert!(lines.iter().any(|l| l.contains("a live worker")), "{lines:#?}");
    assert_eq!(table(&w, "CDB_OB_TABLES").rows.len(), 4, "t.kv, the recovered one, the standby's and the restored one");
    assert_eq!(table(&w, "CDB_OB_TABLET_TO_LS").rows.len(), 7);
    assert_eq!(text(&table(&w, "CDB_OB_TENANTS"), 0, "LOG_MODE"), "ARCHIVELOG");
}

#[test]
fn a_twin_has_the_rows_of_the_session_s_tenant_and_no_tenant_id() {
    let w = full_world();
    for name in names().filter(|n| n.starts_with("CDB_")) {
        let twin = name.replacen("CDB_", "DBA_", 1);
        assert!(views::is_view(&twin), "{twin}");
        let (base, seen) = (table(&w, name), views::view_for(&w.state, w.now_ms, &twin, Some(TENANT)).unwrap());
        assert!(!seen.columns.contains(&"TENANT_ID"), "{twin}");
        if let Some(at) = base.columns.iter().position(|c| *c == "TENANT_ID") {
            let own = base.rows.iter().filter(|r| r[at] == Value::Uint(TENANT.0)).count();
            assert_eq!((seen.rows.len(), seen.columns.len()), (own, base.columns.len() - 1), "{twin}");
        }
        assert!(seen.rows.iter().all(|r| r.len() == seen.columns.len()), "{twin}");
    }
    assert!(!views::is_view("DBA_OB_NOTHING") && !views::is_view("DBA_V$OB_ARCHIVE_DEST_STATUS"));
}
