//! Backups that are asked of the system tenant: a job there, and one child per tenant (docs/oceanbase.md, 1.3).

use super::backup_start;
use crate::command::{BackupWish, Done, Outcome};
use crate::refuse;
use crate::state::{ChildJob, InitiatorJob, State};
use std::collections::BTreeMap;
use strandline_types::{BackupJobStatus, JobId, TenantId, limits};

/// Starts a child per tenant. With `all` those start that can, as long as one can; with a list every one starts, or none.
pub(super) fn start(state: &mut State, tenants: &[TenantId], all: bool, wish: &BackupWish) -> Outcome {
    if tenants.is_empty() || (tenants.len() > 1 && wish.to.is_some()) {
        return Err(refuse::one_tenant_only());
    }
    // Tried on a copy first where a refusal of one must leave no trace of the others.
    let mut tried = state.clone();
    let id = tried.next.job;
    tried.next.job = id.next();
    let (mut started, mut refused) = (Vec::new(), Vec::new());
    for tenant in tenants {
        match backup_start::start(&mut tried, *tenant, wish.clone(), Some(id)) {
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
        id,
        mode: wish.mode,
        plus_archivelog: wish.plus_archivelog,
        is_sealed: wish.seal.is_some(),
        description: wish.description.clone(),
        started_ms: state.clock_ms,
        ended_ms: None,
        children,
    };
    state.initiators.insert(id, job);
    prune(state);
    Ok(Done::Initiator { job: id, started, refused })
}

/// A job has ended: its initiator learns it.
pub(super) fn settle(state: &mut State, job: JobId) {
    let now_ms = state.clock_ms;
    let Some(child) = state.backup_jobs.get(&job) else { return };
    let (status, failure, tenant) = (child.status, child.failure.clone(), child.tenant_id);
    let Some(initiator) = child.initiator.and_then(|id| state.initiators.get_mut(&id)) else { return };
    if let Some(child) = initiator.children.get_mut(&tenant).filter(|c| c.job == Some(job)) {
        child.end = Some(status);
        child.failure = failure;
    }
    if initiator.status().is_ended() {
        initiator.ended_ms = initiator.ended_ms.or(Some(now_ms));
    }
}

/// Forgets the oldest ended ones.
fn prune(state: &mut State) {
    let ended: Vec<JobId> = state.initiators.values().filter(|j| j.status().is_ended()).map(|j| j.id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(limits::JOBS_KEPT_MAX)) {
        state.initiators.remove(id);
    }
}
