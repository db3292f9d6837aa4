//! The next steps of each table recovery: the tenant has to know the tables, then one task per log stream of the source,
//! each on any worker; then the tables get their names.

use super::tasks;
use crate::apply::recovered_tables_are_known;
use crate::command::Action;
use crate::refuse;
use crate::state::{RecoverStage, RecoverTableJob, State, TaskRun};
use crate::step::Plan;
use crate::task::{TaskKey, TaskKind};
use crate::waiting::{On, Who};
use strandline_types::{RetryId, TurnId, limits};

pub(super) fn plan(state: &State, now_ms: u64, plan: &mut Plan) {
    for job in state.recover_jobs.values().filter(|j| !j.stage.is_ended()) {
        plan_job(state, job, now_ms, plan);
    }
}

fn plan_job(state: &State, job: &RecoverTableJob, now_ms: u64, plan: &mut Plan) {
    let who = || Who::RecoverTable(job.id);
    if now_ms.saturating_sub(job.progress_ms) >= limits::JOB_STALL_MS {
        return plan.propose(Action::JobFailed { job: job.id, failure: refuse::stalled(&who()) });
    }
    let advance = |to| Action::MoveRecoverTable { job: job.id, from: job.stage, to };
    match job.stage {
        RecoverStage::Prepare if recovered_tables_are_known(state, job) => {
            plan.propose(advance(RecoverStage::Importing));
        }
        RecoverStage::Prepare => {
            plan.wait(job.tenant_id, who(), On::RecoveredTables, job.progress_ms);
        }
        RecoverStage::Importing if job.tasks.values().all(TaskRun::is_finished) => {
            plan.propose(advance(RecoverStage::Completed));
        }
        RecoverStage::Importing => plan_tasks(state, job, now_ms, plan),
        RecoverStage::Completed | RecoverStage::Failed | RecoverStage::Canceled => {}
    }
}

fn plan_tasks(state: &State, job: &RecoverTableJob, now_ms: u64, plan: &mut Plan) {
    let mut workers = tasks::by_load(state, now_ms);
    for (&ls_id, run) in &job.tasks {
        let (job_id, tenant_id, kind) = (job.id, job.tenant_id, TaskKind::RecoverTable);
        let template = TaskKey { job_id, tenant_id, ls_id, kind, turn: TurnId(1), retry: RetryId(0) };
        let key = tasks::key_of(template, run);
        if run.is_finished() || tasks::supervise(state, now_ms, key, run, plan) {
            continue;
        }
        if tasks::assign(now_ms, key, run, &workers, plan).is_some() {
            // The next one goes to another worker.
            workers.rotate_left(1);
        }
    }
}
