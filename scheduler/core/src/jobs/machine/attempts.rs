//! Tasks of any job: who runs them, what they report, and what a failed attempt leads to.
//!
//! A report or a decision about another attempt than the present one is void: that is the fence against an executor that
//! was given up.

use super::life;
use super::list::of_kind;
use super::logic::{JobLogic, OnFailure, VOID};
use crate::command::{Done, Outcome};
use crate::refuse;
use crate::report::{TaskReport, TaskState};
use crate::state::{Job, State, TaskRun, Trouble};
use crate::task::{TaskKey, TaskKind};
use strandline_types::{ErrorClass, Failure, LsTaskStatus, NodeId, RetryId, limits};

/// The job of a task, while it is in the stage that runs tasks of this kind for this tenant: a drill digests two of them
/// under one id.
fn job_of(state: &State, key: TaskKey) -> Option<&Job> {
    state.jobs.get(&key.job_id).filter(|job| {
        let job = job.logic();
        job.running_tasks() == Some(key.kind) && job.tenant_of_tasks() == Some(key.tenant_id)
    })
}

/// The attempt that a key names, while its job is in the stage that runs it.
pub(crate) fn run_of(state: &State, key: TaskKey) -> Option<&TaskRun> {
    let run = job_of(state, key)?.head().runs.get(key.task());
    run.filter(|r| r.turn == key.turn && r.retry == key.retry)
}

fn run_mut(state: &mut State, key: TaskKey) -> Option<&mut TaskRun> {
    run_of(state, key)?;
    state.jobs.get_mut(&key.job_id)?.head_mut().runs.get_mut(key.task())
}

/// The running attempt that a key names, if this worker does it.
fn attempt_of(state: &mut State, key: TaskKey, worker: NodeId) -> Option<&mut TaskRun> {
    run_mut(state, key).filter(|r| r.is_running() && r.executor == Some(worker))
}

pub(crate) fn assign(state: &mut State, key: TaskKey, executor: NodeId) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(boot_id) = state.workers.get(&executor).map(|w| w.boot_id) else { return VOID };
    let Some(run) = run_mut(state, key).filter(|r| r.status == LsTaskStatus::Init) else { return VOID };
    run.status = LsTaskStatus::Pending;
    run.executor = Some(executor);
    run.boot_id = boot_id;
    run.assigned_ms = now_ms;
    run.deadline_ms = now_ms + limits::TASK_STALL_MS;
    run.bytes_total = 0;
    run.bytes_done = 0;
    Ok(Done::Ok)
}

pub(crate) fn lost(state: &mut State, key: TaskKey, executor: NodeId, failure: Failure) -> Outcome {
    if attempt_of(state, key, executor).is_none() {
        return VOID;
    }
    attempt_failed(state, key, executor, failure);
    Ok(Done::Ok)
}

pub(crate) fn take_report(state: &mut State, worker: NodeId, report: TaskReport) {
    let now_ms = state.clock_ms;
    let Some(run) = attempt_of(state, report.key, worker) else { return };
    let has_moved = report.bytes_done > run.bytes_done;
    let is_alive = has_moved || run.status == LsTaskStatus::Pending;
    if is_alive {
        run.deadline_ms = now_ms + limits::TASK_STALL_MS;
    }
    if report.state == TaskState::Doing {
        run.trouble = run.trouble_after(waiting_at(&report, worker, now_ms), report.answered, has_moved);
    }
    run.status = LsTaskStatus::Doing;
    run.bytes_total = report.bytes_total.max(report.bytes_done);
    run.bytes_done = report.bytes_done;
    match report.state {
        TaskState::Doing if is_alive => life::touch(state, report.key.job_id),
        TaskState::Doing => {}
        TaskState::Done => done(state, report, worker),
        TaskState::Failed => {
            let unnamed = || Failure::new(ErrorClass::Transient, "failed without a reason", report.key.to_string(), "");
            let mut failure = report.failure.unwrap_or_else(unnamed);
            at_worker(&mut failure, worker);
            attempt_failed(state, report.key, worker, failure);
        }
    }
}

/// The same path is on every worker: whose disk is full, and who does not reach it, has to be said.
fn at_worker(failure: &mut Failure, worker: NodeId) {
    failure.object = format!("worker {worker}: {}", failure.object);
}

