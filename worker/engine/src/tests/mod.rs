//! Several engines in one process, each with its own directory, gRPC server and clock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backup;
mod bytes;
mod clients;
mod damage;
mod drops;
mod fingerprint;
mod full_disk;
mod leading;
mod once;
mod scn;
mod stored;
mod survive;

use crate::{Access, Clock, Engine, EngineConfig, KvClient, KvService, KvWrite, Replica, ReplicaSpec, RestoreStart};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use strandline_consensus::{GroupConfig, Node, NodeConfig};
use strandline_proto::v1;
use strandline_types::{CausalityToken, LsId, Lsn, NodeId, Scn, TabletId, TenantId};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;

pub(super) const TENANT: TenantId = TenantId(1002);
pub(super) const LS: LsId = LsId(1001);
pub(super) const TABLET: TabletId = TabletId(200_001);
const PATIENCE: Duration = Duration::from_secs(60);

/// The system clock, moved by hand.
#[derive(Debug, Default)]
pub(super) struct TestClock {
    offset_ms: AtomicI64,
}

impl TestClock {
    pub(super) fn advance(&self, ms: i64) {
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Scn {
        let now = crate::SystemClock.now().0;
        Scn(now.saturating_add_signed(self.offset_ms.load(Ordering::Relaxed) * 1_000_000))
    }
}

/// One worker.
pub(super) struct Worker {
    pub(super) id: NodeId,
    pub(super) dir: PathBuf,
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<TestClock>,
    server: JoinHandle<()>,
    close: oneshot::Sender<()>,
}

impl Worker {
    async fn start(id: NodeId, dir: &Path, address: &str) -> Self {
        // Connections of the worker that stopped here may still hold its vote store.
        let node = until(async || Node::open(NodeConfig::new(id.0, dir.join("raft"))).ok()).await;
        let clock = Arc::new(TestClock::default());
        let mut config = EngineConfig::new(id, dir.join("data"), clock.clone());
        config.group =
            GroupConfig { heartbeat_ms: 50, election_min_ms: 150, election_max_ms: 300, ..GroupConfig::log_stream() };
        config.write_buffer_bytes = 32 << 20;
        let engine = Engine::open(config, node.clone()).await.unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let router = tonic::transport::Server::builder()
            .add_service(node.service())
            .add_service(KvService::new(engine.clone()).into_server());
        let (close, closed) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let closed = async { closed.await.unwrap_or_default() };
            router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), closed).await.unwrap();
        });
        Self { id, dir: dir.to_owned(), engine, clock, server, close }
    }

    /// Nothing more goes in or out.
    pub(super) async fn stop(self) -> PathBuf {
        drop(self.close);
        self.engine.shutdown().await;
        // Connections keep the service, and so the vote store, until they are closed.
        tokio::time::timeout(PATIENCE, self.server).await.expect("connections are closed").unwrap();
        self.dir
    }
}

/// Workers 1..=n.
pub(super) struct Cluster {
    pub(super) workers: BTreeMap<NodeId, Worker>,
    pub(super) addresses: BTreeMap<NodeId, String>,
    pub(super) root: TempDir,
}

impl Cluster {
    pub(super) async fn start(n: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut cluster = Self { workers: BTreeMap::new(), addresses: BTreeMap::new(), root };
        for id in (1..=n).map(NodeId) {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            cluster.addresses.insert(id, free.local_addr().unwrap().to_string());
        }
        for id in (1..=n).map(NodeId) {
            cluster.restart(id).await;
        }
        cluster
    }

    /// Workers with one log stream on all of them.
    pub(super) async fn with_stream(n: u64) -> Self {
        let cluster = Self::start(n).await;
        cluster.order(TENANT, LS, None).await;
        cluster.leader(TENANT, LS).await;
        cluster
    }

    /// Starts a worker that does not run.
    pub(super) async fn restart(&mut self, id: NodeId) {
        let dir = self.root.path().join(id.to_string());
        let worker = Worker::start(id, &dir, &self.addresses[&id]).await;
        self.workers.insert(id, worker);
    }

