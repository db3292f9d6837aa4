//! What workers have to know of the tasks of a restore.

use crate::orders::TaskSpec;
use crate::orders::source::{data_spec, log_spec};
use crate::state::RestoreJob;
use crate::task::{TaskId, TaskKind};

pub(super) fn spec(job: &RestoreJob, task: TaskId) -> Option<TaskSpec> {
    let from = job.source.log_stream(task.part.ls()?)?;
    match task.kind {
        TaskKind::RestoreData => Some(TaskSpec::RestoreData(data_spec(&job.source, from))),
        TaskKind::RestoreLog => Some(TaskSpec::RestoreLog(log_spec(&job.source, from, job.target_scn, false))),
        _ => None,
    }
}
