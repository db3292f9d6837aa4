//! Starts a scheduler node with all its servers, and stops it.

use crate::cluster::{ClusterService, ReportBatches, WatchService};
use crate::config::SchedulerConfig;
use crate::executor::Executor;
use crate::node::SchedulerNode;
use crate::raft::{revive, upkeep};
use crate::servers::admin::AdminService;
use crate::servers::{http, mysql};
use crate::{leader, metrics};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use strandline_consensus::{Node, listen, local_address};
use strandline_proto::v1::admin_server::AdminServer;
use strandline_proto::v1::cluster_server::ClusterServer;
use strandline_proto::v1::order_changes_server::OrderChangesServer;
use strandline_types::{Failure, limits};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tracing::{info, warn};

/// Servers are given this long to finish what they are doing.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Sockets of the servers. They are bound first, so that the number behind port 0 is known to the other parts.
#[derive(Debug)]
pub struct Listeners {
    grpc: TcpListener,
    mysql: Option<TcpListener>,
    http: Option<TcpListener>,
}

impl Listeners {
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// The address that cannot be had.
    pub async fn bind(config: &SchedulerConfig) -> Result<Self, Failure> {
        let mysql = match config.mysql_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let http = match config.http_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        Ok(Self { grpc: listen(config.listen).await?, mysql, http })
    }

    /// Address of the gRPC server.
    ///
    /// # Errors
    /// The system's.
    pub fn grpc_addr(&self) -> Result<SocketAddr, Failure> {
        local_address(&self.grpc)
    }
}

/// A running node. Dropping it does not stop the node: call [`SchedulerHandle::shutdown`].
pub struct SchedulerHandle {
    /// The gRPC server.
    pub grpc_addr: SocketAddr,
    /// The MySQL server.
    pub mysql_addr: Option<SocketAddr>,
    /// The HTTP server.
    pub http_addr: Option<SocketAddr>,
    node: Arc<SchedulerNode>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl SchedulerHandle {
    /// True once this node leads and its State is complete.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.node.leads()
    }

    /// The leader that this node knows.
    #[must_use]
    pub fn leader(&self) -> Option<u64> {
        self.node.role().leader
    }

    /// Stops everything; the files stay.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.node.group().shutdown().await {
            warn!(%error, "the scheduler group did not stop cleanly");
        }
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(STOP_TIMEOUT, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

/// Starts a node from its configuration.
///
/// # Errors
/// What is wrong with the configuration, the disk or the addresses.
pub async fn serve(config: SchedulerConfig) -> Result<SchedulerHandle, Failure> {
    config.check()?;
    let listeners = Listeners::bind(&config).await?;
    serve_on(config, listeners).await
}

/// Starts a node on sockets that are bound already; `peers` of the configuration holds the real addresses.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(config: SchedulerConfig, listeners: Listeners) -> Result<SchedulerHandle, Failure> {
    metrics::install();
    let grpc_addr = local_address(&listeners.grpc)?;
    let mysql_addr = listeners.mysql.as_ref().map(local_address).transpose()?;
    let http_addr = listeners.http.as_ref().map(local_address).transpose()?;
    let mut addresses = config.members();
    if let Some(own) = addresses.get_mut(&config.node_id)
        && own.ends_with(":0")
    {
        *own = grpc_addr.to_string();
    }
    let (node, raft) = SchedulerNode::start(config, addresses).await?;
    let stop = CancellationToken::new();
    let executor = Executor::new(Arc::clone(&node));
    let mut tasks = vec![tokio::spawn(grpc(listeners.grpc, Arc::clone(&executor), raft, stop.clone()))];
    // The transport is served from here on: the others may be asked whether there is a group.
    tasks.push(tokio::spawn(revive::run(Arc::clone(&node), stop.clone())));
    tasks.push(tokio::spawn(leader::run(Arc::clone(&node), stop.clone())));
    tasks.push(tokio::spawn(upkeep::run(Arc::clone(&node), stop.clone())));
    if let Some(listener) = listeners.mysql {
        tasks.push(tokio::spawn(mysql::serve(listener, Arc::clone(&executor), stop.clone())));
    }
    if let Some(listener) = listeners.http {
        tasks.push(tokio::spawn(http::serve(listener, Arc::clone(&node), stop.clone())));
    }
    info!(node = %node.id(), %grpc_addr, "scheduler node is up");
    Ok(SchedulerHandle { grpc_addr, mysql_addr, http_addr, node, stop, tasks })
}

async fn grpc(listener: TcpListener, executor: Arc<Executor>, raft: Arc<Node>, stop: CancellationToken) {
    let batches = ReportBatches::start(Arc::clone(executor.node()), stop.clone());
    let cluster = ClusterServer::new(ClusterService::new(Arc::clone(executor.node()), batches))
        .max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX);
    let watch = OrderChangesServer::new(WatchService::new(Arc::clone(executor.node()), stop.clone()));
    let admin = AdminServer::new(AdminService::new(executor))
        .max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX);
    // `Server::tcp_nodelay` does not reach sockets that are accepted elsewhere.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder()
        .add_service(raft.service())
        .add_service(cluster)
        .add_service(watch)
        .add_service(admin)
        .serve_with_incoming_shutdown(incoming, async move { stop.cancelled().await })
        .await;
    if let Err(error) = served {
        warn!(%error, "the gRPC server ended");
    }
}
