//! Tasks of any job: who runs them, what they report, what a failed attempt leads to, and how a job fails.
//!
//! A task is named by (job, log stream, kind, turn, retry) and, for the replicas of a restore, by its executor. A
//! report or a decision about any other attempt is void: that is the fence against an executor that was given up.

use super::{backup, clean, dest_check, drill, leftovers, recover, restore, standby, validate};
use crate::command::{Done, Outcome, Subject};
use crate::refuse;
use crate::report::{TaskReport, TaskResult, TaskState};
use crate::state::{RecoverStage, State, TaskRun, Trouble, is_object_lock};
use crate::task::{TaskKey, TaskKind};
use strandline_types::{
    BackupJobStatus, CleanStage, ErrorClass, Failure, JobId, JobStatus, LsTaskStatus, NodeId, RestoreStage, RetryId,
    limits,
};

/// The task that a key names, while its job is in the stage that runs it.
pub(super) fn run_mut(state: &mut State, key: TaskKey, executor: NodeId) -> Option<&mut TaskRun> {
    let run = match key.kind {
        TaskKind::BackupLs | TaskKind::Synthetic => {
            let job = state.backup_jobs.get_mut(&key.job_id).filter(|j| j.status == BackupJobStatus::Data)?;
            if job.data_task_kind() != key.kind {
                return None;
            }
            job.tasks.get_mut(&key.ls_id)
        }
        TaskKind::BackupLog => {
            let job = state.backup_jobs.get_mut(&key.job_id).filter(|j| j.status == BackupJobStatus::CopyLog)?;
            job.log_tasks.get_mut(&key.ls_id)
        }
        TaskKind::BackupIndex => {
            let job = state.backup_jobs.get_mut(&key.job_id).filter(|j| j.status == BackupJobStatus::Index)?;
            Some(&mut job.index)
        }
        TaskKind::RestoreData => {
            let job = state.restore_jobs.get_mut(&key.job_id).filter(|j| j.stage == RestoreStage::RestoreData)?;
            job.data_tasks.get_mut(&(key.ls_id, executor))
        }
        TaskKind::RestoreLog => {
            if let Some(standby) = state.standbys.values_mut().find(|s| s.job_id == key.job_id) {
                standby.log_tasks.get_mut(&key.ls_id)
            } else {
                let job = state.restore_jobs.get_mut(&key.job_id).filter(|j| j.stage == RestoreStage::ReplayLog)?;
                job.log_tasks.get_mut(&key.ls_id)
            }
        }
        TaskKind::DestCheck => state.dest_checks.get_mut(&key.job_id)?.runs.get_mut(&executor),
        TaskKind::Validate => {
            let task = state.validate_tasks.get_mut(&key.job_id).filter(|t| t.status == JobStatus::Doing)?;
            task.runs.get_mut(&key.ls_id)
        }
        TaskKind::Clean => {
            let task = state.clean_tasks.get_mut(&key.job_id).filter(|t| t.stage == CleanStage::LogStreams)?;
            task.runs.get_mut(&key.ls_id)
        }
        TaskKind::Fingerprint => state.drills.get_mut(&key.job_id)?.runs.get_mut(&key.ls_id),
        TaskKind::RecoverTable => {
            let job = state.recover_jobs.get_mut(&key.job_id).filter(|j| j.stage == RecoverStage::Importing)?;
            job.tasks.get_mut(&key.ls_id)
        }
    };
    run.filter(|r| r.turn == key.turn && r.retry == key.retry)
}

pub(super) fn assign(state: &mut State, key: TaskKey, executor: NodeId) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(boot_id) = state.workers.get(&executor).map(|w| w.boot_id) else { return Ok(Done::Nothing) };
    let Some(run) = run_mut(state, key, executor).filter(|r| r.status == LsTaskStatus::Init) else {
        return Ok(Done::Nothing);
    };
    run.status = LsTaskStatus::Pending;
    run.executor = Some(executor);
    run.boot_id = boot_id;
    run.assigned_ms = now_ms;
    run.deadline_ms = now_ms + limits::TASK_STALL_MS;
    run.bytes_total = 0;
    run.bytes_done = 0;
    Ok(Done::Ok)
}

pub(super) fn lost(state: &mut State, key: TaskKey, executor: NodeId, failure: Failure) -> Outcome {
    let Some(_) = run_mut(state, key, executor).filter(|r| r.is_running() && r.executor == Some(executor)) else {
        return Ok(Done::Nothing);
    };
    attempt_failed(state, key, executor, failure);
    Ok(Done::Ok)
}

