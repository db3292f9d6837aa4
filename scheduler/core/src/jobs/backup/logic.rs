//! The data backup job (docs/oceanbase.md, 2.10, 4.6): INIT, data, index, wait for the log, copy the log, infos, end, COMPLETED.
//!
//! Order rules: what the set's info files will say is decided when the job enters the stage that writes them. Whether
//! a set ends well is decided before its end placeholder is written, and never again: in the stage `End` a job fails only
//! by giving the medium up, and then no other placeholder is written. So no set ever has two ends. A job waits for a
//! medium only for a while: what a failed or cancelled one has not written by then is left over (`leftovers.rs`).

use super::{plan, range, set, spec, turn};
use crate::apply::{audit, leftovers};
use crate::command::{Done, Outcome};
use crate::jobs::machine::attempts::is_hard;
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::check;
use crate::orders::TaskSpec;
use crate::reads::Read;
use crate::refuse;
use crate::report::TaskResult;
use crate::state::{BackupJob, State, TaskRun};
use crate::step::Plan;
use crate::task::{TaskId, TaskKind};
use crate::waiting::Who;
use strandline_types::{
    BackupJobStatus, BackupMode, BackupSetKind, BackupSetStatus, ErrorClass, Failure, FileStatus, JobId, RoundState,
    Secret, Transition, limits,
};

impl JobLogic for BackupJob {
    fn head(&self) -> &JobHead {
        &self.head
    }

    fn kept(&self) -> Kept {
        Kept::Newest(limits::JOBS_KEPT_MAX)
    }

    fn outlives_tenant(&self) -> bool {
        true
    }

    fn who(&self) -> Who {
        Who::Backup(self.id)
    }

    fn is_running(&self) -> bool {
        !self.status.is_ended()
    }

    fn is_closing(&self) -> bool {
        self.status.is_ended() && self.is_open()
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        match self.status {
            BackupJobStatus::Data => Some(self.data_task_kind()),
            BackupJobStatus::Index => Some(TaskKind::BackupIndex),
            BackupJobStatus::CopyLog => Some(TaskKind::BackupLog),
            BackupJobStatus::Init
            | BackupJobStatus::Log
            | BackupJobStatus::Infos
            | BackupJobStatus::End
            | BackupJobStatus::Completed
            | BackupJobStatus::Failed
            | BackupJobStatus::Canceling
            | BackupJobStatus::Canceled => None,
        }
    }

    fn reads(&self, state: &State) -> Vec<Read> {
        reads(state, self)
    }

    fn lint(&self, state: &State, found: &mut Vec<String>) {
        lint(state, self, found);
    }

    fn plan(&self, state: &State, now_ms: u64, plan: &mut Plan) {
        plan::plan(state, self, now_ms, plan);
    }

    fn spec(&self, state: &State, task: TaskId, run: &TaskRun) -> Option<TaskSpec> {
        spec::spec(state, self, task, run)
    }

    fn take_result(state: &mut State, id: JobId, task: TaskId, result: Option<TaskResult>) -> bool {
        let Some(job) = state.backup_job_mut(id) else { return false };
        match (task.kind, task.part.ls(), result) {
            (TaskKind::BackupLs | TaskKind::Synthetic, Some(ls), Some(TaskResult::BackupLs(result))) => {
                job.results.insert(ls, result);
            }
            (TaskKind::BackupIndex, None, Some(TaskResult::BackupIndex(result))) => job.index_result = Some(result),
            (TaskKind::BackupLog, Some(ls), Some(TaskResult::BackupLog(result))) => {
                job.log_results.insert(ls, result);
            }
            _ => return false,
        }
        true
    }

    fn advance(state: &mut State, id: JobId, from: Stage, to: Stage) -> Outcome {
        let (Stage::Backup(from), Stage::Backup(to)) = (from, to) else { return VOID };
        advance(state, id, from, to)
    }

    fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
        fail(state, id, failure)
    }

    fn cancel(state: &mut State, id: JobId) -> Outcome {
        cancel(state, id)
    }

    fn close(state: &mut State, id: JobId) -> Outcome {
        closed(state, id)
    }

    fn medium_failed(state: &mut State, id: JobId, failure: Failure) -> Option<Failure> {
        // In its last stage a set is whole: only time gives it up.
        let may_fail = |j: &BackupJob| !j.status.is_ended() && j.status != BackupJobStatus::End;
        let is_final = is_hard(failure.class) || failure.class == ErrorClass::Fenced;
        if is_final && state.backup_job(id).is_some_and(may_fail) {
            fail(state, id, failure.clone());
        }
        Some(failure)
    }
}

