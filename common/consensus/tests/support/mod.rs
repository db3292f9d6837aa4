//! A cluster in one process for the tests: every node has its own runtime, so that it can die without a goodbye.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

mod machine;

pub use machine::Machine;

use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_consensus::{Group, GroupConfig, GroupError, LogPos, Node, NodeConfig, Payload, ProposeError, RocksLog};
use tokio::runtime::{Builder, Runtime};
use tonic::transport::server::TcpIncoming;

pub const DEADLINE: Duration = Duration::from_secs(120);

/// Polls until `done` or the deadline; no test waits for time to pass.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let begin = Instant::now();
    while !done().await {
        assert!(begin.elapsed() < DEADLINE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn payload(text: &str) -> Payload {
    Payload { scn: 1, kind: 2, body: Bytes::copy_from_slice(text.as_bytes()) }
}

pub fn fast() -> GroupConfig {
    GroupConfig { heartbeat_ms: 100, election_min_ms: 300, election_max_ms: 600, is_formed_by_asking: false }
}

pub struct Replica {
    pub group: Group,
    pub machine: Arc<Machine>,
}

pub struct TestNode {
    pub id: u64,
    pub address: SocketAddr,
    pub node: Arc<Node>,
    pub replicas: HashMap<String, Replica>,
    root: PathBuf,
    runtime: Option<Runtime>,
}

impl TestNode {
    async fn start(id: u64, root: PathBuf) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let begin = Instant::now();
        // A killed node's last threads may hold the vote store for a moment.
        let node = loop {
            match Node::open(NodeConfig::new(id, root.join("node"))) {
                Ok(node) => break node,
                Err(e) => assert!(begin.elapsed() < DEADLINE, "cannot open node {id}: {e}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let service = node.service();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await
        });
        Self { id, address, node, replicas: HashMap::new(), root, runtime: Some(runtime) }
    }

    pub async fn start_group(&mut self, name: &str) -> Result<(), GroupError> {
        self.start_group_as(name, fast()).await
    }

    pub async fn start_group_as(&mut self, name: &str, config: GroupConfig) -> Result<(), GroupError> {
        let dir = self.group_dir(name);
        std::fs::create_dir_all(&dir).unwrap();
        let begin = Instant::now();
        let log = loop {
            match RocksLog::open(&dir.join("log")) {
                Ok(log) => break Arc::new(log),
                Err(e) => assert!(begin.elapsed() < DEADLINE, "cannot open the log of {name}: {e}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let machine = Machine::open(&dir.join("machine"));
        let (node, sm, owned) = (self.node.clone(), machine.clone(), name.to_owned());
        let runtime = self.runtime.as_ref().unwrap();
        let started = runtime.spawn(async move { node.start_group(&owned, config, log, sm).await }).await.unwrap();
        self.replicas.insert(name.to_owned(), Replica { group: started?, machine });
        Ok(())
    }

    pub fn group_dir(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Where snapshots come in.
    pub fn incoming(&self) -> PathBuf {
        self.root.join("node/incoming")
    }

    pub fn group(&self, name: &str) -> &Group {
        &self.replicas[name].group
    }

    pub fn bodies(&self, name: &str) -> Vec<Bytes> {
        self.replicas[name].machine.bodies()
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Tasks are cut off where they stand, no goodbye. But their stores must be closed before the process exits,
            // and a runtime cannot wait for another one.
            let stopped =
                std::thread::spawn(move || runtime.shutdown_timeout(std::time::Duration::from_secs(30))).join();
            stopped.unwrap();
        }
    }
}

pub struct Cluster {
    pub nodes: BTreeMap<u64, TestNode>,
    pub config: GroupConfig,
    dir: tempfile::TempDir,
}

impl Cluster {
    pub async fn start(size: u64) -> Self {
        let mut cluster = Self { nodes: BTreeMap::new(), config: fast(), dir: tempfile::tempdir().unwrap() };
        for id in 1..=size {
            cluster.boot(id).await;
        }
        cluster
    }

    /// Starts (or restarts) a node, at a new address that the others are told.
    pub async fn boot(&mut self, id: u64) {
        let node = TestNode::start(id, self.dir.path().join(id.to_string())).await;
        self.nodes.insert(id, node);
        self.heal(id);
    }

    /// No goodbye: its tasks are dropped where they stand.
    pub fn kill(&mut self, id: u64) {
        self.nodes.remove(&id);
    }

    /// Directory of all nodes, each below its id.
    pub fn root(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// The disk of a killed node is lost.
    pub async fn wipe(&mut self, id: u64) {
        assert!(!self.nodes.contains_key(&id));
        let root = self.dir.path().join(id.to_string());
        eventually("the files can be removed", || async { std::fs::remove_dir_all(&root).is_ok() || !root.exists() })
            .await;
    }

    /// Makes a snapshot on a node and lets its log go.
    pub async fn purge(&self, name: &str, id: u64) {
        let group = self.nodes[&id].group(name);
        let last = group.snapshot_now().await.unwrap();
        group.purge(last.index).await.unwrap();
        eventually("the log is purged", || async { group.role().purged.is_some_and(|p| p >= last) }).await;
    }

    /// Restarts a node and its groups.
    pub async fn reboot(&mut self, id: u64, groups: &[&str]) {
        self.boot(id).await;
        for name in groups {
            self.nodes.get_mut(&id).unwrap().start_group_as(name, self.config.clone()).await.unwrap();
        }
    }

    /// Cuts a node off, in both directions.
    pub fn isolate(&self, id: u64) {
        self.connect(id, |_| "127.0.0.1:1".to_owned());
    }

    /// Connects a node with all others.
    pub fn heal(&self, id: u64) {
        self.connect(id, |node| node.address.to_string());
    }

    fn connect(&self, id: u64, address: impl Fn(&TestNode) -> String) {
        let it = &self.nodes[&id];
        for other in self.nodes.values().filter(|n| n.id != id) {
            other.node.set_peer(id, &address(it));
            it.node.set_peer(other.id, &address(other));
        }
    }

    pub fn members(&self) -> BTreeMap<u64, String> {
        self.nodes.values().map(|n| (n.id, n.address.to_string())).collect()
    }

    pub async fn start_groups(&mut self, names: &[&str]) {
        for node in self.nodes.values_mut() {
            for name in names {
                node.start_group_as(name, self.config.clone()).await.unwrap();
            }
        }
    }

    /// Starts a fresh group on all nodes.
    pub async fn form(&mut self, name: &str) {
        self.start_groups(&[name]).await;
        let first = self.nodes.values().next().unwrap();
        first.group(name).initialize(self.members()).await.unwrap();
    }

    /// The node that leads the group, as a majority of the running nodes sees it.
    pub async fn leader(&self, name: &str) -> u64 {
        let found = std::cell::Cell::new(0);
        eventually("a leader", || async {
            let leader = self.nodes.values().find(|n| n.group(name).role().is_leader).map(|n| n.id);
            let Some(id) = leader else { return false };
            let followers = self.nodes.values().filter(|n| n.group(name).role().leader == Some(id)).count();
            found.set(id);
            followers * 2 > self.nodes.len() && self.nodes[&id].group(name).read_index().await.is_ok()
        })
        .await;
        found.get()
    }

    /// Proposes on the leader until it is acknowledged.
    pub async fn propose(&self, name: &str, text: &str) -> LogPos {
        let begin = Instant::now();
        loop {
            let leader = self.leader(name).await;
            match self.nodes[&leader].group(name).propose(payload(text)).await {
                Ok((pos, _)) => return pos,
                Err(ProposeError::Fatal { what }) => panic!("{what}"),
                Err(e) => assert!(begin.elapsed() < DEADLINE, "{e}"),
            }
        }
    }

    /// Waits until a node has exactly these bodies.
    pub async fn converges(&self, name: &str, ids: &[u64], bodies: &[Bytes]) {
        for id in ids {
            eventually(&format!("node {id} has every entry of {name}"), || async {
                self.nodes[id].bodies(name) == bodies
            })
            .await;
        }
    }
}
