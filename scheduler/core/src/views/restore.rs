//! Restore jobs, running and ended.

use super::column::{Column, RowKind, Rows, double, text, unsigned};
use super::job::{comment, piece_list, set_list};
use super::progress::{Progress, eta_s};
use super::value::{bytes_display, len, n, percent, scn, scn_display, t, time};
use super::view::{Context, Tenancy, View};
use crate::jobs::machine::logic::JobLogic;
use crate::state::{RestoreJob, State};
use strandline_types::{LsId, RestoreStage, TenantId};

/// The tenant under which the original shows the cluster's own part of a restore.
const SYS_TENANT: TenantId = TenantId(1);

pub(super) static PROGRESS: View = View {
    name: "CDB_OB_RESTORE_PROGRESS",
    aliases: &[],
    about: "The cluster's part, or the new tenant's part, of a running restore.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<ProgressRow> { of: progress, columns: PROGRESS_COLUMNS },
};

struct ProgressRow<'a> {
    tenant_id: TenantId,
    status: &'static str,
    of: JobRow<'a>,
    done_bytes: u64,
    total_bytes: u64,
}

impl RowKind for ProgressRow<'static> {
    type Row<'a> = ProgressRow<'a>;
}

fn progress<'a>(cx: &Context<'a>) -> Vec<ProgressRow<'a>> {
    let running = cx.state.restore_jobs().filter(|j| !j.stage.is_ended());
    running.flat_map(|job| parts(JobRow { state: cx.state, job })).collect()
}

/// Two rows per job: the cluster's part and the new tenant's.
fn parts(of: JobRow<'_>) -> [ProgressRow<'_>; 2] {
    let cluster = match of.job.stage {
        RestoreStage::CreateTenant => "CREATE_TENANT",
        _ => "WAIT_TENANT_RESTORE_FINISH",
    };
    let tenant = match of.job.stage {
        RestoreStage::PostCheck => "POST_CHECK",
        _ => "RESTORING",
    };
    let (done_bytes, total_bytes) = bytes(of.job);
    [(SYS_TENANT, cluster), (of.job.tenant_id, tenant)].map(|(tenant_id, status)| ProgressRow {
        tenant_id,
        status,
        of,
        done_bytes,
        total_bytes,
    })
}

const PROGRESS_COLUMNS: &[Column<ProgressRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.tenant_id.0)),
    unsigned("JOB_ID", |r| n(r.of.job.id.0)),
    text("RESTORE_TENANT_NAME", |r| t(&r.of.job.tenant_name)),
    unsigned("RESTORE_TENANT_ID", |r| n(r.of.job.tenant_id.0)),
    text("BACKUP_TENANT_NAME", |r| t(&r.of.job.source.tenant_name)),
    unsigned("BACKUP_TENANT_ID", |r| n(r.of.job.source.tenant_id.0)),
    text("BACKUP_CLUSTER_NAME", |r| t(&r.of.job.source.cluster_name)),
    text("BACKUP_DEST", |r| t(r.of.job.source.destinations())),
    text("RESTORE_OPTION", |r| t(r.of.option())),
    unsigned("RESTORE_SCN", |r| scn(r.of.job.target_scn)),
    text("RESTORE_SCN_DISPLAY", |r| scn_display(r.of.job.target_scn)),
    text("STATUS", |r| t(r.status)),
    text("START_TIMESTAMP", |r| time(Some(r.of.job.started_ms))),
    text("BACKUP_SET_LIST", |r| set_list(&r.of.job.source)),
    text("BACKUP_PIECE_LIST", |r| piece_list(&r.of.job.source)),
    unsigned("TABLET_COUNT", |r| n(r.of.job.source.tablet_count)),
    unsigned("FINISH_TABLET_COUNT", |r| n(r.of.finished_tablets(restored_log_streams(r.of.job)))),
    // Never 100 before the tenant is open.
    double("RESTORE_PROGRESS", |r| Some(percent(r.done_bytes, r.total_bytes).min(99.0))),
    unsigned("TOTAL_BYTES", |r| n(r.total_bytes)),
    text("TOTAL_BYTES_DISPLAY", |r| bytes_display(r.total_bytes)),
    unsigned("FINISH_BYTES", |r| n(r.done_bytes)),
    text("FINISH_BYTES_DISPLAY", |r| bytes_display(r.done_bytes)),
    text("DESCRIPTION", |r| t(&r.of.job.description)),
    // Not in the original.
    text("COMMENT", |r| comment(r.of.job.failure.as_ref(), [r.of.job as &dyn JobLogic])),
    unsigned("ETA_SECONDS", |r| r.eta_s()),
];