    pub(super) async fn stop(&mut self, id: NodeId) -> PathBuf {
        self.workers.remove(&id).unwrap().stop().await
    }

    pub(super) fn spec(&self, tenant: TenantId, ls: LsId, id: NodeId, restore: Option<RestoreStart>) -> ReplicaSpec {
        ReplicaSpec { tenant, ls, members: self.addresses.clone(), bootstrap: id == NodeId(1), restore }
    }

    /// What the scheduler orders of every worker, over and over.
    pub(super) async fn order(&self, tenant: TenantId, ls: LsId, restore: Option<RestoreStart>) {
        for worker in self.workers.values() {
            worker.engine.ensure_replica(self.spec(tenant, ls, worker.id, restore)).await.unwrap();
        }
    }

    pub(super) fn replicas(&self, tenant: TenantId, ls: LsId) -> Vec<Arc<Replica>> {
        self.workers.values().filter_map(|w| w.engine.replica(tenant, ls)).collect()
    }

    /// The leader, once there is one that has heard a majority.
    pub(super) async fn leader(&self, tenant: TenantId, ls: LsId) -> Arc<Replica> {
        let leading = async || {
            for replica in self.replicas(tenant, ls) {
                if replica.status().is_leader && replica.group.read_index().await.is_ok() {
                    return Some(replica);
                }
            }
            None
        };
        until(leading).await
    }

    pub(super) fn id_of(&self, replica: &Arc<Replica>) -> NodeId {
        let same = |w: &&Worker| {
            w.engine.replica(replica.tenant(), replica.ls()).is_some_and(|other| Arc::ptr_eq(&other, replica))
        };
        self.workers.values().find(same).unwrap().id
    }

    /// Every running replica has applied what the leader has.
    pub(super) async fn settled(&self, tenant: TenantId, ls: LsId) -> Lsn {
        let leader = self.leader(tenant, ls).await;
        let replicas = self.replicas(tenant, ls);
        until(async || {
            let end = leader.status().end_lsn;
            replicas.iter().all(|r| r.status().end_lsn == end).then_some(end)
        })
        .await
    }

    pub(super) fn topology(&self, tenant: TenantId, streams: &[LsId]) -> v1::TopologyReply {
        let members: Vec<u64> = self.addresses.keys().map(|id| id.0).collect();
        let place = |ls: &LsId| v1::LsPlace { ls_id: ls.0, members: members.clone(), leader: 0 };
        let workers = self.addresses.iter().map(|(id, a)| v1::Peer { node_id: id.0, address: a.clone() });
        v1::TopologyReply {
            tenant_id: tenant.0,
            log_streams: streams.iter().map(place).collect(),
            workers: workers.collect(),
            ..v1::TopologyReply::default()
        }
    }

    pub(super) fn client(&self, tenant: TenantId, streams: &[LsId]) -> KvClient {
        KvClient::with_topology(self.topology(tenant, streams))
    }
}

/// Polls until there is an answer, with a deadline.
pub(super) async fn until<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it did not happen in time")
}

pub(super) fn put(key: &str, value: &str) -> KvWrite {
    KvWrite { tablet: TABLET, key: key.to_owned().into(), value: Some(value.to_owned().into()) }
}

pub(super) async fn write(replica: &Arc<Replica>, key: &str, value: &str) -> Scn {
    replica.write(vec![put(key, value)], CausalityToken::default()).await.unwrap()
}

/// Value of a key as the leader sees it.
pub(super) async fn read(replica: &Arc<Replica>, key: &str) -> Option<String> {
    let (value, _) = replica.get(TABLET, key.as_bytes()).await.unwrap();
    value.map(|v| String::from_utf8(v.to_vec()).unwrap())
}

/// The whole committed log of a replica.
pub(super) async fn log_of(replica: &Arc<Replica>, from: Lsn) -> Vec<u8> {
    let (mut at, mut out) = (from, Vec::new());
    loop {
        let piece = replica.read_committed(at, 1 << 20).await.unwrap();
        if piece.end == at {
            return out;
        }
        out.extend_from_slice(&piece.bytes);
        at = piece.end;
    }
}
