//! Makes this worker equal to its orders: replicas, archivers, tasks.
//!
//! Every step is idempotent and starts from what is really here. Replicas come first, then what works on them.

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
    pub(crate) async fn run(self, mut orders: watch::Receiver<Orders>, stop: CancellationToken) {
        loop {
            let newest = tokio::select! {
                changed = orders.changed() => match changed {
                    Ok(()) => orders.borrow_and_update().clone(),
                    Err(_) => return,
                },
                () = stop.cancelled() => return,
            };
            if let Some(newest) = newest {
                self.follow(&newest).await;
            }
        }
    }

    async fn follow(&self, orders: &v1::WorkerOrders) {
        replicas::reconcile(&self.engine, orders).await;
        self.archive.reconcile(&orders.rounds, &self.led());
        self.tasks.reconcile(orders.tasks.clone());
    }

    fn led(&self) -> Vec<Led> {
        let led = self.engine.replicas().into_iter().filter_map(|r| {
            let status = r.status();
            status.is_leader.then(|| Led { tenant: r.tenant(), ls: r.ls(), term: status.term })
        });
        led.collect()
    }
}
