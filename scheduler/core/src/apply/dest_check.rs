//! Checks of a destination from every worker: a job of one task per worker, each tried once.

use crate::address;
use crate::command::{Done, Outcome};
use crate::state::{DestCheck, State, TaskRun};
use std::collections::BTreeMap;
use strandline_types::{Access, Failure, JobId, LsTaskStatus, NodeId, limits};

pub(super) fn start(state: &mut State, uri: &str, access: Access, key_source: String) -> Outcome {
    let uri = address::named(uri)?.to_string();
    let now_ms = state.clock_ms;
    let known = state.workers.values().filter(|w| state.is_known(w.id, now_ms));
    let runs: BTreeMap<NodeId, TaskRun> = known.map(|w| (w.id, run_of(w.id, w.boot_id, now_ms))).collect();
    if runs.is_empty() {
        return Ok(Done::Nothing);
    }
    let id = state.next.job;
    state.next.job = id.next();
    let (findings, failures) = (BTreeMap::new(), BTreeMap::new());
    let check = DestCheck { id, uri, access, started_ms: now_ms, ended_ms: None, runs, findings, failures, key_source };
    state.dest_checks.insert(id, check);
    prune(state);
    Ok(Done::DestCheck(id))
}

fn run_of(worker: NodeId, boot_id: u64, now_ms: u64) -> TaskRun {
    TaskRun {
        status: LsTaskStatus::Pending,
        executor: Some(worker),
        boot_id,
        deadline_ms: now_ms + limits::DEST_CHECK_MS_MAX,
        ..TaskRun::default()
    }
}

/// A worker's task has ended, well or not: the check is over with the last one.
pub(super) fn ended(state: &mut State, id: JobId, worker: NodeId, failure: Option<Failure>) {
    let now_ms = state.clock_ms;
    let Some(check) = state.dest_checks.get_mut(&id) else { return };
    if let Some(run) = check.runs.get_mut(&worker) {
        run.status = LsTaskStatus::Finish;
        run.failure.clone_from(&failure);
    }
    if let Some(failure) = failure {
        check.failures.insert(worker, failure);
    }
    if check.runs.values().all(TaskRun::is_finished) {
        check.ended_ms = check.ended_ms.or(Some(now_ms));
        check.access = Access::default();
    }
}

fn prune(state: &mut State) {
    let surplus = state.dest_checks.len().saturating_sub(limits::DEST_CHECKS_KEPT_MAX);
    let old: Vec<JobId> =
        state.dest_checks.values().filter(|c| c.ended_ms.is_some()).map(|c| c.id).take(surplus).collect();
    for id in old {
        state.dest_checks.remove(&id);
    }
}
