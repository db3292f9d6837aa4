//! The next steps of each standby tenant: look at the archive, follow it, open.

use crate::command::{Action, Subject};
use crate::jobs::machine::supervise as tasks;
use crate::state::{Standby, StandbyStage, State, TaskRun, Tenant};
use crate::step::{DestRef, FollowWork, MediumWork, Plan};
use crate::task::TaskKind;
use crate::waiting::{On, TenantName, Who};
use strandline_types::{DestId, DestNo, DestOwner, Scn, limits};

pub(super) fn plan(state: &State, standby: &Standby, now_ms: u64, plan: &mut Plan) {
    let Some(tenant) = state.tenants.get(&standby.tenant_id) else { return };
    match standby.stage {
        StandbyStage::Stopped | StandbyStage::Reached => {}
        StandbyStage::Following if standby.is_aimed_at_its_end() && is_done(standby) => {
            plan.propose(Action::StandbyReached { tenant: tenant.id });
        }
        StandbyStage::Following => {
            wait_for_archive(standby, tenant, plan);
            plan_scan(state, standby, now_ms, plan);
            plan_tasks(state, standby, tenant, now_ms, plan);
        }
        // The last dictionary comes with the replica's reports before its task is reported done.
        StandbyStage::Activating if is_done(standby) => {
            plan.propose(Action::OpenStandby { tenant: tenant.id });
        }
        StandbyStage::Activating => plan_tasks(state, standby, tenant, now_ms, plan),
    }
}

fn is_done(standby: &Standby) -> bool {
    standby.runs.are_finished(TaskKind::RestoreLog)
}

/// An end that the archive does not hold yet. Why it goes no further is told as a trouble.
fn wait_for_archive(standby: &Standby, tenant: &Tenant, plan: &mut Plan) {
    let Some(until) = standby.until.filter(|_| !standby.is_aimed_at_its_end()) else { return };
    plan.wait(tenant.id, who(tenant), On::SourceArchive { until, at: standby.target_scn }, None);
}

fn who(tenant: &Tenant) -> Who {
    Who::Standby(TenantName::Name(tenant.name.clone()))
}

/// SCN up to which every log stream of a standby has replayed.
#[must_use]
pub fn replayed_scn(state: &State, tenant: &Tenant) -> Scn {
    let of_leader = |ls: &crate::state::LogStream| {
        let leader = ls.leader.and_then(|l| state.workers.get(&l))?;
        leader.replicas.get(&(tenant.id, ls.id)).map(|r| r.replayed_scn)
    };
    tenant.log_streams.values().map(|ls| of_leader(ls).unwrap_or(Scn::MIN)).min().unwrap_or(Scn::MIN)
}

fn plan_scan(state: &State, standby: &Standby, now_ms: u64, plan: &mut Plan) {
    let is_due = now_ms.saturating_sub(standby.scanned_ms) >= limits::STANDBY_SCAN_MS;
    let is_there = standby.is_aimed_at_its_end();
    let Some(tenant) = state.tenants.get(&standby.tenant_id).filter(|_| is_due && !is_there) else { return };
    let base = standby.source.log_streams.iter().map(|ls| ls.base.prev_scn).min().unwrap_or_default();
    let Some(dest) = archive_ref(state, standby) else {
        return plan.wait(tenant.id, who(tenant), On::RestoreSource, standby.scanned_ms);
    };
    let from = replayed_scn(state, tenant).max(base);
    let (source_tenant, known_scn) = (standby.source.tenant_id, standby.target_scn);
    let work = FollowWork { dest, source_tenant, from, known_scn };
    let then = Action::StandbyScanned { tenant: standby.tenant_id };
    plan.work(Subject::Standby(standby.tenant_id), vec![MediumWork::Follow(Box::new(work))], then);
}

fn archive_ref(state: &State, standby: &Standby) -> Option<DestRef> {
    let archive = standby.source.archive()?;
    Some(DestRef {
        uri: archive.uri.clone(),
        access: archive.access.clone(),
        dest_id: DestId(0),
        dest_no: DestNo(0),
        tenant_id: standby.tenant_id,
        tenant_name: standby.source.tenant_name.clone(),
        cluster_id: state.cluster.id,
        cluster_name: standby.source.cluster_name.clone(),
        made_below: None,
        // It is only read; whose it is, the source says.
        owner: DestOwner::default(),
    })
}

fn plan_tasks(state: &State, standby: &Standby, tenant: &Tenant, now_ms: u64, plan: &mut Plan) {
    for (key, run) in tasks::attempts(standby, TaskKind::RestoreLog) {
        // A task that follows may have nothing to do for long: only a lost executor ends it.
        let patient = TaskRun { deadline_ms: u64::MAX, ..run.clone() };
        if !tasks::supervise(state, now_ms, key, &patient, plan) {
            let leader = key.part.ls().and_then(|ls| tenant.log_streams.get(&ls)?.leader);
            tasks::assign_to_leader(state, now_ms, key, run, leader, plan);
        }
    }
}
