//! The life of any job: it is accepted, moves, is cancelled, fails, is closed, and is forgotten at last.

use super::list::of_kind;
use super::logic::{JobLogic, Kept, VOID};
use super::stage::Stage;
use crate::command::{Done, Outcome};
use crate::state::{Job, JobKind, State, Trouble};
use strandline_types::{Failure, JobId, TenantId};

/// The next id of a job.
pub(crate) fn next_id(state: &mut State) -> JobId {
    let id = state.next.job;
    state.next.job = id.next();
    id
}

/// Keeps a job that was accepted. The oldest ended ones of its kind are forgotten, with their parts.
pub(crate) fn insert(state: &mut State, job: impl Into<Job>) {
    let job: Job = job.into();
    let (kind, kept) = (job.kind(), job.logic().kept());
    state.jobs.insert(job.head().id, job);
    let Kept::Newest(count) = kept else { return };
    let ended = state.jobs.values().filter(|j| j.kind() == kind && !j.logic().is_open());
    let ended: Vec<JobId> = ended.map(|j| j.head().id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(count)) {
        state.jobs.remove(id);
        let is_part = |j: &Job| j.logic().kept() == Kept::WithParent && j.head().parent == Some(*id);
        state.jobs.retain(|_, j| !is_part(j));
    }
}

/// A task of a job has moved: so has the job, and what it is a part of.
pub(crate) fn touch(state: &mut State, id: JobId) {
    let now_ms = state.clock_ms;
    let mut next = Some(id);
    while let Some(job) = next.and_then(|id| state.jobs.get_mut(&id)) {
        if job.logic().moves_with_tasks() {
            job.head_mut().progress_ms = now_ms;
        }
        next = job.head().parent;
    }
}

/// The next stage of a job.
pub(crate) fn advance(state: &mut State, id: JobId, from: Stage, to: Stage) -> Outcome {
    let Some(kind) = state.jobs.get(&id).map(Job::kind) else { return VOID };
    of_kind!(kind, Logic => Logic::advance(state, id, from, to))
}

/// Ends a job with a reason. False when there is no such running job.
pub(crate) fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    let Some(kind) = state.jobs.get(&id).map(Job::kind) else { return false };
    of_kind!(kind, Logic => Logic::fail(state, id, failure))
}

/// The same as an action.
pub(crate) fn failed(state: &mut State, id: JobId, failure: Failure) -> Outcome {
    Ok(if fail(state, id, failure) { Done::Ok } else { Done::Nothing })
}

/// CANCEL: the job of a kind that runs for a tenant.
pub(crate) fn cancel(state: &mut State, kind: JobKind, tenant: TenantId) -> Outcome {
    let name = state.tenant(tenant)?.name.clone();
    let is_it = |job: &&Job| job.kind() == kind && job.head().tenant_id == tenant && job.logic().is_running();
    let Some(id) = state.jobs.values().find(is_it).map(|job| job.head().id) else {
        return Err(crate::refuse::no_job_running(kind, &name));
    };
    of_kind!(kind, Logic => Logic::cancel(state, id))
}

/// Nothing is left to do for a job.
pub(crate) fn close(state: &mut State, id: JobId) -> Outcome {
    let Some(kind) = state.jobs.get(&id).map(Job::kind) else { return VOID };
    of_kind!(kind, Logic => Logic::close(state, id))
}

/// A job that is a part of another one has ended.
pub(crate) fn tell_parent(state: &mut State, part: JobId) {
    let Some(parent) = state.jobs.get(&part).and_then(|job| job.head().parent) else { return };
    let Some(kind) = state.jobs.get(&parent).map(Job::kind) else { return };
    of_kind!(kind, Logic => Logic::part_ended(state, parent, part));
}

/// Notes what holds a job up, since when it first did.
pub(crate) fn note_trouble(state: &mut State, id: JobId, failure: &Failure) {
    let now_ms = state.clock_ms;
    if let Some(job) = state.jobs.get_mut(&id).filter(|job| job.logic().is_open()) {
        let head = job.head_mut();
        head.trouble = Some(Trouble::again(head.trouble.as_ref(), failure.clone(), now_ms));
    }
}

/// The scheduler's own work for a job has failed.
pub(crate) fn medium_failed(state: &mut State, id: JobId, failure: Failure) -> Outcome {
    let Some(kind) = state.jobs.get(&id).filter(|job| job.logic().is_open()).map(Job::kind) else { return VOID };
    if let Some(failure) = of_kind!(kind, Logic => Logic::medium_failed(state, id, failure)) {
        note_trouble(state, id, &failure);
    }
    Ok(Done::Ok)
}

/// A tenant is gone: its jobs go, but for those that are still shown.
pub(crate) fn forget_tenant(state: &mut State, tenant: TenantId) {
    state.jobs.retain(|_, job| job.head().tenant_id != tenant || job.logic().outlives_tenant());
}
