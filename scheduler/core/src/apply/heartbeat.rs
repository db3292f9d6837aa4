//! What workers say. Only what moves forward is taken: reports may come late, twice and out of order.

use super::{audit, lag};
use crate::command::{Done, Outcome};
use crate::jobs::machine::attempts;
use crate::jobs::{restore, standby};
use crate::report::{ArchiveReport, ArchiveWaiting, ReplicaReport, WorkerReport};
use crate::state::{LsPiece, LsProgress, ReplicaSeen, ReplicaStanding, State, Trouble, Worker};
use std::collections::BTreeMap;
use strandline_types::{ArchiveLsState, ErrorClass, LsId, NodeId, PieceId, TenantId, limits};

pub(crate) fn apply_all(state: &mut State, reports: Vec<WorkerReport>) -> Outcome {
    for report in reports {
        hear(state, report);
    }
    lag::sample(state);
    Ok(Done::Ok)
}

fn hear(state: &mut State, report: WorkerReport) {
    let id = report.worker_id;
    let now_ms = state.clock_ms;
    if state.workers.get(&id).is_some_and(|w| is_late(w, &report)) {
        return;
    }
    note_damages(state, &report);
    let replicas = report.replicas.iter().map(|r| ((r.tenant_id, r.ls_id), seen(r))).collect();
    let first_heard_ms = state.workers.get(&id).map_or(now_ms, |w| w.first_heard_ms);
    let worker = Worker {
        id,
        address: report.address,
        boot_id: report.boot_id,
        clock_ms: report.clock_ms,
        first_heard_ms,
        last_heard_ms: now_ms,
        replicas,
        replica_troubles: report.replica_troubles,
        free_bytes: report.free_bytes,
    };
    state.workers.insert(id, worker);
    for replica in &report.replicas {
        take_replica(state, id, replica);
    }
    for progress in &report.archive {
        take_progress(state, id, progress);
    }
    take_waiting(state, id, &report.archive_waiting);
    note_waiting(state);
    for replica in &report.replicas {
        standby::logic::take_dictionary(state, id, replica);
    }
    for replica in report.replicas {
        restore::logic::take_dictionary(state, id, replica);
    }
    for task in report.tasks {
        attempts::take_report(state, id, task);
    }
}

/// Damage that was not known of before is an event: a replica that is rebuilt at once shows it only for a moment.
fn note_damages(state: &mut State, report: &WorkerReport) {
    let is_new = |key: &(TenantId, LsId)| {
        let known = state.workers.get(&report.worker_id).and_then(|w| w.replica_troubles.get(key));
        known.is_none_or(|trouble| trouble.class != ErrorClass::Corrupt)
    };
    let damages = report.replica_troubles.iter().filter(|(key, f)| f.class == ErrorClass::Corrupt && is_new(key));
    let damages: Vec<((TenantId, LsId), String)> = damages.map(|(key, f)| (*key, f.to_string())).collect();
    for ((tenant, ls), why) in damages {
        let values = [("ls_id", ls.to_string()), ("svr_id", report.worker_id.to_string()), ("why", why)];
        audit::note(state, tenant, ("log_stream", "replica_damaged"), values);
    }
}

/// True for a report that was overtaken by a newer one, be it of an earlier process of the same worker. A clock that
/// jumped back farther is believed: a worker that speaks must not become unknown.
fn is_late(worker: &Worker, report: &WorkerReport) -> bool {
    let behind_ms = worker.clock_ms.saturating_sub(report.clock_ms);
    behind_ms > 0 && behind_ms < limits::WORKER_UNKNOWN_MS / 2
}

fn seen(r: &ReplicaReport) -> ReplicaSeen {
    ReplicaSeen {
        is_leader: r.is_leader,
        term: r.term,
        end_lsn: r.end_lsn,
        max_scn: r.max_scn,
        replayed_scn: r.replayed_scn,
        log_start_lsn: r.log_start_lsn,
        standing: r.standing,
    }
}

fn take_replica(state: &mut State, worker: NodeId, r: &ReplicaReport) {
    let Some(tenant) = state.tenants.get_mut(&r.tenant_id) else { return };
    let Some(ls) = tenant.log_streams.get_mut(&r.ls_id).filter(|ls| ls.members.contains(&worker)) else { return };
    if r.is_leader && r.term >= ls.term {
        ls.started = true;
        ls.leader = Some(worker);
        ls.term = r.term;
        ls.end_lsn = ls.end_lsn.max(r.end_lsn);
        ls.max_scn = ls.max_scn.max(r.max_scn);
        ls.dictionary_version = ls.dictionary_version.max(r.dictionary_version);
        ls.tablets_version = ls.tablets_version.max(r.tablets_version);
    } else if ls.leader == Some(worker) && !r.is_leader && (r.term >= ls.term || r.standing != ReplicaStanding::Full) {
        // One that began anew with an empty disk has forgotten the term, and leads nothing.
        ls.leader = None;
    }
}