fn advance(state: &mut State, id: JobId, from: BackupJobStatus, to: BackupJobStatus) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(job) = state.backup_job(id).filter(|j| j.status == from && from.may_become(to)) else {
        return VOID;
    };
    if !may_advance(state, job, to) {
        return VOID;
    }
    match to {
        BackupJobStatus::Data => range::add_tasks(state, id),
        BackupJobStatus::Index => range::decide(state, id),
        BackupJobStatus::Log => range::count_index(state, id),
        BackupJobStatus::CopyLog => range::add_log_tasks(state, id),
        BackupJobStatus::Infos => {
            match from {
                BackupJobStatus::Index => range::count_index(state, id),
                BackupJobStatus::CopyLog => range::count_log(state, id),
                _ => {}
            }
            set::edit(state, id, |set| {
                set.end_ms = now_ms;
                set.finish_tablet_count = set.tablet_count;
            });
        }
        BackupJobStatus::End => {}
        BackupJobStatus::Completed => set::edit(state, id, |set| {
            set.status = BackupSetStatus::Success;
            set.file_status = FileStatus::Available;
        }),
        // Ends with a reason go through `fail`, `cancel` and `closed`.
        _ => return VOID,
    }
    if let Some(job) = state.backup_job_mut(id) {
        job.status = to;
        job.progress_ms = now_ms;
        job.trouble = None;
    }
    note_stage(state, id, from, to);
    if to == BackupJobStatus::Completed {
        close(state, id);
    }
    Ok(Done::Ok)
}

fn note_stage(state: &mut State, id: JobId, from: BackupJobStatus, to: BackupJobStatus) {
    let Some(tenant_id) = state.backup_job(id).map(|j| j.tenant_id) else { return };
    let values = [("job_id", id.to_string()), ("from", from.to_string()), ("to", to.to_string())];
    audit::note(state, tenant_id, ("backup_data", "change_backup_status"), values);
}

/// What a stage needs of the one before it, whichever node proposes the step.
fn may_advance(state: &State, job: &BackupJob, to: BackupJobStatus) -> bool {
    match to {
        BackupJobStatus::Index => {
            job.runs.have_finished(job.data_task_kind()) && {
                let tenant = state.tenants.get(&job.tenant_id);
                let is_last_turn = job.turn.0 >= limits::BACKUP_TURNS_MAX;
                is_last_turn || tenant.is_some_and(|t| !turn::changed(job, t).is_any())
            }
        }
        BackupJobStatus::Log => job.mode != BackupMode::Synthetic && job.is_indexed(),
        BackupJobStatus::CopyLog => job.plus_archivelog && is_covered(state, job),
        BackupJobStatus::Infos => match job.status {
            BackupJobStatus::Index => job.mode == BackupMode::Synthetic && job.is_indexed(),
            BackupJobStatus::CopyLog => job.runs.are_finished(TaskKind::BackupLog),
            _ => !job.plus_archivelog && is_covered(state, job),
        },
        _ => true,
    }
}

/// The archive holds all that the set needs.
fn is_covered(state: &State, job: &BackupJob) -> bool {
    let needed = state.backup_sets.get(&(job.tenant_id, job.set_id)).map(|s| s.min_restore_scn);
    let round = state.rounds.get(&(job.tenant_id, job.round_id));
    round.is_some_and(|r| r.state == RoundState::Doing && needed.is_some_and(|n| r.checkpoint_scn >= n))
}

/// Nothing is left to do for the job.
fn close(state: &mut State, id: JobId) {
    let now_ms = state.clock_ms;
    let Some(job) = state.backup_job_mut(id) else { return };
    job.closed = true;
    job.trouble = None;
    job.ended_ms = job.ended_ms.or(Some(now_ms));
    // Metas of log streams are large and are on the medium by now.
    job.results.clear();
    job.spent.clear();
    job.seal_key = Secret::NONE;
    life::tell_parent(state, id);
}

fn cancel(state: &mut State, job_id: JobId) -> Outcome {
    let Some(job) = state.backup_job(job_id) else { return VOID };
    let (set_id, status, is_held_up) = (job.set_id, job.status, job.trouble.is_some());
    // A set that is being closed is whole in a moment, unless its medium takes nothing.
    match status {
        BackupJobStatus::Infos | BackupJobStatus::End if !is_held_up => return Err(refuse::backup_completing(job_id)),
        BackupJobStatus::End => {
            fail(state, job_id, refuse::end_unknown(set_id));
            return Ok(Done::BackupJob(job_id));
        }
        _ => {}
    }
    let what = refuse::canceled(&format!("backup job {job_id}"));
    let (now_ms, may_cancel) = (state.clock_ms, |j: &&mut BackupJob| j.status.may_become(BackupJobStatus::Canceling));
    if let Some(job) = state.backup_job_mut(job_id).filter(may_cancel) {
        job.status = BackupJobStatus::Canceling;
        job.failure = Some(what.clone());
        job.ended_ms = Some(now_ms);
        job.seal_key = Secret::NONE;
    }
    spoil_set(state, job_id, &what);
    Ok(Done::BackupJob(job_id))
}

fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let may_fail = |j: &&mut BackupJob| j.status.may_become(BackupJobStatus::Failed);
    let Some(job) = state.backup_job_mut(id).filter(may_fail) else { return false };
    // The placeholder of the other end may be on its way, or there: no second one.
    let (from, was_ending) = (job.status, job.status == BackupJobStatus::End);
    job.status = BackupJobStatus::Failed;
    job.failure = Some(failure.clone());
    job.ended_ms = Some(now_ms);
    job.seal_key = Secret::NONE;
    spoil_set(state, id, &failure);
    note_stage(state, id, from, BackupJobStatus::Failed);
    if was_ending {
        close(state, id);
    }
    true
}

