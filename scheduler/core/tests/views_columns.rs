//! Every column of views that other tests look at in passing: a row is compared as a whole, so that no column is left out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{START_MS, TENANT, World, archive_spec, restore_request};
use std::collections::BTreeMap;
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::state::{
    CleanPolicy, DrillPlan, DrillStage, LsPiece, ReplicaStanding, StandbyStage, Sweep, Trouble,
};
use strandline_scheduler_core::views::{Value, view};
use strandline_scheduler_core::*;
use strandline_types::*;

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(v) => v.to_string(),
        Value::Uint(v) => v.to_string(),
        Value::Real(v) => v.to_string(),
        Value::Text(v) => v.clone(),
    }
}

/// All rows of a view, each as `COLUMN=value` for every column.
fn rows(state: &State, now_ms: u64, name: &str) -> Vec<String> {
    let table = view(state, now_ms, name).unwrap();
    let pair = |(column, value): (&&str, &Value)| format!("{column}={}", shown(value));
    table.rows.iter().map(|row| table.columns.iter().zip(row).map(pair).collect::<Vec<_>>().join(" | ")).collect()
}

/// One column of all rows.
fn column(state: &State, now_ms: u64, name: &str, column: &str) -> Vec<String> {
    let table = view(state, now_ms, name).unwrap();
    let at = table.columns.iter().position(|c| *c == column).unwrap();
    table.rows.iter().map(|row| shown(&row[at])).collect()
}

const BEGAN: &str = "2023-11-14 22:13:20.000000";

#[test]
fn a_location_says_where_a_replica_is_how_far_and_what_is_the_matter_with_it() {
    let mut w = World::with_tenant(3, 3);
    let (now_ms, ls) = (w.now_ms, LsId(1001));
    let leader = w.state.tenants[&TENANT].log_streams[&ls].leader.unwrap();
    let seen = w.state.workers[&leader].replicas[&(TENANT, ls)];
    let wanted = format!(
        "TENANT_ID=1002 | LS_ID=1001 | SVR_ID={leader} | SVR_ADDRESS=127.0.0.1:{} | ROLE=LEADER | TERM={} | END_LSN={} | \
         MAX_SCN={} | STATUS=NORMAL | COMMENT=",
        7000 + leader.0,
        seen.term.0,
        seen.end_lsn.0,
        seen.max_scn
    );
    assert!(rows(&w.state, now_ms, "CDB_OB_LS_LOCATIONS").contains(&wanted), "{wanted}");
    let member = *w.state.tenants[&TENANT].log_streams[&ls].members.iter().find(|m| **m != leader).unwrap();
    let of_member = |state: &State, now_ms: u64| {
        let all = rows(state, now_ms, "CDB_OB_LS_LOCATIONS");
        all.into_iter().find(|r| r.contains(&format!("LS_ID=1001 | SVR_ID={member} "))).unwrap()
    };
    let failure = |class| Failure::new(class, "it fails", "a file", "look at it");
    for (standing, status) in [
        (ReplicaStanding::CatchingUp, "STATUS=CATCHING_UP | COMMENT=it began empty and does not vote yet"),
        (ReplicaStanding::Empty, "STATUS=EMPTY | COMMENT=it began empty and waits for its leader"),
        (ReplicaStanding::Full, "STATUS=NORMAL | COMMENT="),
    ] {
        let row = w.state.workers.get_mut(&member).unwrap();
        row.replicas.get_mut(&(TENANT, ls)).unwrap().standing = standing;
        assert!(of_member(&w.state, now_ms).ends_with(status), "{}", of_member(&w.state, now_ms));
    }
    let row = w.state.workers.get_mut(&member).unwrap();
    row.replica_troubles.insert((TENANT, ls), failure(ErrorClass::Corrupt));
    let damaged = "STATUS=DAMAGED | COMMENT=it is put aside and rebuilt from the others: it fails [a file]: look at it";
    assert!(of_member(&w.state, now_ms).ends_with(damaged), "{}", of_member(&w.state, now_ms));
    let row = w.state.workers.get_mut(&member).unwrap();
    row.replica_troubles.insert((TENANT, ls), failure(ErrorClass::Transient));
    assert!(of_member(&w.state, now_ms).ends_with("STATUS=NORMAL | COMMENT=it fails [a file]: look at it"));
    let later_ms = now_ms + limits::WORKER_UNKNOWN_MS;
    assert!(of_member(&w.state, later_ms).ends_with("STATUS=UNKNOWN | COMMENT="), "what was said is old");
    w.state.workers.get_mut(&member).unwrap().replicas.remove(&(TENANT, ls));
    let none = "ROLE=FOLLOWER | TERM=NULL | END_LSN=NULL | MAX_SCN=NULL";
    let stopped = format!("{none} | STATUS=STOPPED | COMMENT=it fails [a file]: look at it");
    assert!(of_member(&w.state, now_ms).ends_with(&stopped), "{}", of_member(&w.state, now_ms));
    assert!(of_member(&w.state, later_ms).ends_with(&format!("{none} | STATUS=MISSING | COMMENT=")));
}