pub(super) fn take_report(state: &mut State, worker: NodeId, report: TaskReport) {
    let now_ms = state.clock_ms;
    let Some(run) = run_mut(state, report.key, worker).filter(|r| r.is_running() && r.executor == Some(worker)) else {
        return;
    };
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
        TaskState::Doing if is_alive => touch(state, report.key),
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

/// A job whose task moves is alive.
fn touch(state: &mut State, key: TaskKey) {
    let now_ms = state.clock_ms;
    if let Some(job) = state.backup_jobs.get_mut(&key.job_id) {
        job.progress_ms = now_ms;
    }
    if let Some(job) = state.restore_jobs.get_mut(&key.job_id) {
        job.progress_ms = now_ms;
    }
    if let Some(job) = state.recover_jobs.get_mut(&key.job_id) {
        job.progress_ms = now_ms;
    }
    if let Some(task) = state.clean_tasks.get_mut(&key.job_id) {
        task.progress_ms = now_ms;
    }
    validate::touch(state, key.job_id);
}

fn done(state: &mut State, report: TaskReport, worker: NodeId) {
    let key = report.key;
    let stored = match (key.kind, report.result) {
        (TaskKind::BackupLs | TaskKind::Synthetic, Some(TaskResult::BackupLs(result))) => {
            state.backup_jobs.get_mut(&key.job_id).map(|j| j.results.insert(key.ls_id, result)).is_some()
        }
        (TaskKind::BackupIndex, Some(TaskResult::BackupIndex(result))) => {
            state.backup_jobs.get_mut(&key.job_id).map(|j| j.index_result = Some(result)).is_some()
        }
        (TaskKind::BackupLog, Some(TaskResult::BackupLog(result))) => {
            state.backup_jobs.get_mut(&key.job_id).map(|j| j.log_results.insert(key.ls_id, result)).is_some()
        }
        (TaskKind::RestoreLog, Some(TaskResult::RestoreLog(result))) => {
            let is_standby = state.standbys.values().any(|s| s.job_id == key.job_id);
            let job = state.restore_jobs.get_mut(&key.job_id);
            job.map(|j| j.log_results.insert(key.ls_id, result)).is_some() || is_standby
        }
        (TaskKind::RestoreData, _) => true,
        (TaskKind::DestCheck, Some(TaskResult::DestCheck(findings))) => {
            state.dest_checks.get_mut(&key.job_id).map(|c| c.findings.insert(worker, findings)).is_some()
        }
        (TaskKind::Validate, Some(TaskResult::Validate(result))) => {
            validate::take_result(state, key.job_id, key.ls_id, result)
        }
        (TaskKind::Fingerprint, Some(TaskResult::Fingerprint(result))) => {
            drill::take_result(state, key.job_id, key.ls_id, result)
        }
        (TaskKind::RecoverTable, Some(TaskResult::RecoverTable(result))) => {
            recover::take_result(state, key.job_id, key.ls_id, result)
        }
        (TaskKind::Clean, Some(TaskResult::Clean(result))) => clean::take_result(state, key.job_id, result),
        _ => false,
    };
    if !stored {
        let failure = Failure::new(ErrorClass::Transient, "ended without its result", key.to_string(), "");
        return attempt_failed(state, key, worker, failure);
    }
    if key.kind == TaskKind::DestCheck {
        return dest_check::ended(state, key.job_id, worker, None);
    }
    if let Some(run) = run_mut(state, key, worker) {
        run.status = LsTaskStatus::Finish;
        run.bytes_done = run.bytes_total;
        run.failure = None;
        run.trouble = None;
    }
    touch(state, key);
    if key.kind == TaskKind::Validate {
        validate::settle(state, key.job_id);
    }
}

/// True for a failure that the same attempt elsewhere may escape, but the same attempt here will not.
fn is_hard(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Corrupt | ErrorClass::Permission | ErrorClass::Invalid | ErrorClass::Exhausted)
}

/// Gives the task a new retry id; fails the job when no further attempt makes sense.
fn attempt_failed(state: &mut State, key: TaskKey, executor: NodeId, failure: Failure) {
    // What one worker finds is the answer: nobody else can give it.
    if key.kind == TaskKind::DestCheck {
        return dest_check::ended(state, key.job_id, executor, Some(failure));
    }
    if key.kind == TaskKind::Fingerprint && drill::scn_passed(state, key, &failure) {
        return;
    }
    let now_ms = state.clock_ms;
    let candidates = candidates(state, key);
    let Some(run) = run_mut(state, key, executor) else { return };
    run.status = LsTaskStatus::Init;
    run.executor = None;
    run.retry = run.retry.next();
    run.bytes_done = 0;
    run.not_before_ms = now_ms + limits::LS_TASK_RETRY_DELAY_MS;
    run.black_list.insert(executor);
    if key.kind == TaskKind::Clean && is_object_lock(&failure) {
        // An object lock ends some day: it is waited for, not counted (docs/oceanbase.md, 2.11).
        run.retry = RetryId(run.retry.0.min(limits::LS_TASK_RETRIES_MAX));
        run.not_before_ms = now_ms + limits::CLEAN_LOCKED_PAUSE_MS;
        run.failure = Some(failure.clone());
        return clean::medium_failed(state, key.job_id, &failure);
    }
    // A missing object is as final for a restore as a damaged one; for a backup only the replica may be gone.
    let is_restore =
        matches!(key.kind, TaskKind::RestoreData | TaskKind::RestoreLog | TaskKind::Validate | TaskKind::RecoverTable);
    if is_hard(failure.class) || (is_restore && failure.class == ErrorClass::NotFound) {
        run.hard_failures += 1;
    }
    let all_tried = run.hard_failures as usize >= candidates;
    let too_often = run.retry.0 > limits::LS_TASK_RETRIES_MAX;
    run.failure = Some(failure.clone());
    run.trouble = Some(Trouble::again(run.trouble.as_ref(), failure.clone(), now_ms));
    if too_often {
        fail_job(state, key.job_id, refuse::too_many_retries(key, &failure));
    } else if all_tried {
        fail_job(state, key.job_id, failure);
    }
}

