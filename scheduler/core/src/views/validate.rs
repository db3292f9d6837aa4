//! Validation jobs, what they looked at and what they found.

use super::column::{Column, RowKind, Rows, signed, text, unsigned};
use super::job::{comment, id_of, result_or_general, round_of};
use super::value::{len, n, t, time};
use super::view::{Context, Tenancy, View};
use crate::catalogue::file_status;
use crate::jobs::machine::logic::JobLogic;
use crate::orders::MediumName;
use crate::results::Damage;
use crate::state::{State, ValidateJob, ValidateKind, ValidateTask};
use strandline_types::{FileStatus, INCARNATION, JobStatus, LsId};

pub(super) static RUNNING_JOBS: View = View {
    name: "CDB_OB_BACKUP_VALIDATE_JOBS",
    aliases: &[],
    about: "A running validation job.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<JobRow> { of: |cx| jobs(cx, false), columns: JOB_COLUMNS },
};

pub(super) static ENDED_JOBS: View = View {
    name: "CDB_OB_BACKUP_VALIDATE_JOB_HISTORY",
    aliases: &[],
    about: "An ended validation job.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<JobRow> { of: |cx| jobs(cx, true), columns: JOB_COLUMNS },
};

struct JobRow<'a> {
    job: &'a ValidateJob,
    tasks: Vec<&'a ValidateTask>,
}

impl RowKind for JobRow<'static> {
    type Row<'a> = JobRow<'a>;
}

fn jobs<'a>(cx: &Context<'a>, ended: bool) -> Vec<JobRow<'a>> {
    let state = cx.state;
    let of_job = |job: &'a ValidateJob| {
        let tasks = job.tasks.iter().filter_map(|id| state.validate_task(*id)).collect();
        JobRow { job, tasks }
    };
    state.validate_jobs().filter(|j| j.status.is_ended() == ended).map(of_job).collect()
}

const JOB_COLUMNS: &[Column<JobRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.job.tenant_id.0)),
    unsigned("JOB_ID", |r| n(r.job.id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    unsigned("INITIATOR_TENANT_ID", |r| n(r.job.tenant_id.0)),
    unsigned("INITIATOR_JOB_ID", |_| n(0u64)),
    unsigned("EXECUTOR_TENANT_ID", |r| n(r.job.tenant_id.0)),
    text("TYPE", |r| t(r.job.kind)),
    text("PATH", |r| t(&r.job.path)),
    text("PATH_TYPE", |r| t(if r.job.kind == ValidateKind::Piece { "ARCHIVELOG_DEST" } else { "BACKUP_DEST" })),
    text("ID", |r| t(r.ids())),
    text("VALIDATE_LEVEL", |r| t(r.job.level)),
    text("START_TIMESTAMP", |r| time(Some(r.job.started_ms))),
    text("END_TIMESTAMP", |r| time(r.job.ended_ms)),
    text("STATUS", |r| t(r.job.status)),
    unsigned("RETRY_COUNT", |r| n(r.retries())),
    unsigned("TASK_COUNT", |r| len(r.job.tasks.len())),
    unsigned("SUCCESS_TASK_COUNT", |r| len(r.tasks.iter().filter(|t| t.status == JobStatus::Completed).count())),
    signed("RESULT", |r| result_or_general(r.job.failure.as_ref())),
    text("DESCRIPTION", |r| t(&r.job.description)),
    text("COMMENT", |r| comment(r.job.failure.as_ref(), r.tasks.iter().map(|task| *task as &dyn JobLogic))),
];

impl JobRow<'_> {
    /// `1,2,3`: the ids of all sets and pieces.
    fn ids(&self) -> String {
        self.tasks.iter().map(|t| id_of(t.object.name).to_string()).collect::<Vec<_>>().join(",")
    }

    fn retries(&self) -> u64 {
        self.tasks.iter().flat_map(|t| t.runs.values()).map(|run| u64::from(run.retry.0)).sum()
    }
}

pub(super) static RUNNING_TASKS: View = View {
    name: "CDB_OB_BACKUP_VALIDATE_TASKS",
    aliases: &[],
    about: "A set or a piece that a validation job looks at.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<TaskRow> { of: |cx| tasks(cx, false), columns: TASK_COLUMNS },
};

pub(super) static ENDED_TASKS: View = View {
    name: "CDB_OB_BACKUP_VALIDATE_TASK_HISTORY",
    aliases: &[],
    about: "A set or a piece that a validation job has looked at.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<TaskRow> { of: |cx| tasks(cx, true), columns: TASK_COLUMNS },
};

struct TaskRow<'a> {
    state: &'a State,
    task: &'a ValidateTask,
}

impl RowKind for TaskRow<'static> {
    type Row<'a> = TaskRow<'a>;
}

fn tasks<'a>(cx: &Context<'a>, ended: bool) -> Vec<TaskRow<'a>> {
    let state = cx.state;
    let tasks = state.validate_tasks().filter(|t| t.status.is_ended() == ended);
    tasks.map(|task| TaskRow { state, task }).collect()
}

