//! Backup jobs, their tasks, sets and parameters (fact sheet 2.2).

use super::value::{n, percent, scn, scn_display, t, time};
use super::{Build, Table, Value};
use crate::state::{BackupJob, BackupSet, State, TaskRun};
use strandline_types::{BackupJobStatus, BackupSetKind, BackupSetStatus, INCARNATION};

/// 4.2 in the original's count: separate minor and major data.
const BACKUP_COMPATIBLE: u64 = 3;
const NO_ENCRYPTION: &str = "NONE";

const JOB_COLUMNS: [&str; 19] = [
    "TENANT_ID",
    "JOB_ID",
    "INCARNATION",
    "BACKUP_SET_ID",
    "INITIATOR_TENANT_ID",
    "INITIATOR_JOB_ID",
    "EXECUTOR_TENANT_ID",
    "PLUS_ARCHIVELOG",
    "BACKUP_TYPE",
    "JOB_LEVEL",
    "ENCRYPTION_MODE",
    "PASSWD",
    "START_TIMESTAMP",
    "END_TIMESTAMP",
    "STATUS",
    "RESULT",
    "COMMENT",
    "DESCRIPTION",
    "PATH",
];

/// Running jobs, or ended ones.
pub(super) fn jobs(state: &State, ended: bool) -> Table {
    let mut view = Build::new(&JOB_COLUMNS);
    for j in state.backup_jobs.values().filter(|j| j.is_open() != ended) {
        view.row([
            n(j.tenant_id.0),
            n(j.id.0),
            n(INCARNATION),
            n(j.set_id.0),
            n(j.tenant_id.0),
            n(0u64),
            n(j.tenant_id.0),
            t("OFF"),
            backup_type(j.kind),
            t("USER_TENANT"),
            t(NO_ENCRYPTION),
            t(""),
            time(Some(j.started_ms)),
            time(j.ended_ms),
            t(job_status(j.status)),
            result(j),
            t(comment(j)),
            t(&j.description),
            t(&j.uri),
        ]);
    }
    view.done()
}

fn backup_type(kind: BackupSetKind) -> Value {
    t(match kind {
        BackupSetKind::Full => "FULL",
        BackupSetKind::Inc => "INC",
    })
}

/// A job shows only whether it runs; its stages are the task's.
fn job_status(status: BackupJobStatus) -> String {
    use BackupJobStatus::{Data, Index, Infos, Log};
    match status {
        Data | Index | Log | Infos => "DOING".to_owned(),
        other => other.to_string(),
    }
}

fn result(job: &BackupJob) -> Value {
    Value::Int(job.failure.as_ref().map_or(0, |f| if f.code == 0 { -4000 } else { f.code }).into())
}

fn comment(job: &BackupJob) -> String {
    let of_tasks = || job.tasks.values().chain([&job.index]).find_map(|t| t.failure.as_ref());
    let trouble = job.trouble.as_ref().map(|t| &t.failure);
    job.failure.as_ref().or(trouble).or_else(of_tasks).map(ToString::to_string).unwrap_or_default()
}

const TASK_COLUMNS: [&str; 34] = [
    "TENANT_ID",
    "TASK_ID",
    "JOB_ID",
    "INCARNATION",
    "BACKUP_SET_ID",
    "START_TIMESTAMP",
    "END_TIMESTAMP",
    "STATUS",
    "START_SCN",
    "END_SCN",
    "USER_LS_START_SCN",
    "ENCRYPTION_MODE",
    "PASSWD",
    "INPUT_BYTES",
    "OUTPUT_BYTES",
    "OUTPUT_RATE_BYTES",
    "EXTRA_META_BYTES",
    "TABLET_COUNT",
    "FINISH_TABLET_COUNT",
    "MACRO_BLOCK_COUNT",
    "FINISH_MACRO_BLOCK_COUNT",
    "FILE_COUNT",
    "META_TURN_ID",
    "DATA_TURN_ID",
    "RESULT",
    "COMMENT",
    "PATH",
    "MINOR_TURN_ID",
    "MAJOR_TURN_ID",
    "DATA_PROGRESS",
    "LOG_FILE_COUNT",
    "FINISH_LOG_FILE_COUNT",
    "LOG_PROGRESS",
    "LS_TASKS",
];

/// The set that each running (or ended) job makes, with the stage that it is in.
pub(super) fn tasks(state: &State, ended: bool) -> Table {
    let mut view = Build::new(&TASK_COLUMNS);
    for j in state.backup_jobs.values().filter(|j| j.is_open() != ended) {
        let Some(s) = state.backup_sets.get(&(j.tenant_id, j.set_id)) else { continue };
        view.row(task_row(j, s, state.clock_ms));
    }
    view.done()
}

