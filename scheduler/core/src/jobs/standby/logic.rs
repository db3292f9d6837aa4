//! Standby tenants: following the archive, stopping, activating.

use super::plan;
use crate::command::{Done, Outcome};
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::check;
use crate::orders::TaskSpec;
use crate::orders::source::log_spec;
use crate::reads::{Read, of_log};
use crate::refuse;
use crate::report::{ReplicaReport, TaskResult};
use crate::state::{
    ArchivedLog, RestoreJob, RestoreSource, Standby, StandbyStage, State, TaskRun, Tenant, TenantStatus, Trouble,
};
use crate::step::Plan;
use crate::task::{Part, TaskId, TaskKind};
use crate::waiting::{TenantName, Who};
use strandline_types::{Address, Failure, JobId, LsId, NodeId, PieceKey, Scn, TenantId, Transition, TurnId};

impl JobLogic for Standby {
    fn head(&self) -> &JobHead {
        &self.head
    }

    fn kept(&self) -> Kept {
        Kept::NotAtAll
    }

    fn outlives_tenant(&self) -> bool {
        false
    }

    fn who(&self) -> Who {
        Who::Standby(TenantName::Id(self.tenant_id))
    }

    fn is_running(&self) -> bool {
        !self.stands()
    }

    fn is_closing(&self) -> bool {
        false
    }

    fn follows(&self) -> bool {
        matches!(self.stage, StandbyStage::Following)
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        (!self.stands()).then_some(TaskKind::RestoreLog)
    }

    fn reads(&self, _state: &State) -> Vec<Read> {
        if self.stands() { Vec::new() } else { of_log(&self.source.log) }
    }

    fn lint(&self, state: &State, found: &mut Vec<String>) {
        lint(state, self, found);
    }

    fn plan(&self, state: &State, now_ms: u64, plan: &mut Plan) {
        plan::plan(state, self, now_ms, plan);
    }

    fn spec(&self, _state: &State, task: TaskId, _run: &TaskRun) -> Option<TaskSpec> {
        let from = self.source.log_stream(task.part.ls()?)?;
        // At the SCN that was asked for a task ends: it has seen a group beyond, or says that there is none.
        let follow = self.stage == StandbyStage::Following && !self.is_aimed_at_its_end();
        Some(TaskSpec::RestoreLog(log_spec(&self.source, from, self.target_scn, follow)))
    }

    fn take_result(_state: &mut State, _id: JobId, _task: TaskId, result: Option<TaskResult>) -> bool {
        matches!(result, Some(TaskResult::RestoreLog(_)))
    }

    fn advance(_state: &mut State, _id: JobId, _from: Stage, _to: Stage) -> Outcome {
        VOID
    }

    fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
        fail(state, id, failure)
    }

    fn cancel(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }

    fn close(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }
}

/// A restored tenant stays a standby.
pub(crate) fn begin(state: &mut State, job: &RestoreJob, mut source: RestoreSource) {
    source.wipe_data_keys();
    let id = life::next_id(state);
    let standby = Standby {
        head: JobHead::new(id, job.tenant_id, state.clock_ms),
        source,
        stage: StandbyStage::Stopped,
        until: Some(job.target_scn),
        target_scn: job.target_scn,
        scanned_ms: 0,
    };
    life::insert(state, standby);
}

fn asked(state: &mut State, id: TenantId) -> Result<&mut Standby, Failure> {
    let name = state.tenant(id)?.name.clone();
    state.standby_mut(id).ok_or_else(|| refuse::no_standby(&name))
}

/// RECOVER STANDBY UNTIL.
pub(crate) fn recover(state: &mut State, id: TenantId, until: Option<Scn>) -> Outcome {
    let standby = asked(state, id)?;
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
        && !standby.log_tasks().any(|(_, run)| run.is_finished());
    standby.until = until;
    standby.scanned_ms = 0;
    if !goes_on {
        begin_tasks(state, id, StandbyStage::Following);
    }
    Ok(Done::Ok)
}

/// A stage with tasks of its own. They get an id that no task had before: what the ones before still report is void.
fn begin_tasks(state: &mut State, tenant: TenantId, stage: StandbyStage) {
    let Some(id) = state.standby(tenant).map(|s| s.id) else { return };
    let Some(crate::state::Job::Standby(mut standby)) = state.jobs.remove(&id) else { return };
    standby.id = life::next_id(state);
    standby.stage = stage;
    standby.runs.clear();
    let streams = state.tenants.get(&tenant).into_iter().flat_map(|t| t.log_streams.keys().copied());
    standby.runs.begin(TaskKind::RestoreLog, streams.map(Part::Ls), TurnId(1));
    life::insert(state, standby);
}

/// RECOVER STANDBY CANCEL.
pub(crate) fn stop(state: &mut State, id: TenantId) -> Outcome {
    let standby = asked(state, id)?;
    if !standby.stage.may_become(StandbyStage::Stopped) {
        return Ok(Done::Nothing);
    }
    standby.stage = StandbyStage::Stopped;
    standby.runs.clear();
    Ok(Done::Ok)
}

