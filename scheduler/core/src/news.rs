//! Which reports have to go through Raft.
//!
//! Workers report several times a second, mostly the same. Only what the state does not know yet is worth a Raft
//! entry; the rest is dropped here, with the same rules as `apply` takes reports by.

use crate::jobs::machine::attempts::waiting_at;
use crate::report::{ArchiveReport, ArchiveWaiting, ReplicaReport, TaskReport, TaskState, WorkerReport};
use crate::state::{State, Worker};
use strandline_types::{ArchiveLsState, LsTaskStatus, NodeId, RestoreStage, limits};

/// The part of a report that the state does not know yet, or `None` when there is nothing worth a Raft entry. A report
/// without news still counts as one once in a while, so that the state knows when the worker was last heard.
#[must_use]
pub fn news(state: &State, mut report: WorkerReport, now_ms: u64) -> Option<WorkerReport> {
    let worker = report.worker_id;
    let known = state.workers.get(&worker);
    let is_heartbeat_due = known.is_none_or(|w| {
        w.boot_id != report.boot_id
            || w.address != report.address
            || w.replica_troubles != report.replica_troubles
            || now_ms.saturating_sub(w.last_heard_ms) >= limits::HEARD_AGAIN_MS
    });
    for replica in &mut report.replicas {
        if !is_dictionary_wanted(state, replica) {
            replica.restored_dictionary = None;
        }
    }
    report.archive.retain(|p| is_progress_news(state, worker, p));
    report.tasks.retain(|t| is_task_news(state, worker, t, now_ms));
    let has_waiting_news = is_waiting_news(state, worker, &report.archive_waiting);
    let has_replica_news = known.is_none_or(|w| are_replicas_news(state, w, &report.replicas));
    let is_news = is_heartbeat_due
        || has_replica_news
        || has_waiting_news
        || !report.archive.is_empty()
        || !report.tasks.is_empty();
    is_news.then_some(report)
}

/// Leadership and the positions of leaders drive decisions; those of followers may be a second old.
fn are_replicas_news(state: &State, known: &Worker, said: &[ReplicaReport]) -> bool {
    known.replicas.len() != said.len() || said.iter().any(|r| is_replica_news(state, known, r))
}

fn is_replica_news(state: &State, known: &Worker, r: &ReplicaReport) -> bool {
    let Some(seen) = known.replicas.get(&(r.tenant_id, r.ls_id)) else { return true };
    let is_moved = seen.is_leader != r.is_leader || seen.term != r.term || seen.standing != r.standing;
    if is_moved || r.restored_dictionary.is_some() {
        return true;
    }
    let stream = state.tenants.get(&r.tenant_id).and_then(|t| t.log_streams.get(&r.ls_id));
    let is_dictionary_newer =
        stream.is_some_and(|ls| r.dictionary_version > ls.dictionary_version || r.tablets_version > ls.tablets_version);
    r.is_leader
        && (seen.replayed_scn != r.replayed_scn
            || seen.max_scn != r.max_scn
            || seen.end_lsn != r.end_lsn
            || is_dictionary_newer)
}

fn is_dictionary_wanted(state: &State, r: &ReplicaReport) -> bool {
    if r.restored_dictionary.is_none() {
        return false;
    }
    if r.is_leader && state.standby(r.tenant_id).is_some() {
        let known = state.tenants.get(&r.tenant_id).map_or(0, |t| t.dictionary_version);
        return r.restored_dictionary.as_ref().is_some_and(|d| d.version > known);
    }
    let job = state.open_restore_job(r.tenant_id).filter(|_| r.is_leader);
    job.is_some_and(|j| j.stage == RestoreStage::PostCheck && j.dictionary.is_none())
}

fn is_progress_news(state: &State, worker: NodeId, said: &ArchiveReport) -> bool {
    let round = state.rounds.get(&(said.tenant_id, said.round_id));
    let Some(round) = round.filter(|r| r.takes_progress() && r.dest_id == said.dest_id) else { return false };
    let stream = state.tenants.get(&said.tenant_id).and_then(|t| t.log_streams.get(&said.ls_id));
    let Some(term) = stream.map(|ls| said.speaks_for(ls, worker)) else { return false };
    round.progress.get(&said.ls_id).is_none_or(|row| {
        let is_further = said.archived_lsn > row.archived_lsn || said.checkpoint_scn > row.checkpoint_scn;
        let is_moved = said.state != row.state && row.state != ArchiveLsState::Interrupted;
        let is_other = is_moved || said.trouble.as_ref() != row.trouble.as_ref().map(|t| &t.failure);
        term > row.term || (term == row.term && (is_further || is_other))
    })
}

/// What keeps log streams from starting is said whole, each time: news is what differs.
fn is_waiting_news(state: &State, worker: NodeId, said: &[ArchiveWaiting]) -> bool {
    let leads = |tenant, ls| {
        let stream = state.tenants.get(&tenant).and_then(|t| t.log_streams.get(&ls));
        stream.is_some_and(|s| s.leader == Some(worker))
    };
    let open = || state.rounds.values().filter(|r| r.is_open());
    let known = open().flat_map(|r| r.waiting.iter().map(move |(ls, t)| (r.tenant_id, r.round_id, *ls, &t.failure)));
    let known: Vec<_> = known.filter(|(tenant, _, ls, _)| leads(*tenant, *ls)).collect();
    let is_open = |w: &&ArchiveWaiting| {
        let round = state.rounds.get(&(w.tenant_id, w.round_id));
        round.is_some_and(|r| r.is_open() && !r.progress.contains_key(&w.ls_id)) && leads(w.tenant_id, w.ls_id)
    };
    let mut now: Vec<_> =
        said.iter().filter(is_open).map(|w| (w.tenant_id, w.round_id, w.ls_id, &w.trouble.failure)).collect();
    now.sort_by_key(|(tenant, round, ls, _)| (*tenant, *round, *ls));
    known != now
}

fn is_task_news(state: &State, worker: NodeId, said: &TaskReport, now_ms: u64) -> bool {
    let job = state.jobs.get(&said.key.job_id);
    let Some(run) = job.and_then(|job| job.head().runs.get(said.key.task())) else { return false };
    let is_current = run.turn == said.key.turn && run.retry == said.key.retry;
    if !is_current || !run.is_running() || run.executor != Some(worker) {
        return false;
    }
    let is_first = run.status == LsTaskStatus::Pending;
    // Bytes are for progress bars and deadlines: a heartbeat's worth of precision is enough.
    let is_old =
        state.workers.get(&worker).is_none_or(|w| now_ms.saturating_sub(w.last_heard_ms) >= limits::HEARD_AGAIN_MS / 2);
    let is_waiting = run.trouble_after(waiting_at(said, worker, now_ms), said.answered, false) != run.trouble;
    said.state != TaskState::Doing || is_first || is_waiting || (is_old && said.bytes_done != run.bytes_done)
}
