//! Makes this worker equal to its orders: replicas, archivers, tasks.
//!
//! Every step is idempotent and starts from what is really here. Replicas on one side, archivers and tasks on the other,
//! follow the orders independently: a replica that is slow to start holds no archive up.

use crate::archive::{ArchiveManager, Led};
use crate::heartbeat::Orders;
use crate::replicas;
use crate::task_runner::TaskRunner;
use std::sync::Arc;
use strandline_engine::Engine;
use strandline_proto::v1;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Does what the newest orders say.
#[derive(Debug)]
pub(crate) struct Reconciler {
    pub engine: Arc<Engine>,
    pub archive: Arc<ArchiveManager>,
    pub tasks: Arc<TaskRunner>,
}

impl Reconciler {
    /// Follows the orders until `stop`. Orders that came while others were being done are skipped over.
    pub(crate) async fn run(self, orders: watch::Receiver<Orders>, stop: CancellationToken) {
        let (mut for_replicas, mut for_work) = (orders.clone(), orders);
        let replicas = async {
            while let Some(newest) = newest(&mut for_replicas).await {
                replicas::reconcile(&self.engine, &newest).await;
            }
        };
        let work = async {
            while let Some(newest) = newest(&mut for_work).await {
                self.archive.reconcile(&newest.rounds, &self.led());
                self.tasks.reconcile(newest.tasks.clone());
            }
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(replicas, work) } => {}
            () = stop.cancelled() => {}
        }
    }

    fn led(&self) -> Vec<Led> {
        let led = self.engine.replicas().into_iter().filter_map(|r| {
            let status = r.status();
            status.is_leader.then(|| Led { tenant: r.tenant(), ls: r.ls(), term: status.term })
        });
        led.collect()
    }
}

/// The next orders; `None` when there will be no more.
async fn newest(orders: &mut watch::Receiver<Orders>) -> Option<Arc<v1::WorkerOrders>> {
    loop {
        orders.changed().await.ok()?;
        if let Some(newest) = orders.borrow_and_update().clone() {
            return Some(newest);
        }
    }
}
