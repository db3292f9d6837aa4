//! What a kind of job has to know. The machine asks; it knows no kind itself.
//!
//! Nothing that could be forgotten has a default: a new kind does not compile before it has answered.

use super::head::JobHead;
use super::stage::Stage;
use crate::command::{Done, Outcome};
use crate::orders::TaskSpec;
use crate::reads::Read;
use crate::report::TaskResult;
use crate::state::{State, TaskRun};
use crate::step::Plan;
use crate::task::{TaskId, TaskKey, TaskKind};
use crate::waiting::Who;
use strandline_types::{Failure, JobId, TenantId};

/// How long ended jobs of a kind are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The newest ones, so many.
    Newest(usize),
    /// As long as the job that they are a part of.
    WithParent,
    /// It is there while it runs.
    NotAtAll,
}

/// What a failed attempt at a task leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Another attempt, as long as there are any.
    Retry,
    /// Another attempt after so many milliseconds, however often: it ends some day.
    Wait(u64),
    /// Nothing more: the job has taken it for an answer.
    Answered,
}

/// What a kind of job knows. Functions that change a job take State and its id, since most of them change more than the
/// job.
pub(crate) trait JobLogic {
    /// What every job has.
    fn head(&self) -> &JobHead;

    /// How long ended ones are remembered.
    fn kept(&self) -> Kept;

    /// True when it is still shown after its tenant is gone.
    fn outlives_tenant(&self) -> bool;

    /// As messages name it; a part is named by its job, which is what an administrator started.
    fn who(&self) -> Who;

    /// True while it may order tasks. What has ended may show its last ones for a while; they run no more.
    fn is_running(&self) -> bool;

    /// True when it has ended and the scheduler still has something to write for it.
    fn is_closing(&self) -> bool;

    /// True when its tasks run until they are no longer ordered: workers take no turn for them, so they keep no other
    /// task from running.
    fn follows(&self) -> bool {
        false
    }

    /// True when a task that moves shows that the job moves.
    fn moves_with_tasks(&self) -> bool {
        true
    }

    /// The kind of tasks that run in its present stage.
    fn running_tasks(&self) -> Option<TaskKind>;

    /// The tenant that its tasks work for.
    fn tenant_of_tasks(&self) -> Option<TenantId> {
        Some(self.head().tenant_id)
    }

    /// What it reads now on media, or will read before it ends: cleaning leaves it.
    fn reads(&self, state: &State) -> Vec<Read>;

    /// What must hold of it; the findings.
    fn lint(&self, state: &State, found: &mut Vec<String>);

    /// Its next steps, and what it waits for. Only asked while it is open.
    fn plan(&self, state: &State, now_ms: u64, plan: &mut Plan);

    /// What the worker of a running task has to know; `None` while it cannot be said.
    fn spec(&self, state: &State, task: TaskId, run: &TaskRun) -> Option<TaskSpec>;

    /// Takes what came out of a task. False when it is not what such a task brings.
    fn take_result(state: &mut State, id: JobId, task: TaskId, result: Option<TaskResult>) -> bool
    where
        Self: Sized;

    /// A task has ended well.
    fn task_done(_state: &mut State, _id: JobId)
    where
        Self: Sized,
    {
    }

    /// An attempt at a task has failed.
    fn task_failed(_state: &mut State, _key: TaskKey, _failure: &Failure) -> OnFailure
    where
        Self: Sized,
    {
        OnFailure::Retry
    }

    /// The next stage, if it still is in `from` and may go there.
    fn advance(state: &mut State, id: JobId, from: Stage, to: Stage) -> Outcome
    where
        Self: Sized;

    /// Ends it with a reason. False when it does not run.
    fn fail(state: &mut State, id: JobId, failure: Failure) -> bool
    where
        Self: Sized;

    /// Ends it as an administrator asks.
    ///
    /// # Errors
    /// It cannot be cancelled now, or at all.
    fn cancel(state: &mut State, id: JobId) -> Outcome
    where
        Self: Sized;

    /// Nothing is left to do for it.
    fn close(state: &mut State, id: JobId) -> Outcome
    where
        Self: Sized;

    /// The scheduler's own work on the medium has failed while the job was open. What is given back is noted as what
    /// holds it up.
    fn medium_failed(_state: &mut State, _id: JobId, failure: Failure) -> Option<Failure>
    where
        Self: Sized,
    {
        Some(failure)
    }

    /// A job that is a part of it has ended.
    fn part_ended(_state: &mut State, _id: JobId, _part: JobId)
    where
        Self: Sized,
    {
    }
}

/// The answer where there is nothing to do: the state has moved on.
pub(crate) const VOID: Outcome = Ok(Done::Nothing);
