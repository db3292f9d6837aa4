//! The restore job (docs/protocols.md, section 5): create tenant, data of every replica, start the log streams, replay,
//! check, open. A failed or cancelled job drops the half-built tenant.

use super::plan;
use super::spec;
use crate::apply::{audit, tenant};
use crate::command::{Done, Outcome, StartRestore};
use crate::in_use::check_stays;
use crate::jobs::machine::between;
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::{check, keeps_no_key};
use crate::orders::TaskSpec;
use crate::placement;
use crate::reads::{Read, of_source};
use crate::refuse;
use crate::report::{ReplicaReport, TaskResult};
use crate::state::{RestoreJob, State, Table, TaskRun, TenantStatus};
use crate::step::Plan;
use crate::task::{Part, TaskId, TaskKind};
use crate::waiting::Who;
use std::collections::{BTreeMap, BTreeSet};
use strandline_types::{Failure, JobId, LsId, NodeId, RestoreStage, Transition, TurnId, limits};

impl JobLogic for RestoreJob {
    fn head(&self) -> &JobHead {
        &self.head
    }

    fn kept(&self) -> Kept {
        Kept::Newest(limits::JOBS_KEPT_MAX)
    }

    fn outlives_tenant(&self) -> bool {
        true
    }

    fn who(&self) -> Who {
        Who::Restore(self.id)
    }

    fn is_running(&self) -> bool {
        !self.stage.is_ended()
    }

    fn is_closing(&self) -> bool {
        false
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        match self.stage {
            RestoreStage::RestoreData => Some(TaskKind::RestoreData),
            RestoreStage::ReplayLog => Some(TaskKind::RestoreLog),
            RestoreStage::CreateTenant
            | RestoreStage::StartLogStreams
            | RestoreStage::PostCheck
            | RestoreStage::Success
            | RestoreStage::Failed => None,
        }
    }

    fn reads(&self, _state: &State) -> Vec<Read> {
        if self.stage.is_ended() { Vec::new() } else { of_source(&self.source) }
    }

    fn lint(&self, state: &State, found: &mut Vec<String>) {
        lint(state, self, found);
    }

    fn plan(&self, state: &State, now_ms: u64, plan: &mut Plan) {
        plan::plan(state, self, now_ms, plan);
    }

    fn spec(&self, _state: &State, task: TaskId, _run: &TaskRun) -> Option<TaskSpec> {
        spec::spec(self, task)
    }

    fn take_result(state: &mut State, id: JobId, task: TaskId, result: Option<TaskResult>) -> bool {
        let Some(job) = state.restore_job_mut(id) else { return false };
        match (task.kind, task.part.ls(), result) {
            (TaskKind::RestoreData, ..) => true,
            (TaskKind::RestoreLog, Some(ls), Some(TaskResult::RestoreLog(result))) => {
                job.log_results.insert(ls, result);
                true
            }
            _ => false,
        }
    }

    fn advance(state: &mut State, id: JobId, from: Stage, to: Stage) -> Outcome {
        let (Stage::Restore(from), Stage::Restore(to)) = (from, to) else { return VOID };
        advance(state, id, from, to)
    }

    fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
        fail(state, id, failure)
    }

    fn cancel(state: &mut State, id: JobId) -> Outcome {
        fail(state, id, refuse::canceled(&format!("restore job {id}")));
        Ok(Done::RestoreJob(id))
    }

    fn close(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }
}

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
    if state.restore_jobs().find(same_name).is_some() {
        return Err(refuse::restore_in_progress(name));
    }
    tenant::check_new_tenant(state, name, replicas)
}

