//! Another turn: the tenant has changed while its log streams were copied (docs/oceanbase.md, 4.6, step 7).
//!
//! Only the log streams that the change touches are copied again, under the names of the new turn; what is finished of
//! the others stays. The number of turns is bounded: what changes later still is in the log, and the set's note says so.

use crate::checkpoint::tenant_max_scn;
use crate::command::{Done, Outcome};
use crate::state::{BackupJob, LogStream, State, TaskRun, Tenant};
use crate::waiting::On;
use std::collections::BTreeSet;
use strandline_types::{BackupJobStatus, BackupMode, JobId, LsId, TabletId, TurnId, limits};

/// What a change of the tenant asks of a job whose data tasks are done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Log streams to be copied again, or for the first time.
    pub redo: BTreeSet<LsId>,
    /// Log streams that are gone.
    pub gone: BTreeSet<LsId>,
}

impl Changed {
    /// True when another turn is needed.
    pub(crate) fn is_any(&self) -> bool {
        !self.redo.is_empty() || !self.gone.is_empty()
    }
}

/// What has changed since the present turn began.
pub(crate) fn changed(job: &BackupJob, tenant: &Tenant) -> Changed {
    if job.mode == BackupMode::Synthetic {
        return Changed::default();
    }
    let mut changed = Changed {
        redo: tenant.log_streams.keys().filter(|ls| job.runs.get(job.data_task(**ls)).is_none()).copied().collect(),
        gone: job.data_tasks().map(|(ls, _)| ls).filter(|ls| !tenant.log_streams.contains_key(ls)).collect(),
    };
    let held = job.results.get(&LsId::SYS).and_then(|r| r.dictionary.as_ref());
    let is_newer = held.map_or(job.turn_dictionary, |d| d.version) < tenant.dictionary_version;
    if is_newer {
        changed.redo.insert(LsId::SYS);
        changed.redo.extend(moved(job, tenant));
        changed.redo.retain(|ls| !changed.gone.contains(ls));
    }
    changed
}

/// Log streams whose tablets are other ones than log stream 1's point knew.
fn moved(job: &BackupJob, tenant: &Tenant) -> BTreeSet<LsId> {
    let held = job.results.get(&LsId::SYS).and_then(|r| r.dictionary.as_ref());
    let known: BTreeSet<(TabletId, LsId)> =
        held.into_iter().flat_map(|d| &d.tables).flat_map(|t| t.tablets.iter().map(|t| (t.id, t.ls_id))).collect();
    let now: BTreeSet<(TabletId, LsId)> =
        tenant.tables.values().flat_map(|t| t.tablets.iter().map(|t| (t.id, t.ls_id))).collect();
    known.symmetric_difference(&now).map(|(_, ls)| *ls).collect()
}

/// What another turn has to wait for: before that it would copy the old state again. `None` = nothing.
pub(crate) fn waits_for(tenant: &Tenant, changed: &Changed) -> Option<On> {
    let logged = |ls: &LogStream| ls.dictionary_version >= tenant.dictionary_version;
    if !tenant.log_streams.get(&LsId::SYS).is_none_or(logged) {
        return Some(On::Dictionary);
    }
    let mut again = changed.redo.iter().filter_map(|ls| tenant.log_streams.get(ls));
    again.any(LogStream::is_shrinking).then_some(On::DroppedTablets)
}

/// Begins the next turn, if the tenant has changed indeed.
pub(crate) fn next(state: &mut State, id: JobId, turn: TurnId) -> Outcome {
    let scn = state.backup_job(id).map(|j| tenant_max_scn(state, j.tenant_id)).unwrap_or_default();
    let now_ms = state.clock_ms;
    let Some(job) = state.backup_job(id) else { return Ok(Done::Nothing) };
    let is_done = job.runs.are_finished(job.data_task_kind());
    let is_due = job.status == BackupJobStatus::Data && job.turn == turn && is_done;
    let Some(tenant) = state.tenants.get(&job.tenant_id).filter(|_| is_due) else { return Ok(Done::Nothing) };
    let changed = changed(job, tenant);
    if !changed.is_any() || waits_for(tenant, &changed).is_some() || turn.0 >= limits::BACKUP_TURNS_MAX {
        return Ok(Done::Nothing);
    }
    let turn_dictionary = tenant.dictionary_version;
    let Some(job) = state.backup_job_mut(id) else { return Ok(Done::Nothing) };
    job.turn = turn.next();
    job.turn_scn = scn;
    job.turn_dictionary = turn_dictionary;
    for ls in &changed.gone {
        let task = job.data_task(*ls);
        job.runs.remove(task);
        job.results.remove(ls);
        job.spent.remove(ls);
    }
    for ls in changed.redo {
        let task = job.data_task(ls);
        if let Some((turn, retry)) = job.runs.get(task).map(|run| (run.turn, run.retry)) {
            job.spent.entry(ls).or_default().extend((0..=retry.0).map(|retry| (turn, retry.into())));
        }
        job.results.remove(&ls);
        let run = TaskRun { turn: job.turn, ..TaskRun::default() };
        job.runs.insert(task, run);
    }
    job.progress_ms = now_ms;
    let key = (job.tenant_id, job.set_id);
    let turn = job.turn;
    if let Some(set) = state.backup_sets.get_mut(&key) {
        (set.data_turn, set.meta_turn) = (turn, turn);
    }
    Ok(Done::Ok)
}
