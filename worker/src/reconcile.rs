//! Makes this worker equal to its orders: replicas, archivers, tasks.
//!
//! Every step is idempotent and compares the orders with what runs. Replicas on one side, archivers and tasks on the other,
//! follow the orders independently: a replica that is slow to start holds no archive up.
//!
//! Order rule: an archiver starts only under orders that answer a report in which this worker reported that it leads the log
//! stream in that very term. Older orders may come from before the round's end was decided with the leader of then, and
//! an archiver that obeyed them could write into a frozen piece.

use crate::archive::{ArchiveManager, Led};
use crate::heartbeat::{Answer, Orders};
use crate::replicas;
use crate::task_runner::TaskRunner;
use std::sync::Arc;
use strandline_engine_api::ReplicaHost;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Does what the newest orders say.
#[derive(Debug)]
pub(crate) struct Reconciler {
    pub host: Arc<dyn ReplicaHost>,
    pub archive: Arc<ArchiveManager>,
    pub tasks: Arc<TaskRunner>,
}

impl Reconciler {
    /// Follows the orders until `stop`. Orders that came while others were being done are skipped over.
    pub(crate) async fn run(self, orders: watch::Receiver<Orders>, stop: CancellationToken) {
        let (mut for_replicas, mut for_work) = (orders.clone(), orders);
        let replicas = async {
            while let Some(newest) = newest(&mut for_replicas).await {
                replicas::reconcile(&*self.host, &newest.orders, &for_replicas).await;
            }
        };
        let work = async {
            while let Some(newest) = newest(&mut for_work).await {
                self.archive.reconcile(&newest.orders.rounds, &still_led(&newest.claimed, &self.led()));
                self.tasks.reconcile(newest.orders.tasks.clone());
            }
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(replicas, work) } => {}
            () = stop.cancelled() => {}
        }
    }

    fn led(&self) -> Vec<Led> {
        let leading = self.host.replicas().into_iter().map(|r| r.status()).filter(|status| status.is_leader);
        leading.map(|s| Led { tenant: s.tenant, ls: s.ls, term: s.term }).collect()
    }
}

/// What was claimed and is still true.
fn still_led(claimed: &[Led], now: &[Led]) -> Vec<Led> {
    claimed.iter().filter(|c| now.contains(c)).copied().collect()
}

/// The next orders; `None` when there will be no more.
async fn newest(orders: &mut watch::Receiver<Orders>) -> Option<Arc<Answer>> {
    loop {
        orders.changed().await.ok()?;
        if let Some(newest) = orders.borrow_and_update().clone() {
            return Some(newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strandline_types::{LsId, TenantId, Term};

    #[test]
    fn a_leader_archives_only_under_orders_that_know_of_its_term() {
        let led = |ls, term| Led { tenant: TenantId(1002), ls: LsId(ls), term: Term(term) };
        let claimed = [led(1, 3), led(1001, 5), led(1002, 2)];
        let now = [led(1, 3), led(1001, 6), led(1003, 1)];
        assert_eq!(still_led(&claimed, &now), [led(1, 3)]);
    }
}
