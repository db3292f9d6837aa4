//! Cleaning jobs, and the sets and pieces that they delete.

use super::column::{Column, RowKind, Rows, signed, text, unsigned};
use super::job::{comment, id_of, result_or_general, round_of};
use super::value::{len, n, t, time};
use super::view::{Context, Tenancy, View};
use crate::jobs::machine::logic::JobLogic;
use crate::orders::MediumName;
use crate::state::{CleanJob, CleanTask, State};
use strandline_types::{CleanStage, INCARNATION};

pub(super) static RUNNING_JOBS: View = View {
    name: "CDB_OB_BACKUP_DELETE_JOBS",
    aliases: &[],
    about: "A running cleaning job.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<JobRow> { of: |cx| jobs(cx, false), columns: JOB_COLUMNS },
};

pub(super) static ENDED_JOBS: View = View {
    name: "CDB_OB_BACKUP_DELETE_JOB_HISTORY",
    aliases: &[],
    about: "An ended cleaning job.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<JobRow> { of: |cx| jobs(cx, true), columns: JOB_COLUMNS },
};

struct JobRow<'a> {
    job: &'a CleanJob,
    tasks: Vec<&'a CleanTask>,
}

impl RowKind for JobRow<'static> {
    type Row<'a> = JobRow<'a>;
}

fn jobs<'a>(cx: &Context<'a>, ended: bool) -> Vec<JobRow<'a>> {
    let state = cx.state;
    let of_job = |job: &'a CleanJob| {
        let tasks = job.tasks.iter().filter_map(|id| state.clean_task(*id)).collect();
        JobRow { job, tasks }
    };
    state.clean_jobs().filter(|j| j.status.is_ended() == ended).map(of_job).collect()
}

const JOB_COLUMNS: &[Column<JobRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.job.tenant_id.0)),
    unsigned("JOB_ID", |r| n(r.job.id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    unsigned("INITIATOR_TENANT_ID", |r| n(r.job.tenant_id.0)),
    unsigned("INITIATOR_JOB_ID", |_| n(0u64)),
    unsigned("EXECUTOR_TENANT_ID", |r| n(r.job.tenant_id.0)),
    text("TYPE", |r| t(&r.job.what)),
    text("PARAMETER", |r| t(r.job.what.parameter())),
    text("JOB_LEVEL", |_| t("USER_TENANT")),
    text("START_TIMESTAMP", |r| time(Some(r.job.started_ms))),
    text("END_TIMESTAMP", |r| time(r.job.ended_ms)),
    text("STATUS", |r| t(r.job.status)),
    unsigned("TASK_COUNT", |r| len(r.job.tasks.len())),
    unsigned("SUCCESS_TASK_COUNT", |r| len(r.tasks.iter().filter(|t| t.stage == CleanStage::Done).count())),
    signed("RESULT", |r| result_or_general(r.job.failure.as_ref())),
    text("COMMENT", |r| comment(r.job.failure.as_ref(), r.with_tasks())),
    text("DESCRIPTION", |r| t(&r.job.description)),
];

impl<'a> JobRow<'a> {
    fn with_tasks(&self) -> impl Iterator<Item = &'a dyn JobLogic> {
        [self.job as &dyn JobLogic].into_iter().chain(self.tasks.iter().map(|task| *task as &dyn JobLogic))
    }
}

pub(super) static RUNNING_TASKS: View = View {
    name: "CDB_OB_BACKUP_DELETE_TASKS",
    aliases: &[],
    about: "A set or a piece that a cleaning job deletes.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<TaskRow> { of: |cx| tasks(cx, false), columns: TASK_COLUMNS },
};

pub(super) static ENDED_TASKS: View = View {
    name: "CDB_OB_BACKUP_DELETE_TASK_HISTORY",
    aliases: &[],
    about: "A set or a piece that a cleaning job deleted or failed to delete.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<TaskRow> { of: |cx| tasks(cx, true), columns: TASK_COLUMNS },
};

struct TaskRow<'a> {
    state: &'a State,
    task: &'a CleanTask,
}

impl RowKind for TaskRow<'static> {
    type Row<'a> = TaskRow<'a>;
}

fn tasks<'a>(cx: &Context<'a>, ended: bool) -> Vec<TaskRow<'a>> {
    let state = cx.state;
    let tasks = state.clean_tasks().filter(|t| t.stage.is_ended() == ended);
    tasks.map(|task| TaskRow { state, task }).collect()
}

const TASK_COLUMNS: &[Column<TaskRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.task.tenant_id.0)),
    unsigned("TASK_ID", |r| n(r.task.id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    unsigned("JOB_ID", |r| n(r.task.job_id().0)),
    text("TASK_TYPE", |r| t(task_type(r.task.name))),
    unsigned("ID", |r| n(id_of(r.task.name))),
    unsigned("ROUND_ID", |r| n(round_of(r.task.name))),
    unsigned("DEST_ID", |r| n(r.task.dest_id.0)),
    text("START_TIMESTAMP", |r| time(r.task.begun_ms)),
    text("END_TIMESTAMP", |r| time(r.task.ended_ms)),
    text("STATUS", |r| t(r.task.stage)),
    unsigned("TOTAL_LS_COUNT", |r| len(r.task.runs.len())),
    unsigned("FINISH_LS_COUNT", |r| len(r.task.runs.values().filter(|r| r.is_finished()).count())),
    signed("RESULT", |r| result_or_general(r.task.failure.as_ref())),
    text("COMMENT", |r| comment(r.task.failure.as_ref(), [r.task as &dyn JobLogic])),
    text("PATH", |r| t(r.path())),
    // Not in the original.
    text("WHY", |r| t(&r.task.why)),
    unsigned("DELETED_BYTES", |r| n(r.task.bytes)),
];

const fn task_type(name: MediumName) -> &'static str {
    match name {
        MediumName::Set(..) => "BACKUP SET",
        MediumName::Piece(_) => "BACKUP PIECE",
    }
}

impl TaskRow<'_> {
    fn path(&self) -> String {
        self.state.destinations.get(&self.task.dest_id).map(|d| d.uri.to_string()).unwrap_or_default()
    }
}
