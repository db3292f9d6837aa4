//! One set or piece that is deleted: the end placeholder, then one task for each log stream, then the rest.

use super::decide::Victim;
use crate::apply::leftovers;
use crate::catalogue::{file_status, file_status_mut};
use crate::command::{Done, Outcome};
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::OnFailure;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::check;
use crate::orders::{CleanSpec, MediumName, TaskSpec};
use crate::reads::Read;
use crate::report::TaskResult;
use crate::state::{CleanTask, State, TaskRun, is_object_lock};
use crate::step::Plan;
use crate::task::{Part, TaskId, TaskKey, TaskKind};
use crate::waiting::Who;
use strandline_types::{CleanStage, Failure, FileStatus, JobId, LsId, TenantId, Transition, TurnId, limits};

impl JobLogic for CleanTask {
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
        Who::Clean(self.job_id())
    }

    fn is_running(&self) -> bool {
        !self.stage.is_ended()
    }

    fn is_closing(&self) -> bool {
        false
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        (self.stage == CleanStage::LogStreams).then_some(TaskKind::Clean)
    }

    fn reads(&self, _state: &State) -> Vec<Read> {
        // What it takes has to go.
        Vec::new()
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

    fn take_result(state: &mut State, id: JobId, _task: TaskId, result: Option<TaskResult>) -> bool {
        let (Some(task), Some(TaskResult::Clean(result))) = (state.clean_task_mut(id), result) else { return false };
        task.trouble = None;
        task.objects += result.objects;
        task.bytes += result.bytes;
        true
    }

    /// An object lock ends some day.
    fn task_failed(_state: &mut State, _key: TaskKey, failure: &Failure) -> OnFailure {
        if is_object_lock(failure) { OnFailure::Wait(limits::CLEAN_LOCKED_PAUSE_MS) } else { OnFailure::Retry }
    }

    fn advance(state: &mut State, id: JobId, from: Stage, to: Stage) -> Outcome {
        let (Stage::CleanTask(from), Stage::CleanTask(to)) = (from, to) else { return VOID };
        advance(state, id, from, to)
    }

    fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
        end(state, id, CleanStage::Failed, Some(failure))
    }

    fn cancel(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }

    fn close(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }
}

/// Marks one set or piece DELETING; gives the id of the part.
pub(super) fn begin(state: &mut State, tenant: TenantId, job: JobId, victim: Victim) -> Option<JobId> {
    let id = life::next_id(state);
    let status = file_status_mut(state, tenant, victim.name)?;
    let was = std::mem::replace(status, FileStatus::Deleting);
    if let MediumName::Set(set, _) = victim.name {
        leftovers::forget(state, victim.dest_id, set);
    }
    let task = CleanTask {
        head: JobHead::new(id, tenant, state.clock_ms).part_of(Some(job)),
        dest_id: victim.dest_id,
        name: victim.name,
        why: victim.why,
        was,
        ends_round: false,
        stage: CleanStage::Waiting,
        begun_ms: None,
        objects: 0,
        bytes: 0,
    };
    life::insert(state, task);
    Some(id)
}

/// The next stage, if it still is in `from`.
fn advance(state: &mut State, id: JobId, from: CleanStage, to: CleanStage) -> Outcome {
    let Some(task) = state.clean_task(id).filter(|t| t.stage == from && from.may_become(to)) else {
        return VOID;
    };
    let (tenant_id, name) = (task.tenant_id, task.name);
    match to {
        CleanStage::LogStreams => {
            let parts = parts_of(state, tenant_id, name);
            edit(state, id, |task| task.runs.begin(TaskKind::Clean, parts, TurnId(1)));
        }
        CleanStage::Rest if !task.runs.are_finished(TaskKind::Clean) => return VOID,
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
        _ => return VOID,
    }
    let now_ms = state.clock_ms;
    edit(state, id, |task| {
        task.stage = to;
        task.progress_ms = now_ms;
        task.trouble = None;
        task.begun_ms = task.begun_ms.or(Some(now_ms));
        task.ended_ms = to.is_ended().then_some(now_ms);
    });
    Ok(Done::Ok)
}

fn edit(state: &mut State, id: JobId, edit: impl FnOnce(&mut CleanTask)) {
    if let Some(task) = state.clean_task_mut(id) {
        edit(task);
    }
}

/// One for each log stream that may have files in it, and the set's own archive.
fn parts_of(state: &State, tenant: TenantId, name: MediumName) -> Vec<Part> {
    let mut ids: Vec<LsId> =
        state.tenants.get(&tenant).map(|t| t.log_streams.keys().copied().collect()).unwrap_or_default();
    match name {
        MediumName::Set(set, _) => {
            ids.extend(state.backup_sets.get(&(tenant, set)).into_iter().flat_map(|s| s.parts.keys()));
            return ids.into_iter().map(Part::Ls).chain([Part::Rest]).collect();
        }
        MediumName::Piece(key) => {
            ids.extend(state.rounds.get(&(tenant, key.round_id)).into_iter().flat_map(|r| r.progress.keys()));
        }
    }
    ids.into_iter().map(Part::Ls).collect()
}

/// True when all other pieces of a stopped round are gone.
fn is_last_of_round(state: &State, tenant: TenantId, name: MediumName) -> bool {
    let MediumName::Piece(key) = name else { return false };
    let round = state.rounds.get(&(tenant, key.round_id)).filter(|r| !r.is_open());
    round.is_some_and(|r| r.pieces.values().all(|p| p.key == key || p.file_status == FileStatus::Deleted))
}

/// Ends one task early. What was not begun is what it was before; what was begun stays DELETING.
pub(super) fn end(state: &mut State, id: JobId, to: CleanStage, failure: Option<Failure>) -> bool {
    let now_ms = state.clock_ms;
    let Some(task) = state.clean_task_mut(id).filter(|t| t.stage.may_become(to)) else { return false };
    let (was_waiting, tenant_id, name, was) = (task.stage == CleanStage::Waiting, task.tenant_id, task.name, task.was);
    task.stage = to;
    task.ended_ms = Some(now_ms);
    task.failure = failure;
    if was_waiting && let Some(status) = file_status_mut(state, tenant_id, name) {
        *status = was;
    }
    true
}

fn spec(state: &State, task: &CleanTask, part: Part) -> Option<TaskSpec> {
    let dest = state.destinations.get(&task.dest_id)?;
    Some(TaskSpec::Clean(CleanSpec {
        uri: dest.uri.to_string(),
        access: dest.access.clone(),
        directories: vec![task.name.part(part.ls())],
        owner: state.owner_of(dest),
    }))
}

fn lint(state: &State, task: &CleanTask, found: &mut Vec<String>) {
    let name = format!("deletion {} of {}", task.id, task.name);
    check(found, task.stage.is_ended() == task.ended_ms.is_some(), || format!("{name}: its stage and its end"));
    check(found, state.clean_job(task.job_id()).is_some(), || format!("{name} of no job"));
    let status = file_status(state, task.tenant_id, task.name);
    let is_marked = status.is_none_or(|s| s == FileStatus::Deleting);
    check(found, task.stage.is_ended() || is_marked, || format!("{name} runs, and it is {status:?}"));
    let has_failed = task.stage == CleanStage::Failed;
    check(found, !has_failed || task.failure.is_some(), || format!("{name} failed without a reason"));
}
