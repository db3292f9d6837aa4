//! What workers have to know of a table recovery: only the tablets that are wanted of one log stream of the source.

use crate::orders::source::{data_spec, log_spec};
use crate::orders::{RecoverTableSpec, TaskSpec};
use crate::state::RecoverTableJob;
use crate::task::TaskId;

pub(super) fn spec(job: &RecoverTableJob, task: TaskId) -> Option<TaskSpec> {
    let ls = task.part.ls()?;
    let from = job.source.log_stream(ls)?;
    Some(TaskSpec::RecoverTable(Box::new(RecoverTableSpec {
        source_ls_id: ls,
        data: data_spec(&job.source, from),
        log: log_spec(&job.source, from, job.target_scn, false),
        tablets: job.tablet_maps(ls),
        target_tenant_id: job.tenant_id,
    })))
}
