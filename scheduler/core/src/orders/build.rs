//! The orders of one worker, computed from the state.

use super::archive::{keep_alive_scn, round_orders};
use super::{Orders, ReplicaOrder, RestoreOrder, TaskOrder};
use crate::clocks::{hand_over_to, is_held_back};
use crate::damaged::is_rebuilt;
use crate::jobs::machine::supervise::attempts_of;
use crate::spool;
use crate::state::{Drill, LogStream, RestoreJob, State, TaskRun, Tenant, TenantStatus};
use crate::task::TaskKey;
use strandline_types::{NodeId, RestoreStage, Scn, TenantId};

/// The orders of one worker.
#[must_use]
pub fn orders_for(state: &State, worker: NodeId) -> Orders {
    let mut orders =
        Orders { workers: state.workers.values().map(|w| (w.id, w.address.clone())).collect(), ..Orders::default() };
    for tenant in state.tenants.values().filter(|t| t.status != TenantStatus::Dropping) {
        let of_tenant = OfTenant::of(state, tenant);
        let hosted: Vec<&LogStream> = tenant.log_streams.values().filter(|ls| ls.members.contains(&worker)).collect();
        orders.replicas.extend(hosted.iter().map(|ls| replica_order(state, &of_tenant, ls, worker)));
        orders.rounds.extend(round_orders(state, tenant, &hosted));
    }
    for job in state.jobs_by_kind() {
        let order =
            |(key, run): (TaskKey, &TaskRun)| Some(TaskOrder { key, spec: job.logic().spec(state, key.task(), run)? });
        orders.tasks.extend(attempts_of(job, worker).filter_map(order));
    }
    orders
}

/// What all replicas of a tenant have in common: jobs are looked through once for all of them.
struct OfTenant<'a> {
    tenant: &'a Tenant,
    keep_alive_scn: Scn,
    is_compared: bool,
    restore: Option<&'a RestoreJob>,
}

impl<'a> OfTenant<'a> {
    fn of(state: &'a State, tenant: &'a Tenant) -> Self {
        let is_open = tenant.status == TenantStatus::Normal;
        Self {
            tenant,
            keep_alive_scn: if is_open { keep_alive_scn(state, tenant) } else { Scn::MIN },
            is_compared: is_compared(state, tenant.id),
            restore: state.open_restore_job(tenant.id),
        }
    }
}

fn replica_order(state: &State, of_tenant: &OfTenant<'_>, ls: &LogStream, worker: NodeId) -> ReplicaOrder {
    let tenant = of_tenant.tenant;
    let is_behind = ls.id.is_sys() && ls.dictionary_version < tenant.dictionary_version;
    let is_open = tenant.status == TenantStatus::Normal;
    let (recycle_lsn, log_bytes_max) = spool::recycling(state, tenant, ls);
    ReplicaOrder {
        tenant_id: tenant.id,
        ls_id: ls.id,
        members: ls.members.clone(),
        bootstrap: !ls.started && ls.members.first() == Some(&worker),
        keep_alive_scn: of_tenant.keep_alive_scn,
        recycle_lsn,
        log_bytes_max,
        dictionary: (is_open && is_behind).then(|| tenant.dictionary()),
        tablets: tenant.tablet_list(ls).filter(|_| is_open && !of_tenant.is_compared),
        restore: of_tenant.restore.and_then(|job| restore_order(job, ls)),
        open: is_open || tenant.status == TenantStatus::Standby,
        read_only: tenant.status == TenantStatus::Standby,
        rebuild: is_rebuilt(state, tenant.id, ls, worker, state.clock_ms),
        hand_over_to: hand_over_to(state, tenant.id, ls, worker, state.clock_ms),
        held_back: is_held_back(state, tenant.id, ls, worker, state.clock_ms),
    }
}

/// A drill compares everything that came back, also what no dictionary names.
fn is_compared(state: &State, tenant: TenantId) -> bool {
    let has_made = |d: &Drill| !d.stage.is_ended() && d.restore.is_some_and(|(_, made)| made == tenant);
    state.drills().any(has_made)
}

fn restore_order(job: &RestoreJob, ls: &LogStream) -> Option<RestoreOrder> {
    let base = job.source.log_stream(ls.id)?.base;
    let start = !matches!(job.stage, RestoreStage::CreateTenant | RestoreStage::RestoreData);
    Some(RestoreOrder { job_id: job.id, base, start })
}
