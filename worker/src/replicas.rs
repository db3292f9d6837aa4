//! Makes the replicas of this worker equal to the orders, and reports them.
//!
//! Order rules: a replica is removed only by orders that were admitted by the fence; what one replica needs never waits
//! for another one that hangs; whether files are still needed is judged by the newest orders, as their tasks may have
//! begun already.

use crate::heartbeat::Orders;
use std::collections::BTreeSet;
use std::sync::Arc;
use strandline_engine_api::{ClientAccess, Membership, Replica, ReplicaHost, ReplicaSpec, ReplicaStatus, RestoreStart};
use strandline_proto::v1;
use strandline_types::dictionary::{Dictionary, TabletList};
use strandline_types::{JobId, LsId, Lsn, NodeId, PalfBase, Scn, TenantId};
use tokio::sync::watch;

/// Hosts what is ordered and removes what is not. `newest` may be ahead of `orders` by the time this comes to an end.
pub(crate) async fn reconcile(host: &dyn ReplicaHost, orders: &v1::WorkerOrders, newest: &watch::Receiver<Orders>) {
    let ordered: BTreeSet<(TenantId, LsId)> = orders.replicas.iter().map(key).collect();
    let unwanted = host.hosted().into_iter().filter(|key| !ordered.contains(key));
    let removed = futures::future::join_all(unwanted.map(|(tenant, ls)| remove(host, tenant, ls)));
    let ensured = futures::future::join_all(orders.replicas.iter().map(|order| ensure(host, order, &orders.workers)));
    futures::future::join(removed, ensured).await;
    let is_wanted = |tenant, ls| newest.borrow().as_ref().is_none_or(|newest| names(&newest.orders, (tenant, ls)));
    if let Err(error) = host.remove_strays(&is_wanted).await {
        tracing::warn!(%error, "files of a log stream that is not ordered here stay");
    }
    if let Err(error) = host.remove_damaged(&is_wanted).await {
        tracing::warn!(%error, "damaged files that are not needed any more stay");
    }
}

/// True when a replica or a task of these orders is about the log stream.
fn names(orders: &v1::WorkerOrders, wanted: (TenantId, LsId)) -> bool {
    let mut tasks = orders.tasks.iter().filter_map(|t| t.id.as_ref());
    orders.replicas.iter().any(|order| key(order) == wanted)
        || tasks.any(|id| (TenantId(id.tenant_id), LsId(id.ls_id)) == wanted)
}

async fn remove(host: &dyn ReplicaHost, tenant: TenantId, ls: LsId) {
    tracing::info!(%tenant, %ls, "a replica is not ordered any more: removing it");
    if let Err(error) = host.remove(tenant, ls).await {
        tracing::warn!(%tenant, %ls, %error, "a replica could not be removed");
    }
}

fn key(order: &v1::ReplicaOrder) -> (TenantId, LsId) {
    (TenantId(order.tenant_id), LsId(order.ls_id))
}

async fn ensure(host: &dyn ReplicaHost, order: &v1::ReplicaOrder, workers: &[v1::Peer]) {
    let (tenant, ls) = key(order);
    let address = |id: &u64| workers.iter().find(|w| w.node_id == *id).map(|w| (NodeId(*id), w.address.clone()));
    let members: Option<_> = order.members.iter().map(address).collect();
    // Every member registers before it is chosen: an unknown address is one of the next orders.
    let Some(members) = members else { return };
    let restore = order.restore.as_ref().map(|r| RestoreStart {
        job: JobId(r.job_id),
        base: PalfBase::from(r.base.unwrap_or_default()).into(),
        start: r.start,
    });
    let spec = ReplicaSpec { tenant, ls, members, bootstrap: order.bootstrap, restore };
    let ensured = if order.rebuild { host.rebuild(spec).await } else { host.ensure(spec).await };
    if let Err(error) = ensured {
        tracing::warn!(%tenant, %ls, %error, "a replica does not run as ordered");
        return;
    }
    if let Some(replica) = host.replica(tenant, ls) {
        attend(replica, order).await;
    }
}

