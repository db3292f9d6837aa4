//! Retention policies and cleaning jobs (fact sheet 1.5, 2.11, 4.10).
//!
//! Order rules: what goes is decided whole and marked DELETING in the command that starts the job. A task that has not
//! begun can be called back; one that has begun is only ever gone on with. A failed job leaves DELETING behind, and
//! the next cleaning goes on with it.

use super::imported;
use super::tenant::normal;
use crate::catalogue::{StateCatalogue, file_status_mut, is_current};
use crate::command::{Done, Outcome};
use crate::orders::MediumName;
use crate::reads::in_use;
use crate::refuse;
use crate::state::{CleanJob, CleanPolicy, CleanTask, CleanWhat, DestKind, PieceRow, State, TaskRun, Tenant, Trouble};
use std::collections::BTreeMap;
use strandline_catalogue::retention::{self, CleanPlan, DeleteWhy, Item, Object, Policy};
use strandline_types::{
    BackupSetKind, CleanStage, DestId, Failure, FileStatus, JobId, JobStatus, LsId, PieceStatus, Scn, TenantId,
    Transition, limits,
};

pub(super) fn add_policy(state: &mut State, id: TenantId, policy: Policy) -> Outcome {
    let tenant = cleanable(state, id)?;
    if let Some(there) = state.clean_policies.get(&id) {
        return Err(refuse::policy_exists(&tenant.name, there.name()));
    }
    if policy.log_only && tenant.data_dest.is_some() {
        return Err(refuse::log_only_with_data(&tenant.name));
    }
    state.clean_policies.insert(id, CleanPolicy { policy, last_run_ms: 0 });
    Ok(Done::Ok)
}

pub(super) fn drop_policy(state: &mut State, id: TenantId, name: &str) -> Outcome {
    let tenant = state.tenant(id)?.name.clone();
    if state.clean_policies.get(&id).is_none_or(|p| !p.name().eq_ignore_ascii_case(name)) {
        return Err(refuse::no_policy(&tenant, name));
    }
    state.clean_policies.remove(&id);
    Ok(Done::Ok)
}

/// A tenant whose files may be deleted: one that is open, or an imported one that was released for it.
fn cleanable(state: &State, id: TenantId) -> Result<&Tenant, Failure> {
    imported::may_delete(state, id)?;
    let tenant = state.tenant(id)?;
    if tenant.imported.is_some() { Ok(tenant) } else { normal(state, id) }
}

/// One object that is to go.
struct Victim {
    dest_id: DestId,
    name: MediumName,
    why: String,
}

/// What a cleaning would delete and keep, by name, and why.
pub(crate) struct Verdicts {
    victims: Vec<Victim>,
    kept: Vec<(String, String)>,
}

impl Verdicts {
    /// Rows for a dry run: what, verdict, why.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (String, bool, &str)> {
        let deleted = self.victims.iter().map(|v| (v.name.to_string(), true, v.why.as_str()));
        deleted.chain(self.kept.iter().map(|(what, why)| (what.clone(), false, why.as_str())))
    }
}

