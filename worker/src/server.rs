//! Starts a worker with all its servers, and stops it. The only file that names an engine.
//!
//! Order rules: the gRPC server answers before the first heartbeat announces it; stopping goes the other way round:
//! no more orders, then archivers and tasks, then the servers, then the replicas.

use crate::archive::ArchiveManager;
use crate::clock::WallClock;
use crate::config::WorkerConfig;
use crate::contact::Contact;
use crate::fence::Fence;
use crate::heartbeat::{Heartbeat, Reporter};
use crate::metrics::Observed;
use crate::probe_service::ProbeService;
use crate::readiness::readiness;
use crate::reconcile::Reconciler;
use crate::schedulers::Schedulers;
use crate::task_ctx::MediumOpener;
use crate::task_runner::TaskRunner;
use crate::{data_dir, http, metrics, order_changes};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use strandline_engine::{
    BuiltInEngine, DataVersions, Engine, EngineConfig, KvService, Node, NodeConfig, SystemClock, listen, local_address,
    table_opener,
};
use strandline_media::{Guarded, Metered, RetryPolicy, Retrying};
use strandline_types::{ErrorClass, Failure, NodeId};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// The versions of a worker's data directory that this program knows: version 1, before which there was none.
///
/// Golden bytes of everything that a worker keeps are checked beside the types (`stored` tests of the engine and of
/// consensus). Another layout of any of them needs a step here.
pub const DATA_VERSIONS: DataVersions = DataVersions { steps: &[] };

/// Servers get this long to finish what they are doing.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// A running worker. Dropping it does not stop the worker: call [`WorkerHandle::shutdown`].
#[derive(Debug)]
pub struct WorkerHandle {
    /// Address of the gRPC server.
    pub grpc_addr: SocketAddr,
    /// Address of the HTTP server.
    pub http_addr: Option<SocketAddr>,
    engine: Arc<Engine>,
    archive: Arc<ArchiveManager>,
    tasks: Arc<TaskRunner>,
    observed: Arc<Observed>,
    stop_loops: CancellationToken,
    loops: Vec<JoinHandle<()>>,
    stop_servers: CancellationToken,
    servers: Vec<JoinHandle<()>>,
}

impl WorkerHandle {
    /// The replicas of this worker.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// True while the scheduler's leader is heard and every replica takes its part.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        readiness(&self.observed.seen()).is_ok()
    }

    /// Stops everything; the files stay.
    pub async fn shutdown(self) {
        self.stop_loops.cancel();
        finish(self.loops).await;
        self.archive.shutdown().await;
        self.tasks.shutdown().await;
        self.stop_servers.cancel();
        finish(self.servers).await;
        self.engine.shutdown().await;
    }
}

async fn finish(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        let abort = task.abort_handle();
        if tokio::time::timeout(STOP_TIMEOUT, task).await.is_err() {
            abort.abort();
        }
    }
}