/// Every log stream has replayed all that there is up to the SCN that was asked for. It may lie between two of their
/// entries, so their positions alone do not show it.
pub(crate) fn reached(state: &mut State, id: TenantId) -> Outcome {
    let is_there = |s: &&mut Standby| {
        let is_done = s.runs.have_finished(TaskKind::RestoreLog);
        s.stage.may_become(StandbyStage::Reached) && s.is_aimed_at_its_end() && is_done
    };
    let Some(standby) = state.standby_mut(id).filter(is_there) else { return Ok(Done::Nothing) };
    standby.stage = StandbyStage::Reached;
    standby.runs.clear();
    standby.trouble = None;
    Ok(Done::Ok)
}

/// ACTIVATE STANDBY: all log streams to one SCN first.
pub(crate) fn activate(state: &mut State, id: TenantId) -> Outcome {
    if asked(state, id)?.stage == StandbyStage::Activating {
        return Ok(Done::Nothing);
    }
    begin_tasks(state, id, StandbyStage::Activating);
    Ok(Done::Ok)
}

/// SET LOG_RESTORE_SOURCE.
pub(crate) fn set_source(state: &mut State, id: TenantId, from: Address) -> Outcome {
    let standby = asked(state, id)?;
    // Which pieces of it are needed is what the next look finds.
    standby.source.log = vec![ArchivedLog { from, pieces: Vec::new() }];
    standby.scanned_ms = 0;
    Ok(Done::Ok)
}

/// What a look at the archive found: the pieces from where the slowest log stream stands, and how far they go. The
/// target only rises.
pub(crate) fn take_source(state: &mut State, id: TenantId, pieces: Vec<PieceKey>, reach: Scn) -> Outcome {
    let Some(standby) = state.standby_mut(id).filter(|s| s.stage == StandbyStage::Following) else {
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
pub(crate) fn scanned(state: &mut State, id: TenantId) -> Outcome {
    let now_ms = state.clock_ms;
    if let Some(standby) = state.standby_mut(id) {
        standby.scanned_ms = now_ms;
        standby.trouble = None;
    }
    Ok(Done::Ok)
}

/// The archive could not be looked at: the standby falls behind and nothing else.
pub(crate) fn scan_failed(state: &mut State, id: TenantId, failure: Failure) {
    let now_ms = state.clock_ms;
    if let Some(standby) = state.standby_mut(id) {
        standby.trouble = Some(Trouble::again(standby.trouble.as_ref(), failure, now_ms));
        standby.scanned_ms = now_ms;
    }
}

/// A task of a standby cannot go on: it is tried again from the beginning of its retries.
fn fail(state: &mut State, job: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(standby) = state.standby_job_mut(job) else { return false };
    standby.trouble = Some(Trouble::again(standby.trouble.as_ref(), failure, now_ms));
    let id = standby.tenant_id;
    match standby.stage {
        StandbyStage::Stopped | StandbyStage::Reached => {}
        stage => begin_tasks(state, id, stage),
    }
    true
}

/// Log stream 1's leader tells the dictionary as of what it has replayed.
pub(crate) fn take_dictionary(state: &mut State, worker: NodeId, replica: &ReplicaReport) {
    let is_standby = state.standby(replica.tenant_id).is_some() && replica.ls_id.is_sys() && replica.is_leader;
    let Some(dictionary) = replica.restored_dictionary.clone().filter(|_| is_standby) else { return };
    if let Some(tenant) = state.tenants.get_mut(&replica.tenant_id) {
        let leads = tenant.log_streams.get(&LsId::SYS).is_some_and(|ls| ls.leader == Some(worker));
        if leads && dictionary.version > tenant.dictionary_version {
            tenant.take_tables(dictionary);
        }
    }
}

/// All log streams stand at the target: clients may write.
pub(crate) fn open(state: &mut State, id: TenantId) -> Outcome {
    let is_ready = |s: &&Standby| s.stage == StandbyStage::Activating && s.runs.have_finished(TaskKind::RestoreLog);
    // The newest tables that replay made have to be known before the tenant makes its own.
    let knows = |t: &Tenant| t.log_streams.get(&LsId::SYS).is_none_or(|s| s.dictionary_version <= t.dictionary_version);
    if state.standby(id).filter(is_ready).is_none() || !state.tenants.get(&id).is_some_and(knows) {
        return Ok(Done::Nothing);
    }
    if let Some(job) = state.standby(id).map(|s| s.id) {
        state.jobs.remove(&job);
    }
    if let Some(tenant) = state.tenants.get_mut(&id) {
        tenant.status = TenantStatus::Normal;
        // Log stream 1 may name tables that a recovery in the source had not finished.
        tenant.dictionary_version += 1;
        tenant.tell_tablets();
    }
    Ok(Done::Ok)
}

fn lint(state: &State, standby: &Standby, found: &mut Vec<String>) {
    let name = format!("standby tenant {}", standby.tenant_id);
    let status = state.tenants.get(&standby.tenant_id).map(|t| t.status);
    let is_one = matches!(status, Some(TenantStatus::Standby | TenantStatus::Dropping));
    check(found, is_one, || format!("{name} is {status:?}"));
    let stands = standby.stands();
    let is_quiet = !stands || standby.runs.is_empty();
    check(found, is_quiet, || format!("{name} is stopped and has tasks"));
    let source = &standby.source;
    let has_keys = !source.seal_key.is_empty() || !source.chain_keys.is_empty() || !source.data.access.is_empty();
    check(found, !has_keys, || format!("{name} keeps a key of its data backup"));
}
