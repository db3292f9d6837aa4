//! Tenants and tables that are being dropped, log streams without a leader, destinations that are not ready.

use super::{dest_name, dest_ref};
use crate::command::{Action, Subject};
use crate::damaged::{damage_of, outlook, trouble_of};
use crate::lost::{LOST_TODO, lost_members, seen_replica};
use crate::state::{Destination, LogStream, State, Tenant, TenantStatus};
use crate::step::{MediumWork, Plan};
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
            plan.wait(tenant.id, format!("drop of tenant {}", tenant.name), format!("worker {}", worker.id), 0);
        }
        None if !is_busy => plan.propose(Action::TenantGone { tenant: tenant.id }),
        None => {}
    }
}

fn wait_for_leaders(state: &State, now_ms: u64, tenant: &Tenant, plan: &mut Plan) {
    for ls in tenant.log_streams.values() {
        let what = || format!("log stream {} of {}", ls.id, tenant.name);
        let lost = lost_members(state, tenant.id, ls);
        if !lost.is_empty() {
            let workers: Vec<String> = lost.iter().map(ToString::to_string).collect();
            let on = format!("the replica that worker {} lost with its disk: {LOST_TODO}", workers.join(", "));
            plan.wait(tenant.id, what(), on, 0);
            continue;
        }
        match ls.leader {
            None => plan.wait(tenant.id, what(), "a leader", 0),
            Some(leader) if !state.is_known(leader, now_ms) => {
                let since_ms = state.workers.get(&leader).map_or(0, |w| w.last_heard_ms);
                plan.wait(tenant.id, what(), format!("its leader, worker {leader}, which is not heard of"), since_ms);
            }
            Some(_) => {}
        }
        for member in &ls.members {
            if let Some(on) = waits_on_replica(state, now_ms, tenant, ls, *member) {
                plan.wait(tenant.id, what(), on, 0);
            }
        }
    }
}

/// What is the matter with one replica.
fn waits_on_replica(state: &State, now_ms: u64, tenant: &Tenant, ls: &LogStream, member: NodeId) -> Option<String> {
    let trouble = trouble_of(state, tenant.id, ls, member)?;
    let how = if damage_of(state, tenant.id, ls, member).is_some() {
        format!("which is damaged; {}", outlook(state, tenant.id, ls, member, now_ms))
    } else if seen_replica(state, tenant.id, ls, member).is_some() {
        "which is not whole".to_owned()
    } else {
        "which does not run".to_owned()
    };
    Some(format!("its replica on worker {member}, {how}: {trouble}"))
}

/// Dropped tables still take room.
fn wait_for_tablets(tenant: &Tenant, plan: &mut Plan) {
    for ls in tenant.log_streams.values().filter(|ls| ls.is_shrinking()) {
        let what = format!("dropped tables of {}", tenant.name);
        plan.wait(tenant.id, what, format!("log stream {} to drop their tablets", ls.id), 0);
    }
}

fn plan_format(state: &State, dest: &Destination, plan: &mut Plan) {
    if let Some(trouble) = &dest.trouble {
        plan.wait(dest.tenant_id, dest_name(dest), trouble.failure.to_string(), trouble.since_ms);
        if !trouble.failure.class.is_retryable() {
            // Not tried again before the administrator names the destination again.
            return;
        }
    }
    let again = dest.was_claimed();
    let work = MediumWork::Format { dest: dest_ref(state, dest), kind: dest.kind, created_ms: dest.created_ms, again };
    plan.work(Subject::Dest(dest.id), vec![work], Action::DestFormatted { dest: dest.id });
}