/// Starts a worker from its configuration.
///
/// # Errors
/// What is wrong with the configuration, the disk or the addresses.
pub async fn serve(config: WorkerConfig) -> Result<WorkerHandle, Failure> {
    config.check()?;
    metrics::install();
    // Addresses first: who cannot listen leaves no directory behind.
    let grpc = listen(config.listen).await?;
    let http = match config.http_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    DATA_VERSIONS.bring_up(&config.data_dir)?;
    data_dir::claim(&config.data_dir, NodeId(config.node_id))?;
    let grpc_addr = local_address(&grpc)?;
    let http_addr = http.as_ref().map(local_address).transpose()?;

    let node = open_node(&config)?;
    let (clock, report_due) = (WallClock::start(), Arc::new(Notify::new()));
    let mut engine_config =
        EngineConfig::new(NodeId(config.node_id), config.data_dir.join("replicas"), Arc::new(SystemClock));
    engine_config.leadership_changed = Arc::clone(&report_due);
    let engine = Engine::open(engine_config, Arc::clone(&node)).await.map_err(Failure::from)?;

    let built_in = Arc::new(BuiltInEngine(Arc::clone(&engine)));
    let archive = Arc::new(ArchiveManager::new(built_in.clone(), opener(), clock, Arc::clone(&report_due)));
    let scratch = config.data_dir.join("scratch");
    let tasks = TaskRunner::new(NodeId(config.node_id), built_in.clone(), opener(), scratch, Arc::clone(&report_due))
        .with_tables(table_opener(config.schedulers.clone()));
    let (tasks, contact) = (Arc::new(tasks), Arc::new(Contact::default()));

    let stop_servers = CancellationToken::new();
    let mut servers = vec![tokio::spawn(serve_grpc(grpc, node, Arc::clone(&engine), stop_servers.clone()))];
    let (orders_in, orders_out) = watch::channel(None);
    let observed = Arc::new(Observed {
        host: built_in.clone(),
        archive: Arc::clone(&archive),
        tasks: Arc::clone(&tasks),
        contact: Arc::clone(&contact),
        orders: orders_out.clone(),
    });
    if let Some(listener) = http {
        servers.push(tokio::spawn(http::serve(listener, Arc::clone(&observed), stop_servers.clone())));
    }

    let reporter = Reporter {
        node_id: NodeId(config.node_id),
        address: config.advertise.unwrap_or_else(|| grpc_addr.to_string()),
        clock,
        data_dir: config.data_dir.clone(),
        host: built_in.clone(),
        archive: Arc::clone(&archive),
        tasks: Arc::clone(&tasks),
    };
    let schedulers = Schedulers::new(config.schedulers);
    let fence = Fence::open(&config.data_dir)?;
    let (leader, told) = (schedulers.leader(), Arc::clone(&report_due));
    let heartbeat = Heartbeat { reporter, schedulers, fence, contact, report_due, orders: orders_in };
    let reconciler = Reconciler { host: built_in, archive: Arc::clone(&archive), tasks: Arc::clone(&tasks) };
    let stop_loops = CancellationToken::new();
    let loops = vec![
        tokio::spawn(reconciler.run(orders_out, stop_loops.clone())),
        tokio::spawn(heartbeat.run(stop_loops.clone())),
        tokio::spawn(order_changes::listen(leader, told, stop_loops.clone())),
    ];
    tracing::info!(worker = config.node_id, grpc = %grpc_addr, "the worker serves");
    Ok(WorkerHandle {
        grpc_addr,
        http_addr,
        engine,
        archive,
        tasks,
        observed,
        stop_loops,
        loops,
        stop_servers,
        servers,
    })
}

fn open_node(config: &WorkerConfig) -> Result<Arc<Node>, Failure> {
    let dir = config.data_dir.join("raft");
    Node::open(NodeConfig::new(config.node_id, dir.clone())).map_err(|e| {
        let class =
            if e.kind() == io::ErrorKind::PermissionDenied { ErrorClass::Permission } else { ErrorClass::Invalid };
        let todo = "check that no other worker uses this data directory, and the disk";
        Failure::new(class, format!("cannot open the vote store: {e}"), dir.display().to_string(), todo)
    })
}

/// Destinations as every part of the worker opens them: counted, retried while an error may pass by itself, and written
/// by their owner only.
fn opener() -> MediumOpener {
    Arc::new(|uri, access, right| {
        let medium = match access {
            "" => strandline_media::open(uri)?,
            access => strandline_media::open_with(uri, access)?,
        };
        let medium = Arc::new(Retrying::new(Arc::new(Metered::new(medium)), RetryPolicy::default()));
        Ok(Arc::new(Guarded::new(medium, right)))
    })
}

async fn serve_grpc(listener: TcpListener, node: Arc<Node>, engine: Arc<Engine>, stop: CancellationToken) {
    let served = Server::builder()
        .add_service(node.service())
        .add_service(KvService::new(engine).into_server())
        .add_service(ProbeService::default().into_server())
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the gRPC server ended");
    }
}
