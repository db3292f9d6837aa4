//! The next steps of each table recovery: the tenant has to know the tables, then one task per log stream of the source,
//! each on any worker; then the tables get their names.

use crate::command::Action;
use crate::jobs::machine::stage::Stage;
use crate::jobs::machine::supervise as tasks;
use crate::refuse;
use crate::state::{RecoverStage, RecoverTableJob, State};
use crate::step::Plan;
use crate::task::TaskKind;
use crate::waiting::{On, Who};
use strandline_types::limits;

pub(super) fn plan(state: &State, job: &RecoverTableJob, now_ms: u64, plan: &mut Plan) {
    let who = || Who::RecoverTable(job.id);
    if now_ms.saturating_sub(job.progress_ms) >= limits::JOB_STALL_MS {
        return plan.propose(Action::JobFailed { job: job.id, failure: refuse::stalled(&who()) });
    }
    let advance =
        |to| Action::AdvanceJob { job: job.id, from: Stage::RecoverTable(job.stage), to: Stage::RecoverTable(to) };
    match job.stage {
        RecoverStage::Prepare if job.is_in_dictionary(state) => {
            plan.propose(advance(RecoverStage::Importing));
        }
        RecoverStage::Prepare => {
            plan.wait(job.tenant_id, who(), On::RecoveredTables, job.progress_ms);
        }
        RecoverStage::Importing if job.runs.are_finished(TaskKind::RecoverTable) => {
            plan.propose(advance(RecoverStage::Completed));
        }
        RecoverStage::Importing => plan_tasks(state, job, now_ms, plan),
        RecoverStage::Completed | RecoverStage::Failed | RecoverStage::Canceled => {}
    }
}

fn plan_tasks(state: &State, job: &RecoverTableJob, now_ms: u64, plan: &mut Plan) {
    let mut workers = tasks::by_load(state, now_ms);
    for (key, run) in tasks::attempts(job, TaskKind::RecoverTable) {
        if run.is_finished() || tasks::supervise(state, now_ms, key, run, plan) {
            continue;
        }
        if tasks::assign(now_ms, key, run, &workers, plan).is_some() {
            // The next one goes to another worker.
            workers.rotate_left(1);
        }
    }
}