/// Decides what goes. Nothing is changed.
///
/// # Errors
/// What stands in the way of what was asked for.
pub(crate) fn decide(state: &State, id: TenantId, what: &CleanWhat, now_ms: u64) -> Result<Verdicts, Failure> {
    let known = StateCatalogue::of(state, id);
    let all = &known.catalogue;
    let policy = state.clean_policies.get(&id);
    let places = |dest: DestId| known.place(dest);
    // An imported destination is protected like one that is still written: nobody knows another copy of it.
    let is_imported = state.tenant(id)?.imported.is_some();
    let is_current_place = |dest: &DestId| is_imported || is_current(state, id, *dest);
    let asked = |place, object| Item { place, object, why: DeleteWhy::Asked };
    let plan = match what {
        CleanWhat::Obsolete => {
            let name = &state.tenant(id)?.name;
            let policy = policy.ok_or_else(|| refuse::no_policy(name, "default"))?;
            retention::plan(all, &policy.policy, Scn::from_ms(now_ms))
        }
        CleanWhat::Sets(ids) => {
            let of_data = |d: &&DestId| state.destinations.get(d).is_some_and(|d| d.kind == DestKind::Data);
            let imported = known.dests.iter().find(of_data).copied().filter(|_| is_imported);
            let current = state.tenant(id)?.data_dest.or(imported).and_then(places);
            let sets = retention::check_sets(all, ids, current, policy.is_some())?;
            CleanPlan { delete: sets.iter().map(|s| asked(s.place, Object::Set(s.set_id))).collect(), keep: Vec::new() }
        }
        CleanWhat::Pieces(ids) => {
            let current: Vec<_> =
                known.dests.iter().filter(|d| is_current_place(d)).copied().filter_map(places).collect();
            let pieces = retention::check_pieces(all, ids, &current, policy.is_some())?;
            CleanPlan {
                delete: pieces.iter().map(|p| asked(p.place, Object::Piece(p.key))).collect(),
                keep: Vec::new(),
            }
        }
        CleanWhat::All(dest) => {
            let place = places(*dest).ok_or_else(|| refuse::no_such_dest(&dest.to_string()))?;
            if is_current(state, id, *dest) {
                return Err(refuse::clean_current(*dest));
            }
            check_quiet(state, *dest)?;
            let here = |p| p == place;
            let alive = |s: FileStatus| s != FileStatus::Deleted;
            let sets = all.sets.iter().filter(|s| here(s.place) && alive(s.file_status));
            let pieces = all.pieces.iter().filter(|p| here(p.place) && alive(p.file_status));
            let sets = sets.map(|s| asked(place, Object::Set(s.set_id)));
            CleanPlan {
                delete: sets.chain(pieces.map(|p| asked(place, Object::Piece(p.key)))).collect(),
                keep: Vec::new(),
            }
        }
    };
    spare_used(state, id, &known, plan, *what == CleanWhat::Obsolete)
}

/// Nobody may be writing an imported destination that is to be emptied. An archive that is written moves every minute,
/// also when nothing happens in its tenant; what the import saw of it tells how long it had stood.
fn check_quiet(state: &State, dest: DestId) -> Result<(), Failure> {
    let Some(place) = state.destinations.get(&dest) else { return Ok(()) };
    let is_imported = state.tenants.get(&place.tenant_id).is_some_and(|t| t.imported.is_some());
    let is_growing = |p: &&PieceRow| {
        let quiet_ms = place.checked_ms.saturating_sub(p.checkpoint_scn.as_ms());
        p.file_status != FileStatus::Deleted && p.status == PieceStatus::Active && quiet_ms < limits::IMPORTED_QUIET_MS
    };
    let rounds = state.rounds.values().filter(|r| is_imported && r.dest_id == dest);
    match rounds.flat_map(|r| r.pieces.values()).find(is_growing) {
        None => Ok(()),
        Some(piece) => Err(refuse::still_written(&place.uri.to_string(), &MediumName::Piece(piece.key).to_string())),
    }
}

/// What a running job reads stays: for a policy it is kept, for an administrator it is refused.
fn spare_used(
    state: &State,
    id: TenantId,
    known: &StateCatalogue,
    plan: CleanPlan,
    by_policy: bool,
) -> Result<Verdicts, Failure> {
    let used = in_use(state, id);
    let mut verdicts = Verdicts { victims: Vec::new(), kept: Vec::new() };
    for item in plan.delete {
        let (Some(name), Some(dest_id)) = (known.name(item.object), known.dest(item.place)) else { continue };
        match used.get(&item.object) {
            Some(who) if by_policy => verdicts.kept.push((name.to_string(), who.clone())),
            Some(who) => return Err(refuse::in_use(&item.object.to_string(), who)),
            None => verdicts.victims.push(Victim { dest_id, name, why: item.why.to_string() }),
        }
    }
    for item in plan.keep {
        let Some(name) = known.name(item.object) else { continue };
        verdicts.kept.push((name.to_string(), item.why.to_string()));
    }
    // Increments before what they are built on, and sets before log: whatever is cut off leaves whole chains.
    verdicts.victims.sort_by_key(|v| match v.name {
        MediumName::Set(set, kind) => (u8::from(kind == BackupSetKind::Full), u64::MAX - set.0, 0),
        MediumName::Piece(key) => (2, key.round_id.0, key.piece_id.0),
    });
    Ok(verdicts)
}

