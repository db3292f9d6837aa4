//! Table recovery tasks of one worker: only the tablets that are wanted of one log stream of the source.

use super::build::{data_spec, is_for, key, log_spec};
use super::{RecoverTableSpec, TaskOrder, TaskSpec};
use crate::state::{RecoverStage, RecoverTableJob};
use crate::task::TaskKind;
use strandline_types::NodeId;

pub(super) fn tasks(job: &RecoverTableJob, worker: NodeId, tasks: &mut Vec<TaskOrder>) {
    if job.stage != RecoverStage::Importing {
        return;
    }
    for (&ls, run) in job.tasks.iter().filter(|(_, r)| is_for(r, worker)) {
        let Some(from) = job.source.log_stream(ls) else { continue };
        let spec = TaskSpec::RecoverTable(Box::new(RecoverTableSpec {
            source_ls_id: ls,
            data: data_spec(&job.source, from),
            log: log_spec(&job.source, from, job.target_scn, false),
            tablets: job.tablet_maps(ls),
            target_tenant_id: job.tenant_id,
        }));
        tasks.push(TaskOrder { key: key(job.id, job.tenant_id, ls, TaskKind::RecoverTable, run), spec });
    }
}
