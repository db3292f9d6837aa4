//! The restore job (docs/protocols.md, section 5): create tenant, data of every replica, start the log streams, replay,
//! check, open. A failed or cancelled job drops the half-built tenant.

use super::{audit, drill, standby, tenant};
use crate::command::{Done, Outcome, StartRestore};
use crate::placement;
use crate::reads::{check_stays, of_source};
use crate::refuse;
use crate::report::ReplicaReport;
use crate::state::{Dictionary, RestoreJob, State, Table, TaskRun, TenantStatus};
use std::collections::{BTreeMap, BTreeSet};
use strandline_types::{Failure, JobId, LsId, NodeId, RestoreStage, TableId, TabletId, TenantId, Transition, limits};

/// Whether a tenant of this name may be restored now.
///
/// # Errors
/// OB_RESTORE_IN_PROGRESS while one is, and what every new tenant's name must be.
pub fn check_name(state: &State, name: &str) -> Result<(), Failure> {
    tenant::check_chosen_name(name)?;
    check_free(state, name, 1)
}

fn check_free(state: &State, name: &str, replicas: u32) -> Result<(), Failure> {
    let same_name = |j: &&RestoreJob| !j.stage.is_ended() && j.tenant_name.eq_ignore_ascii_case(name);
    if state.restore_jobs.values().find(same_name).is_some() {
        return Err(refuse::restore_in_progress(name));
    }
    tenant::check_new_tenant(state, name, replicas)
}

pub(super) fn start(state: &mut State, wish: StartRestore) -> Outcome {
    check_free(state, &wish.tenant_name, wish.replicas)?;
    let ids: BTreeSet<LsId> = wish.source.log_streams.iter().map(|ls| ls.ls_id).collect();
    if !ids.contains(&LsId::SYS) || ids.len() != wish.source.log_streams.len() {
        return Err(refuse::restore_source(
            "the set does not name each log stream once, the system log stream included",
        ));
    }
    check_stays(state, &of_source(&wish.source))?;
    let ids: Vec<LsId> = ids.into_iter().collect();
    let placed = placement::place(state, &ids, wish.replicas)?;
    let id = state.next.job;
    state.next.job = id.next();
    let status = TenantStatus::Restoring;
    let tenant_id = tenant::insert(state, wish.tenant_name.clone(), wish.replicas, placed, status, Some(id));
    let job = RestoreJob {
        id,
        tenant_id,
        tenant_name: wish.tenant_name,
        target_scn: wish.target_scn,
        source: wish.source,
        standby: wish.standby,
        description: wish.description,
        stage: RestoreStage::CreateTenant,
        started_ms: state.clock_ms,
        ended_ms: None,
        progress_ms: state.clock_ms,
        data_tasks: BTreeMap::new(),
        log_tasks: BTreeMap::new(),
        log_results: BTreeMap::new(),
        dictionary: None,
        failure: None,
    };
    state.restore_jobs.insert(id, job);
    drill::note_restore(state, id);
    prune(state);
    Ok(Done::RestoreJob(id))
}

pub(super) fn advance(state: &mut State, id: JobId, from: RestoreStage, to: RestoreStage) -> Outcome {
    let Some(job) = state.restore_jobs.get(&id).filter(|j| j.stage == from && from.may_become(to)) else {
        return Ok(Done::Nothing);
    };
    if to == RestoreStage::Failed || !may_advance(state, job, to) {
        return Ok(Done::Nothing);
    }
    let now_ms = state.clock_ms;
    let Some(tenant) = state.tenants.get_mut(&job.tenant_id) else { return Ok(Done::Nothing) };
    let Some(job) = state.restore_jobs.get_mut(&id) else { return Ok(Done::Nothing) };
    let mut followed = None;
    match to {
        RestoreStage::RestoreData => {
            let replicas = tenant.log_streams.values().flat_map(|ls| ls.members.iter().map(move |m| (ls.id, *m)));
            job.data_tasks = replicas.map(|key| (key, TaskRun::default())).collect();
        }
        RestoreStage::ReplayLog => {
            job.log_tasks = tenant.log_streams.keys().map(|ls| (*ls, TaskRun::default())).collect();
        }
        RestoreStage::Success => {
            open_tenant(tenant, job);
            job.ended_ms = Some(now_ms);
            followed = job.standby.then(|| job.source.clone());
            job.source.wipe();
            if job.standby {
                tenant.status = TenantStatus::Standby;
            }
        }
        _ => {}
    }
    job.stage = to;
    job.progress_ms = now_ms;
    if let Some(source) = followed {
        let job = job.clone();
        standby::begin(state, &job, source);
    }
    note_stage(state, id, from, to);
    Ok(Done::Ok)
}

/// What a stage needs of the one before it, whichever node proposes the step.
fn may_advance(state: &State, job: &RestoreJob, to: RestoreStage) -> bool {
    match to {
        RestoreStage::StartLogStreams => {
            !job.data_tasks.is_empty() && job.data_tasks.values().all(TaskRun::is_finished)
        }
        RestoreStage::ReplayLog => {
            let streams = state.tenants.get(&job.tenant_id).map(|t| &t.log_streams);
            streams.is_some_and(|all| all.values().all(|ls| ls.started))
        }
        RestoreStage::PostCheck => !job.log_tasks.is_empty() && job.log_tasks.values().all(TaskRun::is_finished),
        RestoreStage::Success => job.dictionary.is_some(),
        _ => true,
    }
}

