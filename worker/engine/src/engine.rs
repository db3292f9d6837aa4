//! The host of every replica of this worker.

use crate::{Clock, Replica, ReplicaSpec, RestoredPoint, Result};
use std::path::PathBuf;
use std::sync::Arc;
use strandline_types::{JobId, LsId, NodeId, TenantId};

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// This worker.
    pub node_id: NodeId,
    /// Root of every replica's files.
    pub dir: PathBuf,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Raft heartbeat of a log stream.
    pub heartbeat_ms: u64,
    /// Shortest and longest election timeout.
    pub election_ms: (u64, u64),
    /// Budget of all memtables together.
    pub write_buffer_bytes: usize,
    /// Budget of the shared block cache.
    pub block_cache_bytes: usize,
}

impl EngineConfig {
    /// The defaults of a production worker.
    #[must_use]
    pub fn new(node_id: NodeId, dir: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            node_id,
            dir,
            clock,
            heartbeat_ms: 250,
            election_ms: (750, 1500),
            write_buffer_bytes: 192 << 20,
            block_cache_bytes: 64 << 20,
        }
    }
}

/// Hosts many replicas.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    // pub async fn open(config: EngineConfig, node: Arc<strandline_consensus::Node>) -> Result<Arc<Self>>

    /// Makes sure that the replica runs as `spec` says; idempotent. A restored replica whose data is not rebuilt or
    /// whose start is not allowed yet is remembered but not started.
    pub async fn ensure_replica(&self, _spec: ReplicaSpec) -> Result<()> {
        unimplemented!()
    }

    /// Stops a replica and deletes its files; idempotent.
    pub async fn remove_replica(&self, _tenant: TenantId, _ls: LsId) -> Result<()> {
        unimplemented!()
    }

    /// A running replica.
    #[must_use]
    pub fn replica(&self, _tenant: TenantId, _ls: LsId) -> Option<Arc<Replica>> {
        unimplemented!()
    }

    /// Every running replica.
    #[must_use]
    pub fn replicas(&self) -> Vec<Arc<Replica>> {
        unimplemented!()
    }

    /// Every replica that this worker was told to host, running or not, in order.
    #[must_use]
    pub fn hosted(&self) -> Vec<ReplicaSpec> {
        unimplemented!()
    }

    /// The directory into which a restore lays SST files and engine files; what an interrupted attempt left is still there.
    pub async fn prepare_restored(&self, _tenant: TenantId, _ls: LsId, _job: JobId) -> Result<PathBuf> {
        unimplemented!()
    }

    /// All files are laid down: checks that they are a whole store and marks the replica as rebuilt, durably. Idempotent.
    pub async fn finish_restored(&self, _tenant: TenantId, _ls: LsId, _point: RestoredPoint) -> Result<()> {
        unimplemented!()
    }

    /// The restore whose data was rebuilt here, once it is finished.
    pub async fn restored(&self, _tenant: TenantId, _ls: LsId) -> Result<Option<RestoredPoint>> {
        unimplemented!()
    }

    /// Stops every replica in order; their files stay.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