const TASK_COLUMNS: &[Column<TaskRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.task.tenant_id.0)),
    unsigned("TASK_ID", |r| n(r.task.id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    unsigned("JOB_ID", |r| n(r.task.job_id().0)),
    text("TASK_TYPE", |r| t(task_type(r.task.object.name))),
    unsigned("ID", |r| n(id_of(r.task.object.name))),
    text("PATH", |r| t(&r.task.object.at)),
    text("PATH_TYPE", |r| t(path_type(r.task.object.name))),
    unsigned("DEST_ID", |r| n(r.task.object.dest_id.0)),
    text("VALIDATE_LEVEL", |r| t(r.level())),
    unsigned("ROUND_ID", |r| n(round_of(r.task.object.name))),
    text("START_TIMESTAMP", |r| time(Some(r.task.started_ms))),
    text("END_TIMESTAMP", |r| time(r.task.ended_ms)),
    text("STATUS", |r| t(r.task.status)),
    unsigned("TOTAL_LS_COUNT", |r| len(r.task.runs.len())),
    unsigned("FINISH_LS_COUNT", |r| len(r.task.runs.values().filter(|r| r.is_finished()).count())),
    unsigned("TOTAL_BYTES", |r| n(r.task.object.bytes.max(r.validated_bytes()))),
    unsigned("VALIDATED_BYTES", |r| n(r.validated_bytes())),
    unsigned("VALIDATED_OBJECTS", |r| n(r.task.results.values().map(|r| r.objects).sum::<u64>())),
    unsigned("DAMAGE_COUNT", |r| n(r.task.damage_count())),
    signed("RESULT", |r| result_or_general(r.task.failure.as_ref())),
    text("COMMENT", |r| comment(r.task.failure.as_ref(), [r.task as &dyn JobLogic])),
];

const fn task_type(name: MediumName) -> &'static str {
    match name {
        MediumName::Set(..) => "BACKUPSET",
        MediumName::Piece(_) => "ARCHIVELOG_PIECE",
    }
}

const fn path_type(name: MediumName) -> &'static str {
    match name {
        MediumName::Set(..) => "BACKUP_SET_DEST",
        MediumName::Piece(_) => "ARCHIVELOG_PIECE_DEST",
    }
}

impl TaskRow<'_> {
    fn level(&self) -> String {
        self.state.validate_job(self.task.job_id()).map(|j| j.level.to_string()).unwrap_or_default()
    }

    /// Bytes of log streams that are done, and those that the present attempts have read.
    fn validated_bytes(&self) -> u64 {
        let done = self.task.results.values().map(|r| r.bytes).sum::<u64>();
        done + self.task.runs.values().filter(|r| !r.is_finished()).map(|r| r.bytes_done).sum::<u64>()
    }
}

pub(super) static DAMAGES: View = View {
    name: "CDB_STRANDLINE_BACKUP_DAMAGES",
    aliases: &[],
    about: "A damage that a validation found in a set or a piece that is not deleted.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<DamageRow> {
        of: damages,
        columns: &[
            unsigned("TENANT_ID", |r| n(r.task.tenant_id.0)),
            unsigned("JOB_ID", |r| n(r.task.job_id().0)),
            unsigned("TASK_ID", |r| n(r.task.id.0)),
            text("OBJECT", |r| t(r.task.object.name)),
            unsigned("LS_ID", |r| n(r.ls_id.0)),
            text("DEST", |r| t(&r.task.object.at)),
            text("PATH", |r| t(&r.damage.path)),
            text("KIND", |r| t(&r.damage.kind)),
            text("DETAIL", |r| t(&r.damage.detail)),
        ],
    },
};

struct DamageRow<'a> {
    task: &'a ValidateTask,
    ls_id: LsId,
    damage: &'a Damage,
}

impl RowKind for DamageRow<'static> {
    type Row<'a> = DamageRow<'a>;
}

/// Damages of what is deleted, or is being deleted, are left out: there is nothing to do about them any more.
fn damages<'a>(cx: &Context<'a>) -> Vec<DamageRow<'a>> {
    let of_task = |task: &'a ValidateTask| {
        let results = task.results.iter().flat_map(|(ls, result)| result.damages.iter().map(move |d| (*ls, d)));
        results.map(move |(ls_id, damage)| DamageRow { task, ls_id, damage })
    };
    cx.state.validate_tasks().filter(|task| !is_deleted(cx.state, task)).flat_map(of_task).collect()
}

fn is_deleted(state: &State, task: &ValidateTask) -> bool {
    let dest = state.destinations.values().find(|d| d.uri.place() == task.object.at.place());
    let status = dest.and_then(|d| file_status(state, d.tenant_id, task.object.name));
    matches!(status, Some(FileStatus::Deleting | FileStatus::Deleted))
}
