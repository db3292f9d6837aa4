//! Tasks of running backup jobs that are at workers, or wait for one.

use super::column::{RowKind, Rows, text, unsigned};
use super::value::{n, t, time};
use super::view::{Context, Tenancy, View};
use crate::jobs::machine::logic::JobLogic;
use crate::jobs::machine::supervise::attempts;
use crate::state::{BackupJob, TaskRun};
use crate::task::TaskKey;

pub(super) static SCHEDULE_TASKS: View = View {
    name: "__ALL_VIRTUAL_BACKUP_SCHEDULE_TASK",
    aliases: &[],
    about: "A task of a running backup job that is at a worker, or waits for one.",
    tenancy: Tenancy::TENANTS_WITHOUT_TWIN,
    content: &Rows::<Task> {
        of: tasks,
        columns: &[
            unsigned("TENANT_ID", |x| n(x.job.tenant_id.0)),
            unsigned("JOB_ID", |x| n(x.job.id.0)),
            unsigned("TASK_ID", |x| n(x.job.set_id.0)),
            unsigned("LS_ID", |x| n(x.key.part.ls_number().0)),
            text("TYPE", |x| t(x.key.kind)),
            text("TRACE_ID", |x| t(x.key)),
            text("DESTINATION", |x| x.run.executor.map(|worker| format!("worker {worker}"))),
            text("IS_SCHEDULE", |x| t(x.run.executor.is_some())),
            text("GENERATE_TS", |x| time(Some(x.job.started_ms))),
            text("SCHEDULE_TS", |x| time(Some(x.run.assigned_ms).filter(|_| x.run.executor.is_some()))),
            text("EXECUTOR_TS", |x| time(Some(x.run.assigned_ms).filter(|_| x.run.is_running()))),
        ],
    },
};

struct Task<'a> {
    job: &'a BackupJob,
    key: TaskKey,
    run: &'a TaskRun,
}

impl RowKind for Task<'static> {
    type Row<'a> = Task<'a>;
}

fn tasks<'a>(cx: &Context<'a>) -> Vec<Task<'a>> {
    cx.state.backup_jobs().filter(|j| j.is_open()).flat_map(unfinished).collect()
}

/// The tasks of the stage that a job is in, without those that are finished.
fn unfinished(job: &BackupJob) -> Vec<Task<'_>> {
    let tasks = job.running_tasks().into_iter().flat_map(|kind| attempts(job, kind));
    tasks.filter(|(_, run)| !run.is_finished()).map(|(key, run)| Task { job, key, run }).collect()
}
