//! Backups that are asked of the system tenant: a job there, and one child per tenant (docs/oceanbase.md, 1.3).

use crate::command::{BackupRequest, Done, Outcome};
use crate::jobs::machine::between::backup;
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::check;
use crate::orders::TaskSpec;
use crate::reads::Read;
use crate::refuse;
use crate::report::TaskResult;
use crate::state::{ChildJob, InitiatorJob, State, TaskRun};
use crate::step::Plan;
use crate::task::{TaskId, TaskKind};
use crate::waiting::Who;
use std::collections::BTreeMap;
use strandline_types::{BackupJobStatus, Failure, JobId, TenantId, limits};

impl JobLogic for InitiatorJob {
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
        Who::Initiator(self.id)
    }

    fn is_running(&self) -> bool {
        self.ended_ms.is_none()
    }

    fn is_closing(&self) -> bool {
        false
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        None
    }

    fn reads(&self, _state: &State) -> Vec<Read> {
        // Its children do.
        Vec::new()
    }

    fn lint(&self, _state: &State, found: &mut Vec<String>) {
        let is_over = self.children.values().all(|c| c.end.is_some());
        check(found, is_over == self.ended_ms.is_some(), || format!("{} and its end", self.who()));
    }

    fn plan(&self, _state: &State, _now_ms: u64, _plan: &mut Plan) {
        // Its children are planned.
    }

    fn spec(&self, _state: &State, _task: TaskId, _run: &TaskRun) -> Option<TaskSpec> {
        None
    }

    fn take_result(_state: &mut State, _id: JobId, _task: TaskId, _result: Option<TaskResult>) -> bool {
        false
    }

    fn part_ended(state: &mut State, id: JobId, part: JobId) {
        settle(state, id, part);
    }

    fn advance(_state: &mut State, _id: JobId, _from: Stage, _to: Stage) -> Outcome {
        VOID
    }

    fn fail(_state: &mut State, _id: JobId, _failure: Failure) -> bool {
        false
    }

    fn cancel(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }

    fn close(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }
}

/// Starts a child per tenant. With `all` those start that can, as long as one can; with a list every one starts, or none.
pub(crate) fn start(state: &mut State, tenants: &[TenantId], all: bool, request: &BackupRequest) -> Outcome {
    if tenants.is_empty() || (tenants.len() > 1 && request.to.is_some()) {
        return Err(refuse::one_tenant_only());
    }
    // Tried on a copy first where a refusal of one must leave no trace of the others.
    let mut tried = state.clone();
    let id = life::next_id(&mut tried);
    let (mut started, mut refused) = (Vec::new(), Vec::new());
    for tenant in tenants {
        match backup::start(&mut tried, *tenant, request.clone(), Some(id)) {
            Ok(job) => started.push((*tenant, job)),
            Err(failure) if all => refused.push((*tenant, failure)),
            Err(failure) => return Err(failure),
        }
    }
    if let Some((_, failure)) = refused.first().filter(|_| started.is_empty()) {
        return Err(failure.clone());
    }
    *state = tried;
    let mut children: BTreeMap<TenantId, ChildJob> =
        started.iter().map(|(t, job)| (*t, ChildJob { job: Some(*job), end: None, failure: None })).collect();
    children.extend(refused.iter().map(|(tenant, failure)| {
        (*tenant, ChildJob { job: None, end: Some(BackupJobStatus::Failed), failure: Some(failure.clone()) })
    }));
    let job = InitiatorJob {
        head: JobHead::new(id, TenantId::SYS, state.clock_ms).described(request.description.clone()),
        mode: request.mode,
        plus_archivelog: request.plus_archivelog,
        is_sealed: request.seal.is_some(),
        children,
    };
    life::insert(state, job);
    Ok(Done::Initiator { job: id, started, refused })
}

/// A child has ended.
fn settle(state: &mut State, id: JobId, part: JobId) {
    let now_ms = state.clock_ms;
    let Some(child) = state.backup_job(part) else { return };
    let (status, failure, tenant) = (child.status, child.failure.clone(), child.tenant_id);
    let Some(initiator) = state.initiator_mut(id) else { return };
    if let Some(child) = initiator.children.get_mut(&tenant).filter(|c| c.job == Some(part)) {
        child.end = Some(status);
        child.failure = failure;
    }
    if initiator.status().is_ended() {
        initiator.ended_ms = initiator.ended_ms.or(Some(now_ms));
    }
}