/// Trouble as a worker tells it, by its own clock: one that is ahead has none since tomorrow.
fn since(now_ms: u64, trouble: Trouble) -> Trouble {
    Trouble { since_ms: trouble.since_ms.min(now_ms), ..trouble }
}

/// Takes archive progress: only for the open round, only from the newest term, only forward.
fn take_progress(state: &mut State, worker: NodeId, said: &ArchiveReport) {
    let now_ms = state.clock_ms;
    let Some(round) = state.rounds.get_mut(&(said.tenant_id, said.round_id)) else { return };
    let Some(tenant) = state.tenants.get(&said.tenant_id) else { return };
    let is_ours = round.takes_progress() && round.dest_id == said.dest_id;
    let Some(ls) = tenant.log_streams.get(&said.ls_id).filter(|_| is_ours) else { return };
    let term = said.speaks_for(ls, worker);
    let trouble =
        said.trouble.clone().map(|failure| since(now_ms, Trouble { failure, since_ms: said.trouble_since_ms }));
    let fresh = || LsProgress {
        term,
        state: said.state,
        piece_id: said.piece_id,
        start_scn: said.start_scn,
        start_lsn: said.start_lsn,
        archived_lsn: said.start_lsn,
        checkpoint_scn: strandline_types::Scn::MIN,
        pieces: BTreeMap::new(),
        output_before: 0,
        behind_since_ms: None,
        requests: 0,
        trouble: None,
        gap: None,
    };
    let row = round.progress.entry(said.ls_id).or_insert_with(fresh);
    if term < row.term {
        return;
    }
    row.term = term;
    row.trouble = trouble;
    row.requests = said.requests;
    row.gap = row.gap.or(said.gap);
    // Lost log cannot come back: an interruption stays.
    if row.state != ArchiveLsState::Interrupted {
        row.state = said.state;
    }
    if said.archived_lsn >= row.archived_lsn && said.checkpoint_scn >= row.checkpoint_scn {
        row.archived_lsn = said.archived_lsn;
        row.checkpoint_scn = said.checkpoint_scn;
        row.piece_id = row.piece_id.max(said.piece_id);
        round.max_scn = round.max_scn.max(said.checkpoint_scn);
        take_pieces(row, &said.pieces);
        let is_decided = |id: &PieceId| round.pieces.get(id).is_some_and(|p| p.sealed);
        while row.pieces.len() > limits::LS_PIECES_KEPT_MAX && row.pieces.keys().next().is_some_and(is_decided) {
            row.output_before += row.pieces.pop_first().map_or(0, |(_, p)| p.output_bytes);
        }
    }
}

/// Bounds only widen; what a piece takes on the medium may become less, when its parts are merged.
fn take_pieces(row: &mut LsProgress, said: &BTreeMap<PieceId, LsPiece>) {
    let oldest = row.pieces.keys().next().copied();
    for (id, piece) in said.iter().filter(|(id, _)| oldest.is_none_or(|oldest| **id >= oldest)) {
        let known = row.pieces.entry(*id).or_insert(*piece);
        if piece.end_lsn >= known.end_lsn {
            *known = LsPiece { start_lsn: known.start_lsn.min(piece.start_lsn), ..*piece };
        }
    }
}

/// A leader says every time what holds it up before it can start; what it does not say any more is over. Only the
/// newest leader of a stream is believed.
fn take_waiting(state: &mut State, worker: NodeId, said: &[ArchiveWaiting]) {
    let now_ms = state.clock_ms;
    for round in state.rounds.values_mut().filter(|r| r.is_open()) {
        let Some(tenant) = state.tenants.get(&round.tenant_id) else { continue };
        let is_theirs = |ls: &LsId| tenant.log_streams.get(ls).is_some_and(|s| s.leader == Some(worker));
        round.waiting.retain(|ls, _| !is_theirs(ls) && tenant.log_streams.contains_key(ls));
        let about = said.iter().filter(|w| (w.tenant_id, w.round_id) == (round.tenant_id, round.round_id));
        for waiting in about.filter(|w| is_theirs(&w.ls_id) && !round.progress.contains_key(&w.ls_id)) {
            round.waiting.insert(waiting.ls_id, since(now_ms, waiting.trouble.clone()));
        }
    }
}

/// Since when log waits, per stream and round: for how long the spool still holds it.
fn note_waiting(state: &mut State) {
    let now_ms = state.clock_ms;
    for round in state.rounds.values_mut().filter(|r| r.is_open()) {
        let Some(tenant) = state.tenants.get(&round.tenant_id) else { continue };
        let applied = tenant.log_streams.values().map(|ls| ls.max_scn).max().unwrap_or_default();
        let is_uncovered = applied > round.checkpoint_scn;
        round.uncovered_since_ms = is_uncovered.then(|| round.uncovered_since_ms.unwrap_or(now_ms));
        for (ls, row) in &mut round.progress {
            let is_behind = tenant.log_streams.get(ls).is_some_and(|s| s.end_lsn > row.archived_lsn);
            row.behind_since_ms = is_behind.then(|| row.behind_since_ms.unwrap_or(now_ms));
        }
    }
}