pub(super) fn start(state: &mut State, id: TenantId, what: CleanWhat, description: String) -> Outcome {
    cleanable(state, id)?;
    if let Some(job) = state.open_clean_job(id) {
        return Err(refuse::clean_in_progress(job.id));
    }
    let verdicts = decide(state, id, &what, state.clock_ms)?;
    if what == CleanWhat::Obsolete
        && let Some(policy) = state.clean_policies.get_mut(&id)
    {
        policy.last_run_ms = state.clock_ms;
    }
    if verdicts.victims.is_empty() && !matches!(what, CleanWhat::All(_)) {
        return Ok(Done::Nothing);
    }
    Ok(Done::CleanJob(insert(state, id, what, description, verdicts)))
}

/// The policy's turn, unless somebody had it already. Only a job that has something to do is kept.
pub(super) fn tick(state: &mut State, id: TenantId, last_run_ms: u64) -> Outcome {
    let is_due = state.clean_policies.get(&id).is_some_and(|p| p.last_run_ms == last_run_ms);
    if !is_due || cleanable(state, id).is_err() || state.open_clean_job(id).is_some() {
        return Ok(Done::Nothing);
    }
    start(state, id, CleanWhat::Obsolete, String::new())
}

fn insert(state: &mut State, id: TenantId, what: CleanWhat, description: String, verdicts: Verdicts) -> JobId {
    let now_ms = state.clock_ms;
    let job_id = next_id(state);
    let mut tasks = Vec::new();
    for victim in verdicts.victims.into_iter().take(limits::CLEAN_OBJECTS_MAX) {
        let task_id = next_id(state);
        let Some(status) = file_status_mut(state, id, victim.name) else { continue };
        let was = *status;
        *status = FileStatus::Deleting;
        let task = CleanTask {
            id: task_id,
            job_id,
            tenant_id: id,
            dest_id: victim.dest_id,
            name: victim.name,
            why: victim.why,
            was,
            ends_round: false,
            stage: CleanStage::Waiting,
            started_ms: None,
            ended_ms: None,
            progress_ms: now_ms,
            runs: BTreeMap::new(),
            objects: 0,
            bytes: 0,
            trouble: None,
            failure: None,
        };
        state.clean_tasks.insert(task_id, task);
        tasks.push(task_id);
    }
    let kept_count = verdicts.kept.len() as u64;
    let job = CleanJob {
        id: job_id,
        tenant_id: id,
        what,
        description,
        status: JobStatus::Doing,
        started_ms: now_ms,
        ended_ms: None,
        tasks,
        kept: verdicts.kept.into_iter().take(limits::CLEAN_KEPT_SHOWN_MAX).collect(),
        kept_count,
        failure: None,
        trouble: None,
    };
    state.clean_jobs.insert(job_id, job);
    prune(state);
    job_id
}

fn next_id(state: &mut State) -> JobId {
    let id = state.next.job;
    state.next.job = id.next();
    id
}

/// Brings a task a stage further, if it still is in `from`.
pub(super) fn advance(state: &mut State, id: JobId, from: CleanStage, to: CleanStage) -> Outcome {
    let Some(task) = state.clean_tasks.get(&id).filter(|t| t.stage == from && from.may_become(to)) else {
        return Ok(Done::Nothing);
    };
    let (tenant_id, name) = (task.tenant_id, task.name);
    match to {
        CleanStage::LogStreams => {
            let runs = runs_of(state, tenant_id, name);
            edit(state, id, |task| task.runs = runs);
        }
        CleanStage::Rest if !task.runs.values().all(TaskRun::is_finished) => return Ok(Done::Nothing),
        CleanStage::Rest => {
            let ends_round = is_last_of_round(state, tenant_id, name);
            edit(state, id, |task| task.ends_round = ends_round);
        }
        CleanStage::Done => {
            if let Some(status) = file_status_mut(state, tenant_id, name) {
                *status = FileStatus::Deleted;
            }
        }
        CleanStage::Begin => {}
        _ => return Ok(Done::Nothing),
    }
    let now_ms = state.clock_ms;
    edit(state, id, |task| {
        task.stage = to;
        task.progress_ms = now_ms;
        task.trouble = None;
        task.started_ms = task.started_ms.or(Some(now_ms));
        task.ended_ms = to.is_ended().then_some(now_ms);
    });
    Ok(Done::Ok)
}

fn edit(state: &mut State, id: JobId, edit: impl FnOnce(&mut CleanTask)) {
    if let Some(task) = state.clean_tasks.get_mut(&id) {
        edit(task);
    }
}

