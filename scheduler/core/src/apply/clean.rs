//! Cleaning jobs (docs/oceanbase.md, 1.5, 2.11, 4.10). What goes is decided in `clean_decide.rs`.
//!
//! Order rules: what goes is decided whole and marked DELETING in the command that starts the job. A task that has not
//! begun can be called back; one that has begun is only ever gone on with. A failed job leaves DELETING behind, and
//! the next cleaning goes on with it.

use super::clean_decide::{self, Verdicts, decide};
use super::clean_policy::cleanable;
use super::leftovers;
use crate::catalogue::file_status_mut;
use crate::command::{Done, Outcome};
use crate::orders::MediumName;
use crate::refuse;
use crate::state::{CleanJob, CleanTask, CleanWhat, State, TaskRun, Trouble};
use std::collections::BTreeMap;
use strandline_types::{CleanStage, DestId, Failure, FileStatus, JobId, JobStatus, LsId, TenantId, Transition, limits};

pub(super) fn start(state: &mut State, id: TenantId, what: CleanWhat, description: String) -> Outcome {
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
        return Ok(Done::Nothing);
    }
    Ok(Done::CleanJob(insert(state, id, what, description, verdicts)))
}

/// The policy's turn, unless somebody had it already. Only a job that has something to do is kept.
pub(super) fn tick(state: &mut State, id: TenantId, last_run_ms: u64) -> Outcome {
    let is_due = state.clean_policies.get(&id).is_some_and(|p| p.last_run_ms == last_run_ms);
    if !is_due || cleanable(state, id).is_err() || state.open_clean_job(id).is_some() {
        return Ok(Done::Nothing);
    }
    start(state, id, CleanWhat::Obsolete, String::new())
}

fn insert(state: &mut State, id: TenantId, what: CleanWhat, description: String, verdicts: Verdicts) -> JobId {
    let now_ms = state.clock_ms;
    let job_id = next_id(state);
    let mut tasks = Vec::new();
    for victim in verdicts.victims.into_iter().take(limits::CLEAN_OBJECTS_MAX) {
        let task_id = next_id(state);
        let Some(status) = file_status_mut(state, id, victim.name) else { continue };
        let was = *status;
        *status = FileStatus::Deleting;
        if let MediumName::Set(set, _) = victim.name {
            leftovers::forget(state, victim.dest_id, set);
        }
        let task = CleanTask {
            id: task_id,
            job_id,
            tenant_id: id,
            dest_id: victim.dest_id,
            name: victim.name,
            why: victim.why,
            was,
            ends_round: false,
            stage: CleanStage::Waiting,
            started_ms: None,
            ended_ms: None,
            progress_ms: now_ms,
            runs: BTreeMap::new(),
            objects: 0,
            bytes: 0,
            trouble: None,
            failure: None,
        };
        state.clean_tasks.insert(task_id, task);
        tasks.push(task_id);
    }
    let kept_count = verdicts.kept.len() as u64;
    let job = CleanJob {
        id: job_id,
        tenant_id: id,
        what,
        description,
        status: JobStatus::Doing,
        started_ms: now_ms,
        ended_ms: None,
        tasks,
        kept: verdicts.kept.into_iter().take(limits::CLEAN_KEPT_SHOWN_MAX).collect(),
        kept_count,
        failure: None,
        trouble: None,
    };
    state.clean_jobs.insert(job_id, job);
    prune(state);
    job_id
}

fn next_id(state: &mut State) -> JobId {
    let id = state.next.job;
    state.next.job = id.next();
    id
}

/// Brings a task a stage further, if it still is in `from`.
pub(super) fn advance(state: &mut State, id: JobId, from: CleanStage, to: CleanStage) -> Outcome {
    let Some(task) = state.clean_tasks.get(&id).filter(|t| t.stage == from && from.may_become(to)) else {
        return Ok(Done::Nothing);
    };
    let (tenant_id, name) = (task.tenant_id, task.name);
    match to {
        CleanStage::LogStreams => {
            let runs = runs_of(state, tenant_id, name);
            edit(state, id, |task| task.runs = runs);
        }
        CleanStage::Rest if !task.runs.values().all(TaskRun::is_finished) => return Ok(Done::Nothing),
        CleanStage::Rest => {
            let ends_round = is_last_of_round(state, tenant_id, name);
            edit(state, id, |task| task.ends_round = ends_round);
        }
        CleanStage::Done => {
            if let Some(status) = file_status_mut(state, tenant_id, name) {
                *status = FileStatus::Deleted;
            }
        }
        CleanStage::Begin => {}
        _ => return Ok(Done::Nothing),
    }
    let now_ms = state.clock_ms;
    edit(state, id, |task| {
        task.stage = to;
        task.progress_ms = now_ms;
        task.trouble = None;
        task.started_ms = task.started_ms.or(Some(now_ms));
        task.ended_ms = to.is_ended().then_some(now_ms);
    });
    Ok(Done::Ok)
}

