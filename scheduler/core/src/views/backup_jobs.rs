//! Backup jobs of tenants, and those of the system tenant that they are parts of.

use super::column::{Column, RowKind, Rows, signed, text, unsigned};
use super::job::{reason, result};
use super::value::{n, on_off, t, time};
use super::view::{Context, Tenancy, View};
use crate::jobs::machine::logic::JobLogic;
use crate::state::{BackupJob, InitiatorJob, SetSeal, State};
use strandline_types::{BackupJobStatus, BackupMode, BackupSetId, Failure, INCARNATION, JobId, TenantId};

const LEFT_OVER: &str = "its end placeholder is written when the destination takes it, see CDB_STRANDLINE_WAITING";

pub(super) static RUNNING: View = View {
    name: "CDB_OB_BACKUP_JOBS",
    aliases: &[],
    about: "A running backup job of a tenant, or of the system tenant for several ones.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<JobRow> { of: |cx| jobs(cx, false), columns: COLUMNS },
};

pub(super) static ENDED: View = View {
    name: "CDB_OB_BACKUP_JOB_HISTORY",
    aliases: &[],
    about: "An ended backup job of a tenant, or of the system tenant for several ones.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<JobRow> { of: |cx| jobs(cx, true), columns: COLUMNS },
};

struct JobRow<'a> {
    tenant_id: TenantId,
    job_id: JobId,
    /// `None` for a job of the system tenant: its parts make sets.
    set_id: Option<BackupSetId>,
    initiator_tenant_id: TenantId,
    initiator_job_id: Option<JobId>,
    plus_archivelog: bool,
    backup_type: String,
    level: &'static str,
    encryption_mode: &'static str,
    passwd: String,
    started_ms: u64,
    ended_ms: Option<u64>,
    status: BackupJobStatus,
    failure: Option<&'a Failure>,
    comment: String,
    description: &'a str,
    path: String,
}

impl RowKind for JobRow<'static> {
    type Row<'a> = JobRow<'a>;
}

fn jobs<'a>(cx: &Context<'a>, ended: bool) -> Vec<JobRow<'a>> {
    let state = cx.state;
    let of_system = state.initiators().filter(|j| j.status().is_ended() == ended).map(of_system);
    let of_tenants = state.backup_jobs().filter(|j| j.is_open() != ended).map(|j| of_tenant(state, j));
    of_system.chain(of_tenants).collect()
}

fn of_tenant<'a>(state: &State, j: &'a BackupJob) -> JobRow<'a> {
    let seal = state.backup_sets.get(&(j.tenant_id, j.set_id)).and_then(|s| s.seal.as_ref());
    JobRow {
        tenant_id: j.tenant_id,
        job_id: j.id,
        set_id: Some(j.set_id),
        initiator_tenant_id: if j.parent.is_some() { TenantId::SYS } else { j.tenant_id },
        initiator_job_id: j.parent,
        plus_archivelog: j.plus_archivelog,
        backup_type: j.kind.to_string(),
        level: "USER_TENANT",
        encryption_mode: SetSeal::mode(seal),
        passwd: SetSeal::passwd(seal),
        started_ms: j.started_ms,
        ended_ms: ended_ms(j),
        status: j.status,
        failure: j.failure.as_ref(),
        comment: comment(state, j),
        description: &j.description,
        path: j.uri.to_string(),
    }
}

fn of_system(j: &InitiatorJob) -> JobRow<'_> {
    JobRow {
        tenant_id: TenantId::SYS,
        job_id: j.id,
        set_id: None,
        initiator_tenant_id: TenantId::SYS,
        initiator_job_id: None,
        plus_archivelog: j.plus_archivelog,
        backup_type: if j.mode == BackupMode::Incremental { "INC" } else { "FULL" }.to_owned(),
        level: "SYS_TENANT",
        encryption_mode: if j.is_sealed { "PASSWORD_ENCRYPTION" } else { "NONE" },
        passwd: String::new(),
        started_ms: j.started_ms,
        ended_ms: j.ended_ms,
        status: j.status(),
        failure: j.failure().map(|(_, failure)| failure),
        comment: comment_of_system(j),
        description: &j.description,
        path: String::new(),
    }
}

const COLUMNS: &[Column<JobRow<'static>>] = &[
    unsigned("TENANT_ID", |j| n(j.tenant_id.0)),
    unsigned("JOB_ID", |j| n(j.job_id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    unsigned("BACKUP_SET_ID", |j| n(j.set_id.map_or(0, |id| id.0))),
    unsigned("INITIATOR_TENANT_ID", |j| n(j.initiator_tenant_id.0)),
    unsigned("INITIATOR_JOB_ID", |j| n(j.initiator_job_id.map_or(0, |id| id.0))),
    unsigned("EXECUTOR_TENANT_ID", |j| n(j.tenant_id.0)),
    text("PLUS_ARCHIVELOG", |j| on_off(j.plus_archivelog)),
    text("BACKUP_TYPE", |j| t(&j.backup_type)),
    text("JOB_LEVEL", |j| t(j.level)),
    text("ENCRYPTION_MODE", |j| t(j.encryption_mode)),
    text("PASSWD", |j| t(&j.passwd)),
    text("START_TIMESTAMP", |j| time(Some(j.started_ms))),
    text("END_TIMESTAMP", |j| time(j.ended_ms)),
    text("STATUS", |j| t(status(j.status))),
    signed("RESULT", |j| result(j.failure)),
    text("COMMENT", |j| t(&j.comment)),
    text("DESCRIPTION", |j| t(j.description)),
    text("PATH", |j| t(&j.path)),
];

/// A job shows only whether it runs; its stages are those of CDB_OB_BACKUP_TASKS.
fn status(status: BackupJobStatus) -> String {
    use BackupJobStatus::{Canceled, Canceling, Completed, Failed, Init};
    match status {
        Init | Canceling | Canceled | Completed | Failed => status.to_string(),
        _ => "DOING".to_owned(),
    }
}

/// When it ended: a job that has something left to write has not.
pub(super) fn ended_ms(job: &BackupJob) -> Option<u64> {
    job.ended_ms.filter(|_| !job.is_open())
}

/// Why it failed, or its trouble, or else what is to be known of the set.
pub(super) fn comment(state: &State, job: &BackupJob) -> String {
    let note = || state.backup_sets.get(&(job.tenant_id, job.set_id)).map(|s| s.note.clone()).unwrap_or_default();
    let comment = reason(job.failure.as_ref(), [job as &dyn JobLogic]).map_or_else(note, ToString::to_string);
    if state.is_left_over(job.dest_id, job.set_id) { format!("{comment}; {LEFT_OVER}") } else { comment }
}

/// The first failure of a tenant, and for which tenants nothing was started.
fn comment_of_system(j: &InitiatorJob) -> String {
    let comment = j.failure().map(|(tenant, f)| format!("tenant {tenant}: {f}")).unwrap_or_default();
    let unstarted = j.children.iter().filter(|(_, c)| c.job.is_none()).map(|(tenant, _)| tenant.to_string());
    let unstarted: Vec<String> = unstarted.collect();
    if unstarted.is_empty() {
        return comment;
    }
    format!("not started for tenants {}; {comment}", unstarted.join(", "))
}
