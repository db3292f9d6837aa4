//! The orders of one worker, computed from the state.

use super::archive::{dest_checks, keep_alive_scn, round_orders};
use super::{
    Orders, ReplicaOrder, RestoreDataSpec, RestoreLogSpec, RestoreOrder, TaskOrder, TaskSpec,
    backup_tasks::backup_tasks,
};
use crate::clocks::{hand_over_to, is_held_back};
use crate::damaged::is_rebuilt;
use crate::spool;
use crate::state::{
    Drill, LogStream, RestoreJob, RestoreSource, SourceLs, Standby, StandbyStage, State, TaskRun, Tenant, TenantStatus,
};
use crate::task::{TaskKey, TaskKind};
use strandline_types::{BackupSetKind, JobId, LsId, NodeId, RestoreStage, Scn, TenantId};

/// The orders of one worker.
#[must_use]
pub fn orders_for(state: &State, worker: NodeId) -> Orders {
    let mut orders =
        Orders { workers: state.workers.values().map(|w| (w.id, w.address.clone())).collect(), ..Orders::default() };
    for tenant in state.tenants.values().filter(|t| t.status != TenantStatus::Dropping) {
        let hosted: Vec<&LogStream> = tenant.log_streams.values().filter(|ls| ls.members.contains(&worker)).collect();
        orders.replicas.extend(hosted.iter().map(|ls| replica_order(state, tenant, ls, worker)));
        orders.rounds.extend(round_orders(state, tenant, &hosted));
    }
    orders.tasks.extend(dest_checks(state, worker));
    for job in state.backup_jobs.values() {
        backup_tasks(state, job, worker, &mut orders.tasks);
    }
    for job in state.restore_jobs.values() {
        restore_tasks(job, worker, &mut orders.tasks);
    }
    for job in state.recover_jobs.values() {
        super::recover::tasks(job, worker, &mut orders.tasks);
    }
    for standby in state.standbys.values() {
        standby_tasks(standby, worker, &mut orders.tasks);
    }
    super::medium_tasks::tasks(state, worker, &mut orders.tasks);
    orders
}

fn replica_order(state: &State, tenant: &Tenant, ls: &LogStream, worker: NodeId) -> ReplicaOrder {
    let is_behind = ls.id.is_sys() && ls.dictionary_version < tenant.dictionary_version;
    let is_open = tenant.status == TenantStatus::Normal;
    let (recycle_lsn, log_bytes_max) = spool::recycling(state, tenant, ls);
    ReplicaOrder {
        tenant_id: tenant.id,
        ls_id: ls.id,
        members: ls.members.clone(),
        bootstrap: !ls.started && ls.members.first() == Some(&worker),
        keep_alive_scn: if is_open { keep_alive_scn(state, tenant) } else { Scn::MIN },
        recycle_lsn,
        log_bytes_max,
        dictionary: (is_open && is_behind).then(|| tenant.dictionary()),
        tablets: tenant.tablet_list(ls).filter(|_| is_open && !is_compared(state, tenant.id)),
        restore: restore_order(state, tenant, ls),
        open: is_open || tenant.status == TenantStatus::Standby,
        read_only: tenant.status == TenantStatus::Standby,
        rebuild: is_rebuilt(state, tenant.id, ls, worker, state.clock_ms),
        hand_over_to: hand_over_to(state, tenant.id, ls, worker, state.clock_ms),
        held_back: is_held_back(state, tenant.id, ls, worker, state.clock_ms),
    }
}

/// A drill compares everything that came back, also what no dictionary names.
fn is_compared(state: &State, tenant: TenantId) -> bool {
    let has_made = |d: &Drill| !d.stage.is_ended() && d.restore.is_some_and(|(_, made)| made == tenant);
    state.drills.values().any(has_made)
}

fn restore_order(state: &State, tenant: &Tenant, ls: &LogStream) -> Option<RestoreOrder> {
    let job = state.open_restore_job(tenant.id)?;
    let base = job.source.log_stream(ls.id)?.base;
    let start = !matches!(job.stage, RestoreStage::CreateTenant | RestoreStage::RestoreData);
    Some(RestoreOrder { job_id: job.id, base, start })
}

pub(super) fn is_for(run: &TaskRun, worker: NodeId) -> bool {
    run.is_running() && run.executor == Some(worker)
}

/// Where the blocks of one log stream of a source are.
pub(super) fn data_spec(source: &RestoreSource, from: &SourceLs) -> RestoreDataSpec {
    RestoreDataSpec {
        data: source.data.clone(),
        set_id: source.set_id,
        incremental: source.set_kind == BackupSetKind::Inc,
        data_turn: source.data_turn,
        source_ls_id: from.ls_id,
        ls_turn: from.turn,
        ls_retry: from.retry,
        seal_key: source.seal_key.clone(),
        chain_keys: source.chain_keys.clone(),
    }
}

/// Where its log is, and up to where it is replayed.
pub(super) fn log_spec(source: &RestoreSource, from: &SourceLs, target_scn: Scn, follow: bool) -> RestoreLogSpec {
    RestoreLogSpec {
        log: source.log.clone(),
        source_ls_id: from.ls_id,
        base: from.base,
        target_scn,
        key_source: source.key_source.clone(),
        follow,
    }
}

pub(super) fn key(job_id: JobId, tenant_id: TenantId, ls_id: LsId, kind: TaskKind, run: &TaskRun) -> TaskKey {
    TaskKey { job_id, tenant_id, ls_id, kind, turn: run.turn, retry: run.retry }
}

fn standby_tasks(standby: &Standby, worker: NodeId, tasks: &mut Vec<TaskOrder>) {
    for (&ls, run) in standby.log_tasks.iter().filter(|(_, r)| is_for(r, worker)) {
        let Some(from) = standby.source.log_stream(ls) else { continue };
        // At the SCN that was asked for a task ends: it has seen a group beyond, or says that there is none.
        let follow = standby.stage == StandbyStage::Following && !standby.is_aimed_at_its_end();
        let spec = TaskSpec::RestoreLog(log_spec(&standby.source, from, standby.target_scn, follow));
        tasks.push(TaskOrder { key: key(standby.job_id, standby.tenant_id, ls, TaskKind::RestoreLog, run), spec });
    }
}

fn restore_tasks(job: &RestoreJob, worker: NodeId, tasks: &mut Vec<TaskOrder>) {
    let source = &job.source;
    if job.stage == RestoreStage::RestoreData {
        for (&(ls, _), run) in job.data_tasks.iter().filter(|(_, r)| is_for(r, worker)) {
            let Some(from) = source.log_stream(ls) else { continue };
            let spec = TaskSpec::RestoreData(data_spec(source, from));
            tasks.push(TaskOrder { key: key(job.id, job.tenant_id, ls, TaskKind::RestoreData, run), spec });
        }
    }
    if job.stage == RestoreStage::ReplayLog {
        for (&ls, run) in job.log_tasks.iter().filter(|(_, r)| is_for(r, worker)) {
            let Some(from) = source.log_stream(ls) else { continue };
            let spec = TaskSpec::RestoreLog(log_spec(source, from, job.target_scn, false));
            tasks.push(TaskOrder { key: key(job.id, job.tenant_id, ls, TaskKind::RestoreLog, run), spec });
        }
    }
}
