//! Executors: whom a task goes to, and when an attempt counts as lost.
//!
//! A worker that is unknown is not dead: its attempt gets a new retry id first, and only then another executor, so two
//! executors never write under one name.

use crate::command::Action;
use crate::refuse;
use crate::state::{Job, State, TaskRun};
use crate::step::Plan;
use crate::task::TaskKey;
use crate::waiting::{On, Who};
use strandline_types::{LsTaskStatus, NodeId};

/// The key of a run's present attempt.
pub(super) fn key_of(template: TaskKey, run: &TaskRun) -> TaskKey {
    TaskKey { turn: run.turn, retry: run.retry, ..template }
}

/// Gives up the attempt when its executor is gone, was restarted, or does not move. True when it did.
pub(super) fn supervise(state: &State, now_ms: u64, key: TaskKey, run: &TaskRun, plan: &mut Plan) -> bool {
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
pub(super) fn assign(
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

/// Known workers, the least busy one first.
pub(super) fn by_load(state: &State, now_ms: u64) -> Vec<NodeId> {
    let known = state.workers.keys().filter(|w| state.is_known(**w, now_ms));
    let mut by_load: Vec<_> = known.map(|w| (load(state, *w), *w)).collect();
    by_load.sort_unstable();
    by_load.into_iter().map(|(_, id)| id).collect()
}

/// Tasks that a worker has to do at the moment, of any job.
pub(super) fn load(state: &State, worker: NodeId) -> usize {
    tasks_of(state, worker, |_| true)
}

/// The same without those that take no turn on the worker: they never end, and keep nothing else from running.
pub(super) fn turns(state: &State, worker: NodeId) -> usize {
    tasks_of(state, worker, |job| !job.follows())
}

fn tasks_of(state: &State, worker: NodeId, counts: impl Fn(&Job<'_>) -> bool) -> usize {
    let busy = |t: &&TaskRun| t.is_running() && t.executor == Some(worker);
    state.jobs().filter(|job| job.is_running() && counts(job)).flat_map(Job::runs).filter(busy).count()
}
