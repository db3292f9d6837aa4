//! `OrderChanges.Watch`: tells workers that listen that something was decided, so that it need not wait for their next
//! heartbeat.
//!
//! Only the leader tells anything: the stream ends where this node does not lead, and the worker goes on without it or
//! listens elsewhere. Changes that come together are one message.

use crate::node::SchedulerNode;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use std::sync::Arc;
use strandline_proto::v1;
use strandline_proto::v1::order_changes_server::OrderChanges;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// The service.
pub struct WatchService {
    node: Arc<SchedulerNode>,
    stop: CancellationToken,
}

impl WatchService {
    /// Tells of the changes on a node, until `stop`: a stream that stays open would hold the server's end up.
    pub fn new(node: Arc<SchedulerNode>, stop: CancellationToken) -> Self {
        Self { node, stop }
    }
}

#[tonic::async_trait]
impl OrderChanges for WatchService {
    type WatchStream = BoxStream<'static, Result<v1::OrdersChanged, Status>>;

    async fn watch(&self, _: Request<v1::WatchOrders>) -> Result<Response<Self::WatchStream>, Status> {
        let (node, changes, role) = (Arc::clone(&self.node), self.node.order_changes(), self.node.role_watch());
        let told = stream::unfold((node, changes, role), |(node, mut changes, mut role)| async move {
            let now = role.role();
            if !node.leads() {
                return None;
            }
            let is_change = tokio::select! {
                changed = changes.changed() => changed.is_ok(),
                _ = role.leadership_changed(&now) => false,
            };
            is_change.then(|| (Ok(v1::OrdersChanged {}), (node, changes, role)))
        });
        let stopped = self.stop.clone().cancelled_owned().boxed();
        Ok(Response::new(told.take_until(stopped).boxed()))
    }
}