impl ProgressRow<'_> {
    /// Seconds until the rest is done at the pace so far; `None` before there is a pace.
    fn eta_s(&self) -> Option<u64> {
        let elapsed_ms = self.of.state.clock_ms.saturating_sub(self.of.job.started_ms);
        eta_s(self.done_bytes, self.total_bytes, elapsed_ms)
    }
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

/// Log streams whose replicas all have their data.
fn restored_log_streams(j: &RestoreJob) -> usize {
    let is_done = |ls: &LsId| {
        let mut replicas = j.data_tasks().filter(|(l, ..)| l == ls).peekable();
        replicas.peek().is_some() && replicas.all(|(_, _, r)| r.is_finished())
    };
    j.source.log_streams.iter().filter(|ls| is_done(&ls.ls_id)).count()
}

pub(super) static HISTORY: View = View {
    name: "CDB_OB_RESTORE_HISTORY",
    aliases: &[],
    about: "An ended restore.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<JobRow> { of: history, columns: HISTORY_COLUMNS },
};

#[derive(Clone, Copy)]
struct JobRow<'a> {
    state: &'a State,
    job: &'a RestoreJob,
}

impl RowKind for JobRow<'static> {
    type Row<'a> = JobRow<'a>;
}

fn history<'a>(cx: &Context<'a>) -> Vec<JobRow<'a>> {
    let ended = cx.state.restore_jobs().filter(|j| j.stage.is_ended());
    ended.map(|job| JobRow { state: cx.state, job }).collect()
}

const HISTORY_COLUMNS: &[Column<JobRow<'static>>] = &[
    unsigned("TENANT_ID", |_| n(SYS_TENANT.0)),
    unsigned("JOB_ID", |r| n(r.job.id.0)),
    text("RESTORE_TENANT_NAME", |r| t(&r.job.tenant_name)),
    unsigned("RESTORE_TENANT_ID", |r| n(r.job.tenant_id.0)),
    text("BACKUP_TENANT_NAME", |r| t(&r.job.source.tenant_name)),
    unsigned("BACKUP_TENANT_ID", |r| n(r.job.source.tenant_id.0)),
    text("BACKUP_CLUSTER_NAME", |r| t(&r.job.source.cluster_name)),
    text("BACKUP_DEST", |r| t(r.job.source.destinations())),
    unsigned("RESTORE_SCN", |r| scn(r.job.target_scn)),
    text("RESTORE_SCN_DISPLAY", |r| scn_display(r.job.target_scn)),
    text("RESTORE_OPTION", |r| t(r.option())),
    text("START_TIMESTAMP", |r| time(Some(r.job.started_ms))),
    text("FINISH_TIMESTAMP", |r| time(r.job.ended_ms)),
    text("STATUS", |r| t(if r.is_success() { "SUCCESS" } else { "FAIL" })),
    text("BACKUP_SET_LIST", |r| set_list(&r.job.source)),
    text("BACKUP_PIECE_LIST", |r| piece_list(&r.job.source)),
    text("BACKUP_CLUSTER_VERSION", |r| t(&r.job.source.cluster_version)),
    unsigned("LS_COUNT", |r| len(r.job.source.log_streams.len())),
    unsigned("FINISH_LS_COUNT", |r| len(r.finished_log_streams())),
    unsigned("TABLET_COUNT", |r| n(r.job.source.tablet_count)),
    unsigned("FINISH_TABLET_COUNT", |r| n(r.finished_tablets(r.finished_log_streams()))),
    unsigned("TOTAL_BYTES", |r| n(r.job.source.total_bytes)),
    text("DESCRIPTION", |r| t(&r.job.description)),
    text("COMMENT", |r| comment(r.job.failure.as_ref(), [r.job as &dyn JobLogic])),
];

impl JobRow<'_> {
    fn is_success(&self) -> bool {
        self.job.stage == RestoreStage::Success
    }

    /// As the statement names it.
    fn option(&self) -> String {
        self.state.tenants.get(&self.job.tenant_id).map(|t| format!("replicas={}", t.replicas)).unwrap_or_default()
    }

    fn finished_log_streams(&self) -> usize {
        if self.is_success() { self.job.source.log_streams.len() } else { restored_log_streams(self.job) }
    }

    /// The same share of tablets as of log streams.
    fn finished_tablets(&self, finished_log_streams: usize) -> u64 {
        let log_streams = self.job.source.log_streams.len().max(1);
        self.job.source.tablet_count * finished_log_streams as u64 / log_streams as u64
    }
}