/// One run per log stream that may have files in it; 0 = the set's own archive.
fn runs_of(state: &State, tenant: TenantId, name: MediumName) -> BTreeMap<LsId, TaskRun> {
    let mut ids: Vec<LsId> =
        state.tenants.get(&tenant).map(|t| t.log_streams.keys().copied().collect()).unwrap_or_default();
    match name {
        MediumName::Set(set, _) => {
            ids.extend(state.backup_sets.get(&(tenant, set)).into_iter().flat_map(|s| s.parts.keys()));
            ids.push(LsId(0));
        }
        MediumName::Piece(key) => {
            ids.extend(state.rounds.get(&(tenant, key.round_id)).into_iter().flat_map(|r| r.progress.keys()));
        }
    }
    ids.into_iter().map(|ls| (ls, TaskRun::default())).collect()
}

/// True when all other pieces of a stopped round are gone.
fn is_last_of_round(state: &State, tenant: TenantId, name: MediumName) -> bool {
    let MediumName::Piece(key) = name else { return false };
    let round = state.rounds.get(&(tenant, key.round_id)).filter(|r| !r.is_open());
    round.is_some_and(|r| r.pieces.values().all(|p| p.key == key || p.file_status == FileStatus::Deleted))
}

/// Ends a job once all of its tasks have ended.
pub(super) fn finish(state: &mut State, id: JobId) -> Outcome {
    let now_ms = state.clock_ms;
    let stages = |job: &CleanJob| -> Vec<CleanStage> {
        job.tasks.iter().filter_map(|t| state.clean_tasks.get(t)).map(|t| t.stage).collect()
    };
    let Some(job) = state.clean_jobs.get(&id).filter(|j| !j.status.is_ended()) else { return Ok(Done::Nothing) };
    let stages = stages(job);
    if !stages.iter().all(|s| s.is_ended()) {
        return Ok(Done::Nothing);
    }
    let failed = job.tasks.iter().filter_map(|t| state.clean_tasks.get(t)?.failure.clone()).next();
    let status = match job.status {
        JobStatus::Canceling => JobStatus::Canceled,
        _ if stages.contains(&CleanStage::Failed) => JobStatus::Failed,
        _ => JobStatus::Completed,
    };
    if let (JobStatus::Completed, CleanWhat::All(dest)) = (status, &job.what) {
        let dest = *dest;
        // More objects than one job takes: the administrator says it again.
        let is_empty = !has_objects(state, dest);
        if is_empty {
            state.destinations.remove(&dest);
        }
    }
    if let Some(job) = state.clean_jobs.get_mut(&id) {
        job.status = status;
        job.ended_ms = Some(now_ms);
        job.trouble = None;
        job.failure = job.failure.take().or(failed);
    }
    Ok(Done::Ok)
}

/// True while State knows files in a destination.
pub(crate) fn has_objects(state: &State, dest: DestId) -> bool {
    let sets = state.backup_sets.values().filter(|s| s.dest_id == dest).map(|s| s.file_status);
    let rounds = state.rounds.values().filter(|r| r.dest_id == dest);
    let pieces = rounds.flat_map(|r| r.pieces.values()).map(|p| p.file_status);
    sets.chain(pieces).any(|s| s != FileStatus::Deleted)
}

pub(super) fn cancel(state: &mut State, tenant: TenantId) -> Outcome {
    let name = state.tenant(tenant)?.name.clone();
    let Some(id) = state.open_clean_job(tenant).map(|j| j.id) else { return Err(refuse::no_clean_running(&name)) };
    let tasks = state.clean_jobs.get(&id).map(|j| j.tasks.clone()).unwrap_or_default();
    for task in tasks {
        end_task(state, task, CleanStage::Canceled, None);
    }
    if let Some(job) = state.clean_jobs.get_mut(&id) {
        job.status = JobStatus::Canceling;
        job.failure = Some(refuse::canceled(&format!("cleaning job {id}")));
    }
    Ok(Done::CleanJob(id))
}

/// Ends one task early. What was not begun is what it was before; what was begun stays DELETING.
fn end_task(state: &mut State, id: JobId, to: CleanStage, failure: Option<Failure>) -> bool {
    let now_ms = state.clock_ms;
    let Some(task) = state.clean_tasks.get_mut(&id).filter(|t| t.stage.may_become(to)) else { return false };
    let (was_waiting, tenant_id, name, was) = (task.stage == CleanStage::Waiting, task.tenant_id, task.name, task.was);
    task.stage = to;
    task.ended_ms = Some(now_ms);
    task.failure = failure;
    if was_waiting && let Some(status) = file_status_mut(state, tenant_id, name) {
        *status = was;
    }
    true
}

