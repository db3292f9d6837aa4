//! What becomes known of a set when one stage of its job ends: its tasks, its range of SCNs, its figures.

use super::set;
use crate::checkpoint::tenant_max_scn;
use crate::state::{BackupJob, BackupSet, LsPart, State, TaskRun};
use crate::task::{Part, TaskKind};
use strandline_types::{BackupMode, JobId, LsId, NodeId, PieceKey, Scn, limits};

/// One data task per log stream; of a synthetic set, per log stream of its chain.
pub(crate) fn add_tasks(state: &mut State, id: JobId) {
    let Some(job) = state.backup_job(id) else { return };
    let streams: Vec<LsId> = match job.mode {
        BackupMode::Synthetic => {
            let chain = job.base.and_then(|base| state.backup_sets.get(&(job.tenant_id, base)));
            chain.into_iter().flat_map(|s| s.parts.keys().copied()).collect()
        }
        _ => state.tenants.get(&job.tenant_id).into_iter().flat_map(|t| t.log_streams.keys().copied()).collect(),
    };
    if let Some(job) = state.backup_job_mut(id) {
        let (kind, turn) = (job.data_task_kind(), job.turn);
        job.runs.begin(kind, streams.into_iter().map(Part::Ls), turn);
    }
}

/// The consistent points are known: from where to where log is needed.
pub(crate) fn decide(state: &mut State, id: JobId) {
    let Some(job) = state.backup_job(id) else { return };
    let mut set = match state.backup_sets.get(&(job.tenant_id, job.set_id)) {
        Some(set) => set.clone(),
        None => return,
    };
    match job.mode {
        BackupMode::Synthetic => take_range_of_chain(state, job, &mut set),
        _ => take_range_of_points(state, job, &mut set),
    }
    count_data(job, &mut set);
    if job.turn.0 >= limits::BACKUP_TURNS_MAX {
        let note = format!("the tenant changed in each of {} turns; what came later is in the log", job.turn);
        set.note = if set.note.is_empty() { note } else { format!("{}; {note}", set.note) };
    }
    let turn = job.turn;
    state.backup_sets.insert((set.tenant_id, set.set_id), set);
    if let Some(job) = state.backup_job_mut(id) {
        job.runs.insert(BackupJob::INDEX, TaskRun { turn, ..TaskRun::default() });
    }
}

fn take_range_of_points(state: &State, job: &BackupJob, set: &mut BackupSet) {
    let round_start = state.rounds.get(&(job.tenant_id, job.round_id)).map_or(Scn::MIN, |r| r.clock.round_start);
    let results = || job.results.values();
    set.consistent_scn = results().map(|r| r.checkpoint_scn).max().unwrap_or_default();
    set.min_restore_scn = set.consistent_scn.max(tenant_max_scn(state, job.tenant_id));
    if job.plus_archivelog {
        // Later than every point, so that every log stream has log to carry and the carried archive has no holes.
        set.min_restore_scn = set.min_restore_scn.max(set.consistent_scn.next());
    }
    set.start_replay_scn = results().map(|r| r.base.prev_scn).min().unwrap_or_default().max(round_start);
}

/// A synthetic set is the newest set of its chain in one piece: it says the same and needs the same log.
fn take_range_of_chain(state: &State, job: &BackupJob, set: &mut BackupSet) {
    let Some(chain) = job.base.and_then(|base| state.backup_sets.get(&(job.tenant_id, base))) else { return };
    set.start_scn = chain.start_scn;
    set.consistent_scn = chain.consistent_scn;
    set.min_restore_scn = chain.min_restore_scn;
    set.start_replay_scn = chain.start_replay_scn;
    set.archive_dest_id = chain.archive_dest_id;
    set.archive_round_id = chain.archive_round_id;
}

fn count_data(job: &BackupJob, set: &mut BackupSet) {
    let results = || job.results.values();
    set.input_bytes = results().map(|r| r.input_bytes).sum();
    set.output_bytes = results().map(|r| r.output_bytes).sum();
    set.tablet_count = results().map(|r| r.tablet_count).sum();
    set.macro_block_count = results().map(|r| r.macro_block_count).sum();
    set.file_count = results().map(|r| r.file_count).sum();
    let part = |t: &TaskRun| LsPart { turn: t.turn, retry: t.retry, executor: t.executor.unwrap_or(NodeId(0)) };
    set.parts = job.data_tasks().map(|(ls, t)| (ls, part(t))).collect();
}

/// The tenant-level index is written.
pub(crate) fn count_index(state: &mut State, id: JobId) {
    let Some(job) = state.backup_job(id) else { return };
    let (result, retry) =
        (job.index_result.unwrap_or_default(), job.index_task().map(|run| run.retry).unwrap_or_default());
    set::edit(state, id, |set| {
        set.file_count += result.file_count;
        set.extra_bytes = result.output_bytes;
        set.output_bytes += result.output_bytes;
        set.index_retry = retry;
    });
}

/// One copy of log per log stream, out of the pieces that may hold it.
pub(crate) fn add_log_tasks(state: &mut State, id: JobId) {
    let Some(job) = state.backup_job(id) else { return };
    let pieces = state.backup_sets.get(&(job.tenant_id, job.set_id)).map(|s| pieces_of(state, s)).unwrap_or_default();
    if let Some(job) = state.backup_job_mut(id) {
        let streams: Vec<Part> = job.data_tasks().map(|(ls, _)| Part::Ls(ls)).collect();
        let turn = job.turn;
        job.runs.begin(TaskKind::BackupLog, streams, turn);
        job.log_pieces = pieces;
    }
}

/// From the piece where replay begins to the newest one: the group that reaches the end may lie in a later piece than
/// the end itself, since its highest SCN decides.
fn pieces_of(state: &State, set: &BackupSet) -> Vec<PieceKey> {
    let Some(round) = state.rounds.get(&(set.tenant_id, set.archive_round_id)) else { return Vec::new() };
    let first = round.clock.piece_of(set.start_replay_scn.max(round.clock.round_start));
    let last = round.clock.piece_of(round.max_scn.max(set.min_restore_scn));
    round.pieces.range(first..=last).map(|(_, p)| p.key).collect()
}

/// The log of the set is in it.
pub(crate) fn count_log(state: &mut State, id: JobId) {
    let Some(job) = state.backup_job(id) else { return };
    let files = job.log_results.values().map(|r| r.file_count).sum();
    let bytes: u64 = job.log_results.values().map(|r| r.output_bytes).sum();
    set::edit(state, id, |set| {
        set.log_file_count = files;
        set.output_bytes += bytes;
    });
}
