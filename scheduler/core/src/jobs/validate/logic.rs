//! Validation jobs (docs/oceanbase.md, 1.4, 2.3): what they look at is decided when they start; what is found to be damaged is
//! BROKEN from then on, and what was BROKEN and is found to be sound is AVAILABLE again.

use super::{parts, plan};
use crate::command::{Done, Outcome, StartValidate};
use crate::in_use::check_stays;
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::check;
use crate::orders::TaskSpec;
use crate::reads::{Read, of_object};
use crate::refuse;
use crate::report::TaskResult;
use crate::state::{MediumObject, State, TaskRun, ValidateJob, ValidateTask};
use crate::step::Plan;
use crate::task::{TaskId, TaskKind};
use crate::waiting::Who;
use strandline_types::{Failure, JobId, JobStatus, limits};

impl JobLogic for ValidateJob {
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
        Who::Validate(self.id)
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
        // Its parts do.
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

    fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
        fail(state, id, &failure)
    }

    fn cancel(state: &mut State, id: JobId) -> Outcome {
        cancel(state, id)
    }

    fn close(state: &mut State, id: JobId) -> Outcome {
        finish(state, id)
    }
}

pub(crate) fn start(state: &mut State, request: StartValidate) -> Outcome {
    let name = state.tenant(request.tenant)?.name.clone();
    if let Some(job) = state.open_validate_job(request.tenant) {
        return Err(refuse::validate_in_progress(job.id));
    }
    if request.objects.is_empty() {
        return Err(refuse::nothing_to_validate(&name));
    }
    if request.objects.len() > limits::VALIDATE_OBJECTS_MAX {
        return Err(refuse::too_many_objects(request.objects.len(), limits::VALIDATE_OBJECTS_MAX));
    }
    let objects = staying(state, request.objects)?;
    let now_ms = state.clock_ms;
    let job_id = life::next_id(state);
    let tasks = objects.into_iter().map(|object| parts::begin(state, request.tenant, job_id, object)).collect();
    let job = ValidateJob {
        head: JobHead::new(job_id, request.tenant, now_ms).described(request.description),
        kind: request.kind,
        level: request.level,
        path: request.path,
        status: JobStatus::Doing,
        tasks,
        keys: request.keys,
    };
    life::insert(state, job);
    Ok(Done::ValidateJob(job_id))
}

/// Without what is being deleted meanwhile: what is missing there is no damage. Cleaning leaves the rest, see `reads.rs`.
///
/// # Errors
/// That it is being deleted, where nothing else was asked for.
fn staying(state: &State, objects: Vec<MediumObject>) -> Result<Vec<MediumObject>, Failure> {
    let is_going = |o: &MediumObject| check_stays(state, &[of_object(o.at.place(), o.name)]);
    match objects.iter().find_map(|o| is_going(o).err()) {
        Some(going) if objects.iter().all(|o| is_going(o).is_err()) => Err(going),
        Some(_) => Ok(objects.into_iter().filter(|o| is_going(o).is_ok()).collect()),
        None => Ok(objects),
    }
}

/// Ends a whole job with a reason; its open tasks end with it.
fn fail(state: &mut State, id: JobId, failure: &Failure) -> bool {
    parts::end_open(state, id, JobStatus::Failed, failure);
    if let Some(job) = state.validate_job_mut(id).filter(|j| !j.status.is_ended()) {
        job.failure = Some(failure.clone());
    }
    finish(state, id) == Ok(Done::Ok)
}

/// Ends a job once all of its tasks have ended. Keys are wiped.
fn finish(state: &mut State, id: JobId) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(job) = state.validate_job(id).filter(|j| !j.status.is_ended()) else { return VOID };
    let tasks: Vec<&ValidateTask> = job.tasks.iter().filter_map(|t| state.validate_task(*t)).collect();
    if !tasks.iter().all(|t| t.status.is_ended()) {
        return VOID;
    }
    let failed = tasks.iter().find_map(|t| t.failure.clone());
    let Some(job) = state.validate_job_mut(id) else { return VOID };
    job.failure = job.failure.take().or(failed);
    job.status = match (job.status, &job.failure) {
        (JobStatus::Canceling, _) => JobStatus::Canceled,
        (_, Some(_)) => JobStatus::Failed,
        (_, None) => JobStatus::Completed,
    };
    job.ended_ms = Some(now_ms);
    job.keys.clear();
    Ok(Done::Ok)
}

fn cancel(state: &mut State, id: JobId) -> Outcome {
    let failure = refuse::canceled(&format!("validation job {id}"));
    parts::end_open(state, id, JobStatus::Canceled, &failure);
    if let Some(job) = state.validate_job_mut(id) {
        job.status = JobStatus::Canceling;
        job.failure = Some(failure);
    }
    Ok(Done::ValidateJob(id))
}

fn lint(state: &State, job: &ValidateJob, found: &mut Vec<String>) {
    let name = format!("validation job {}", job.id);
    let is_over = job.status.is_ended();
    check(found, is_over == job.ended_ms.is_some(), || format!("{name}: {} and its end", job.status));
    check(found, !is_over || job.keys.is_empty(), || format!("{name} has ended and keeps its keys"));
    let mut tasks = job.tasks.iter().map(|t| state.validate_task(*t));
    let is_sound = tasks.all(|t| t.is_some_and(|t| t.parent == Some(job.id) && (!is_over || t.status.is_ended())));
    check(found, is_sound, || format!("{name} has lost a task, or ended before it"));
}