#[test]
fn a_destination_as_storage_shows_its_attributes_apart_from_its_place_and_never_a_key() {
    let mut w = World::with_tenant(1, 1);
    let access = Access::new("access_id=me&access_key=secret");
    let spec = ArchiveDestSpec { access, ..archive_spec("s3://b/arc?host=h&max_iops=5", 3600) };
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: Some(spec) }).unwrap();
    let of = |w: &World, name: &str| rows(&w.state, w.now_ms, name);
    let head = "TENANT_ID=1002 | PATH=s3://b/arc | ";
    let key = "AUTHORIZATION=access_id=me&access_key=****** | EXTENSION=max_iops=5";
    let id = "ENDPOINT=h | DEST_ID=1001 | DEST_TYPE=archive_log";
    let limits = "MAX_IOPS=5 | MAX_BANDWIDTH=0";
    assert_eq!(
        of(&w, "CDB_OB_BACKUP_STORAGE_INFO"),
        [format!(
            "{head}{id} | {key} | CHECK_FILE_NAME=NULL | LAST_CHECK_TIMESTAMP=NULL | STATUS=NOT_READY | {limits}"
        )]
    );
    w.now_ms = START_MS + 60_000;
    w.act(Action::DestFormatted { dest: DestId(1001) }).unwrap();
    w.act(Action::DestChecked { dest: DestId(1001), check_file: "check/1".to_owned() }).unwrap();
    let checked = "CHECK_FILE_NAME=check/1 | LAST_CHECK_TIMESTAMP=2023-11-14 22:14:20.000000 | STATUS=NORMAL";
    assert_eq!(of(&w, "CDB_OB_BACKUP_STORAGE_INFO"), [format!("{head}{id} | {key} | {checked} | {limits}")]);
    let (dest, uri) = (DestId(1001), "s3://b/arc?host=h".to_owned());
    w.act(Action::ChangeStorage { dest, uri, access: Access::default() }).unwrap();
    // There the endpoint has no column of its own.
    let key = key.replace("max_iops", "host=h&max_iops");
    let replaced = "REPLACED_AT=2023-11-14 22:14:20.000000";
    assert_eq!(
        of(&w, "CDB_OB_BACKUP_STORAGE_INFO_HISTORY"),
        [format!("{head}DEST_ID=1001 | DEST_TYPE=archive_log | {key} | {replaced}")]
    );
    assert_eq!(column(&w.state, w.now_ms, "CDB_OB_BACKUP_STORAGE_INFO", "AUTHORIZATION"), [""]);
}

