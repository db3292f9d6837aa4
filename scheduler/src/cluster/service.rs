//! `Cluster.Heartbeat`: news first through Raft, then the whole desired state back.

use super::report_batches::ReportBatches;
use super::{orders, report};
use crate::clock;
use crate::node::SchedulerNode;
use prost::Message;
use std::sync::Arc;
use strandline_proto::bounds::Bounded;
use strandline_proto::v1;
use strandline_proto::v1::cluster_server::Cluster;
use strandline_scheduler_core::{TaskReport, WorkerReport, news, orders_for};
use strandline_types::limits::WORKER_ORDERS_BYTES_MAX;
use strandline_types::{ErrorClass, Failure, NodeId};
use tonic::{Request, Response, Status};

/// A report that is larger goes through Raft one task at a time: results of backup tasks carry metas.
const PART_BYTES: usize = 512 << 10;

/// The service.
pub struct ClusterService {
    node: Arc<SchedulerNode>,
    batches: ReportBatches,
}

impl ClusterService {
    /// Serves the heartbeats of a node.
    pub fn new(node: Arc<SchedulerNode>, batches: ReportBatches) -> Self {
        Self { node, batches }
    }

    fn not_leader(&self) -> v1::WorkerOrders {
        v1::WorkerOrders {
            is_leader: false,
            leader_address: self.node.leader_address().unwrap_or_default(),
            ..v1::WorkerOrders::default()
        }
    }

    async fn heartbeat(&self, wire: v1::WorkerReport) -> v1::WorkerOrders {
        let refused = |failure: Failure| v1::WorkerOrders { failure: Some(failure.into()), ..self.not_leader() };
        if wire.worker_id == 0 {
            let todo = "give every worker its own node_id, from 1";
            return refused(Failure::new(ErrorClass::Invalid, "0 is not the id of a worker", wire.address, todo));
        }
        if let Err(failure) = wire.check() {
            return refused(failure);
        }
        if !self.node.leads() {
            return self.not_leader();
        }
        let (worker, bytes) = (NodeId(wire.worker_id), wire.encoded_len());
        let reported = report::report(wire);
        if let Some(changed) = self.node.read(|s| news(s, reported, clock::now().as_ms())) {
            for part in parts(changed, bytes) {
                if let Err(failure) = self.batches.record(part).await {
                    return refused(failure);
                }
            }
        }
        let (orders, scheduler_term, state_born_ms) =
            self.node.read(|s| (orders_for(s, worker), s.schedulers.term.0, s.cluster.born_ms));
        let orders = v1::WorkerOrders { scheduler_term, state_born_ms, ..orders::orders(orders) };
        let bytes = orders.encoded_len();
        if bytes > WORKER_ORDERS_BYTES_MAX {
            let what = format!("orders of {bytes} bytes, at most {WORKER_ORDERS_BYTES_MAX} go into one message");
            let todo = "start more workers: this one has more replicas and tasks than it can be told of";
            return refused(Failure::new(ErrorClass::Exhausted, what, format!("worker {worker}"), todo));
        }
        orders
    }
}

/// The parts in which a report goes through Raft.
fn parts(report: WorkerReport, bytes: usize) -> Vec<WorkerReport> {
    if bytes <= PART_BYTES || report.tasks.len() < 2 {
        return vec![report];
    }
    let one = |task: &TaskReport| WorkerReport { archive: Vec::new(), tasks: vec![task.clone()], ..report.clone() };
    let mut parts: Vec<WorkerReport> = report.tasks.iter().map(one).collect();
    parts[0].archive.clone_from(&report.archive);
    parts
}

#[tonic::async_trait]
impl Cluster for ClusterService {
    async fn heartbeat(&self, request: Request<v1::WorkerReport>) -> Result<Response<v1::WorkerOrders>, Status> {
        Ok(Response::new(self.heartbeat(request.into_inner()).await))
    }
}
