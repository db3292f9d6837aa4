//! Makes the replicas of this worker equal to the orders, and reports them.
//!
//! Order rules: a replica is removed only by orders that were admitted by the fence; what one replica needs never waits
//! for another one that hangs; files of nobody's are judged by the newest orders, as tasks may work under them already.

use crate::heartbeat::Orders;
use std::collections::BTreeSet;
use std::sync::Arc;
use strandline_engine::{Door, Engine, Health, Replica, ReplicaSpec, RestoreStart};
use strandline_proto::v1;
use strandline_types::{JobId, LsId, Lsn, NodeId, Scn, TenantId};
use tokio::sync::watch;

/// Hosts what is ordered and removes what is not. `newest` may be ahead of `orders` by the time this comes to an end.
pub(crate) async fn reconcile(engine: &Arc<Engine>, orders: &v1::WorkerOrders, newest: &watch::Receiver<Orders>) {
    let wished: BTreeSet<(TenantId, LsId)> = orders.replicas.iter().map(key).collect();
    let unwanted = engine.hosted().into_iter().filter(|spec| !wished.contains(&(spec.tenant, spec.ls)));
    let removed = futures::future::join_all(unwanted.map(|spec| remove(engine, spec.tenant, spec.ls)));
    let ensured = futures::future::join_all(orders.replicas.iter().map(|order| ensure(engine, order, &orders.workers)));
    futures::future::join(removed, ensured).await;
    let is_wanted = |tenant, ls| newest.borrow().as_ref().is_none_or(|newest| names(&newest.orders, (tenant, ls)));
    if let Err(error) = engine.remove_strays(is_wanted).await {
        tracing::warn!(%error, "files that nobody needs stay");
    }
    if let Err(error) = engine.tidy_quarantine(is_wanted).await {
        tracing::warn!(%error, "damaged files that nobody needs stay");
    }
}

/// True when a replica or a task of these orders is about the log stream.
fn names(orders: &v1::WorkerOrders, wanted: (TenantId, LsId)) -> bool {
    let mut tasks = orders.tasks.iter().filter_map(|t| t.id.as_ref());
    orders.replicas.iter().any(|order| key(order) == wanted)
        || tasks.any(|id| (TenantId(id.tenant_id), LsId(id.ls_id)) == wanted)
}

async fn remove(engine: &Arc<Engine>, tenant: TenantId, ls: LsId) {
    tracing::info!(%tenant, %ls, "a replica is not ordered any more: removing it");
    if let Err(error) = engine.remove_replica(tenant, ls).await {
        tracing::warn!(%tenant, %ls, %error, "a replica could not be removed");
    }
}

fn key(order: &v1::ReplicaOrder) -> (TenantId, LsId) {
    (TenantId(order.tenant_id), LsId(order.ls_id))
}

async fn ensure(engine: &Arc<Engine>, order: &v1::ReplicaOrder, workers: &[v1::Peer]) {
    let (tenant, ls) = key(order);
    let address = |id: &u64| workers.iter().find(|w| w.node_id == *id).map(|w| (NodeId(*id), w.address.clone()));
    let members: Option<_> = order.members.iter().map(address).collect();
    // Every member registers before it is chosen: an unknown address is one of the next orders.
    let Some(members) = members else { return };
    let restore = order.restore.as_ref().map(|r| RestoreStart {
        job: JobId(r.job_id),
        base: r.base.unwrap_or_default().into(),
        start: r.start,
    });
    let spec = ReplicaSpec { tenant, ls, members, bootstrap: order.bootstrap, restore };
    let ensured = if order.rebuild { engine.rebuild_replica(spec).await } else { engine.ensure_replica(spec).await };
    if let Err(error) = ensured {
        tracing::warn!(%tenant, %ls, %error, "a replica does not run as ordered");
        return;
    }
    if let Some(replica) = engine.replica(tenant, ls) {
        attend(replica, order).await;
    }
}