pub(crate) fn start(state: &mut State, request: StartRestore) -> Outcome {
    check_free(state, &request.tenant_name, request.replicas)?;
    let ids: BTreeSet<LsId> = request.source.log_streams.iter().map(|ls| ls.ls_id).collect();
    if !ids.contains(&LsId::SYS) || ids.len() != request.source.log_streams.len() {
        return Err(refuse::restore_source(
            "the set does not name each log stream once, the system log stream included",
        ));
    }
    check_stays(state, &of_source(&request.source))?;
    let ids: Vec<LsId> = ids.into_iter().collect();
    let placed = placement::place(state, &ids, request.replicas)?;
    let id = life::next_id(state);
    let status = TenantStatus::Restoring;
    let tenant_id = tenant::insert(state, request.tenant_name.clone(), request.replicas, placed, status, Some(id));
    let job = RestoreJob {
        head: JobHead::new(id, tenant_id, state.clock_ms).described(request.description),
        tenant_name: request.tenant_name,
        target_scn: request.target_scn,
        source: request.source,
        standby: request.standby,
        stage: RestoreStage::CreateTenant,
        log_results: BTreeMap::new(),
        dictionary: None,
    };
    life::insert(state, job);
    between::drill::restore_began(state, id);
    Ok(Done::RestoreJob(id))
}

fn advance(state: &mut State, id: JobId, from: RestoreStage, to: RestoreStage) -> Outcome {
    let Some(job) = state.restore_job(id).filter(|j| j.stage == from && from.may_become(to)) else {
        return VOID;
    };
    if to == RestoreStage::Failed || !may_advance(state, job, to) {
        return VOID;
    }
    let (now_ms, tenant_id) = (state.clock_ms, job.tenant_id);
    let Some(mut tenant) = state.tenants.remove(&tenant_id) else { return VOID };
    if let Some(job) = state.restore_job_mut(id) {
        enter(job, &mut tenant, to, now_ms);
    }
    state.tenants.insert(tenant_id, tenant);
    if to == RestoreStage::Success {
        follow_or_end(state, id);
    }
    note_stage(state, id, from, to);
    Ok(Done::Ok)
}

/// What a stage begins with.
fn enter(job: &mut RestoreJob, tenant: &mut crate::state::Tenant, to: RestoreStage, now_ms: u64) {
    match to {
        RestoreStage::RestoreData => {
            let replicas = tenant.log_streams.values().flat_map(|ls| ls.members.iter().map(move |m| (ls.id, *m)));
            job.runs.begin(TaskKind::RestoreData, replicas.map(|(ls, worker)| Part::Replica(ls, worker)), TurnId(1));
        }
        RestoreStage::ReplayLog => {
            job.runs.begin(TaskKind::RestoreLog, tenant.log_streams.keys().copied().map(Part::Ls), TurnId(1));
        }
        RestoreStage::Success => {
            open_tenant(tenant, job);
            job.ended_ms = Some(now_ms);
        }
        _ => {}
    }
    job.stage = to;
    job.progress_ms = now_ms;
}

/// A restored tenant opens, or stays a standby; the job needs its keys no more.
fn follow_or_end(state: &mut State, id: JobId) {
    let Some(job) = state.restore_job(id).filter(|j| j.standby).cloned() else {
        return state.restore_job_mut(id).map_or((), |job| job.source.wipe());
    };
    if let Some(tenant) = state.tenants.get_mut(&job.tenant_id) {
        tenant.status = TenantStatus::Standby;
    }
    if let Some(job) = state.restore_job_mut(id) {
        job.source.wipe();
    }
    between::standby::began(state, &job);
}

/// What a stage needs of the one before it, whichever node proposes the step.
fn may_advance(state: &State, job: &RestoreJob, to: RestoreStage) -> bool {
    match to {
        RestoreStage::StartLogStreams => job.runs.have_finished(TaskKind::RestoreData),
        RestoreStage::ReplayLog => {
            let streams = state.tenants.get(&job.tenant_id).map(|t| &t.log_streams);
            streams.is_some_and(|all| all.values().all(|ls| ls.started))
        }
        RestoreStage::PostCheck => job.runs.have_finished(TaskKind::RestoreLog),
        RestoreStage::Success => job.dictionary.is_some(),
        _ => true,
    }
}

/// The tenant becomes what replay made of it.
fn open_tenant(tenant: &mut crate::state::Tenant, job: &RestoreJob) {
    let dictionary = job.dictionary.clone().unwrap_or_default();
    let has_unfinished = dictionary.tables.iter().any(Table::is_hidden);
    tenant.take_tables(dictionary);
    // Log stream 1 learns that they are gone.
    tenant.dictionary_version += u64::from(has_unfinished);
    tenant.tell_tablets();
    tenant.status = TenantStatus::Normal;
}