/// How many workers could do a task: so many hard failures end its job.
fn candidates(state: &State, key: TaskKey) -> usize {
    let tenant = state.tenants.get(&key.tenant_id);
    match key.kind {
        TaskKind::BackupLs => {
            tenant.and_then(|t| t.log_streams.get(&key.ls_id)).map_or(1, |ls| ls.members.len().max(1))
        }
        TaskKind::BackupIndex | TaskKind::Synthetic | TaskKind::BackupLog | TaskKind::RecoverTable => {
            state.workers.len().clamp(1, 3)
        }
        // Every replica of a restore is a task of its own, and all of them read the same medium.
        _ => 1,
    }
}

pub(super) fn failed(state: &mut State, job: JobId, failure: Failure) -> Outcome {
    Ok(if fail_job(state, job, failure) { Done::Ok } else { Done::Nothing })
}

/// Ends a job with a reason. False when there is no such running job.
pub(super) fn fail_job(state: &mut State, job: JobId, failure: Failure) -> bool {
    if state.backup_jobs.contains_key(&job) {
        backup::fail(state, job, failure)
    } else if state.drills.contains_key(&job) {
        drill::fail(state, job, failure)
    } else if state.recover_jobs.contains_key(&job) {
        recover::fail(state, job, failure)
    } else if state.standbys.values().any(|s| s.job_id == job) {
        standby::fail(state, job, failure)
    } else if state.clean_tasks.contains_key(&job) {
        clean::fail_task(state, job, failure)
    } else if state.validate_tasks.contains_key(&job) {
        validate::fail_task(state, job, failure)
    } else if state.validate_jobs.contains_key(&job) {
        validate::fail_job(state, job, &failure)
    } else {
        restore::fail(state, job, failure)
    }
}

pub(super) fn medium_failed(state: &mut State, subject: Subject, failure: Failure) -> Outcome {
    let now_ms = state.clock_ms;
    let again = |before: &Option<Trouble>| Some(Trouble::again(before.as_ref(), failure.clone(), now_ms));
    match subject {
        Subject::Dest(id) => {
            let Some(dest) = state.destinations.get_mut(&id).filter(|d| !d.formatted) else { return Ok(Done::Nothing) };
            dest.trouble = again(&dest.trouble);
        }
        Subject::Round(tenant, round) => {
            let Some(round) = state.rounds.get_mut(&(tenant, round)).filter(|r| r.is_open()) else {
                return Ok(Done::Nothing);
            };
            round.trouble = again(&round.trouble);
        }
        Subject::Clean(id) => clean::medium_failed(state, id, &failure),
        Subject::Sweep(dest) => clean::sweep_failed(state, dest, failure),
        Subject::Leftovers(dest) => leftovers::medium_failed(state, dest, failure),
        Subject::Standby(tenant) => standby::scan_failed(state, tenant, failure),
        // A medium that is away for a moment is asked again by the next plan.
        Subject::Drill(id) if !failure.class.is_retryable() => {
            drill::fail(state, id, failure);
        }
        Subject::Drill(id) => {
            if let Some(drill) = state.drills.get_mut(&id).filter(|d| !d.stage.is_ended()) {
                drill.trouble = again(&drill.trouble);
            }
        }
        Subject::Schedule(tenant) => {
            if let Some(schedule) = state.schedules.get_mut(&tenant) {
                schedule.trouble = again(&schedule.trouble);
            }
        }
        Subject::Backup(id) => {
            let Some(job) = state.backup_jobs.get_mut(&id).filter(|j| j.is_open()) else { return Ok(Done::Nothing) };
            job.trouble = again(&job.trouble);
            // In its last stage a set is whole: only time gives it up.
            let may_fail = !job.status.is_ended() && job.status != BackupJobStatus::End;
            if may_fail && (is_hard(failure.class) || failure.class == ErrorClass::Fenced) {
                fail_job(state, id, failure);
            }
        }
    }
    Ok(Done::Ok)
}
