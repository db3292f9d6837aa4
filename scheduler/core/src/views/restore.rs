//! Restore jobs, running and ended (fact sheet 2.5).

use super::held_up::held_up;
use super::progress::{Progress, eta_s};
use super::value::{bytes_display, n, percent, scn, scn_display, t, time};
use super::{Build, Table, Value};
use crate::state::{RestoreJob, State};
use strandline_types::{LsId, RestoreStage, TenantId};

/// The tenant under which the original shows the cluster's own part of a restore.
const SYS_TENANT: TenantId = TenantId(1);

const PROGRESS_COLUMNS: [&str; 25] = [
    "TENANT_ID",
    "JOB_ID",
    "RESTORE_TENANT_NAME",
    "RESTORE_TENANT_ID",
    "BACKUP_TENANT_NAME",
    "BACKUP_TENANT_ID",
    "BACKUP_CLUSTER_NAME",
    "BACKUP_DEST",
    "RESTORE_OPTION",
    "RESTORE_SCN",
    "RESTORE_SCN_DISPLAY",
    "STATUS",
    "START_TIMESTAMP",
    "BACKUP_SET_LIST",
    "BACKUP_PIECE_LIST",
    "TABLET_COUNT",
    "FINISH_TABLET_COUNT",
    "RESTORE_PROGRESS",
    "TOTAL_BYTES",
    "TOTAL_BYTES_DISPLAY",
    "FINISH_BYTES",
    "FINISH_BYTES_DISPLAY",
    "DESCRIPTION",
    "COMMENT",
    "ETA_SECONDS",
];

/// Two rows per running job: the cluster's part and the new tenant's.
pub(super) fn progress(state: &State) -> Table {
    let mut view = Build::new(&PROGRESS_COLUMNS);
    for job in state.restore_jobs().filter(|j| !j.stage.is_ended()) {
        let sys = match job.stage {
            RestoreStage::CreateTenant => "CREATE_TENANT",
            _ => "WAIT_TENANT_RESTORE_FINISH",
        };
        let tenant = match job.stage {
            RestoreStage::PostCheck => "POST_CHECK",
            _ => "RESTORING",
        };
        view.row(progress_row(state, job, SYS_TENANT, sys));
        view.row(progress_row(state, job, job.tenant_id, tenant));
    }
    view.done()
}

fn progress_row(state: &State, j: &RestoreJob, tenant: TenantId, status: &str) -> [Value; 25] {
    let (done, total) = bytes(j);
    let streams = j.source.log_streams.len().max(1) as u64;
    let finished = finished_log_streams(j) as u64;
    [
        n(tenant.0),
        n(j.id.0),
        t(&j.tenant_name),
        n(j.tenant_id.0),
        t(&j.source.tenant_name),
        n(j.source.tenant_id.0),
        t(&j.source.cluster_name),
        t(dests(j)),
        t(option(state, j)),
        scn(j.target_scn),
        scn_display(j.target_scn),
        t(status),
        time(Some(j.started_ms)),
        t(sets(j)),
        t(pieces(j)),
        n(j.source.tablet_count),
        n(j.source.tablet_count * finished / streams),
        // Never 100 before the tenant is open.
        Value::Real(percent(done, total).min(99.0)),
        n(total),
        bytes_display(total),
        n(done),
        bytes_display(done),
        t(&j.description),
        t(comment(j)),
        eta(state, j),
    ]
}

/// Bytes of data, averaged over replicas, and of log: done and all.
fn bytes(j: &RestoreJob) -> (u64, u64) {
    let (data, log) = (j.source.total_bytes, j.source.log_bytes);
    let done = match j.stage {
        RestoreStage::CreateTenant => 0,
        RestoreStage::RestoreData => Progress::of(j.data_tasks().map(|(ls, _, run)| (ls, run))).share_of(data),
        RestoreStage::StartLogStreams => data,
        RestoreStage::ReplayLog => data + Progress::of(j.log_tasks()).share_of(log),
        _ => data + log,
    };
    (done, data + log)
}

