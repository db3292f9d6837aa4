//! Standby tenants: following the archive, stopping, activating.

use super::restore::take_tables;
use crate::command::{Done, Outcome};
use crate::refuse;
use crate::report::ReplicaReport;
use crate::state::{
    ArchivedLog, RestoreJob, RestoreSource, Standby, StandbyStage, State, TaskRun, Tenant, TenantStatus, Trouble,
};
use std::collections::BTreeMap;
use strandline_types::{Address, Failure, JobId, LsId, NodeId, PieceKey, Scn, TenantId, Transition};

/// A restored tenant stays a standby.
pub(super) fn begin(state: &mut State, job: &RestoreJob, mut source: RestoreSource) {
    source.wipe_set_keys();
    let standby = Standby {
        tenant_id: job.tenant_id,
        source,
        stage: StandbyStage::Stopped,
        until: Some(job.target_scn),
        target_scn: job.target_scn,
        job_id: job.id,
        log_tasks: BTreeMap::new(),
        scanned_ms: 0,
        trouble: None,
    };
    state.standbys.insert(job.tenant_id, standby);
}

fn standby_mut(state: &mut State, id: TenantId) -> Result<&mut Standby, Failure> {
    let name = state.tenant(id)?.name.clone();
    state.standbys.get_mut(&id).ok_or_else(|| refuse::no_standby(&name))
}

/// RECOVER STANDBY UNTIL.
pub(super) fn recover(state: &mut State, id: TenantId, until: Option<Scn>) -> Outcome {
    let standby = standby_mut(state, id)?;
    if standby.stage == StandbyStage::Activating {
        return Err(refuse::standby_activating());
    }
    if let Some(scn) = until.filter(|scn| *scn < standby.target_scn) {
        return Err(refuse::standby_is_past(scn, standby.target_scn));
    }
    // Tasks of one that follows without an end go on by themselves to the next target. Others may be about to end, each at
    // the target that it knew.
    let goes_on = standby.stage == StandbyStage::Following
        && !standby.is_aimed_at_its_end()
        && !standby.log_tasks.values().any(TaskRun::is_finished);
    standby.until = until;
    standby.scanned_ms = 0;
    if !goes_on {
        begin_tasks(state, id, StandbyStage::Following);
    }
    Ok(Done::Ok)
}

/// A stage with tasks of its own.
fn begin_tasks(state: &mut State, id: TenantId, stage: StandbyStage) {
    let job_id = state.next.job;
    state.next.job = job_id.next();
    let streams: Vec<LsId> =
        state.tenants.get(&id).map(|t| t.log_streams.keys().copied().collect()).unwrap_or_default();
    if let Some(standby) = state.standbys.get_mut(&id) {
        standby.stage = stage;
        standby.job_id = job_id;
        standby.log_tasks = streams.into_iter().map(|ls| (ls, TaskRun::default())).collect();
    }
}

/// RECOVER STANDBY CANCEL.
pub(super) fn stop(state: &mut State, id: TenantId) -> Outcome {
    let standby = standby_mut(state, id)?;
    if !standby.stage.may_become(StandbyStage::Stopped) {
        return Ok(Done::Nothing);
    }
    standby.stage = StandbyStage::Stopped;
    standby.log_tasks.clear();
    Ok(Done::Ok)
}

/// Every log stream has replayed all that there is up to the SCN that was asked for. It may lie between two of their
/// entries, so their positions alone do not show it.
pub(super) fn reached(state: &mut State, id: TenantId) -> Outcome {
    let is_there = |s: &&mut Standby| {
        let is_done = !s.log_tasks.is_empty() && s.log_tasks.values().all(TaskRun::is_finished);
        s.stage.may_become(StandbyStage::Reached) && s.is_aimed_at_its_end() && is_done
    };
    let Some(standby) = state.standbys.get_mut(&id).filter(is_there) else { return Ok(Done::Nothing) };
    standby.stage = StandbyStage::Reached;
    standby.log_tasks.clear();
    standby.trouble = None;
    Ok(Done::Ok)
}

/// ACTIVATE STANDBY: all log streams to one SCN first.
pub(super) fn activate(state: &mut State, id: TenantId) -> Outcome {
    if standby_mut(state, id)?.stage == StandbyStage::Activating {
        return Ok(Done::Nothing);
    }
    begin_tasks(state, id, StandbyStage::Activating);
    Ok(Done::Ok)
}

