//! The orders of one worker, computed from the state.

use super::{
    BackupIndexSpec, BackupLsSpec, LsResume, LsTurn, Orders, ReplicaOrder, RestoreDataSpec, RestoreLogSpec,
    RestoreOrder, RoundOrder, RoundWork, TaskOrder, TaskSpec,
};
use crate::checkpoint::tenant_max_scn;
use crate::state::{BackupJob, LogStream, RestoreJob, State, TaskRun, Tenant, TenantStatus};
use crate::task::{TaskKey, TaskKind};
use strandline_types::{
    BackupJobStatus, BackupSetKind, JobId, LsId, Lsn, NodeId, RestoreStage, RoundState, Scn, Secret, TenantId, limits,
};

/// The orders of one worker.
#[must_use]
pub fn orders_for(state: &State, worker: NodeId) -> Orders {
    let mut orders =
        Orders { workers: state.workers.values().map(|w| (w.id, w.address.clone())).collect(), ..Orders::default() };
    for tenant in state.tenants.values().filter(|t| t.status != TenantStatus::Dropping) {
        let hosted: Vec<&LogStream> = tenant.log_streams.values().filter(|ls| ls.members.contains(&worker)).collect();
        orders.replicas.extend(hosted.iter().map(|ls| replica_order(state, tenant, ls, worker)));
        orders.rounds.extend(round_order(state, tenant, &hosted));
    }
    for job in state.backup_jobs.values() {
        backup_tasks(state, job, worker, &mut orders.tasks);
    }
    for job in state.restore_jobs.values() {
        restore_tasks(job, worker, &mut orders.tasks);
    }
    orders
}

fn replica_order(state: &State, tenant: &Tenant, ls: &LogStream, worker: NodeId) -> ReplicaOrder {
    let is_behind = ls.id.is_sys() && ls.dictionary_version < tenant.dictionary_version;
    let is_open = tenant.status == TenantStatus::Normal;
    ReplicaOrder {
        tenant_id: tenant.id,
        ls_id: ls.id,
        members: ls.members.clone(),
        bootstrap: !ls.started && ls.members.first() == Some(&worker),
        keep_alive_scn: if is_open { keep_alive_scn(state, tenant) } else { Scn::MIN },
        recycle_lsn: recycle_lsn(state, tenant, ls),
        dictionary: (is_open && is_behind).then(|| tenant.dictionary()),
        restore: restore_order(state, tenant, ls),
        open: is_open,
    }
}

/// Every stream has to come as far as the farthest one, or an idle one would hold the tenant's checkpoint back; and
/// into the round that begins, and up to what a backup waits for.
fn keep_alive_scn(state: &State, tenant: &Tenant) -> Scn {
    let mut scn = tenant_max_scn(state, tenant.id);
    if let Some(round) = state.open_round(tenant.id).filter(|r| r.begun && work_of(r.state) == Some(RoundWork::Write)) {
        scn = scn.max(round.clock.round_start.next());
    }
    let waiting = state.open_backup_job(tenant.id).filter(|j| j.status == BackupJobStatus::Log);
    let set = waiting.and_then(|j| state.backup_sets.get(&(j.tenant_id, j.set_id)));
    set.map_or(scn, |s| scn.max(s.min_restore_scn))
}

/// Log is kept until the open round has it. An interrupted round gets nothing any more.
fn recycle_lsn(state: &State, tenant: &Tenant, ls: &LogStream) -> Lsn {
    match state.open_round(tenant.id).filter(|r| r.state != RoundState::Interrupted) {
        Some(round) => round.progress.get(&ls.id).map_or(Lsn::ZERO, |p| p.archived_lsn),
        None => Lsn(u64::MAX),
    }
}

fn restore_order(state: &State, tenant: &Tenant, ls: &LogStream) -> Option<RestoreOrder> {
    let job = state.open_restore_job(tenant.id)?;
    let base = job.source.log_stream(ls.id)?.base;
    let start = !matches!(job.stage, RestoreStage::CreateTenant | RestoreStage::RestoreData);
    Some(RestoreOrder { job_id: job.id, base, start })
}

fn work_of(state: RoundState) -> Option<RoundWork> {
    match state {
        RoundState::Beginning | RoundState::Doing => Some(RoundWork::Write),
        RoundState::Stopping => Some(RoundWork::Stop),
        RoundState::Suspending | RoundState::Suspend | RoundState::Interrupted => Some(RoundWork::Suspend),
        RoundState::Prepare | RoundState::Stop => None,
    }
}