/// Seconds until the rest is done at the pace so far; NULL before there is a pace.
fn eta(state: &State, j: &RestoreJob) -> Value {
    let (done, total) = bytes(j);
    eta_s(done, total, state.clock_ms.saturating_sub(j.started_ms))
}

fn finished_log_streams(j: &RestoreJob) -> usize {
    let is_done = |ls: &LsId| {
        let mut replicas = j.data_tasks().filter(|(l, ..)| l == ls).peekable();
        replicas.peek().is_some() && replicas.all(|(_, _, r)| r.is_finished())
    };
    j.source.log_streams.iter().filter(|ls| is_done(&ls.ls_id)).count()
}

fn dests(j: &RestoreJob) -> String {
    j.source.destinations()
}

fn option(state: &State, j: &RestoreJob) -> String {
    state.tenants.get(&j.tenant_id).map(|t| format!("replicas={}", t.replicas)).unwrap_or_default()
}

fn sets(j: &RestoreJob) -> String {
    let all: Vec<String> = j.source.sets.iter().map(|(id, kind)| format!("backup_set_{id}_{}", kind.tag())).collect();
    all.join(",")
}

fn pieces(j: &RestoreJob) -> String {
    let all: Vec<String> = j.source.pieces().map(|key| format!("piece_{key}")).collect();
    all.join(",")
}

fn comment(j: &RestoreJob) -> String {
    j.failure.as_ref().or_else(|| held_up([j])).map(ToString::to_string).unwrap_or_default()
}

const HISTORY_COLUMNS: [&str; 24] = [
    "TENANT_ID",
    "JOB_ID",
    "RESTORE_TENANT_NAME",
    "RESTORE_TENANT_ID",
    "BACKUP_TENANT_NAME",
    "BACKUP_TENANT_ID",
    "BACKUP_CLUSTER_NAME",
    "BACKUP_DEST",
    "RESTORE_SCN",
    "RESTORE_SCN_DISPLAY",
    "RESTORE_OPTION",
    "START_TIMESTAMP",
    "FINISH_TIMESTAMP",
    "STATUS",
    "BACKUP_SET_LIST",
    "BACKUP_PIECE_LIST",
    "BACKUP_CLUSTER_VERSION",
    "LS_COUNT",
    "FINISH_LS_COUNT",
    "TABLET_COUNT",
    "FINISH_TABLET_COUNT",
    "TOTAL_BYTES",
    "DESCRIPTION",
    "COMMENT",
];

/// Ended jobs.
pub(super) fn history(state: &State) -> Table {
    let mut view = Build::new(&HISTORY_COLUMNS);
    for j in state.restore_jobs().filter(|j| j.stage.is_ended()) {
        let is_success = j.stage == RestoreStage::Success;
        let streams = j.source.log_streams.len();
        let finished = if is_success { streams } else { finished_log_streams(j) };
        view.row([
            n(SYS_TENANT.0),
            n(j.id.0),
            t(&j.tenant_name),
            n(j.tenant_id.0),
            t(&j.source.tenant_name),
            n(j.source.tenant_id.0),
            t(&j.source.cluster_name),
            t(dests(j)),
            scn(j.target_scn),
            scn_display(j.target_scn),
            t(option(state, j)),
            time(Some(j.started_ms)),
            time(j.ended_ms),
            t(if is_success { "SUCCESS" } else { "FAIL" }),
            t(sets(j)),
            t(pieces(j)),
            t(&j.source.cluster_version),
            n(streams as u64),
            n(finished as u64),
            n(j.source.tablet_count),
            n(j.source.tablet_count * finished as u64 / streams.max(1) as u64),
            n(j.source.total_bytes),
            t(&j.description),
            t(comment(j)),
        ]);
    }
    view.done()
}
