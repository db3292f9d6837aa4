//! The data backup job (fact sheet 2.10, 4.6): INIT, data, index, wait for the log, infos, COMPLETED.
//!
//! Order rule: what the set's info files will say is decided when the job enters the stage that writes them.

use super::destination;
use super::tenant::normal;
use crate::checkpoint::tenant_max_scn;
use crate::command::{Done, Outcome};
use crate::refuse;
use crate::state::{BackupJob, BackupSet, DestKind, LsPart, State, TaskRun};
use std::collections::BTreeMap;
use strandline_types::{
    Access, BackupJobStatus, BackupSetId, BackupSetKind, BackupSetStatus, Failure, FileStatus, JobId, RetryId, RoundId,
    RoundState, Scn, TenantId, Transition, TurnId, limits,
};

pub(super) fn set_dest(state: &mut State, id: TenantId, uri: Option<String>, access: Access) -> Outcome {
    normal(state, id)?;
    if let Some(job) = state.open_backup_job(id) {
        return Err(refuse::backup_in_progress(job.id));
    }
    let dest = match uri {
        Some(uri) => Some(destination::find_or_add(state, id, DestKind::Data, &uri, access)?),
        None => None,
    };
    if let Some(tenant) = state.tenants.get_mut(&id) {
        tenant.data_dest = dest;
    }
    Ok(dest.map_or(Done::Ok, Done::Dest))
}

pub(super) fn start(state: &mut State, id: TenantId, incremental: bool, description: String) -> Outcome {
    let (dest_id, uri, round_id) = check_start(state, id, incremental)?;
    let start_scn = tenant_max_scn(state, id);
    let now_ms = state.clock_ms;
    let job_id = state.next.job;
    state.next.job = job_id.next();
    let Some(tenant) = state.tenants.get_mut(&id) else { return Ok(Done::Nothing) };
    let set_id = tenant.next.backup_set;
    tenant.next.backup_set = set_id.next();
    let job = BackupJob {
        id: job_id,
        tenant_id: id,
        set_id,
        kind: BackupSetKind::Full,
        dest_id,
        uri: uri.clone(),
        description,
        status: BackupJobStatus::Init,
        started_ms: now_ms,
        ended_ms: None,
        progress_ms: now_ms,
        round_id,
        tasks: BTreeMap::new(),
        results: BTreeMap::new(),
        index: TaskRun::default(),
        index_result: None,
        failure: None,
        trouble: None,
        closed: false,
    };
    let set = new_set(&job, start_scn);
    state.backup_sets.insert((id, set_id), set);
    state.backup_jobs.insert(job_id, job);
    prune(state);
    Ok(Done::BackupJob(job_id))
}

fn check_start(
    state: &State,
    id: TenantId,
    incremental: bool,
) -> Result<(strandline_types::DestId, String, RoundId), Failure> {
    let tenant = normal(state, id)?;
    let refused = |why: &str, todo: &str| Err(refuse::backup_cannot_start(&tenant.name, why, todo));
    if let Some(job) = state.open_backup_job(id) {
        return Err(refuse::backup_in_progress(job.id));
    }
    if incremental {
        return refused("incremental sets are not supported yet", "ALTER SYSTEM BACKUP DATABASE");
    }
    let Some(dest) = tenant.data_dest.and_then(|d| state.destinations.get(&d)) else {
        return refused("no data backup destination is set", "ALTER SYSTEM SET DATA_BACKUP_DEST = '...' first");
    };
    if !dest.formatted {
        return refused("the destination is not ready", "see CDB_STRANDLINE_WAITING");
    }
    match state.open_round(id) {
        Some(round) if round.state == RoundState::Doing => Ok((dest.id, dest.uri.clone(), round.round_id)),
        Some(round) => refused(&format!("archive round {} is {}", round.round_id, round.state), "wait for DOING"),
        None => refused("the log is not archived", "ALTER SYSTEM ARCHIVELOG first"),
    }
}

fn new_set(job: &BackupJob, start_scn: Scn) -> BackupSet {
    BackupSet {
        tenant_id: job.tenant_id,
        set_id: job.set_id,
        job_id: job.id,
        dest_id: job.dest_id,
        uri: job.uri.clone(),
        kind: job.kind,
        prev_full: BackupSetId(0),
        prev_inc: BackupSetId(0),
        status: BackupSetStatus::Doing,
        file_status: FileStatus::Incomplete,
        start_ms: job.started_ms,
        end_ms: 0,
        start_scn,
        start_replay_scn: Scn::MIN,
        min_restore_scn: Scn::MIN,
        consistent_scn: Scn::MIN,
        input_bytes: 0,
        output_bytes: 0,
        tablet_count: 0,
        finish_tablet_count: 0,
        macro_block_count: 0,
        file_count: 0,
        meta_turn: TurnId(1),
        data_turn: TurnId(1),
        index_retry: RetryId(0),
        parts: BTreeMap::new(),
        result: 0,
        comment: String::new(),
    }
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
        BackupJobStatus::Data => add_tasks(state, id),
        BackupJobStatus::Index => decide_range(state, id),
        BackupJobStatus::Log => count_index(state, id),
        BackupJobStatus::Infos => edit_set(state, id, |set| {
            set.end_ms = now_ms;
            set.finish_tablet_count = set.tablet_count;
        }),
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
        if to == BackupJobStatus::Completed {
            close(job, now_ms);
        }
    }
    Ok(Done::Ok)
}