#[test]
fn a_policy_shows_its_window_as_it_was_written_and_when_it_runs_and_a_sweep_what_it_found() {
    let mut w = World::archiving(1, 1, 3600);
    let of_window = |window_ms: u64| Policy {
        window_ns: window_ms * 1_000_000,
        redundancy: 2,
        keep_weekly: 3,
        keep_monthly: 4,
        keep_yearly: 5,
        log_only: window_ms == 0,
    };
    for (window_ms, name, window, next) in [
        (7 * 86_400_000, "default", "7d", "2023-11-14 23:13:20.000000"),
        (36 * 3_600_000, "default", "36h", "2023-11-14 23:13:20.000000"),
        (90 * 60_000, "default", "90m", "2023-11-14 23:13:20.000000"),
        (45_000, "default", "45s", "2023-11-14 23:13:20.000000"),
        (0, "log_only", "0s", "NULL"),
    ] {
        let policy = CleanPolicy { policy: of_window(window_ms), last_run_ms: START_MS };
        w.state.clean_policies.insert(TENANT, policy);
        let head = format!("TENANT_ID=1002 | POLICY_NAME={name} | RECOVERY_WINDOW={window} | REDUNDANCY=2");
        let kept = "KEEP_WEEKLY=3 | KEEP_MONTHLY=4 | KEEP_YEARLY=5";
        let wanted = format!("{head} | {kept} | LAST_RUN_TIMESTAMP={BEGAN} | NEXT_RUN_TIMESTAMP={next}");
        assert_eq!(rows(&w.state, w.now_ms, "CDB_OB_BACKUP_DELETE_POLICY"), [wanted]);
    }
    let failure = Failure::new(ErrorClass::Transient, "it is away", "file:///data", "wait");
    let sweep = Sweep {
        last_ms: START_MS,
        orphans: [("backup_set_9_full".to_owned(), 1), ("piece_d1r1p1".to_owned(), 2)].into(),
        unfinished: 3,
        removed: 4,
        aborted: 5,
        trouble: Some(Trouble { failure, since_ms: START_MS }),
    };
    w.state.sweeps = BTreeMap::from([(DestId(1002), sweep), (DestId(9), Sweep::default())]);
    let found = "ORPHANS=backup_set_9_full,piece_d1r1p1 | UNFINISHED_UPLOADS=3 | REMOVED=4 | ABORTED=5";
    let comment = "COMMENT=it is away [file:///data]: wait";
    let wanted = format!("TENANT_ID=1002 | DEST_ID=1002 | PATH=file:///data | {found} | LAST_CHECK_TIMESTAMP={BEGAN}");
    let all = rows(&w.state, w.now_ms, "CDB_STRANDLINE_BACKUP_ORPHANS");
    assert_eq!(all, [format!("{wanted} | {comment}")], "a destination that is gone has no row");
}

