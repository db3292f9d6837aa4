//! One set or piece that a validation looks at: one task for each log stream, and one for what is of none.

use crate::catalogue::file_status_mut;
use crate::command::Outcome;
use crate::jobs::machine::between;
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::check;
use crate::orders::{MediumName, TaskSpec, ValidateSpec};
use crate::reads::{Read, of_object};
use crate::report::TaskResult;
use crate::state::{MediumObject, State, TaskRun, ValidateTask};
use crate::step::Plan;
use crate::task::{Part, TaskId, TaskKind};
use crate::waiting::Who;
use strandline_types::{
    Access, ErrorClass, Failure, FileStatus, JobId, JobStatus, TenantId, Transition, TurnId, ValidateLevel,
};

impl JobLogic for ValidateTask {
    fn head(&self) -> &JobHead {
        &self.head
    }

    fn kept(&self) -> Kept {
        Kept::WithParent
    }

    fn outlives_tenant(&self) -> bool {
        false
    }

    fn who(&self) -> Who {
        Who::Validate(self.job_id())
    }

    fn is_running(&self) -> bool {
        !self.status.is_ended()
    }

    fn is_closing(&self) -> bool {
        false
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        (self.status == JobStatus::Doing).then_some(TaskKind::Validate)
    }

    fn reads(&self, _state: &State) -> Vec<Read> {
        if self.status.is_ended() { Vec::new() } else { vec![of_object(self.object.at.place(), self.object.name)] }
    }

    fn lint(&self, state: &State, found: &mut Vec<String>) {
        lint(state, self, found);
    }

    fn plan(&self, _state: &State, _now_ms: u64, _plan: &mut Plan) {
        // Its job does.
    }

    fn spec(&self, state: &State, task: TaskId, _run: &TaskRun) -> Option<TaskSpec> {
        spec(state, self, task.part)
    }

    fn take_result(state: &mut State, id: JobId, task: TaskId, result: Option<TaskResult>) -> bool {
        let (Some(part), Some(TaskResult::Validate(result))) = (state.validate_task_mut(id), result) else {
            return false;
        };
        part.results.insert(task.part.ls_number(), result);
        true
    }

    fn task_done(state: &mut State, id: JobId) {
        settle(state, id);
    }

    fn advance(_state: &mut State, _id: JobId, _from: Stage, _to: Stage) -> Outcome {
        VOID
    }

    fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
        fail(state, id, failure)
    }

    fn cancel(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }

    fn close(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }
}

/// Begins to look at one set or piece; gives the id of the part.
pub(super) fn begin(state: &mut State, tenant: TenantId, job: JobId, object: MediumObject) -> JobId {
    let id = life::next_id(state);
    let streams = object.log_streams.iter().copied().map(Part::Ls);
    let mut head = JobHead::new(id, tenant, state.clock_ms).part_of(Some(job));
    head.runs.begin(TaskKind::Validate, streams.chain([Part::Rest]), TurnId(1));
    let results = std::collections::BTreeMap::new();
    life::insert(state, ValidateTask { head, object, status: JobStatus::Doing, results });
    id
}

/// Once every part is looked at: sound or damaged.
fn settle(state: &mut State, id: JobId) {
    let now_ms = state.clock_ms;
    let is_whole = |t: &&mut ValidateTask| t.status == JobStatus::Doing && t.runs.are_finished(TaskKind::Validate);
    let Some(task) = state.validate_task_mut(id).filter(is_whole) else { return };
    let damages = task.damage_count();
    let first = task.results.values().flat_map(|r| &r.damages).next();
    task.failure = first.map(|d| {
        let what = format!("{damages} damaged objects; the first is {}: {}", d.kind, d.detail);
        let todo = "see CDB_STRANDLINE_BACKUP_DAMAGES; use another copy of it, or take a new full backup";
        Failure::new(ErrorClass::Corrupt, what, task.object.at.uri.below(&d.path).to_string(), todo)
    });
    task.status = if damages == 0 { JobStatus::Completed } else { JobStatus::Failed };
    end(task, now_ms);
    let (tenant, name, dest) = (task.tenant_id, task.object.name, task.object.dest_id);
    let job = task.job_id();
    let level = state.validate_job(job).map_or(ValidateLevel::Basic, |j| j.level);
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
        between::clean::ask_again(state, tenant);
    }
}

/// Nothing is opened for it any more: its keys are wiped.
fn end(task: &mut ValidateTask, now_ms: u64) {
    task.ended_ms = Some(now_ms);
    task.object.at.access = Access::default();
}

/// It cannot be looked at at all.
fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(task) = state.validate_task_mut(id).filter(|t| t.status == JobStatus::Doing) else { return false };
    task.status = JobStatus::Failed;
    task.failure = Some(failure);
    end(task, now_ms);
    true
}

/// Ends the parts of a job that have not ended.
pub(super) fn end_open(state: &mut State, job: JobId, to: JobStatus, failure: &Failure) {
    let now_ms = state.clock_ms;
    let is_open = |t: &&ValidateTask| t.parent == Some(job) && !t.status.is_ended();
    let open: Vec<JobId> = state.validate_tasks().filter(is_open).map(|t| t.id).collect();
    for id in open {
        if let Some(task) = state.validate_task_mut(id) {
            task.status = to;
            task.failure = Some(failure.clone());
            end(task, now_ms);
        }
    }
}

fn spec(state: &State, task: &ValidateTask, part: Part) -> Option<TaskSpec> {
    let (job, object) = (state.validate_job(task.job_id())?, &task.object);
    let seal_keys = match object.name {
        MediumName::Set(..) => job.keys.iter().map(|(_, key)| key.clone()).collect(),
        MediumName::Piece(_) => Vec::new(),
    };
    Some(TaskSpec::Validate(ValidateSpec {
        at: object.at.clone(),
        level: job.level,
        name: object.name,
        source_ls_id: part.ls_number(),
        seal_keys,
        archive_key_source: object.key_source.clone(),
    }))
}

fn lint(state: &State, task: &ValidateTask, found: &mut Vec<String>) {
    let name = format!("validation {} of {}", task.id, task.object.name);
    check(found, task.status.is_ended() == task.ended_ms.is_some(), || format!("{name}: {} and its end", task.status));
    check(found, state.validate_job(task.job_id()).is_some(), || format!("{name} of no job"));
    let has_failed = task.status == JobStatus::Failed;
    check(found, !has_failed || task.failure.is_some(), || format!("{name} failed without a reason"));
    let keeps_keys = !task.object.at.access.is_empty();
    check(found, !task.status.is_ended() || !keeps_keys, || format!("{name} has ended and keeps keys"));
}