/// What a running replica is told with every heartbeat; all of it idempotent.
async fn attend(replica: Arc<Replica>, order: &v1::ReplicaOrder) {
    replica.set_door(Door::of(order.open, order.read_only));
    replica.hold_back(order.held_back);
    if order.hand_over_to != 0 {
        replica.hand_over(NodeId(order.hand_over_to)).await;
    }
    replica.recycle(Lsn(order.recycle_lsn));
    replica.bound_log(Lsn(order.recycle_lsn), order.log_bytes_max);
    let (tenant, ls) = key(order);
    let (floor, dictionary) = (Scn(order.keep_alive_scn), order.dictionary.clone());
    let (tablets, tablets_after) = (order.tablets.clone(), Scn(order.tablets_after_scn));
    // Proposals wait for a quorum: they must not hold up the next orders.
    tokio::spawn(async move {
        if let Some(dictionary) = dictionary
            && let Err(error) = replica.set_dictionary(&dictionary).await
        {
            tracing::debug!(%tenant, %ls, %error, "the data dictionary was not logged");
        }
        if let Some(tablets) = tablets
            && let Err(error) = replica.set_tablets(&tablets, tablets_after).await
        {
            tracing::debug!(%tenant, %ls, %error, "the tablets that are left were not logged");
        }
        if let Err(error) = replica.keep_alive_to(floor).await {
            tracing::debug!(%tenant, %ls, %error, "no keep-alive");
        }
    });
}

/// What the replicas of this worker report.
pub(crate) fn reports(engine: &Engine) -> Vec<v1::ReplicaReport> {
    let running = engine.replicas().into_iter().filter(|replica| replica.health().stopped.is_none());
    running.map(|replica| report(&replica)).collect()
}

/// What has to be told of replicas of this worker.
pub(crate) fn troubles(engine: &Engine) -> Vec<v1::ReplicaTrouble> {
    let told = engine.troubles().into_iter();
    told.map(|((tenant, ls), f)| v1::ReplicaTrouble { tenant_id: tenant.0, ls_id: ls.0, trouble: Some(f.into()) })
        .collect()
}

fn standing(health: &Health) -> v1::ReplicaStanding {
    match health.silence {
        _ if health.is_full_member => v1::ReplicaStanding::Full,
        Some(_) => v1::ReplicaStanding::CatchingUp,
        None => v1::ReplicaStanding::Empty,
    }
}

fn report(replica: &Replica) -> v1::ReplicaReport {
    let status = replica.status();
    let is_restored = status.replayed.is_some() && status.door != Door::Open;
    let tells_dictionary = replica.ls().is_sys() && status.is_leader && is_restored;
    v1::ReplicaReport {
        tenant_id: replica.tenant().0,
        ls_id: replica.ls().0,
        is_leader: status.is_leader,
        term: status.term.0,
        leader_node: status.leader.map_or(0, |n| n.0),
        end_lsn: status.end_lsn.0,
        max_scn: status.max_scn.0,
        dictionary_version: status.dictionary_version,
        tablets_version: status.tablets_version,
        // A tenant that had no table yet has none, and that has to be told, too: the restore waits for it.
        restored_dictionary: tells_dictionary.then(|| replica.dictionary().unwrap_or_default()),
        replayed_scn: status.replayed.map_or(0, |r| r.scn.0),
        log_start_lsn: status.log_start.0,
        standing: standing(&replica.health()).into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::heartbeat::Answer;
    use strandline_engine::{EngineConfig, Node, NodeConfig, SystemClock};

    const RESTORED: (TenantId, LsId) = (TenantId(1006), LsId(1));

    fn restoring() -> v1::WorkerOrders {
        let id = v1::TaskId { tenant_id: RESTORED.0.0, ls_id: RESTORED.1.0, ..Default::default() };
        v1::WorkerOrders { tasks: vec![v1::TaskOrder { id: Some(id), ..Default::default() }], ..Default::default() }
    }

    fn newest(orders: v1::WorkerOrders) -> watch::Receiver<Orders> {
        watch::Sender::new(Some(Arc::new(Answer { orders, claimed: Vec::new() }))).subscribe()
    }

    #[tokio::test]
    async fn orders_that_come_to_an_end_late_leave_the_files_of_a_restore_that_newer_ones_began() {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::open(NodeConfig::new(1, dir.path().join("raft"))).unwrap();
        let config = EngineConfig::new(NodeId(1), dir.path().join("data"), Arc::new(SystemClock));
        let engine = Engine::open(config, node).await.unwrap();
        let laid = engine.prepare_restored(RESTORED.0, RESTORED.1, JobId(3)).await.unwrap();

        reconcile(&engine, &v1::WorkerOrders::default(), &newest(restoring())).await;
        assert!(laid.is_dir(), "its task works under the newer orders");
        reconcile(&engine, &restoring(), &newest(v1::WorkerOrders::default())).await;
        assert!(!laid.exists(), "it was cancelled meanwhile");
        engine.shutdown().await;
    }
}