#[test]
fn a_drill_shows_both_fingerprints_and_what_is_proven_and_the_plan_when_the_next_proof_is_due() {
    let mut w = World::archiving(1, 1, 3600);
    let Ok(Done::Drill(id)) = w.act(Action::StartDrill { tenant: TENANT, last_ms: None }) else { panic!() };
    let print = |keys: u64, byte: u8| FingerprintResult { scn: Scn(9), keys, digest: vec![0, byte] };
    let drill = w.state.drill_mut(id).unwrap();
    (drill.scn, drill.stage, drill.set_id) = (Scn(1_700_000_000_000_000_000), DrillStage::Failed, BackupSetId(4));
    drill.restore = Some((JobId(77), TenantId(1004)));
    drill.source = [(LsId(1), print(3, 0xab)), (LsId(1001), print(4, 1))].into();
    drill.restored = [(LsId(1), print(3, 0xab))].into();
    (drill.started_ms, drill.ended_ms) = (START_MS, Some(START_MS + 1_500));
    drill.failure = Some(Failure::new(ErrorClass::Corrupt, "it differs", "log stream 1001", "report it"));
    let head = format!("TENANT_ID=1002 | DRILL_ID={id} | STATUS=FAILED | SCN=1700000000000000000");
    let set = "SCN_DISPLAY=2023-11-14 22:13:20.000000000 | BACKUP_SET_ID=4 | RESTORE_JOB_ID=77";
    let times = format!("START_TIMESTAMP={BEGAN} | END_TIMESTAMP=2023-11-14 22:13:21.500000 | KEYS=7");
    let prints = "SOURCE_FINGERPRINT=1:00ab,1001:0001 | RESTORED_FINGERPRINT=1:00ab";
    let comment = "COMMENT=it differs [log stream 1001]: report it";
    let all = rows(&w.state, w.now_ms, "CDB_STRANDLINE_RESTORE_DRILLS");
    assert_eq!(all, [format!("{head} | {set} | {times} | {prints} | {comment}")]);
    let plan_of = DrillPlan {
        interval_ms: 7_000,
        cron: "0 2 * * 0".to_owned(),
        time_zone: "UTC".to_owned(),
        last_ms: START_MS,
        ..DrillPlan::default()
    };
    let head = "TENANT_ID=1002 | INTERVAL_SECONDS=7 | CRON=0 2 * * 0 | TIME_ZONE=UTC";
    w.state.drill_plans.insert(TENANT, plan_of.clone());
    let none = "PROVEN_SCN=0 | PROVEN_SCN_DISPLAY=NULL | PROVEN_TIMESTAMP=NULL";
    let wanted = format!("{head} | LAST_DRILL_TIMESTAMP={BEGAN} | {none}");
    assert_eq!(rows(&w.state, w.now_ms, "CDB_STRANDLINE_RESTORE_DRILL_PLANS"), [wanted]);
    let proven = DrillPlan { proven_scn: Scn(1_700_000_000_000_000_001), proven_ms: START_MS, ..plan_of };
    w.state.drill_plans.insert(TENANT, proven);
    let shown = column(&w.state, w.now_ms, "CDB_STRANDLINE_RESTORE_DRILL_PLANS", "PROVEN_SCN_DISPLAY");
    assert_eq!(shown, ["2023-11-14 22:13:20.000000001"]);
}

#[test]
fn a_restore_shows_its_progress_by_stage_and_is_never_at_a_hundred_before_the_tenant_is_open() {
    let mut w = World::new(1);
    w.act(restore_request("r", 1)).unwrap();
    let id = JobId(1);
    let mut seen = Vec::new();
    for stage in RestoreStage::ALL.into_iter().filter(|s| !s.is_ended()) {
        let job = w.state.restore_job_mut(id).unwrap();
        job.stage = stage;
        // Half of the data tasks, a quarter of the log of the user's log stream.
        for (n, run) in job.runs.values_mut().enumerate() {
            run.status = if n % 2 == 1 { LsTaskStatus::Finish } else { LsTaskStatus::Init };
        }
        let of = |c| column(&w.state, w.now_ms, "CDB_OB_RESTORE_PROGRESS", c);
        let (status, done) = (of("STATUS"), of("FINISH_BYTES"));
        assert_eq!((done[0].clone(), of("TOTAL_BYTES")), (done[1].clone(), vec!["1500".to_owned(); 2]));
        let figures = of("RESTORE_PROGRESS").remove(0);
        seen.push(format!("{stage}: {}, {}, {}, {figures}", status[0], status[1], done[0]));
    }
    let wait = "WAIT_TENANT_RESTORE_FINISH";
    assert_eq!(
        seen,
        [
            format!("{}: CREATE_TENANT, RESTORING, 0, 0", RestoreStage::CreateTenant),
            format!("{}: {wait}, RESTORING, 0, 0", RestoreStage::RestoreData),
            format!("{}: {wait}, RESTORING, 1000, 66.67", RestoreStage::StartLogStreams),
            format!("{}: {wait}, RESTORING, 1000, 66.67", RestoreStage::ReplayLog),
            format!("{}: {wait}, POST_CHECK, 1500, 99", RestoreStage::PostCheck),
        ]
    );
    let whole = rows(&w.state, w.now_ms, "CDB_OB_RESTORE_PROGRESS").remove(1);
    let source = "BACKUP_TENANT_NAME=t | BACKUP_TENANT_ID=1002 | BACKUP_CLUSTER_NAME=other";
    let names = format!("RESTORE_TENANT_NAME=r | RESTORE_TENANT_ID=1002 | {source}");
    let from = "BACKUP_DEST=file:///data,file:///arc | RESTORE_OPTION=replicas=1 | RESTORE_SCN=5000";
    let at = "RESTORE_SCN_DISPLAY=1970-01-01 00:00:00.000005000 | STATUS=POST_CHECK";
    let lists = "BACKUP_SET_LIST=backup_set_1_full | BACKUP_PIECE_LIST=piece_d1001r1p1 | TABLET_COUNT=4";
    let bytes = "TOTAL_BYTES=1500 | TOTAL_BYTES_DISPLAY=1.46KB | FINISH_BYTES=1500 | FINISH_BYTES_DISPLAY=1.46KB";
    let head = format!("TENANT_ID=1002 | JOB_ID=1 | {names} | {from} | {at} | START_TIMESTAMP={BEGAN} | {lists} | ");
    assert!(whole.starts_with(&head), "{whole}\n{head}");
    assert!(whole.contains(&format!("RESTORE_PROGRESS=99 | {bytes} | DESCRIPTION=")), "{whole}");
    assert!(whole.ends_with("COMMENT= | ETA_SECONDS=NULL"), "nothing is left of the bytes: {whole}");
}