fn task_row(j: &BackupJob, s: &BackupSet, now_ms: u64) -> [Value; 34] {
    let runs = || j.tasks.values();
    let done_tablets: u64 = j.results.values().map(|r| r.tablet_count).sum::<u64>().max(s.finish_tablet_count);
    let blocks = j.results.values().map(|r| r.macro_block_count).sum::<u64>().max(s.macro_block_count);
    let moved = runs().map(|r| r.bytes_done).sum::<u64>();
    let total = runs().map(|r| r.bytes_total).sum::<u64>();
    let ended_well = j.status == BackupJobStatus::Completed;
    let output = s.output_bytes.max(if ended_well { 0 } else { moved });
    [
        n(j.tenant_id.0),
        n(j.set_id.0),
        n(j.id.0),
        n(INCARNATION),
        n(j.set_id.0),
        time(Some(j.started_ms)),
        time(j.ended_ms),
        t(j.status),
        scn(s.start_scn),
        scn(s.min_restore_scn),
        scn(s.start_scn),
        t(NO_ENCRYPTION),
        t(""),
        n(s.input_bytes),
        n(output),
        n(rate(output, s.start_ms, j.ended_ms.unwrap_or(now_ms))),
        n(0u64),
        n(s.tablet_count.max(done_tablets)),
        n(done_tablets),
        n(blocks),
        n(blocks),
        n(s.file_count),
        n(u64::from(s.meta_turn.0)),
        n(u64::from(s.data_turn.0)),
        result(j),
        t(comment(j)),
        t(&j.uri),
        n(u64::from(s.data_turn.0)),
        n(u64::from(s.data_turn.0)),
        Value::Real(if ended_well { 100.0 } else { percent(moved, total) }),
        n(0u64),
        n(0u64),
        Value::Real(0.0),
        t(ls_tasks(j)),
    ]
}

/// One word per log stream: `1001: DOING on worker 2, retry 0`.
fn ls_tasks(job: &BackupJob) -> String {
    let word = |run: &TaskRun| {
        let on = run.executor.map(|w| format!(" on worker {w}")).unwrap_or_default();
        format!("{}{on}, retry {}", run.status, run.retry)
    };
    let all: Vec<String> = job.tasks.iter().map(|(ls, run)| format!("{ls}: {}", word(run))).collect();
    all.join("; ")
}

fn rate(bytes: u64, from_ms: u64, to_ms: u64) -> u64 {
    bytes.saturating_mul(1000) / to_ms.saturating_sub(from_ms).max(1)
}

const SET_COLUMNS: [&str; 39] = [
    "TENANT_ID",
    "BACKUP_SET_ID",
    "DEST_ID",
    "INCARNATION",
    "BACKUP_TYPE",
    "PREV_FULL_BACKUP_SET_ID",
    "PREV_INC_BACKUP_SET_ID",
    "START_TIMESTAMP",
    "END_TIMESTAMP",
    "STATUS",
    "FILE_STATUS",
    // The original's spelling.
    "ELAPSED_SECONDES",
    "PLUS_ARCHIVELOG",
    "START_REPLAY_SCN",
    "START_REPLAY_SCN_DISPLAY",
    "MIN_RESTORE_SCN",
    "MIN_RESTORE_SCN_DISPLAY",
    "INPUT_BYTES",
    "OUTPUT_BYTES",
    "OUTPUT_RATE_BYTES",
    "EXTRA_META_BYTES",
    "TABLET_COUNT",
    "FINISH_TABLET_COUNT",
    "MACRO_BLOCK_COUNT",
    "FINISH_MACRO_BLOCK_COUNT",
    "FILE_COUNT",
    "META_TURN_ID",
    "DATA_TURN_ID",
    "RESULT",
    "COMMENT",
    "ENCRYPTION_MODE",
    "PASSWD",
    "TENANT_COMPATIBLE",
    "BACKUP_COMPATIBLE",
    "PATH",
    "CLUSTER_VERSION",
    "CONSISTENT_SCN",
    "MINOR_TURN_ID",
    "MAJOR_TURN_ID",
];

/// Every set.
pub(super) fn sets(state: &State) -> Table {
    let mut view = Build::new(&SET_COLUMNS);
    for s in state.backup_sets.values() {
        view.row(set_row(s));
    }
    view.done()
}

fn set_row(s: &BackupSet) -> [Value; 39] {
    let end_ms = (s.status != BackupSetStatus::Doing).then_some(s.end_ms);
    let elapsed_s = end_ms.map_or(Value::Null, |e| n(e.saturating_sub(s.start_ms) / 1000));
    let turn = || n(u64::from(s.data_turn.0));
    [
        n(s.tenant_id.0),
        n(s.set_id.0),
        n(s.dest_id.0),
        n(INCARNATION),
        backup_type(s.kind),
        n(s.prev_full.0),
        n(s.prev_inc.0),
        time(Some(s.start_ms)),
        time(end_ms),
        t(s.status),
        t(s.file_status),
        elapsed_s,
        t("OFF"),
        scn(s.start_replay_scn),
        scn_display(s.start_replay_scn),
        scn(s.min_restore_scn),
        scn_display(s.min_restore_scn),
        n(s.input_bytes),
        n(s.output_bytes),
        n(rate(s.output_bytes, s.start_ms, s.end_ms)),
        n(0u64),
        n(s.tablet_count),
        n(s.finish_tablet_count),
        n(s.macro_block_count),
        n(s.macro_block_count),
        n(s.file_count),
        n(u64::from(s.meta_turn.0)),
        turn(),
        Value::Int(s.result.into()),
        t(&s.comment),
        t(NO_ENCRYPTION),
        t(""),
        t(env!("CARGO_PKG_VERSION")),
        n(BACKUP_COMPATIBLE),
        t(&s.uri),
        t(env!("CARGO_PKG_VERSION")),
        scn(s.consistent_scn),
        turn(),
        turn(),
    ]
}

/// Each tenant's DATA_BACKUP_DEST.
pub(super) fn parameters(state: &State) -> Table {
    let mut view = Build::new(&["TENANT_ID", "NAME", "VALUE"]);
    for tenant in state.tenants.values() {
        if let Some(dest) = tenant.data_dest.and_then(|d| state.destinations.get(&d)) {
            view.row([n(tenant.id.0), t("data_backup_dest"), t(&dest.uri)]);
        }
    }
    view.done()
}
