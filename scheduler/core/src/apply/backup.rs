//! The data backup job (docs/oceanbase.md, 2.10, 4.6): INIT, data, index, wait for the log, copy the log, infos, end, COMPLETED.
//!
//! Order rules: what the set's info files will say is decided when the job enters the stage that writes them. Whether
//! a set ends well is decided before its end placeholder is written, and never again: in the stage `End` a job fails only
//! by giving the medium up, and then no other placeholder is written. So no set ever has two ends. A job waits for a
//! medium only for a while: what a failed or cancelled one has not written by then is left over (`leftovers.rs`).

use super::tenant::normal;
use super::{audit, backup_range, backup_turn, clean, clean_policy, destination, initiator, leftovers};
use crate::command::{BackupParam, Done, Outcome};
use crate::refuse;
use crate::state::{BackupJob, BackupSet, DestKind, State, TaskRun};
use strandline_types::{
    Access, BackupJobStatus, BackupMode, BackupSetStatus, Failure, FileStatus, JobId, RoundState, Secret, TenantId,
    Transition, limits,
};

pub(super) fn set_dest(state: &mut State, id: TenantId, uri: Option<String>, access: Access) -> Outcome {
    normal(state, id)?;
    if let Some(job) = state.open_backup_job(id) {
        return Err(refuse::backup_in_progress(job.id));
    }
    if uri.is_some() {
        clean_policy::check_may_have_data(state, id)?;
    }
    let dest = match uri {
        Some(uri) => Some(destination::find_or_add(state, id, DestKind::Data, &uri, access)?),
        None => None,
    };
    if let Some(tenant) = state.tenants.get_mut(&id) {
        tenant.data_dest = dest;
    }
    // What is current has changed, and with it what may go.
    clean::ask_again(state, id);
    Ok(dest.map_or(Done::Ok, Done::Dest))
}

pub(super) fn set_param(state: &mut State, id: TenantId, param: BackupParam) -> Outcome {
    normal(state, id)?;
    let Some(tenant) = state.tenants.get_mut(&id) else { return Ok(Done::Nothing) };
    let (min, max) = (limits::BACKUP_DATA_FILE_BYTES_MIN, limits::BACKUP_DATA_FILE_BYTES_MAX);
    match param {
        BackupParam::DataFileBytes(bytes) => tenant.backup.data_file_bytes = bytes.clamp(min, max),
        BackupParam::LowThreads(n) => tenant.backup.ha_low_thread_score = n.min(limits::HA_LOW_THREADS_MAX),
        BackupParam::Compression(compression) => tenant.backup.compression = compression,
    }
    Ok(Done::Ok)
}

pub(super) fn advance(state: &mut State, id: JobId, from: BackupJobStatus, to: BackupJobStatus) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(job) = state.backup_jobs.get(&id).filter(|j| j.status == from && from.may_become(to)) else {
        return Ok(Done::Nothing);
    };
    if !may_advance(state, job, to) {
        return Ok(Done::Nothing);
    }
    match to {
        BackupJobStatus::Data => backup_range::add_tasks(state, id),
        BackupJobStatus::Index => backup_range::decide(state, id),
        BackupJobStatus::Log => backup_range::count_index(state, id),
        BackupJobStatus::CopyLog => backup_range::add_log_tasks(state, id),
        BackupJobStatus::Infos => {
            match from {
                BackupJobStatus::Index => backup_range::count_index(state, id),
                BackupJobStatus::CopyLog => backup_range::count_log(state, id),
                _ => {}
            }
            edit_set(state, id, |set| {
                set.end_ms = now_ms;
                set.finish_tablet_count = set.tablet_count;
            });
        }
        BackupJobStatus::End => {}
        BackupJobStatus::Completed => edit_set(state, id, |set| {
            set.status = BackupSetStatus::Success;
            set.file_status = FileStatus::Available;
        }),
        // Ends with a reason go through `fail`, `cancel` and `closed`.
        _ => return Ok(Done::Nothing),
    }
    if let Some(job) = state.backup_jobs.get_mut(&id) {
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
    let Some(tenant_id) = state.backup_jobs.get(&id).map(|j| j.tenant_id) else { return };
    let values = [("job_id", id.to_string()), ("from", from.to_string()), ("to", to.to_string())];
    audit::note(state, tenant_id, ("backup_data", "change_backup_status"), values);
}