#[test]
fn a_standby_shows_its_source_and_per_log_stream_how_far_it_is_and_why_it_goes_no_further() {
    let mut w = World::new(1);
    let Action::StartRestore(mut request) = restore_request("s", 1) else { unreachable!() };
    request.standby = true;
    w.act(Action::StartRestore(request)).unwrap();
    w.until("the standby", |w| w.state.standbys().next().is_some());
    let (id, tenant) = w.state.standbys().next().map(|s| (s.id, s.tenant_id)).unwrap();
    let source = |w: &World| rows(&w.state, w.now_ms, "CDB_OB_LOG_RESTORE_SOURCE");
    let head = format!("TENANT_ID={tenant} | ID=1 | TYPE=LOCATION | VALUE=LOCATION=file:///arc");
    let set = |w: &mut World, stage, until| {
        let standby = w.state.standby_job_mut(id).unwrap();
        (standby.stage, standby.until) = (stage, until);
    };
    set(&mut w, StandbyStage::Following, None);
    let unlimited = format!("RECOVERY_UNTIL_SCN={} | RECOVERY_UNTIL_SCN_DISPLAY=UNLIMITED", u64::MAX);
    assert_eq!(source(&w), [format!("{head} | {unlimited} | STATUS=FOLLOWING")]);
    let failure = |code| Failure::new(ErrorClass::NotFound, "no more", "file:///arc", "look").with_code(code);
    for (stage, code, status) in [
        (StandbyStage::Stopped, None, "RESTORE SUSPEND"),
        (StandbyStage::Reached, None, "REACHED"),
        (StandbyStage::Following, None, "NORMAL"),
        (StandbyStage::Following, Some(CODE_NOT_ENOUGH_LOG), "SOURCE HAS A GAP"),
        (StandbyStage::Following, Some(-1), "NOT AVAILABLE"),
    ] {
        set(&mut w, stage, Some(Scn(9000)));
        let trouble = code.map(|code| Trouble { failure: failure(code), since_ms: START_MS });
        w.state.standby_job_mut(id).unwrap().trouble = trouble;
        let of = |c| column(&w.state, w.now_ms, "V$OB_LS_LOG_RESTORE_STATUS", c);
        assert_eq!((of("LS_ID"), of("SYNC_STATUS")), (vec!["1".into(), "1001".into()], vec![status.to_owned(); 2]));
        assert_eq!(of("ERR_CODE"), [code.unwrap_or(0).to_string(), code.unwrap_or(0).to_string()]);
        let comment = match (stage, code) {
            (_, Some(_)) => "no more [file:///arc]: look",
            (StandbyStage::Reached, _) => "it holds everything up to SCN 9000 (1970-01-01 00:00:00.000009000)",
            _ => "",
        };
        assert_eq!(of("COMMENT"), [comment, comment]);
        assert_eq!(of("TARGET_SCN"), ["5000", "5000"]);
    }
    let display = "RECOVERY_UNTIL_SCN=9000 | RECOVERY_UNTIL_SCN_DISPLAY=1970-01-01 00:00:00.000009000";
    assert_eq!(source(&w), [format!("{head} | {display} | STATUS=FOLLOWING")]);
    w.state.tenants.get_mut(&tenant).unwrap().log_streams.get_mut(&LsId(1)).unwrap().leader = None;
    let status = column(&w.state, w.now_ms, "V$OB_LS_LOG_RESTORE_STATUS", "SYNC_STATUS");
    assert_eq!(status, ["RESTORE HANDLER HAS NO LEADER", "NOT AVAILABLE"]);
}