fn spoil_set(state: &mut State, id: JobId, failure: &Failure) {
    let end_ms = state.clock_ms;
    set::edit(state, id, |set| {
        // The name of its end placeholder carries the time: one that changed would make a second one.
        if set.status != BackupSetStatus::Failed {
            set.end_ms = end_ms;
        }
        set.status = BackupSetStatus::Failed;
        set.file_status = FileStatus::Incomplete;
        set.result = refuse::result_code(failure);
        set.comment = failure.to_string();
    });
}

/// The medium does not answer: what the job has not written is left over, and the job ends.
pub(crate) fn left(state: &mut State, id: JobId) -> Outcome {
    let Some(job) = state.backup_job(id).filter(|j| j.is_open()) else { return VOID };
    if matches!(job.status, BackupJobStatus::Canceling | BackupJobStatus::Failed) {
        let (dest, set) = (job.dest_id, job.set_id);
        leftovers::keep(state, dest, set);
    }
    closed(state, id)
}

/// The end placeholder of a failed or cancelled set is written, or was given up.
fn closed(state: &mut State, id: JobId) -> Outcome {
    let Some(job) = state.backup_job_mut(id).filter(|j| j.is_open()) else { return VOID };
    match job.status {
        BackupJobStatus::Canceling => job.status = BackupJobStatus::Canceled,
        BackupJobStatus::Failed => {}
        _ => return VOID,
    }
    close(state, id);
    Ok(Done::Ok)
}

/// A backup reads the set that it is built on or made of, and the log that it copies.
fn reads(state: &State, job: &BackupJob) -> Vec<Read> {
    if !job.is_open() {
        return Vec::new();
    }
    let base = match job.mode {
        BackupMode::Full => None,
        // An incremental that became a full one has none.
        BackupMode::Incremental | BackupMode::Synthetic => job.base,
    };
    let mut reads: Vec<Read> = base.map(|id| Read::Set(job.uri.place().clone(), id)).into_iter().collect();
    let archive = state.rounds.get(&(job.tenant_id, job.round_id)).filter(|_| job.plus_archivelog);
    let Some((round, dest)) = archive.and_then(|r| Some((r, state.destinations.get(&r.dest_id)?))) else {
        return reads;
    };
    let at = dest.uri.place();
    if job.log_pieces.is_empty() {
        // Which ones it will be is decided once the data is there: all that may hold log after the job's beginning.
        let start = state.backup_sets.get(&(job.tenant_id, job.set_id)).map(|s| s.start_replay_scn.max(s.start_scn));
        let wanted = round.pieces.values().filter(|p| start.is_none_or(|scn| p.end_scn > scn));
        reads.extend(wanted.map(|p| Read::Piece(at.clone(), p.key)));
    } else {
        reads.extend(job.log_pieces.iter().map(|key| Read::Piece(at.clone(), *key)));
    }
    reads
}

fn lint(state: &State, job: &BackupJob, found: &mut Vec<String>) {
    let name = format!("backup job {}", job.id);
    check(found, !job.is_open() || state.backup_sets.contains_key(&(job.tenant_id, job.set_id)), || {
        format!("{name} has no set")
    });
    check(found, job.is_open() || job.status.is_ended(), || format!("{name} is closed and {}", job.status));
    let is_past_data = matches!(
        job.status,
        BackupJobStatus::Index
            | BackupJobStatus::Log
            | BackupJobStatus::CopyLog
            | BackupJobStatus::Infos
            | BackupJobStatus::End
            | BackupJobStatus::Completed
    );
    let all_done = job.runs.have_finished(job.data_task_kind());
    check(found, !is_past_data || all_done, || format!("{name} is {} with open tasks", job.status));
    if job.status == BackupJobStatus::Completed {
        let set = state.backup_sets.get(&(job.tenant_id, job.set_id));
        let round = state.rounds.get(&(job.tenant_id, job.round_id));
        let has_own_range = job.mode == BackupMode::Synthetic;
        let is_covered = has_own_range || set.zip(round).is_none_or(|(s, r)| r.checkpoint_scn >= s.min_restore_scn);
        check(found, is_covered, || format!("{name} is complete, its log is not on the medium"));
        let is_success = set.is_none_or(|s| s.status == BackupSetStatus::Success);
        check(found, is_success, || format!("{name} is complete, its set is no success"));
    }
    check(found, !job.status.is_ended() || job.seal_key.is_empty(), || format!("{name} has ended and keeps its key"));
    check(found, job.turn.0 <= limits::BACKUP_TURNS_MAX, || format!("{name}: turn {}", job.turn));
    let has_base = job.kind == BackupSetKind::Full || job.base.is_some();
    check(found, has_base, || format!("{name} is incremental without a base"));
    let ends_with_reason = matches!(job.status, BackupJobStatus::Failed | BackupJobStatus::Canceled);
    check(found, !ends_with_reason || job.failure.is_some(), || format!("{name} ended without a reason"));
}