/// Log stream 1's leader tells which dictionary replay made. It is believed only once all replay is over and the
/// teller has applied all of it: a leader that was elected a moment ago may still be behind.
pub(crate) fn take_dictionary(state: &mut State, worker: NodeId, replica: ReplicaReport) {
    let Some(dictionary) = replica.restored_dictionary.filter(|_| replica.ls_id.is_sys() && replica.is_leader) else {
        return;
    };
    let leader = state.tenants.get(&replica.tenant_id).and_then(|t| t.log_streams.get(&LsId::SYS)?.leader);
    let is_checking = |j: &&RestoreJob| j.tenant_id == replica.tenant_id && j.stage == RestoreStage::PostCheck;
    let Some(id) = state.restore_jobs().find(is_checking).map(|j| j.id) else { return };
    let Some(job) = state.restore_job_mut(id) else { return };
    let replayed = job.log_results.get(&LsId::SYS).map_or(strandline_types::Scn::MAX, |r| r.replayed_scn);
    if leader == Some(worker) && replica.replayed_scn >= replayed {
        job.dictionary = Some(dictionary);
    }
}

pub(crate) fn move_replica(state: &mut State, id: JobId, ls: LsId, from: NodeId, to: NodeId) -> Outcome {
    let task = |worker| TaskId { kind: TaskKind::RestoreData, part: Part::Replica(ls, worker) };
    let Some(job) = state.restore_job(id).filter(|j| j.stage == RestoreStage::RestoreData) else { return VOID };
    let tenant_id = job.tenant_id;
    let Some(retry) = job.runs.get(task(from)).map(|run| run.retry) else { return VOID };
    let stream = state.tenants.get_mut(&tenant_id).and_then(|t| t.log_streams.get_mut(&ls));
    let Some(stream) = stream.filter(|s| !s.started && !s.members.contains(&to)) else { return VOID };
    let Some(member) = stream.members.iter_mut().find(|m| **m == from) else { return VOID };
    *member = to;
    if let Some(job) = state.restore_job_mut(id) {
        job.runs.remove(task(from));
        job.runs.insert(task(to), TaskRun { retry: retry.next(), ..TaskRun::default() });
    }
    Ok(Done::Ok)
}

fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(job) = state.restore_job_mut(id).filter(|j| !j.stage.is_ended()) else { return false };
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
    let Some(tenant_id) = state.restore_job(id).map(|j| j.tenant_id) else { return };
    let event = if to.is_ended() { "restore_finish" } else { "change_restore_status" };
    let values = [("job_id", id.to_string()), ("from", from.to_string()), ("to", to.to_string())];
    audit::note(state, tenant_id, ("physical_restore", event), values);
}

fn lint(state: &State, job: &RestoreJob, found: &mut Vec<String>) {
    let name = format!("restore job {}", job.id);
    check(found, !job.stage.is_ended() || keeps_no_key(&job.source), || format!("{name} has ended and keeps keys"));
    check(found, job.stage.is_ended() == job.ended_ms.is_some(), || format!("{name}: {} and its end", job.stage));
    let ends_with_reason = job.stage == RestoreStage::Failed;
    check(found, !ends_with_reason || job.failure.is_some(), || format!("{name} failed without a reason"));
    let tenant = state.tenants.get(&job.tenant_id);
    if ends_with_reason {
        let is_leaving = tenant.is_none_or(|t| t.status == TenantStatus::Dropping);
        check(found, is_leaving, || format!("{name} failed and its tenant stays"));
    }
    if job.stage == RestoreStage::RestoreData {
        let replicas = tenant.into_iter().flat_map(|t| t.log_streams.values());
        let replicas: BTreeSet<_> = replicas.flat_map(|ls| ls.members.iter().map(move |m| (ls.id, *m))).collect();
        let has_all = replicas == job.data_tasks().map(|(ls, worker, _)| (ls, worker)).collect();
        check(found, has_all, || format!("{name}: not one data task per replica"));
    }
}