/// SET LOG_RESTORE_SOURCE.
pub(super) fn set_source(state: &mut State, id: TenantId, from: Address) -> Outcome {
    let standby = standby_mut(state, id)?;
    // Which pieces of it are needed is what the next look finds.
    standby.source.log = vec![ArchivedLog { from, pieces: Vec::new() }];
    standby.scanned_ms = 0;
    Ok(Done::Ok)
}

/// What a look at the archive found: the pieces from where the slowest log stream stands, and how far they go. The
/// target only rises.
pub(super) fn take_source(state: &mut State, id: TenantId, pieces: Vec<PieceKey>, reach: Scn) -> Outcome {
    let Some(standby) = state.standbys.get_mut(&id).filter(|s| s.stage == StandbyStage::Following) else {
        return Ok(Done::Nothing);
    };
    let target = standby.until.map_or(reach, |until| until.min(reach));
    standby.target_scn = standby.target_scn.max(target);
    if let Some(from) = standby.source.archive().cloned().filter(|_| !pieces.is_empty()) {
        standby.source.log = vec![ArchivedLog { from, pieces }];
    }
    Ok(Done::Ok)
}

/// A look at the archive is over.
pub(super) fn scanned(state: &mut State, id: TenantId) -> Outcome {
    let now_ms = state.clock_ms;
    if let Some(standby) = state.standbys.get_mut(&id) {
        standby.scanned_ms = now_ms;
        standby.trouble = None;
    }
    Ok(Done::Ok)
}

/// The archive could not be looked at: the standby falls behind and nothing else.
pub(super) fn scan_failed(state: &mut State, id: TenantId, failure: Failure) {
    let now_ms = state.clock_ms;
    if let Some(standby) = state.standbys.get_mut(&id) {
        standby.trouble = Some(Trouble::again(standby.trouble.as_ref(), failure, now_ms));
        standby.scanned_ms = now_ms;
    }
}

/// A task of a standby cannot go on: it is tried again from the beginning of its retries.
pub(super) fn fail(state: &mut State, job: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(standby) = state.standbys.values_mut().find(|s| s.job_id == job) else { return false };
    standby.trouble = Some(Trouble::again(standby.trouble.as_ref(), failure, now_ms));
    let id = standby.tenant_id;
    match standby.stage {
        StandbyStage::Stopped | StandbyStage::Reached => {}
        stage => begin_tasks(state, id, stage),
    }
    true
}

/// Log stream 1's leader tells the dictionary as of what it has replayed.
pub(super) fn take_dictionary(state: &mut State, worker: NodeId, replica: &ReplicaReport) {
    let is_standby = state.standbys.contains_key(&replica.tenant_id) && replica.ls_id.is_sys() && replica.is_leader;
    let Some(dictionary) = replica.restored_dictionary.clone().filter(|_| is_standby) else { return };
    if let Some(tenant) = state.tenants.get_mut(&replica.tenant_id) {
        let leads = tenant.log_streams.get(&LsId::SYS).is_some_and(|ls| ls.leader == Some(worker));
        if leads && dictionary.version > tenant.dictionary_version {
            take_tables(tenant, dictionary);
        }
    }
}

/// All log streams stand at the target: clients may write.
pub(super) fn open(state: &mut State, id: TenantId) -> Outcome {
    let is_ready = |s: &&Standby| {
        s.stage == StandbyStage::Activating && !s.log_tasks.is_empty() && s.log_tasks.values().all(TaskRun::is_finished)
    };
    // The newest tables that replay made have to be known before the tenant makes its own.
    let knows = |t: &Tenant| t.log_streams.get(&LsId::SYS).is_none_or(|s| s.dictionary_version <= t.dictionary_version);
    if state.standbys.get(&id).filter(is_ready).is_none() || !state.tenants.get(&id).is_some_and(knows) {
        return Ok(Done::Nothing);
    }
    state.standbys.remove(&id);
    if let Some(tenant) = state.tenants.get_mut(&id) {
        tenant.status = TenantStatus::Normal;
        // Log stream 1 may name tables that a recovery in the source had not finished.
        tenant.dictionary_version += 1;
        tenant.tell_tablets();
    }
    Ok(Done::Ok)
}