/// What clients may do, as the order says it.
const fn access(order: &v1::ReplicaOrder) -> ClientAccess {
    match (order.open, order.read_only) {
        (false, _) => ClientAccess::Closed,
        (true, false) => ClientAccess::ReadWrite,
        (true, true) => ClientAccess::ReadOnly,
    }
}

/// What a running replica gets with every heartbeat; all of it idempotent.
async fn attend(replica: Arc<dyn Replica>, order: &v1::ReplicaOrder) {
    replica.set_access(access(order));
    replica.hold_back(order.held_back);
    if order.hand_over_to != 0 {
        replica.hand_over(NodeId(order.hand_over_to)).await;
    }
    let log_bytes_max = (order.log_bytes_max > 0).then_some(order.log_bytes_max);
    replica.keep_log(Lsn(order.recycle_lsn), log_bytes_max);
    let (tenant, ls) = key(order);
    let (floor, dictionary) = (Scn(order.keep_alive_scn), order.dictionary.clone().map(Dictionary::from));
    let (tablets, tablets_after) = (order.tablets.clone().map(TabletList::from), Scn(order.tablets_after_scn));
    // Proposals wait for a quorum: they must not hold up the next orders.
    tokio::spawn(async move {
        if let Some(dictionary) = dictionary
            && let Err(error) = replica.set_dictionary(dictionary).await
        {
            tracing::debug!(%tenant, %ls, %error, "the data dictionary was not logged");
        }
        if let Some(tablets) = tablets
            && let Err(error) = replica.set_tablets(tablets, tablets_after).await
        {
            tracing::debug!(%tenant, %ls, %error, "the tablets that are left were not logged");
        }
        if let Err(error) = replica.keep_alive_to(floor).await {
            tracing::debug!(%tenant, %ls, %error, "no keep-alive");
        }
    });
}

/// What the replicas of this worker report.
pub(crate) fn reports(host: &dyn ReplicaHost) -> Vec<v1::ReplicaReport> {
    let replicas = host.replicas().into_iter().map(|replica| (replica.status(), replica));
    let running = replicas.filter(|(status, _)| !status.is_stopped);
    running.map(|(status, replica)| report(&*replica, &status)).collect()
}

/// What has to be reported of replicas that are not well.
pub(crate) fn troubles(host: &dyn ReplicaHost) -> Vec<v1::ReplicaTrouble> {
    let troubles = host.troubles().into_iter();
    troubles
        .map(|((tenant, ls), f)| v1::ReplicaTrouble { tenant_id: tenant.0, ls_id: ls.0, trouble: Some(f.into()) })
        .collect()
}

fn standing(membership: Membership) -> v1::ReplicaStanding {
    match membership {
        Membership::Full => v1::ReplicaStanding::Full,
        Membership::CatchingUp => v1::ReplicaStanding::CatchingUp,
        Membership::Empty => v1::ReplicaStanding::Empty,
    }
}

fn report(replica: &dyn Replica, status: &ReplicaStatus) -> v1::ReplicaReport {
    let is_restored = status.replayed.is_some() && status.access != ClientAccess::ReadWrite;
    let tells_dictionary = status.ls.is_sys() && status.is_leader && is_restored;
    v1::ReplicaReport {
        tenant_id: status.tenant.0,
        ls_id: status.ls.0,
        is_leader: status.is_leader,
        term: status.term.0,
        leader_node: status.leader.map_or(0, |n| n.0),
        end_lsn: status.end_lsn.0,
        max_scn: status.max_scn.0,
        dictionary_version: status.dictionary_version.unwrap_or(0),
        tablets_version: status.tablets_version.unwrap_or(0),
        // A tenant that had no table yet has none, and that has to be reported, too: the restore waits for it.
        restored_dictionary: tells_dictionary.then(|| replica.dictionary().unwrap_or_default().into()),
        replayed_scn: status.replayed.map_or(0, |r| r.scn.0),
        log_start_lsn: status.log_start.0,
        standing: standing(status.membership).into(),
    }
}

#[cfg(test)]
mod tests;
