//! Backup jobs, their sets and parameters (fact sheet 2.2).

use super::held_up::held_up;
use super::value::{n, scn, scn_display, t, time};
use super::{Build, Table, Value};
use crate::refuse;
use crate::state::{BackupJob, BackupSet, InitiatorJob, SetSeal, State};
use strandline_types::{BACKUP_COMPATIBLE, BackupJobStatus, BackupMode, BackupSetStatus, INCARNATION, TenantId};

const LEFT_OVER: &str = "its end placeholder is written when the destination takes it, see CDB_STRANDLINE_WAITING";

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

/// Running jobs, or ended ones: of tenants, and those of the system tenant that they are parts of.
pub(super) fn jobs(state: &State, ended: bool) -> Table {
    let mut view = Build::new(&JOB_COLUMNS);
    for j in state.initiators().filter(|j| j.status().is_ended() == ended) {
        view.row(initiator_row(j));
    }
    for j in state.backup_jobs().filter(|j| j.is_open() != ended) {
        view.row(job_row(state, j));
    }
    view.done()
}

fn job_row(state: &State, j: &BackupJob) -> [Value; 19] {
    let seal = state.backup_sets.get(&(j.tenant_id, j.set_id)).and_then(|s| s.seal.as_ref());
    let initiator = if j.parent.is_some() { TenantId::SYS } else { j.tenant_id };
    [
        n(j.tenant_id.0),
        n(j.id.0),
        n(INCARNATION),
        n(j.set_id.0),
        n(initiator.0),
        n(j.parent.map_or(0, |id| id.0)),
        n(j.tenant_id.0),
        on_off(j.plus_archivelog),
        t(j.kind),
        t("USER_TENANT"),
        t(SetSeal::mode(seal)),
        t(SetSeal::passwd(seal)),
        time(Some(j.started_ms)),
        time(ended_ms(j)),
        t(job_status(j.status)),
        result(j),
        t(comment(state, j)),
        t(&j.description),
        t(&j.uri),
    ]
}

/// A job of the system tenant makes no set: its children do.
fn initiator_row(j: &InitiatorJob) -> [Value; 19] {
    let failure = j.failure();
    let result = failure.map_or(0, |(_, f)| refuse::result_code(f));
    let unstarted = j.children.iter().filter(|(_, c)| c.job.is_none()).map(|(tenant, _)| tenant.to_string());
    let unstarted: Vec<String> = unstarted.collect();
    let mut comment = failure.map(|(tenant, f)| format!("tenant {tenant}: {f}")).unwrap_or_default();
    if !unstarted.is_empty() {
        comment = format!("not started for tenants {}; {comment}", unstarted.join(", "));
    }
    let kind = if j.mode == BackupMode::Incremental { "INC" } else { "FULL" };
    [
        n(TenantId::SYS.0),
        n(j.id.0),
        n(INCARNATION),
        n(0u64),
        n(TenantId::SYS.0),
        n(0u64),
        n(TenantId::SYS.0),
        on_off(j.plus_archivelog),
        t(kind),
        t("SYS_TENANT"),
        t(if j.is_sealed { "PASSWORD_ENCRYPTION" } else { "NONE" }),
        t(""),
        time(Some(j.started_ms)),
        time(j.ended_ms),
        t(job_status(j.status())),
        Value::Int(result.into()),
        t(comment),
        t(&j.description),
        t(""),
    ]
}

pub(super) fn on_off(is_on: bool) -> Value {
    t(if is_on { "ON" } else { "OFF" })
}

/// A job shows only whether it runs; its stages are the task's.
fn job_status(status: BackupJobStatus) -> String {
    use BackupJobStatus::{Canceled, Canceling, Completed, Failed, Init};
    match status {
        Init | Canceling | Canceled | Completed | Failed => status.to_string(),
        _ => "DOING".to_owned(),
    }
}

pub(super) fn result(job: &BackupJob) -> Value {
    Value::Int(job.failure.as_ref().map_or(0, refuse::result_code).into())
}

/// When it ended: a job that has something left to write has not.
pub(super) fn ended_ms(job: &BackupJob) -> Option<u64> {
    job.ended_ms.filter(|_| !job.is_open())
}

/// Why it failed, what holds it up, or else what is to be known of the set.
pub(super) fn comment(state: &State, job: &BackupJob) -> String {
    let failure = job.failure.as_ref().or_else(|| held_up([job])).map(ToString::to_string);
    let note = || state.backup_sets.get(&(job.tenant_id, job.set_id)).map(|s| s.note.clone()).unwrap_or_default();
    let comment = failure.unwrap_or_else(note);
    if state.is_left_over(job.dest_id, job.set_id) { format!("{comment}; {LEFT_OVER}") } else { comment }
}

pub(super) fn rate(bytes: u64, from_ms: u64, to_ms: u64) -> u64 {
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
        t(s.kind),
        n(s.prev_full.0),
        n(s.prev_inc.0),
        time(Some(s.start_ms)),
        time(end_ms),
        t(s.status),
        t(s.file_status),
        elapsed_s,
        on_off(s.plus_archivelog),
        scn(s.start_replay_scn),
        scn_display(s.start_replay_scn),
        scn(s.min_restore_scn),
        scn_display(s.min_restore_scn),
        n(s.input_bytes),
        n(s.output_bytes),
        n(rate(s.output_bytes, s.start_ms, s.end_ms)),
        n(s.extra_bytes),
        n(s.tablet_count),
        n(s.finish_tablet_count),
        n(s.macro_block_count),
        n(s.macro_block_count),
        n(s.file_count),
        n(u64::from(s.meta_turn.0)),
        turn(),
        Value::Int(s.result.into()),
        t(if s.comment.is_empty() { &s.note } else { &s.comment }),
        t(SetSeal::mode(s.seal.as_ref())),
        t(SetSeal::passwd(s.seal.as_ref())),
        t(&s.version),
        n(BACKUP_COMPATIBLE),
        t(&s.uri),
        t(&s.version),
        scn(s.consistent_scn),
        turn(),
        turn(),
    ]
}

/// Each tenant's DATA_BACKUP_DEST and parameters of backups.
pub(super) fn parameters(state: &State) -> Table {
    let mut view = Build::new(&["TENANT_ID", "NAME", "VALUE"]);
    for tenant in state.tenants.values() {
        if let Some(dest) = tenant.data_dest.and_then(|d| state.destinations.get(&d)) {
            view.row([n(tenant.id.0), t("data_backup_dest"), t(&dest.uri)]);
        }
        let params = tenant.backup;
        view.row([n(tenant.id.0), t("backup_data_file_size"), t(params.data_file_bytes)]);
        view.row([n(tenant.id.0), t("ha_low_thread_score"), t(params.ha_low_thread_score)]);
        view.row([n(tenant.id.0), t("backup_compression"), t(params.compression)]);
    }
    view.done()
}