#[test]
fn archive_progress_shows_each_piece_of_a_log_stream_with_its_bytes_and_the_file_that_it_ends_in() {
    const BLOCK: u64 = limits::BLOCK_BODY_BYTES;
    let mut w = World::archiving(1, 1, 3600);
    let (start, hour_ns) = (w.round().clock.round_start.0, 3_600_000_000_000);
    let failure = Failure::new(ErrorClass::Transient, "it is away", "file:///arc", "wait");
    let piece = |from: u64, to: u64| LsPiece {
        start_lsn: Lsn(from),
        end_lsn: Lsn(to),
        checkpoint_scn: Scn(to),
        output_bytes: to - from,
    };
    let round = w.state.rounds.get_mut(&(TENANT, RoundId(1))).unwrap();
    let mut row = round.progress[&LsId::SYS].clone();
    row.pieces = [(PieceId(1), piece(0, 100)), (PieceId(2), piece(100, BLOCK + 7))].into();
    (row.piece_id, row.start_scn, row.archived_lsn) = (PieceId(3), Scn(start + 5), Lsn(BLOCK + 7));
    row.checkpoint_scn = Scn(start + 2 * hour_ns);
    row.trouble = Some(Trouble { failure, since_ms: START_MS });
    round.progress = [(LsId::SYS, row)].into();
    let of = |c| column(&w.state, w.now_ms, "CDB_OB_LS_LOG_ARCHIVE_PROGRESS", c);
    assert_eq!(of("PIECE_ID"), ["1", "2", "3"], "in the third one it goes on, nothing is in it yet");
    let scns = [start + 5, start + hour_ns, start + 2 * hour_ns].map(|scn| scn.to_string());
    assert_eq!(of("START_SCN"), scns, "not before the piece, and in the first one not before the stream");
    assert_eq!(of("MIN_LSN"), ["0".to_owned(), "100".to_owned(), "0".to_owned()]);
    assert_eq!(of("MAX_LSN"), ["100".to_owned(), (BLOCK + 7).to_string(), (BLOCK + 7).to_string()]);
    let header = limits::ARCHIVE_FILE_HEADER_BYTES;
    assert_eq!(of("FILE_OFFSET"), [header + 100, header + 7, header + 7].map(|n| n.to_string()));
    let files = of("FILE_ID").iter().map(|id| id.parse::<u64>().unwrap()).collect::<Vec<_>>();
    assert_eq!((files[1] - files[0], files[2] - files[1]), (1, 0), "a file for each block");
    assert_eq!(of("OUTPUT_BYTES"), ["100".to_owned(), (BLOCK + 7 - 100).to_string(), "0".to_owned()]);
    assert_eq!(of("COMMENT"), ["", "", "it is away [file:///arc]: wait"], "trouble is where it goes on");
    assert_eq!(
        (of("STATUS")[0].as_str(), of("ROUND_ID")[0].as_str(), of("DEST_ID")[0].as_str()),
        ("DOING", "1", "1001")
    );
}
