//! Tenants and tables that are being dropped, log streams without a leader, destinations that are not ready.

use super::dest::{dest_ref, who_of};
use crate::command::{Action, Subject};
use crate::damaged::{damage_of, outlook, trouble_of};
use crate::lost::{lost_members, seen_replica};
use crate::state::{Destination, LogStream, State, Tenant, TenantStatus};
use crate::step::{MediumWork, Plan};
use crate::waiting::{Condition, On, TenantName, Who};
use strandline_types::NodeId;

pub(super) fn plan(state: &State, now_ms: u64, plan: &mut Plan) {
    for tenant in state.tenants.values() {
        match tenant.status {
            TenantStatus::Dropping => plan_drop(state, now_ms, tenant, plan),
            TenantStatus::Normal => {
                wait_for_leaders(state, now_ms, tenant, plan);
                wait_for_tablets(tenant, plan);
            }
            TenantStatus::Standby => wait_for_leaders(state, now_ms, tenant, plan),
            TenantStatus::Restoring | TenantStatus::Imported => {}
        }
    }
    for dest in state.destinations.values().filter(|d| !d.formatted) {
        plan_format(state, dest, plan);
    }
}

/// A worker that is unknown does not hold the drop up: when it comes back it is not ordered to host the tenant.
fn plan_drop(state: &State, now_ms: u64, tenant: &Tenant, plan: &mut Plan) {
    let hosts = |w: &&crate::state::Worker| {
        state.is_known(w.id, now_ms) && w.replicas.keys().any(|(hosted, _)| *hosted == tenant.id)
    };
    // The last restore or backup of the tenant may still have its end to write.
    let is_busy = state.open_backup_job(tenant.id).is_some();
    match state.workers.values().find(hosts) {
        Some(worker) => {
            let who = Who::DropOfTenant(TenantName::Name(tenant.name.clone()));
            plan.wait(tenant.id, who, On::Release(worker.id), None);
        }
        None if !is_busy => plan.propose(Action::TenantGone { tenant: tenant.id }),
        None => {}
    }
}

fn wait_for_leaders(state: &State, now_ms: u64, tenant: &Tenant, plan: &mut Plan) {
    for ls in tenant.log_streams.values() {
        let who = || Who::LogStream(ls.id, TenantName::Name(tenant.name.clone()));
        let lost = lost_members(state, tenant.id, ls);
        if !lost.is_empty() {
            plan.wait(tenant.id, who(), On::LostReplicas(lost), None);
            continue;
        }
        match ls.leader {
            None => plan.wait(tenant.id, who(), On::Leader, None),
            Some(leader) if !state.is_known(leader, now_ms) => {
                let since_ms = state.workers.get(&leader).map(|w| w.last_heard_ms);
                plan.wait(tenant.id, who(), On::SilentLeader(leader), since_ms);
            }
            Some(_) => {}
        }
        for member in &ls.members {
            if let Some(on) = waits_on_replica(state, now_ms, tenant, ls, *member) {
                plan.wait(tenant.id, who(), on, None);
            }
        }
    }
}

/// What is the matter with one replica.
fn waits_on_replica(state: &State, now_ms: u64, tenant: &Tenant, ls: &LogStream, worker: NodeId) -> Option<On> {
    let failure = trouble_of(state, tenant.id, ls, worker)?.clone();
    let condition = if damage_of(state, tenant.id, ls, worker).is_some() {
        Condition::Damaged(outlook(state, tenant.id, ls, worker, now_ms))
    } else if seen_replica(state, tenant.id, ls, worker).is_some() {
        Condition::NotWhole
    } else {
        Condition::Stopped
    };
    Some(On::Replica { worker, condition, failure })
}

/// Dropped tables still take room.
fn wait_for_tablets(tenant: &Tenant, plan: &mut Plan) {
    for ls in tenant.log_streams.values().filter(|ls| ls.is_shrinking()) {
        let who = Who::DroppedTables(TenantName::Name(tenant.name.clone()));
        plan.wait(tenant.id, who, On::DroppedTabletsOf(ls.id), None);
    }
}

fn plan_format(state: &State, dest: &Destination, plan: &mut Plan) {
    if let Some(trouble) = &dest.trouble {
        plan.wait(dest.tenant_id, who_of(dest), On::failure(trouble.failure.clone()), trouble.since_ms);
        if !trouble.failure.class.is_retryable() {
            // Not tried again before the administrator names the destination again.
            return;
        }
    }
    let again = dest.was_claimed();
    let work = MediumWork::Format { dest: dest_ref(state, dest), kind: dest.kind, created_ms: dest.created_ms, again };
    plan.work(Subject::Dest(dest.id), vec![work], Action::DestFormatted { dest: dest.id });
}