/// What a stage needs of the one before it, whichever node proposes the step.
fn may_advance(state: &State, job: &BackupJob, to: BackupJobStatus) -> bool {
    match to {
        BackupJobStatus::Index => {
            !job.tasks.is_empty() && job.tasks.values().all(TaskRun::is_finished) && {
                let tenant = state.tenants.get(&job.tenant_id);
                let is_last_turn = job.turn.0 >= limits::BACKUP_TURNS_MAX;
                is_last_turn || tenant.is_some_and(|t| !backup_turn::changed(job, t).is_any())
            }
        }
        BackupJobStatus::Log => job.mode != BackupMode::Synthetic && job.index.is_finished(),
        BackupJobStatus::CopyLog => job.plus_archivelog && is_covered(state, job),
        BackupJobStatus::Infos => match job.status {
            BackupJobStatus::Index => job.mode == BackupMode::Synthetic && job.index.is_finished(),
            BackupJobStatus::CopyLog => job.log_tasks.values().all(TaskRun::is_finished),
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

pub(super) fn edit_set(state: &mut State, id: JobId, edit: impl FnOnce(&mut BackupSet)) {
    let key = state.backup_jobs.get(&id).map(|j| (j.tenant_id, j.set_id));
    if let Some(set) = key.and_then(|k| state.backup_sets.get_mut(&k)) {
        edit(set);
    }
}

/// Nothing is left to do for the job.
fn close(state: &mut State, id: JobId) {
    let now_ms = state.clock_ms;
    let Some(job) = state.backup_jobs.get_mut(&id) else { return };
    job.closed = true;
    job.trouble = None;
    job.ended_ms = job.ended_ms.or(Some(now_ms));
    // Metas of log streams are large and are on the medium by now.
    job.results.clear();
    job.spent.clear();
    job.seal_key = Secret::NONE;
    initiator::settle(state, id);
}

pub(super) fn cancel(state: &mut State, id: TenantId) -> Outcome {
    let name = state.tenant(id)?.name.clone();
    let Some(job) = state.open_backup_job(id).filter(|j| !j.status.is_ended()) else {
        return Err(refuse::no_backup_running(&name));
    };
    let (job_id, set_id, status, is_held_up) = (job.id, job.set_id, job.status, job.trouble.is_some());
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
    if let Some(job) = state.backup_jobs.get_mut(&job_id).filter(|j| j.status.may_become(BackupJobStatus::Canceling)) {
        job.status = BackupJobStatus::Canceling;
        job.failure = Some(what.clone());
        job.ended_ms = Some(state.clock_ms);
        job.seal_key = Secret::NONE;
    }
    spoil_set(state, job_id, &what);
    Ok(Done::BackupJob(job_id))
}

pub(super) fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let may_fail = |j: &&mut BackupJob| j.status.may_become(BackupJobStatus::Failed);
    let Some(job) = state.backup_jobs.get_mut(&id).filter(may_fail) else { return false };
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
    edit_set(state, id, |set| {
        set.status = BackupSetStatus::Failed;
        set.file_status = FileStatus::Incomplete;
        set.end_ms = end_ms;
        set.result = refuse::result_code(failure);
        set.comment = failure.to_string();
    });
}

/// The medium does not answer: what the job has not written is left over, and the job ends.
pub(super) fn left(state: &mut State, id: JobId) -> Outcome {
    let Some(job) = state.backup_jobs.get(&id).filter(|j| j.is_open()) else { return Ok(Done::Nothing) };
    if matches!(job.status, BackupJobStatus::Canceling | BackupJobStatus::Failed) {
        let (dest, set) = (job.dest_id, job.set_id);
        leftovers::keep(state, dest, set);
    }
    closed(state, id)
}

/// The end placeholder of a failed or cancelled set is written, or was given up.
pub(super) fn closed(state: &mut State, id: JobId) -> Outcome {
    let Some(job) = state.backup_jobs.get_mut(&id).filter(|j| j.is_open()) else { return Ok(Done::Nothing) };
    match job.status {
        BackupJobStatus::Canceling => job.status = BackupJobStatus::Canceled,
        BackupJobStatus::Failed => {}
        _ => return Ok(Done::Nothing),
    }
    close(state, id);
    Ok(Done::Ok)
}

/// Forgets the oldest ended jobs. Sets are kept.
pub(super) fn prune(state: &mut State) {
    let ended: Vec<JobId> = state.backup_jobs.values().filter(|j| !j.is_open()).map(|j| j.id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(limits::JOBS_KEPT_MAX)) {
        state.backup_jobs.remove(id);
    }
}