/// The tenant becomes what replay made of it.
fn open_tenant(tenant: &mut crate::state::Tenant, job: &RestoreJob) {
    let dictionary = job.dictionary.clone().unwrap_or_default();
    let has_unfinished = dictionary.tables.iter().any(Table::is_hidden);
    take_tables(tenant, dictionary);
    // Log stream 1 learns that they are gone.
    tenant.dictionary_version += u64::from(has_unfinished);
    tenant.tell_tablets();
    tenant.status = TenantStatus::Normal;
}

/// The tables are what replay made of them.
pub(super) fn take_tables(tenant: &mut crate::state::Tenant, dictionary: Dictionary) {
    let last_table = dictionary.tables.iter().map(|t| t.id).max();
    let last_tablet = dictionary.tables.iter().flat_map(|t| &t.tablets).map(|t| t.id).max();
    // New ids never meet restored ones.
    tenant.next.table = tenant.next.table.max(last_table.map_or(TableId(0), TableId::next));
    let after_last = last_tablet.map_or(TabletId(0), TabletId::next);
    // Also those of tables that were dropped: some of their rows may still be there.
    tenant.next.tablet = tenant.next.tablet.max(after_last).max(dictionary.next_tablet);
    tenant.dictionary_version = dictionary.version;
    // What a table recovery of the source had not finished is not taken over.
    tenant.tables = dictionary.tables.into_iter().filter(|t| !t.is_hidden()).map(|t| (t.id, t)).collect();
}

/// Log stream 1's leader tells which dictionary replay made. It is believed only once all replay is over and the
/// teller has applied all of it: a leader that was elected a moment ago may still be behind.
pub(super) fn take_dictionary(state: &mut State, worker: NodeId, replica: ReplicaReport) {
    let Some(dictionary) = replica.restored_dictionary.filter(|_| replica.ls_id.is_sys() && replica.is_leader) else {
        return;
    };
    let leader = state.tenants.get(&replica.tenant_id).and_then(|t| t.log_streams.get(&LsId::SYS)?.leader);
    let is_checking = |j: &&mut RestoreJob| j.tenant_id == replica.tenant_id && j.stage == RestoreStage::PostCheck;
    let Some(job) = state.restore_jobs.values_mut().find(is_checking) else { return };
    let replayed = job.log_results.get(&LsId::SYS).map_or(strandline_types::Scn::MAX, |r| r.replayed_scn);
    if leader == Some(worker) && replica.replayed_scn >= replayed {
        job.dictionary = Some(dictionary);
    }
}

pub(super) fn move_replica(state: &mut State, id: JobId, ls: LsId, from: NodeId, to: NodeId) -> Outcome {
    let may_move = |j: &&mut RestoreJob| j.stage == RestoreStage::RestoreData;
    let Some(job) = state.restore_jobs.get_mut(&id).filter(may_move) else { return Ok(Done::Nothing) };
    let stream = state.tenants.get_mut(&job.tenant_id).and_then(|t| t.log_streams.get_mut(&ls));
    let Some(stream) = stream.filter(|s| !s.started && !s.members.contains(&to)) else { return Ok(Done::Nothing) };
    let Some(seat) = stream.members.iter_mut().find(|m| **m == from) else { return Ok(Done::Nothing) };
    let Some(run) = job.data_tasks.remove(&(ls, from)) else { return Ok(Done::Nothing) };
    *seat = to;
    job.data_tasks.insert((ls, to), TaskRun { retry: run.retry.next(), ..TaskRun::default() });
    Ok(Done::Ok)
}

pub(super) fn cancel(state: &mut State, id: TenantId) -> Outcome {
    let name = state.tenant(id)?.name.clone();
    let Some(job) = state.open_restore_job(id).map(|j| j.id) else { return Err(refuse::no_restore_running(&name)) };
    fail(state, job, refuse::canceled(&format!("restore job {job}")));
    Ok(Done::RestoreJob(job))
}

pub(super) fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(job) = state.restore_jobs.get_mut(&id).filter(|j| !j.stage.is_ended()) else { return false };
    let from = job.stage;
    job.stage = RestoreStage::Failed;
    job.failure = Some(failure);
    job.ended_ms = Some(now_ms);
    job.source.wipe();
    let tenant_id = job.tenant_id;
    tenant::begin_drop(state, tenant_id);
    note_stage(state, id, from, RestoreStage::Failed);
    true
}

fn note_stage(state: &mut State, id: JobId, from: RestoreStage, to: RestoreStage) {
    let Some(tenant_id) = state.restore_jobs.get(&id).map(|j| j.tenant_id) else { return };
    let event = if to.is_ended() { "restore_finish" } else { "change_restore_status" };
    let values = [("job_id", id.to_string()), ("from", from.to_string()), ("to", to.to_string())];
    audit::note(state, tenant_id, ("physical_restore", event), values);
}

/// Forgets the oldest ended jobs.
fn prune(state: &mut State) {
    let ended: Vec<JobId> = state.restore_jobs.values().filter(|j| j.stage.is_ended()).map(|j| j.id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(limits::JOBS_KEPT_MAX)) {
        state.restore_jobs.remove(id);
    }
}