/// What a stage needs of the one before it, whoever proposes the step.
fn may_advance(state: &State, job: &BackupJob, to: BackupJobStatus) -> bool {
    match to {
        BackupJobStatus::Index => !job.tasks.is_empty() && job.tasks.values().all(TaskRun::is_finished),
        BackupJobStatus::Log => job.index.is_finished(),
        BackupJobStatus::Infos => {
            let needed = state.backup_sets.get(&(job.tenant_id, job.set_id)).map(|s| s.min_restore_scn);
            let round = state.rounds.get(&(job.tenant_id, job.round_id));
            round.is_some_and(|r| r.state == RoundState::Doing && needed.is_some_and(|n| r.checkpoint_scn >= n))
        }
        _ => true,
    }
}

fn add_tasks(state: &mut State, id: JobId) {
    let Some(job) = state.backup_jobs.get_mut(&id) else { return };
    let Some(tenant) = state.tenants.get(&job.tenant_id) else { return };
    job.tasks = tenant.log_streams.keys().map(|ls| (*ls, TaskRun::default())).collect();
}

/// The consistent points are known: from where to where log is needed.
fn decide_range(state: &mut State, id: JobId) {
    let Some(job) = state.backup_jobs.get(&id) else { return };
    let max_scn = tenant_max_scn(state, job.tenant_id);
    let round_start = state.rounds.get(&(job.tenant_id, job.round_id)).map_or(Scn::MIN, |r| r.clock.round_start);
    let Some(set) = state.backup_sets.get_mut(&(job.tenant_id, job.set_id)) else { return };
    let results = || job.results.values();
    set.consistent_scn = results().map(|r| r.checkpoint_scn).max().unwrap_or_default();
    set.min_restore_scn = set.consistent_scn.max(max_scn);
    set.start_replay_scn = results().map(|r| r.base.prev_scn).min().unwrap_or_default().max(round_start);
    set.input_bytes = results().map(|r| r.input_bytes).sum();
    set.output_bytes = results().map(|r| r.output_bytes).sum();
    set.tablet_count = results().map(|r| r.tablet_count).sum();
    set.macro_block_count = results().map(|r| r.macro_block_count).sum();
    set.file_count = results().map(|r| r.file_count).sum();
    set.parts = job.tasks.iter().map(|(ls, t)| (*ls, LsPart { turn: t.turn, retry: t.retry })).collect();
}

fn count_index(state: &mut State, id: JobId) {
    let Some(job) = state.backup_jobs.get(&id) else { return };
    let (result, retry) = (job.index_result.unwrap_or_default(), job.index.retry);
    edit_set(state, id, |set| {
        set.file_count += result.file_count;
        set.output_bytes += result.output_bytes;
        set.index_retry = retry;
    });
}

fn edit_set(state: &mut State, id: JobId, edit: impl FnOnce(&mut BackupSet)) {
    let key = state.backup_jobs.get(&id).map(|j| (j.tenant_id, j.set_id));
    if let Some(set) = key.and_then(|k| state.backup_sets.get_mut(&k)) {
        edit(set);
    }
}

fn close(job: &mut BackupJob, now_ms: u64) {
    job.closed = true;
    job.trouble = None;
    job.ended_ms = job.ended_ms.or(Some(now_ms));
    // Metas of log streams are large and are on the medium by now.
    job.results.clear();
}

pub(super) fn cancel(state: &mut State, id: TenantId) -> Outcome {
    let name = state.tenant(id)?.name.clone();
    let Some(job) = state.open_backup_job(id).filter(|j| !j.status.is_ended()) else {
        return Err(refuse::no_backup_running(&name));
    };
    if job.status == BackupJobStatus::Infos {
        return Err(refuse::backup_completing(job.id));
    }
    let job_id = job.id;
    let what = refuse::canceled(&format!("backup job {job_id}"));
    if let Some(job) = state.backup_jobs.get_mut(&job_id).filter(|j| j.status.may_become(BackupJobStatus::Canceling)) {
        job.status = BackupJobStatus::Canceling;
        job.failure = Some(what.clone());
        job.ended_ms = Some(state.clock_ms);
    }
    spoil_set(state, job_id, &what);
    Ok(Done::BackupJob(job_id))
}

pub(super) fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let may_fail = |j: &&mut BackupJob| j.status.may_become(BackupJobStatus::Failed);
    let Some(job) = state.backup_jobs.get_mut(&id).filter(may_fail) else { return false };
    job.status = BackupJobStatus::Failed;
    job.failure = Some(failure.clone());
    job.ended_ms = Some(now_ms);
    spoil_set(state, id, &failure);
    true
}

fn spoil_set(state: &mut State, id: JobId, failure: &Failure) {
    let end_ms = state.clock_ms;
    edit_set(state, id, |set| {
        set.status = BackupSetStatus::Failed;
        set.file_status = FileStatus::Incomplete;
        set.end_ms = end_ms;
        // -4000 is the original's "some error".
        set.result = if failure.code == 0 { -4000 } else { failure.code };
        set.comment = failure.to_string();
    });
}

/// The end placeholder of a failed or cancelled set is written, or was given up.
pub(super) fn closed(state: &mut State, id: JobId) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(job) = state.backup_jobs.get_mut(&id).filter(|j| j.is_open()) else { return Ok(Done::Nothing) };
    match job.status {
        BackupJobStatus::Canceling => job.status = BackupJobStatus::Canceled,
        BackupJobStatus::Failed => {}
        _ => return Ok(Done::Nothing),
    }
    close(job, now_ms);
    Ok(Done::Ok)
}

/// Forgets the oldest ended jobs. Sets are kept.
fn prune(state: &mut State) {
    let ended: Vec<JobId> = state.backup_jobs.values().filter(|j| !j.is_open()).map(|j| j.id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(limits::JOBS_KEPT_MAX)) {
        state.backup_jobs.remove(id);
    }
}