pub(super) fn fail_task(state: &mut State, id: JobId, failure: Failure) -> bool {
    end_task(state, id, CleanStage::Failed, Some(failure))
}

/// The scheduler's own deletion did not work: it is tried again until the task has stood still for too long.
pub(super) fn medium_failed(state: &mut State, id: JobId, failure: &Failure) {
    let trouble = Some(Trouble { failure: failure.clone(), since_ms: state.clock_ms });
    if let Some(task) = state.clean_tasks.get_mut(&id).filter(|t| !t.stage.is_ended()) {
        task.trouble = trouble;
    } else if let Some(job) = state.clean_jobs.get_mut(&id).filter(|j| !j.status.is_ended()) {
        job.trouble = trouble;
    }
}

/// A look for orphans did not work: the next tick looks again.
pub(super) fn sweep_failed(state: &mut State, dest: DestId, failure: Failure) {
    let now_ms = state.clock_ms;
    if state.destinations.contains_key(&dest) {
        let sweep = state.sweeps.entry(dest).or_default();
        sweep.trouble = Some(Trouble { failure, since_ms: now_ms });
        sweep.last_ms = now_ms;
    }
}

/// A worker has deleted its part.
pub(super) fn take_result(state: &mut State, id: JobId, result: crate::results::CleanResult) -> bool {
    let Some(task) = state.clean_tasks.get_mut(&id) else { return false };
    task.trouble = None;
    task.objects += result.objects;
    task.bytes += result.bytes;
    true
}

/// What a look at a destination found that belongs to nothing; it is the whole picture.
pub(super) fn swept(state: &mut State, dest: DestId, seen: crate::command::Swept) -> Outcome {
    let now_ms = state.clock_ms;
    if !state.destinations.contains_key(&dest) {
        return Ok(Done::Nothing);
    }
    let sweep = state.sweeps.entry(dest).or_default();
    let first_seen = |dir: String| (dir.clone(), sweep.orphans.get(&dir).copied().unwrap_or(now_ms));
    sweep.orphans = seen.orphans.into_iter().take(limits::CLEAN_OBJECTS_MAX).map(first_seen).collect();
    sweep.unfinished = seen.unfinished;
    sweep.removed += seen.removed;
    sweep.aborted += seen.aborted;
    Ok(Done::Ok)
}

/// A look at a destination is over, however it went.
pub(super) fn sweep_ended(state: &mut State, dest: DestId, last_ms: u64) -> Outcome {
    let now_ms = state.clock_ms;
    if !state.destinations.contains_key(&dest) {
        return Ok(Done::Nothing);
    }
    let sweep = state.sweeps.entry(dest).or_default();
    if sweep.last_ms != last_ms {
        return Ok(Done::Nothing);
    }
    sweep.last_ms = now_ms;
    sweep.trouble = None;
    Ok(Done::Ok)
}

/// A tenant is gone: what lies on the media stays as it is, and nobody goes on deleting it.
pub(super) fn forget_tenant(state: &mut State, id: TenantId) {
    state.clean_policies.remove(&id);
    state.clean_tasks.retain(|_, t| t.tenant_id != id);
    state.clean_jobs.retain(|_, j| j.tenant_id != id);
    state.validate_tasks.retain(|_, t| t.tenant_id != id);
    state.validate_jobs.retain(|_, j| j.tenant_id != id);
    state.standbys.remove(&id);
    state.drill_plans.remove(&id);
    state.drills.retain(|_, d| d.tenant_id != id);
    let State { sweeps, destinations, .. } = state;
    sweeps.retain(|dest, _| destinations.contains_key(dest));
}

/// Forgets the oldest ended jobs and their tasks.
fn prune(state: &mut State) {
    let ended: Vec<JobId> = state.clean_jobs.values().filter(|j| j.status.is_ended()).map(|j| j.id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(limits::CLEAN_JOBS_KEPT_MAX)) {
        state.clean_jobs.remove(id);
        state.clean_tasks.retain(|_, t| t.job_id != *id);
    }
}
