//! Cleaning jobs (docs/oceanbase.md, 1.5, 2.11, 4.10). What goes is decided in `clean_decide.rs`.
//!
//! Order rules: what goes is decided whole and marked DELETING in the command that starts the job. A task that has not
//! begun can be called back; one that has begun is only ever gone on with. A failed job leaves DELETING behind, and
//! the next cleaning goes on with it.

use super::allowed::{cleanable, has_objects};
use super::decide::{self, Verdicts, decide};
use super::parts;
use super::plan;
use crate::apply::{leftovers, sweep};
use crate::command::{Done, Outcome};
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::check;
use crate::orders::TaskSpec;
use crate::reads::Read;
use crate::refuse;
use crate::report::TaskResult;
use crate::state::{CleanJob, CleanWhat, State, TaskRun};
use crate::step::Plan;
use crate::task::{TaskId, TaskKind};
use crate::waiting::Who;
use strandline_types::{CleanStage, Failure, JobId, JobStatus, TenantId, limits};

impl JobLogic for CleanJob {
    fn head(&self) -> &JobHead {
        &self.head
    }

    fn kept(&self) -> Kept {
        Kept::Newest(limits::CLEAN_JOBS_KEPT_MAX)
    }

    fn outlives_tenant(&self) -> bool {
        false
    }

    fn who(&self) -> Who {
        Who::Clean(self.id)
    }

    fn is_running(&self) -> bool {
        !self.status.is_ended()
    }

    fn is_closing(&self) -> bool {
        false
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        // Those of its parts.
        None
    }

    fn reads(&self, _state: &State) -> Vec<Read> {
        // What it takes has to go.
        Vec::new()
    }

    fn lint(&self, state: &State, found: &mut Vec<String>) {
        lint(state, self, found);
    }

    fn plan(&self, state: &State, now_ms: u64, plan: &mut Plan) {
        plan::plan(state, self, now_ms, plan);
    }

    fn spec(&self, _state: &State, _task: TaskId, _run: &TaskRun) -> Option<TaskSpec> {
        None
    }

    fn take_result(_state: &mut State, _id: JobId, _task: TaskId, _result: Option<TaskResult>) -> bool {
        false
    }

    fn advance(_state: &mut State, _id: JobId, _from: Stage, _to: Stage) -> Outcome {
        VOID
    }

    fn fail(_state: &mut State, _id: JobId, _failure: Failure) -> bool {
        false
    }

    fn cancel(state: &mut State, id: JobId) -> Outcome {
        cancel(state, id)
    }

    fn close(state: &mut State, id: JobId) -> Outcome {
        finish(state, id)
    }
}

pub(crate) fn start(state: &mut State, id: TenantId, what: CleanWhat, description: String) -> Outcome {
    cleanable(state, id)?;
    if let Some(job) = state.open_clean_job(id) {
        return Err(refuse::clean_in_progress(job.id));
    }
    let verdicts = decide(state, id, &what, state.clock_ms)?;
    if what == CleanWhat::Obsolete
        && let Some(policy) = state.clean_policies.get_mut(&id)
    {
        policy.last_run_ms = state.clock_ms;
    }
    if verdicts.victims.is_empty() && !matches!(what, CleanWhat::All(_)) {
        return VOID;
    }
    Ok(Done::CleanJob(insert(state, id, what, description, verdicts)))
}

/// The policy's turn, unless somebody had it already. Only a job that has something to do is kept.
pub(crate) fn tick(state: &mut State, id: TenantId, last_run_ms: u64) -> Outcome {
    let is_due = state.clean_policies.get(&id).is_some_and(|p| p.last_run_ms == last_run_ms);
    if !is_due || cleanable(state, id).is_err() || state.open_clean_job(id).is_some() {
        return VOID;
    }
    start(state, id, CleanWhat::Obsolete, String::new())
}

fn insert(state: &mut State, id: TenantId, what: CleanWhat, description: String, verdicts: Verdicts) -> JobId {
    let job_id = life::next_id(state);
    let victims = verdicts.victims.into_iter().take(limits::CLEAN_OBJECTS_MAX);
    let tasks = victims.filter_map(|victim| parts::begin(state, id, job_id, victim)).collect();
    let kept_count = verdicts.kept.len() as u64;
    let job = CleanJob {
        head: JobHead::new(job_id, id, state.clock_ms).described(description),
        what,
        status: JobStatus::Doing,
        tasks,
        kept: verdicts.kept.into_iter().take(limits::CLEAN_KEPT_SHOWN_MAX).collect(),
        kept_count,
    };
    life::insert(state, job);
    job_id
}

/// Ends a job once all of its tasks have ended.
fn finish(state: &mut State, id: JobId) -> Outcome {
    let now_ms = state.clock_ms;
    let stages = |job: &CleanJob| -> Vec<CleanStage> {
        job.tasks.iter().filter_map(|t| state.clean_task(*t)).map(|t| t.stage).collect()
    };
    let Some(job) = state.clean_job(id).filter(|j| !j.status.is_ended()) else { return VOID };
    let stages = stages(job);
    if !stages.iter().all(|s| s.is_ended()) {
        return VOID;
    }
    let failed = job.tasks.iter().filter_map(|t| state.clean_task(*t)?.failure.clone()).next();
    let status = match job.status {
        JobStatus::Canceling => JobStatus::Canceled,
        _ if stages.contains(&CleanStage::Failed) => JobStatus::Failed,
        _ => JobStatus::Completed,
    };
    if let (JobStatus::Completed, CleanWhat::All(dest)) = (status, &job.what) {
        let dest = *dest;
        // More objects than one job takes: the administrator says it again.
        let is_empty = !has_objects(state, dest);
        if is_empty {
            state.destinations.remove(&dest);
            leftovers::prune(state);
            sweep::prune(state);
        }
    }
    if let Some(job) = state.clean_job_mut(id) {
        job.status = status;
        job.ended_ms = Some(now_ms);
        job.trouble = None;
        job.failure = job.failure.take().or(failed);
    }
    Ok(Done::Ok)
}

fn cancel(state: &mut State, id: JobId) -> Outcome {
    let tasks = state.clean_job(id).map(|j| j.tasks.clone()).unwrap_or_default();
    for task in tasks {
        parts::end(state, task, CleanStage::Canceled, None);
    }
    if let Some(job) = state.clean_job_mut(id) {
        job.status = JobStatus::Canceling;
        job.failure = Some(refuse::canceled(&format!("cleaning job {id}")));
    }
    Ok(Done::CleanJob(id))
}

/// Calls back what has not begun and may not go any more: asked whenever something was found damaged, or a destination or
/// the policy has changed.
pub(crate) fn ask_again(state: &mut State, tenant: TenantId) {
    let Some(job) = state.open_clean_job(tenant) else { return };
    for (task, why) in decide::called_back(state, job) {
        parts::end(state, task, CleanStage::Canceled, Some(refuse::called_back(&why)));
    }
}

fn lint(state: &State, job: &CleanJob, found: &mut Vec<String>) {
    let name = format!("cleaning job {}", job.id);
    check(found, job.status.is_ended() == job.ended_ms.is_some(), || format!("{name}: {} and its end", job.status));
    let has_all = job.tasks.iter().all(|t| state.clean_task(*t).is_some_and(|t| t.parent == Some(job.id)));
    check(found, has_all, || format!("{name} has lost a task"));
    let is_done = job.tasks.iter().filter_map(|t| state.clean_task(*t)).all(|t| t.stage.is_ended());
    check(found, !job.status.is_ended() || is_done, || format!("{name} has ended before its tasks"));
}
