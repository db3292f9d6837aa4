//! Checks of a destination from every worker: a job of one task per worker, each tried once.

use super::spec;
use crate::address;
use crate::command::{Done, Outcome};
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::OnFailure;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::jobs::machine::supervise::{attempts, supervise};
use crate::lint::check;
use crate::orders::TaskSpec;
use crate::reads::Read;
use crate::report::TaskResult;
use crate::state::{DestCheck, State, TaskRun};
use crate::step::Plan;
use crate::task::{Part, TaskId, TaskKey, TaskKind};
use crate::waiting::Who;
use std::collections::BTreeMap;
use strandline_types::{Access, Failure, JobId, LsTaskStatus, NodeId, TenantId, limits};

impl JobLogic for DestCheck {
    fn head(&self) -> &JobHead {
        &self.head
    }

    fn kept(&self) -> Kept {
        Kept::Newest(limits::DEST_CHECKS_KEPT_MAX)
    }

    fn outlives_tenant(&self) -> bool {
        true
    }

    fn who(&self) -> Who {
        Who::DestCheck(self.id)
    }

    fn is_running(&self) -> bool {
        self.ended_ms.is_none()
    }

    fn is_closing(&self) -> bool {
        false
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        Some(TaskKind::DestCheck)
    }

    fn reads(&self, _state: &State) -> Vec<Read> {
        // It reads what it has written itself.
        Vec::new()
    }

    fn lint(&self, _state: &State, found: &mut Vec<String>) {
        lint(self, found);
    }

    fn plan(&self, state: &State, now_ms: u64, plan: &mut Plan) {
        // A worker that does not answer is given up.
        for (key, run) in attempts(self, TaskKind::DestCheck) {
            supervise(state, now_ms, key, run, plan);
        }
    }

    fn spec(&self, state: &State, _task: TaskId, _run: &TaskRun) -> Option<TaskSpec> {
        Some(spec::spec(state, self))
    }

    fn take_result(state: &mut State, id: JobId, task: TaskId, result: Option<TaskResult>) -> bool {
        let (Some(check), Some(TaskResult::DestCheck(findings))) = (state.dest_check_mut(id), result) else {
            return false;
        };
        let Part::Worker(worker) = task.part else { return false };
        check.findings.insert(worker, findings);
        true
    }

    fn task_done(state: &mut State, id: JobId) {
        end_with_the_last(state, id);
    }

    /// What one worker finds is the answer: nobody else can give it.
    fn task_failed(state: &mut State, key: TaskKey, failure: &Failure) -> OnFailure {
        let (Some(check), Part::Worker(worker)) = (state.dest_check_mut(key.job_id), key.part) else {
            return OnFailure::Retry;
        };
        check.failures.insert(worker, failure.clone());
        if let Some(run) = check.runs.get_mut(key.task()) {
            run.status = LsTaskStatus::Finish;
            run.failure = Some(failure.clone());
        }
        end_with_the_last(state, key.job_id);
        OnFailure::Answered
    }

    fn advance(_state: &mut State, _id: JobId, _from: Stage, _to: Stage) -> Outcome {
        VOID
    }

    fn fail(_state: &mut State, _id: JobId, _failure: Failure) -> bool {
        false
    }

    fn cancel(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }

    fn close(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }
}

pub(crate) fn start(state: &mut State, uri: &str, access: Access, key_source: String) -> Outcome {
    let uri = address::named(uri)?.to_string();
    let now_ms = state.clock_ms;
    let known = state.workers.values().filter(|w| state.is_known(w.id, now_ms));
    let runs: Vec<(NodeId, TaskRun)> = known.map(|w| (w.id, run_of(w.id, w.boot_id, now_ms))).collect();
    if runs.is_empty() {
        return VOID;
    }
    let id = life::next_id(state);
    let mut head = JobHead::new(id, TenantId::SYS, now_ms);
    for (worker, run) in runs {
        head.runs.insert(TaskId { kind: TaskKind::DestCheck, part: Part::Worker(worker) }, run);
    }
    let (findings, failures) = (BTreeMap::new(), BTreeMap::new());
    life::insert(state, DestCheck { head, uri, access, findings, failures, key_source });
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

/// The check is over with its last task; its keys go.
fn end_with_the_last(state: &mut State, id: JobId) {
    let now_ms = state.clock_ms;
    let is_over = |c: &&mut DestCheck| c.runs.are_finished(TaskKind::DestCheck);
    if let Some(check) = state.dest_check_mut(id).filter(is_over) {
        check.ended_ms = check.ended_ms.or(Some(now_ms));
        check.access = Access::default();
    }
}

fn lint(dest_check: &DestCheck, found: &mut Vec<String>) {
    let name = format!("destination check {}", dest_check.id);
    let is_over = dest_check.runs.are_finished(TaskKind::DestCheck);
    check(found, is_over == dest_check.ended_ms.is_some(), || format!("{name} and its end"));
    check(found, !is_over || dest_check.access.is_empty(), || format!("{name} has ended and keeps keys"));
}