/// What a running task says it waits for. A worker whose clock is ahead does not wait since tomorrow.
pub(crate) fn waiting_at(said: &TaskReport, worker: NodeId, now_ms: u64) -> Option<Trouble> {
    let mut waiting = said.waiting.clone()?;
    at_worker(&mut waiting.failure, worker);
    waiting.since_ms = waiting.since_ms.min(now_ms);
    Some(waiting)
}

fn done(state: &mut State, report: TaskReport, worker: NodeId) {
    let (key, id) = (report.key, report.key.job_id);
    let Some(kind) = state.jobs.get(&id).map(Job::kind) else { return };
    if !of_kind!(kind, Logic => Logic::take_result(state, id, key.task(), report.result)) {
        let failure = Failure::new(ErrorClass::Transient, "ended without its result", key.to_string(), "");
        return attempt_failed(state, key, worker, failure);
    }
    if let Some(run) = run_mut(state, key) {
        run.status = LsTaskStatus::Finish;
        run.bytes_done = run.bytes_total;
        run.failure = None;
        run.trouble = None;
    }
    life::touch(state, id);
    of_kind!(kind, Logic => Logic::task_done(state, id));
}

/// True for a failure that the same attempt elsewhere may escape, but the same attempt here will not.
pub(crate) fn is_hard(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Corrupt | ErrorClass::Permission | ErrorClass::Invalid | ErrorClass::Exhausted)
}

/// Gives the task a new retry id; fails the job when no further attempt makes sense.
fn attempt_failed(state: &mut State, key: TaskKey, executor: NodeId, failure: Failure) {
    let (now_ms, id) = (state.clock_ms, key.job_id);
    let Some(kind) = state.jobs.get(&id).map(Job::kind) else { return };
    let then = of_kind!(kind, Logic => Logic::task_failed(state, key, &failure));
    let candidates = candidates(state, key);
    let Some(run) = run_mut(state, key).filter(|_| then != OnFailure::Answered) else { return };
    let before = run.retry;
    run.status = LsTaskStatus::Init;
    run.executor = None;
    run.retry = before.next();
    run.bytes_done = 0;
    run.not_before_ms = now_ms + limits::LS_TASK_RETRY_DELAY_MS;
    run.black_list.insert(executor);
    run.failure = Some(failure.clone());
    if let OnFailure::Wait(pause_ms) = then {
        // It is waited for, not counted: however often, half of the attempts are left to what else may fail.
        run.retry = before.max(RetryId(run.retry.0.min(limits::LS_TASK_RETRIES_MAX / 2)));
        run.not_before_ms = now_ms + pause_ms;
        return life::note_trouble(state, id, &failure);
    }
    if is_hard(failure.class) || (is_missing_final(key.kind) && failure.class == ErrorClass::NotFound) {
        run.hard_failures += 1;
    }
    let all_tried = run.hard_failures as usize >= candidates;
    let too_often = run.retry.0 > limits::LS_TASK_RETRIES_MAX;
    run.trouble = Some(Trouble::again(run.trouble.as_ref(), failure.clone(), now_ms));
    if too_often {
        life::fail(state, id, refuse::too_many_retries(key, &failure));
    } else if all_tried {
        life::fail(state, id, failure);
    }
}

/// A missing object is as final for what reads a backup as a damaged one; for a backup only the replica may be gone.
fn is_missing_final(kind: TaskKind) -> bool {
    matches!(kind, TaskKind::RestoreData | TaskKind::RestoreLog | TaskKind::Validate | TaskKind::RecoverTable)
}

/// How many workers could do a task: so many hard failures end its job.
fn candidates(state: &State, key: TaskKey) -> usize {
    match key.kind {
        TaskKind::BackupLs => {
            let streams = state.tenants.get(&key.tenant_id).map(|t| &t.log_streams);
            let stream = key.part.ls().and_then(|ls| streams?.get(&ls));
            stream.map_or(1, |ls| ls.members.len().max(1))
        }
        TaskKind::BackupIndex | TaskKind::Synthetic | TaskKind::BackupLog | TaskKind::RecoverTable => {
            state.workers.len().clamp(1, 3)
        }
        // Every replica of a restore is a task of its own, and all of them read the same medium.
        TaskKind::RestoreData
        | TaskKind::RestoreLog
        | TaskKind::DestCheck
        | TaskKind::Validate
        | TaskKind::Clean
        | TaskKind::Fingerprint => 1,
    }
}
