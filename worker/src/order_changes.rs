//! Listens at the scheduler's leader: it says when something was decided, and the next heartbeat goes out at once.
//!
//! A convenience and nothing else: what is lost, or a leader that does not offer it, costs a heartbeat's pause. What is
//! to be done stands in the answers to heartbeats alone.

use crate::schedulers::Leader;
use std::sync::Arc;
use std::time::Duration;
use strandline_proto::v1::WatchOrders;
use strandline_proto::v1::order_changes_client::OrderChangesClient;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// A leader that ended the stream, or never began one, is asked again after this.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Listens until `stop`; `report_due` is notified at every change.
pub(crate) async fn listen(
    mut leader: watch::Receiver<Option<Leader>>,
    report_due: Arc<Notify>,
    stop: CancellationToken,
) {
    loop {
        let at = leader.borrow_and_update().clone();
        let heard = async {
            match at {
                Some(leader) => {
                    hear(leader.channel, &report_due).await;
                    tokio::time::sleep(LISTEN_AGAIN).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = leader.changed() => if changed.is_err() { return },
            () = heard => {}
        }
    }
}

async fn hear(channel: Channel, report_due: &Notify) {
    let mut changes = match OrderChangesClient::new(channel).watch(WatchOrders {}).await {
        Ok(reply) => reply.into_inner(),
        Err(status) => {
            tracing::debug!(%status, "the scheduler does not say when orders change");
            return;
        }
    };
    while let Ok(Some(_)) = changes.message().await {
        report_due.notify_one();
    }
}
