//! Validation jobs (docs/oceanbase.md, 1.4, 2.3): what they look at is decided when they start; what is found to be damaged is
//! BROKEN from then on, and what was BROKEN and is found to be sound is AVAILABLE again.

use super::clean;
use crate::catalogue::file_status_mut;
use crate::command::{Done, Outcome, StartValidate};
use crate::reads::{check_stays, of_object};
use crate::refuse;
use crate::results::ValidateResult;
use crate::state::{MediumObject, State, TaskRun, ValidateJob, ValidateTask};
use strandline_types::{
    ErrorClass, Failure, FileStatus, JobId, JobStatus, LsId, TenantId, Transition, ValidateLevel, limits,
};

pub(super) fn start(state: &mut State, wish: StartValidate) -> Outcome {
    let name = state.tenant(wish.tenant)?.name.clone();
    if let Some(job) = state.open_validate_job(wish.tenant) {
        return Err(refuse::validate_in_progress(job.id));
    }
    if wish.objects.is_empty() {
        return Err(refuse::nothing_to_validate(&name));
    }
    if wish.objects.len() > limits::VALIDATE_OBJECTS_MAX {
        return Err(refuse::too_many_objects(wish.objects.len(), limits::VALIDATE_OBJECTS_MAX));
    }
    let objects = staying(state, wish.objects)?;
    let now_ms = state.clock_ms;
    let job_id = next_id(state);
    let mut tasks = Vec::with_capacity(objects.len());
    for object in objects {
        let id = next_id(state);
        // 0 = what is not of any log stream.
        let parts = object.log_streams.iter().copied().chain([LsId(0)]);
        let runs = parts.map(|ls| (ls, TaskRun::default())).collect();
        let task = ValidateTask {
            id,
            job_id,
            tenant_id: wish.tenant,
            object,
            status: JobStatus::Doing,
            started_ms: now_ms,
            ended_ms: None,
            runs,
            results: std::collections::BTreeMap::new(),
            failure: None,
        };
        state.validate_tasks.insert(id, task);
        tasks.push(id);
    }
    let job = ValidateJob {
        id: job_id,
        tenant_id: wish.tenant,
        kind: wish.kind,
        level: wish.level,
        path: wish.path,
        description: wish.description,
        status: JobStatus::Doing,
        started_ms: now_ms,
        ended_ms: None,
        progress_ms: now_ms,
        tasks,
        keys: wish.keys,
        failure: None,
    };
    state.validate_jobs.insert(job_id, job);
    prune(state);
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

fn next_id(state: &mut State) -> JobId {
    let id = state.next.job;
    state.next.job = id.next();
    id
}

/// A worker has looked at its part; the last part decides about the whole.
pub(super) fn take_result(state: &mut State, id: JobId, ls: LsId, result: ValidateResult) -> bool {
    let Some(task) = state.validate_tasks.get_mut(&id) else { return false };
    task.results.insert(ls, result);
    touch(state, id);
    true
}

/// A task that moves keeps its job alive.
pub(super) fn touch(state: &mut State, task: JobId) {
    let now_ms = state.clock_ms;
    let job = state.validate_tasks.get(&task).map(|t| t.job_id);
    if let Some(job) = job.and_then(|j| state.validate_jobs.get_mut(&j)) {
        job.progress_ms = now_ms;
    }
}

/// Once every part is looked at: sound or damaged.
pub(super) fn settle(state: &mut State, id: JobId) {
    let now_ms = state.clock_ms;
    let is_whole = |t: &&mut ValidateTask| t.status == JobStatus::Doing && t.runs.values().all(TaskRun::is_finished);
    let Some(task) = state.validate_tasks.get_mut(&id).filter(is_whole) else { return };
    let damages = task.damage_count();
    let first = task.results.values().flat_map(|r| &r.damages).next();
    task.failure = first.map(|d| {
        let what = format!("{damages} damaged objects; the first is {}: {}", d.kind, d.detail);
        let todo = "see CDB_STRANDLINE_BACKUP_DAMAGES; use another copy of it, or take a new full backup";
        Failure::new(
            ErrorClass::Corrupt,
            what,
            strandline_types::DestUri::below(&task.object.at.uri, &d.path).to_string(),
            todo,
        )
    });
    task.status = if damages == 0 { JobStatus::Completed } else { JobStatus::Failed };
    end(task, now_ms);
    let (tenant, name, dest) = (task.tenant_id, task.object.name, task.object.dest_id);
    let level = state.validate_jobs.get(&task.job_id).map_or(ValidateLevel::Basic, |j| j.level);
    let is_ours = state.destinations.get(&dest).is_some_and(|d| d.tenant_id == tenant);
    let Some(status) = file_status_mut(state, tenant, name).filter(|_| is_ours) else { return };
    let mended = *status == FileStatus::Broken && level == ValidateLevel::Physical;
    let to = match damages {
        0 if mended => FileStatus::Available,
        0 => return,
        _ => FileStatus::Broken,
    };
    if status.may_become(to) {
        *status = to;
        clean::ask_again(state, tenant);
    }
}

/// Nothing is opened for it any more: its keys are wiped.
fn end(task: &mut ValidateTask, now_ms: u64) {
    task.ended_ms = Some(now_ms);
    task.object.at.access = strandline_types::Access::default();
}

/// A part cannot be looked at at all.
pub(super) fn fail_task(state: &mut State, id: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(task) = state.validate_tasks.get_mut(&id).filter(|t| t.status == JobStatus::Doing) else { return false };
    task.status = JobStatus::Failed;
    task.failure = Some(failure);
    end(task, now_ms);
    true
}

/// Ends a whole job with a reason; its open tasks end with it.
pub(super) fn fail_job(state: &mut State, id: JobId, failure: &Failure) -> bool {
    end_open_tasks(state, id, JobStatus::Failed, failure);
    if let Some(job) = state.validate_jobs.get_mut(&id).filter(|j| !j.status.is_ended()) {
        job.failure = Some(failure.clone());
    }
    finish(state, id) == Ok(Done::Ok)
}

fn end_open_tasks(state: &mut State, id: JobId, to: JobStatus, failure: &Failure) {
    let now_ms = state.clock_ms;
    for task in state.validate_tasks.values_mut().filter(|t| t.job_id == id && !t.status.is_ended()) {
        task.status = to;
        task.failure = Some(failure.clone());
        end(task, now_ms);
    }
}

/// Ends a job once all of its tasks have ended. Keys are wiped.
pub(super) fn finish(state: &mut State, id: JobId) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(job) = state.validate_jobs.get(&id).filter(|j| !j.status.is_ended()) else { return Ok(Done::Nothing) };
    let tasks: Vec<&ValidateTask> = job.tasks.iter().filter_map(|t| state.validate_tasks.get(t)).collect();
    if !tasks.iter().all(|t| t.status.is_ended()) {
        return Ok(Done::Nothing);
    }
    let failed = tasks.iter().find_map(|t| t.failure.clone());
    let Some(job) = state.validate_jobs.get_mut(&id) else { return Ok(Done::Nothing) };
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

pub(super) fn cancel(state: &mut State, tenant: TenantId) -> Outcome {
    let name = state.tenant(tenant)?.name.clone();
    let Some(id) = state.open_validate_job(tenant).map(|j| j.id) else {
        return Err(refuse::no_validate_running(&name));
    };
    let failure = refuse::canceled(&format!("validation job {id}"));
    if let Some(job) = state.validate_jobs.get_mut(&id) {
        job.status = JobStatus::Canceling;
    }
    fail_canceled(state, id, &failure);
    Ok(Done::ValidateJob(id))
}

fn fail_canceled(state: &mut State, id: JobId, failure: &Failure) {
    end_open_tasks(state, id, JobStatus::Canceled, failure);
    if let Some(job) = state.validate_jobs.get_mut(&id) {
        job.failure = Some(failure.clone());
    }
}

/// Forgets the oldest ended jobs and their tasks.
fn prune(state: &mut State) {
    let ended: Vec<JobId> = state.validate_jobs.values().filter(|j| j.status.is_ended()).map(|j| j.id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(limits::CLEAN_JOBS_KEPT_MAX)) {
        state.validate_jobs.remove(id);
        state.validate_tasks.retain(|_, t| t.job_id != *id);
    }
}