fn edit(state: &mut State, id: JobId, edit: impl FnOnce(&mut CleanTask)) {
    if let Some(task) = state.clean_tasks.get_mut(&id) {
        edit(task);
    }
}

/// One run per log stream that may have files in it; 0 = the set's own archive.
fn runs_of(state: &State, tenant: TenantId, name: MediumName) -> BTreeMap<LsId, TaskRun> {
    let mut ids: Vec<LsId> =
        state.tenants.get(&tenant).map(|t| t.log_streams.keys().copied().collect()).unwrap_or_default();
    match name {
        MediumName::Set(set, _) => {
            ids.extend(state.backup_sets.get(&(tenant, set)).into_iter().flat_map(|s| s.parts.keys()));
            ids.push(LsId(0));
        }
        MediumName::Piece(key) => {
            ids.extend(state.rounds.get(&(tenant, key.round_id)).into_iter().flat_map(|r| r.progress.keys()));
        }
    }
    ids.into_iter().map(|ls| (ls, TaskRun::default())).collect()
}

/// True when all other pieces of a stopped round are gone.
fn is_last_of_round(state: &State, tenant: TenantId, name: MediumName) -> bool {
    let MediumName::Piece(key) = name else { return false };
    let round = state.rounds.get(&(tenant, key.round_id)).filter(|r| !r.is_open());
    round.is_some_and(|r| r.pieces.values().all(|p| p.key == key || p.file_status == FileStatus::Deleted))
}

/// Ends a job once all of its tasks have ended.
pub(super) fn finish(state: &mut State, id: JobId) -> Outcome {
    let now_ms = state.clock_ms;
    let stages = |job: &CleanJob| -> Vec<CleanStage> {
        job.tasks.iter().filter_map(|t| state.clean_tasks.get(t)).map(|t| t.stage).collect()
    };
    let Some(job) = state.clean_jobs.get(&id).filter(|j| !j.status.is_ended()) else { return Ok(Done::Nothing) };
    let stages = stages(job);
    if !stages.iter().all(|s| s.is_ended()) {
        return Ok(Done::Nothing);
    }
    let failed = job.tasks.iter().filter_map(|t| state.clean_tasks.get(t)?.failure.clone()).next();
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
        }
    }
    if let Some(job) = state.clean_jobs.get_mut(&id) {
        job.status = status;
        job.ended_ms = Some(now_ms);
        job.trouble = None;
        job.failure = job.failure.take().or(failed);
    }
    Ok(Done::Ok)
}

/// True while State knows files in a destination.
pub(crate) fn has_objects(state: &State, dest: DestId) -> bool {
    let sets = state.backup_sets.values().filter(|s| s.dest_id == dest).map(|s| s.file_status);
    let rounds = state.rounds.values().filter(|r| r.dest_id == dest);
    let pieces = rounds.flat_map(|r| r.pieces.values()).map(|p| p.file_status);
    sets.chain(pieces).any(|s| s != FileStatus::Deleted)
}

pub(super) fn cancel(state: &mut State, tenant: TenantId) -> Outcome {
    let name = state.tenant(tenant)?.name.clone();
    let Some(id) = state.open_clean_job(tenant).map(|j| j.id) else { return Err(refuse::no_clean_running(&name)) };
    let tasks = state.clean_jobs.get(&id).map(|j| j.tasks.clone()).unwrap_or_default();
    for task in tasks {
        end_task(state, task, CleanStage::Canceled, None);
    }
    if let Some(job) = state.clean_jobs.get_mut(&id) {
        job.status = JobStatus::Canceling;
        job.failure = Some(refuse::canceled(&format!("cleaning job {id}")));
    }
    Ok(Done::CleanJob(id))
}

/// Calls back what has not begun and may not go any more: asked whenever something was found damaged, or a destination or
/// the policy has changed.
pub(super) fn ask_again(state: &mut State, tenant: TenantId) {
    let Some(job) = state.open_clean_job(tenant) else { return };
    for (task, why) in clean_decide::called_back(state, job) {
        end_task(state, task, CleanStage::Canceled, Some(refuse::called_back(&why)));
    }
}

