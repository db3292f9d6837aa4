//! Executors: whom a task goes to, and when an attempt counts as lost.
//!
//! A worker that is unknown is not dead: its attempt gets a new retry id first, and only then another executor, so two
//! executors never write under one name.

use super::list::Job;
use super::logic::JobLogic;
use crate::command::Action;
use crate::refuse;
use crate::state::{State, TaskRun};
use crate::step::Plan;
use crate::task::{TaskId, TaskKey, TaskKind};
use crate::waiting::{On, Who};
use strandline_types::{LsTaskStatus, NodeId, TenantId};

/// The key of a run's present attempt.
fn key_of(job: &dyn JobLogic, tenant_id: TenantId, task: TaskId, run: &TaskRun) -> TaskKey {
    let TaskId { kind, part } = task;
    TaskKey { job_id: job.head().id, tenant_id, part, kind, turn: run.turn, retry: run.retry }
}

/// The tasks of one kind of a job, each with the key of its present attempt.
pub(crate) fn attempts(job: &dyn JobLogic, kind: TaskKind) -> impl Iterator<Item = (TaskKey, &TaskRun)> {
    let tasks = job.head().runs.of(kind).map(move |(part, run)| (TaskId { kind, part }, run));
    let tenant = job.tenant_of_tasks();
    tasks.filter_map(move |(task, run)| Some((key_of(job, tenant?, task, run), run)))
}

/// The tasks of a job that a worker has to do now.
pub(crate) fn attempts_of(job: &Job, worker: NodeId) -> impl Iterator<Item = (TaskKey, &TaskRun)> {
    let job = job.logic();
    let running = job.running_tasks().into_iter().flat_map(move |kind| attempts(job, kind));
    running.filter(move |(_, run)| run.is_running() && run.executor == Some(worker))
}

/// Gives up the attempt when its executor is gone, was restarted, or does not move. True when it did.
pub(crate) fn supervise(state: &State, now_ms: u64, key: TaskKey, run: &TaskRun, plan: &mut Plan) -> bool {
    let Some(executor) = run.executor.filter(|_| run.is_running()) else { return false };
    let boot_id = state.workers.get(&executor).map(|w| w.boot_id);
    let why = if !state.is_known(executor, now_ms) {
        "server lost: it does not report any more"
    } else if boot_id != Some(run.boot_id) {
        "server lost: it was restarted"
    } else if now_ms >= run.deadline_ms {
        "task timeout: it does not move"
    } else {
        return false;
    };
    plan.propose(Action::TaskLost { key, executor, failure: refuse::executor_lost(executor, why) });
    true
}

/// Hands a waiting attempt to the best of the candidates and tells which; says on what it waits when there is none.
pub(crate) fn assign(
    now_ms: u64,
    key: TaskKey,
    run: &TaskRun,
    candidates: &[NodeId],
    plan: &mut Plan,
) -> Option<NodeId> {
    if run.status != LsTaskStatus::Init || now_ms < run.not_before_ms {
        return None;
    }
    // When all have failed it, the first choice gets another chance.
    let fresh = candidates.iter().find(|c| !run.black_list.contains(c));
    let chosen = fresh.or(candidates.first()).copied();
    match chosen {
        Some(executor) => plan.propose(Action::AssignTask { key, executor }),
        None => plan.wait(key.tenant_id, Who::Task(key), On::LiveWorker, None),
    }
    chosen
}

/// A task that the leader of its log stream does: after a switch the new leader gets it under a new retry id.
pub(crate) fn assign_to_leader(
    state: &State,
    now_ms: u64,
    key: TaskKey,
    run: &TaskRun,
    leader: Option<NodeId>,
    plan: &mut Plan,
) {
    let live = leader.filter(|l| state.is_known(*l, now_ms));
    match (run.executor.filter(|_| run.is_running()), live) {
        (Some(executor), Some(leader)) if executor != leader => {
            let failure = refuse::executor_lost(executor, "it does not lead the log stream any more");
            plan.propose(Action::TaskLost { key, executor, failure });
        }
        _ => {
            assign(now_ms, key, run, live.as_slice(), plan);
        }
    }
}

/// Known workers, the least busy one first.
pub(crate) fn by_load(state: &State, now_ms: u64) -> Vec<NodeId> {
    let known = state.workers.keys().filter(|w| state.is_known(**w, now_ms));
    let mut by_load: Vec<_> = known.map(|w| (load(state, *w), *w)).collect();
    by_load.sort_unstable();
    by_load.into_iter().map(|(_, id)| id).collect()
}

/// Tasks that a worker has to do at the moment, of any job.
pub(crate) fn load(state: &State, worker: NodeId) -> usize {
    tasks_of(state, worker, |_| true)
}

/// The same without those that take no turn on the worker: they never end, and keep nothing else from running.
pub(crate) fn turns(state: &State, worker: NodeId) -> usize {
    tasks_of(state, worker, |job| !job.follows())
}

fn tasks_of(state: &State, worker: NodeId, counts: impl Fn(&dyn JobLogic) -> bool) -> usize {
    let busy = |t: &&TaskRun| t.is_running() && t.executor == Some(worker);
    let running = state.all_jobs().filter(|job| job.is_running() && counts(*job));
    running.flat_map(|job| job.head().runs.values()).filter(busy).count()
}
