//! What a worker has to archive: one order per open round of each tenant that it hosts.

use super::{LsResume, RoundOrder, RoundWork};
use crate::checkpoint::tenant_max_scn;
use crate::state::{BackupJob, LogStream, Round, State, Tenant};
use strandline_types::{Access, ArchiveLsState, BackupJobStatus, RoundState, Scn};

/// What log streams have to do for a round in this state; `None` = nothing yet, or nothing any more.
pub(super) fn work_of(state: RoundState) -> Option<RoundWork> {
    match state {
        RoundState::Beginning | RoundState::Doing => Some(RoundWork::Write),
        RoundState::Stopping => Some(RoundWork::Stop),
        RoundState::Suspending | RoundState::Suspend | RoundState::Interrupted => Some(RoundWork::Suspend),
        RoundState::Prepare | RoundState::Stop => None,
    }
}

/// The rounds of one tenant, for a worker that hosts these of its log streams.
pub(super) fn round_orders(state: &State, tenant: &Tenant, hosted: &[&LogStream]) -> Vec<RoundOrder> {
    if hosted.is_empty() {
        return Vec::new();
    }
    let open = state.open_rounds(tenant.id).filter(|r| r.takes_progress());
    open.filter_map(|round| round_order(state, tenant, round, hosted)).collect()
}

fn round_order(state: &State, tenant: &Tenant, round: &Round, hosted: &[&LogStream]) -> Option<RoundOrder> {
    let resume = |ls: &&LogStream| {
        let p = round.progress.get(&ls.id)?;
        Some(LsResume {
            ls_id: ls.id,
            piece_id: p.piece_id,
            piece_start_lsn: p.pieces.get(&p.piece_id).map_or(p.start_lsn, |piece| piece.start_lsn),
            start_lsn: p.start_lsn,
            archived_lsn: p.archived_lsn,
            checkpoint_scn: p.checkpoint_scn,
            stopped: round.state == RoundState::Stopping && p.state == ArchiveLsState::Stopped,
        })
    };
    // Keys may have been rotated since the round opened.
    let access = state.destinations.get(&round.dest_id).map_or_else(Access::default, |d| d.access.clone());
    Some(RoundOrder {
        tenant_id: tenant.id,
        dest_id: round.dest_id,
        dest_no: round.dest_no,
        round_id: round.round_id,
        work: work_of(round.state)?,
        uri: round.uri.clone(),
        access,
        clock: round.clock,
        lag_target_ms: lag_target_ms(state, tenant, round),
        concurrency: tenant.archive.concurrency,
        compression: round.options.compression,
        encryption: round.options.encryption.clone(),
        log_streams: hosted.iter().filter_map(resume).collect(),
        owner: state.owner_by_id(round.dest_id),
    })
}

/// Every stream has to come as far as the farthest one, or an idle one would hold the tenant's checkpoint back; and
/// into each round that begins, and up to what a backup waits for.
pub(super) fn keep_alive_scn(state: &State, tenant: &Tenant) -> Scn {
    let mut scn = tenant_max_scn(state, tenant.id);
    let writing = |r: &&Round| r.begun && work_of(r.state) == Some(RoundWork::Write);
    for round in state.open_rounds(tenant.id).filter(writing) {
        scn = scn.max(round.clock.round_start.next());
    }
    let scn = scn.max(awaited_scn(state, tenant));
    // A drill waits until every stream has gone past its SCN, once that time has come.
    let drill = state.open_drill(tenant.id).filter(|d| d.scn.as_ms() <= state.clock_ms);
    drill.map_or(scn, |d| scn.max(d.scn.next()))
}

/// What a backup waits for the archive to reach, or will once its index is there.
fn awaited_scn(state: &State, tenant: &Tenant) -> Scn {
    let is_waiting = |j: &&BackupJob| matches!(j.status, BackupJobStatus::Index | BackupJobStatus::Log);
    let waiting = state.open_backup_job(tenant.id).filter(is_waiting);
    let set = waiting.and_then(|j| state.backup_sets.get(&(j.tenant_id, j.set_id)));
    set.map_or(Scn::MIN, |s| s.min_restore_scn)
}

/// Log is not held back for larger appends while a backup waits for it.
fn lag_target_ms(state: &State, tenant: &Tenant, round: &Round) -> u64 {
    if awaited_scn(state, tenant) > round.checkpoint_scn { 0 } else { tenant.archive.lag_target_ms }
}
