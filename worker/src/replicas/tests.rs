//! Which replicas are created and removed, and by which orders the files of others are judged.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::heartbeat::Answer;
use async_trait::async_trait;
use std::sync::Mutex;
use strandline_engine_api::{HostedState, IsWanted, SourceError};
use strandline_types::Failure;

const RESTORED: (TenantId, LsId) = (TenantId(1006), LsId(1));
const HOSTED: (TenantId, LsId) = (TenantId(1002), LsId(1));

/// Hosts one replica and notes what is asked of it.
#[derive(Debug, Default)]
struct NotingHost {
    ensured: Mutex<Vec<ReplicaSpec>>,
    removed: Mutex<Vec<(TenantId, LsId)>>,
    /// Whether the files of [`RESTORED`] were wanted, asked for each kind of files.
    wanted: Mutex<Vec<bool>>,
}

#[async_trait]
impl ReplicaHost for NotingHost {
    fn hosted(&self) -> Vec<(TenantId, LsId)> {
        vec![HOSTED]
    }

    fn states(&self) -> Vec<((TenantId, LsId), HostedState)> {
        Vec::new()
    }

    fn troubles(&self) -> Vec<((TenantId, LsId), Failure)> {
        Vec::new()
    }

    fn damaged(&self) -> usize {
        0
    }

    fn replicas(&self) -> Vec<Arc<dyn Replica>> {
        Vec::new()
    }

    fn replica(&self, _: TenantId, _: LsId) -> Option<Arc<dyn Replica>> {
        None
    }

    async fn ensure(&self, spec: ReplicaSpec) -> Result<(), SourceError> {
        self.ensured.lock().unwrap().push(spec);
        Ok(())
    }

    async fn rebuild(&self, _: ReplicaSpec) -> Result<(), SourceError> {
        Ok(())
    }

    async fn remove(&self, tenant: TenantId, ls: LsId) -> Result<(), SourceError> {
        self.removed.lock().unwrap().push((tenant, ls));
        Ok(())
    }

    async fn remove_strays(&self, is_wanted: IsWanted<'_>) -> Result<(), SourceError> {
        self.wanted.lock().unwrap().push(is_wanted(RESTORED.0, RESTORED.1));
        Ok(())
    }

    async fn remove_damaged(&self, is_wanted: IsWanted<'_>) -> Result<(), SourceError> {
        self.remove_strays(is_wanted).await
    }
}

fn restoring() -> v1::WorkerOrders {
    let id = v1::TaskId { tenant_id: RESTORED.0.0, ls_id: RESTORED.1.0, ..Default::default() };
    v1::WorkerOrders { tasks: vec![v1::TaskOrder { id: Some(id), ..Default::default() }], ..Default::default() }
}

fn newest(orders: v1::WorkerOrders) -> watch::Receiver<Orders> {
    watch::Sender::new(Some(Arc::new(Answer { orders, claimed: Vec::new() }))).subscribe()
}

#[tokio::test]
async fn orders_that_come_to_an_end_late_leave_the_files_of_a_restore_that_newer_ones_began() {
    let host = NotingHost::default();
    reconcile(&host, &v1::WorkerOrders::default(), &newest(restoring())).await;
    assert_eq!(*host.wanted.lock().unwrap(), [true, true], "its task works under the newer orders");
    reconcile(&host, &restoring(), &newest(v1::WorkerOrders::default())).await;
    assert_eq!(host.wanted.lock().unwrap()[2..], [false, false], "it was cancelled meanwhile");
}

#[tokio::test]
async fn a_replica_that_is_not_ordered_is_removed_and_one_with_an_unknown_member_waits() {
    let host = NotingHost::default();
    let order = |members: &[u64]| v1::ReplicaOrder {
        tenant_id: RESTORED.0.0,
        ls_id: RESTORED.1.0,
        members: members.to_vec(),
        ..Default::default()
    };
    let peer = v1::Peer { node_id: 101, address: "a:1".to_owned() };
    for (members, ensured) in [(&[101, 102][..], 0), (&[101], 1)] {
        let orders =
            v1::WorkerOrders { replicas: vec![order(members)], workers: vec![peer.clone()], ..Default::default() };
        reconcile(&host, &orders, &newest(orders.clone())).await;
        assert_eq!(host.ensured.lock().unwrap().len(), ensured);
    }
    assert_eq!(*host.removed.lock().unwrap(), [HOSTED, HOSTED]);
    let spec = host.ensured.lock().unwrap().pop().unwrap();
    assert_eq!(((spec.tenant, spec.ls), spec.members), (RESTORED, [(NodeId(101), "a:1".to_owned())].into()));
}