/// Ends one task early. What was not begun is what it was before; what was begun stays DELETING.
fn end_task(state: &mut State, id: JobId, to: CleanStage, failure: Option<Failure>) -> bool {
    let now_ms = state.clock_ms;
    let Some(task) = state.clean_tasks.get_mut(&id).filter(|t| t.stage.may_become(to)) else { return false };
    let (was_waiting, tenant_id, name, was) = (task.stage == CleanStage::Waiting, task.tenant_id, task.name, task.was);
    task.stage = to;
    task.ended_ms = Some(now_ms);
    task.failure = failure;
    if was_waiting && let Some(status) = file_status_mut(state, tenant_id, name) {
        *status = was;
    }
    true
}

pub(super) fn fail_task(state: &mut State, id: JobId, failure: Failure) -> bool {
    end_task(state, id, CleanStage::Failed, Some(failure))
}

/// The scheduler's own deletion did not work: it is tried again until the task has stood still for too long.
pub(super) fn medium_failed(state: &mut State, id: JobId, failure: &Failure) {
    let now_ms = state.clock_ms;
    let again = |before: &Option<Trouble>| Some(Trouble::again(before.as_ref(), failure.clone(), now_ms));
    if let Some(task) = state.clean_tasks.get_mut(&id).filter(|t| !t.stage.is_ended()) {
        task.trouble = again(&task.trouble);
    } else if let Some(job) = state.clean_jobs.get_mut(&id).filter(|j| !j.status.is_ended()) {
        job.trouble = again(&job.trouble);
    }
}

/// A look for orphans did not work: the next tick looks again.
pub(super) fn sweep_failed(state: &mut State, dest: DestId, failure: Failure) {
    let now_ms = state.clock_ms;
    if state.destinations.contains_key(&dest) {
        let sweep = state.sweeps.entry(dest).or_default();
        sweep.trouble = Some(Trouble::again(sweep.trouble.as_ref(), failure, now_ms));
        sweep.last_ms = now_ms;
    }
}

/// A worker has deleted its part.
pub(super) fn take_result(state: &mut State, id: JobId, result: crate::results::CleanResult) -> bool {
    let Some(task) = state.clean_tasks.get_mut(&id) else { return false };
    task.trouble = None;
    task.objects += result.objects;
    task.bytes += result.bytes;
    true
}

/// What a look at a destination found that belongs to nothing; it is the whole picture.
pub(super) fn swept(state: &mut State, dest: DestId, seen: crate::command::Swept) -> Outcome {
    let now_ms = state.clock_ms;
    if !state.destinations.contains_key(&dest) {
        return Ok(Done::Nothing);
    }
    let sweep = state.sweeps.entry(dest).or_default();
    let first_seen = |dir: String| (dir.clone(), sweep.orphans.get(&dir).copied().unwrap_or(now_ms));
    sweep.orphans = seen.orphans.into_iter().take(limits::CLEAN_OBJECTS_MAX).map(first_seen).collect();
    sweep.unfinished = seen.unfinished;
    sweep.removed += seen.removed;
    sweep.aborted += seen.aborted;
    Ok(Done::Ok)
}

/// A look at a destination is over, however it went.
pub(super) fn sweep_ended(state: &mut State, dest: DestId, last_ms: u64) -> Outcome {
    let now_ms = state.clock_ms;
    if !state.destinations.contains_key(&dest) {
        return Ok(Done::Nothing);
    }
    let sweep = state.sweeps.entry(dest).or_default();
    if sweep.last_ms != last_ms {
        return Ok(Done::Nothing);
    }
    sweep.last_ms = now_ms;
    sweep.trouble = None;
    Ok(Done::Ok)
}

/// A tenant is gone: what lies on the media stays as it is, and nobody goes on deleting it.
pub(super) fn forget_tenant(state: &mut State, id: TenantId) {
    state.clean_policies.remove(&id);
    state.clean_tasks.retain(|_, t| t.tenant_id != id);
    state.clean_jobs.retain(|_, j| j.tenant_id != id);
    state.validate_tasks.retain(|_, t| t.tenant_id != id);
    state.validate_jobs.retain(|_, j| j.tenant_id != id);
    state.standbys.remove(&id);
    state.drill_plans.remove(&id);
    state.drills.retain(|_, d| d.tenant_id != id);
    leftovers::prune(state);
    let State { sweeps, destinations, .. } = state;
    sweeps.retain(|dest, _| destinations.contains_key(dest));
}

/// Forgets the oldest ended jobs and their tasks.
fn prune(state: &mut State) {
    let ended: Vec<JobId> = state.clean_jobs.values().filter(|j| j.status.is_ended()).map(|j| j.id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(limits::CLEAN_JOBS_KEPT_MAX)) {
        state.clean_jobs.remove(id);
        state.clean_tasks.retain(|_, t| t.job_id != *id);
    }
}