fn round_order(state: &State, tenant: &Tenant, hosted: &[&LogStream]) -> Option<RoundOrder> {
    let round = state.open_round(tenant.id).filter(|r| r.takes_progress() && !hosted.is_empty())?;
    let resume = |ls: &&LogStream| {
        let p = round.progress.get(&ls.id)?;
        Some(LsResume {
            ls_id: ls.id,
            piece_id: p.piece_id,
            start_lsn: p.start_lsn,
            archived_lsn: p.archived_lsn,
            checkpoint_scn: p.checkpoint_scn,
        })
    };
    Some(RoundOrder {
        tenant_id: tenant.id,
        dest_id: round.dest_id,
        round_id: round.round_id,
        work: work_of(round.state)?,
        uri: round.uri.clone(),
        clock: round.clock,
        lag_target_ms: tenant.archive.lag_target_ms,
        log_streams: hosted.iter().filter_map(resume).collect(),
    })
}

fn is_for(run: &TaskRun, worker: NodeId) -> bool {
    run.is_running() && run.executor == Some(worker)
}

fn key(job_id: JobId, tenant_id: TenantId, ls_id: LsId, kind: TaskKind, run: &TaskRun) -> TaskKey {
    TaskKey { job_id, tenant_id, ls_id, kind, turn: run.turn, retry: run.retry }
}

fn backup_tasks(state: &State, job: &BackupJob, worker: NodeId, tasks: &mut Vec<TaskOrder>) {
    let Some(set) = state.backup_sets.get(&(job.tenant_id, job.set_id)) else { return };
    let incremental = job.kind == BackupSetKind::Inc;
    match job.status {
        BackupJobStatus::Data => {
            for (&ls, run) in job.tasks.iter().filter(|(_, r)| is_for(r, worker)) {
                let spec = TaskSpec::BackupLs(BackupLsSpec {
                    uri: job.uri.clone(),
                    set_id: job.set_id,
                    incremental,
                    min_checkpoint_scn: set.start_scn,
                    data_file_bytes: limits::BACKUP_DATA_FILE_BYTES,
                });
                tasks.push(TaskOrder { key: key(job.id, job.tenant_id, ls, TaskKind::BackupLs, run), spec });
            }
        }
        BackupJobStatus::Index if is_for(&job.index, worker) => {
            let parts = set.parts.iter().map(|(&ls_id, p)| LsTurn { ls_id, turn: p.turn, retry: p.retry });
            let spec = TaskSpec::BackupIndex(BackupIndexSpec {
                uri: job.uri.clone(),
                set_id: job.set_id,
                incremental,
                parts: parts.collect(),
            });
            let key = key(job.id, job.tenant_id, TaskKey::TENANT, TaskKind::BackupIndex, &job.index);
            tasks.push(TaskOrder { key, spec });
        }
        _ => {}
    }
}

fn restore_tasks(job: &RestoreJob, worker: NodeId, tasks: &mut Vec<TaskOrder>) {
    let source = &job.source;
    if job.stage == RestoreStage::RestoreData {
        for (&(ls, _), run) in job.data_tasks.iter().filter(|(_, r)| is_for(r, worker)) {
            let Some(from) = source.log_stream(ls) else { continue };
            let spec = TaskSpec::RestoreData(RestoreDataSpec {
                data_uri: source.data_uri.clone(),
                set_id: source.set_id,
                incremental: source.set_kind == BackupSetKind::Inc,
                data_turn: source.data_turn,
                source_ls_id: from.ls_id,
                ls_turn: from.turn,
                ls_retry: from.retry,
                access: String::new(),
                seal_key: Secret::NONE,
                chain_keys: Vec::new(),
            });
            tasks.push(TaskOrder { key: key(job.id, job.tenant_id, ls, TaskKind::RestoreData, run), spec });
        }
    }
    if job.stage == RestoreStage::ReplayLog {
        for (&ls, run) in job.log_tasks.iter().filter(|(_, r)| is_for(r, worker)) {
            let Some(from) = source.log_stream(ls) else { continue };
            let spec = TaskSpec::RestoreLog(RestoreLogSpec {
                archive_uri: source.archive_uri.clone(),
                pieces: source.pieces.iter().map(|p| (*p).into()).collect(),
                source_ls_id: from.ls_id,
                base: from.base,
                target_scn: job.target_scn,
                access: String::new(),
                key_source: String::new(),
                follow: false,
            });
            tasks.push(TaskOrder { key: key(job.id, job.tenant_id, ls, TaskKind::RestoreLog, run), spec });
        }
    }
}
