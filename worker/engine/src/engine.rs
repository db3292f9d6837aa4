//! The host of every replica of this worker.
//!
//! Orders are idempotent: the caller repeats its whole request, and only what differs from what is here is done. What a
//! replica is lies on disk before it is started and until it is removed. Order rules: a replica's files are deleted
//! only after its group has stopped and its vote is forgotten; deletion begins with a rename, so that half-deleted
//! files are never opened.

mod rebuild;

use crate::dirs::ReplicaDir;
use crate::error::{EngineError, Result};
use crate::files;
use crate::log::LogId;
use crate::machine::Machine;
use crate::replica::{Context, Parts, wait_released};
use crate::spec::{self, StoredSpec};
use crate::tablet::SharedMemory;
use crate::{Clock, Replica, ReplicaSpec, RestoredPoint, places, quarantine, restore};
use futures::StreamExt;
use parking_lot::Mutex as SyncMutex;
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use strandline_consensus::{GroupConfig, Health, Node};
use strandline_types::limits::{SPOOL_WAIT_BYTES_MAX, WRITE_BYTES_IN_FLIGHT_MAX};
use strandline_types::{ErrorClass, Failure, JobId, LsId, NodeId, TenantId};
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::time::Instant;

/// A replica that stopped by itself, or could not be started, is tried again after this.
const RESTART_AFTER: Duration = Duration::from_secs(5);
/// Replicas that are started at once when the engine opens.
const STARTS_AT_ONCE: usize = 8;

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// This worker.
    pub node_id: NodeId,
    /// Root of every replica's files.
    pub dir: PathBuf,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Raft timing of a log stream.
    pub group: GroupConfig,
    /// Budget of all memtables together.
    pub write_buffer_bytes: usize,
    /// Budget of the shared block cache.
    pub block_cache_bytes: usize,
    /// Notified when a replica begins or ceases to lead.
    pub leadership_changed: Arc<Notify>,
}

impl EngineConfig {
    /// The defaults of a production worker.
    #[must_use]
    pub fn new(node_id: NodeId, dir: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            node_id,
            dir,
            clock,
            group: GroupConfig::log_stream(),
            write_buffer_bytes: 192 << 20,
            block_cache_bytes: 64 << 20,
            leadership_changed: Arc::default(),
        }
    }
}

type Key = (TenantId, LsId);

/// One replica that this worker was told to host.
struct Hosted {
    spec: ReplicaSpec,
    running: Option<Arc<Replica>>,
    /// When it was last started, with or without success; `None` while it has to wait.
    tried: Option<Instant>,
    /// Why the last start failed.
    failure: Option<Failure>,
    /// When its damaged files were put aside, or could not be.
    moved: Option<Instant>,
    /// Who still has its files open after it was stopped.
    released: Weak<Machine>,
}

/// What became of a replica that this worker was told to host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostedState {
    /// A restored one whose data or start is still to come.
    Waits,
    /// It does not run; it is started again by itself.
    Stopped(Failure),
    /// It runs.
    Runs(Health),
}

impl Hosted {
    fn state(&self) -> HostedState {
        let stopped = |what: &str| {
            let object = format!("log stream {}/{}", self.spec.tenant, self.spec.ls);
            let todo = "look at the disk of this worker: it is started again by itself";
            Failure::new(ErrorClass::Transient, what, object, todo)
        };
        match self.running.as_ref().map(|replica| replica.health()) {
            Some(Health { stopped: Some(why), .. }) => HostedState::Stopped(
                self.damage().unwrap_or_else(|| stopped(&format!("the replica has stopped: {why}"))),
            ),
            Some(health) => HostedState::Runs(health),
            None if self.tried.is_none() && self.failure.is_none() => HostedState::Waits,
            None => {
                HostedState::Stopped(self.failure.clone().unwrap_or_else(|| stopped("the replica is being started")))
            }
        }
    }
}

/// Hosts many replicas.
pub struct Engine {
    dir: PathBuf,
    context: Context,
    hosted: RwLock<BTreeMap<Key, Hosted>>,
    /// One change of a replica at a time.
    changing: SyncMutex<BTreeMap<Key, Arc<Mutex<()>>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the data directory and starts every replica that was hosted before. One that cannot be started is
    /// reported, and tried again when it is ordered again.
    pub async fn open(config: EngineConfig, node: Arc<Node>) -> Result<Arc<Self>> {
        let io = |e| EngineError::io("opening the data directory", &config.dir, e);
        files::create_dir(&config.dir).map_err(io)?;
        files::remove_tree_if_there(&places::trash(&config.dir)).map_err(io)?;
        let memory = Arc::new(SharedMemory::new(config.write_buffer_bytes, config.block_cache_bytes));
        let write_room = Arc::new(Semaphore::new(WRITE_BYTES_IN_FLIGHT_MAX));
        let spool_waits = Arc::new(Semaphore::new(SPOOL_WAIT_BYTES_MAX));
        let (clock, group, leadership_changed) =
            (config.clock.clone(), config.group.clone(), Arc::clone(&config.leadership_changed));
        let context = Context { node, memory, clock, group, write_room, spool_waits, leadership_changed };
        let found = places::stored_replicas(&config.dir).map_err(io)?;
        let engine = Arc::new(Self {
            dir: config.dir,
            context,
            hosted: RwLock::new(BTreeMap::new()),
            changing: SyncMutex::default(),
        });
        let starts = found.iter().map(|dir| engine.start_stored(dir));
        futures::stream::iter(starts).buffer_unordered(STARTS_AT_ONCE).collect::<()>().await;
        Ok(engine)
    }

    /// Makes sure that the replica runs as `spec` says; idempotent. A restored replica whose data is not rebuilt or
    /// whose start is not allowed yet is remembered but not started.
    pub async fn ensure_replica(&self, spec: ReplicaSpec) -> Result<()> {
        if self.is_as_wanted(&spec) {
            return Ok(());
        }
        let key = (spec.tenant, spec.ls);
        match self.ensure(spec).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let failure = Failure::from(error);
                if let Some(hosted) = self.write().get_mut(&key) {
                    hosted.failure = Some(failure.clone());
                }
                Err(failure.into())
            }
        }
    }

    async fn ensure(&self, spec: ReplicaSpec) -> Result<()> {
        let key = (spec.tenant, spec.ls);
        let changing = self.changing(key);
        let _changing = changing.lock().await;
        self.learn_addresses(&spec);
        if let Some(replica) = self.replica(key.0, key.1) {
            if replica.is_running() {
                replica.set_spec(spec.clone())?;
                if let Some(hosted) = self.write().get_mut(&key) {
                    hosted.spec = spec;
                }
                return Ok(());
            }
            drop(replica);
            self.stop_one(key).await;
        }
        let dir = self.replica_dir(key);
        let stored = match StoredSpec::load(&dir) {
            Ok(Some(before)) => StoredSpec { spec, access: before.access },
            // What a damaged file held is in the order too, but for the access of clients, and that comes with the next order.
            Ok(None) | Err(EngineError::Corrupt { .. }) => StoredSpec::new(spec),
            Err(e) => return Err(e),
        };
        let written = stored.clone();
        let write = tokio::task::spawn_blocking(move || written.store(&dir)).await;
        write.map_err(|e| EngineError::io("ordering a replica", &self.dir, io::Error::other(e)))??;
        self.try_start(stored).await
    }

    /// True when nothing has to be done now.
    fn is_as_wanted(&self, spec: &ReplicaSpec) -> bool {
        let hosted = self.read();
        let Some(h) = hosted.get(&(spec.tenant, spec.ls)).filter(|h| h.spec == *spec) else { return false };
        match &h.running {
            Some(replica) if replica.is_running() => true,
            _ => match h.tried {
                Some(tried) => tried.elapsed() < RESTART_AFTER,
                None => !self.may_start(spec).unwrap_or(true),
            },
        }
    }

    /// Whether the group may run here: always, or for a restored tenant once data and scheduler allow it.
    fn may_start(&self, spec: &ReplicaSpec) -> Result<bool> {
        let Some(wanted) = spec.restore else { return Ok(true) };
        let rebuilt = spec::restored(&self.replica_dir((spec.tenant, spec.ls)))?;
        Ok(wanted.start && rebuilt.is_some_and(|point| point.job == wanted.job))
    }

    fn learn_addresses(&self, spec: &ReplicaSpec) {
        for (id, address) in &spec.members {
            self.context.node.set_peer(id.0, address);
        }
    }

    /// Starts what an earlier process hosted.
    async fn start_stored(&self, dir: &ReplicaDir) {
        let started = match StoredSpec::load(dir) {
            Ok(Some(stored)) => {
                self.learn_addresses(&stored.spec);
                self.try_start(stored).await
            }
            other => other.map(drop),
        };
        if let Err(error) = started {
            tracing::error!(dir = %dir.root().display(), %error, "a replica could not be started");
        }
    }

    async fn try_start(&self, stored: StoredSpec) -> Result<()> {
        let spec = stored.spec.clone();
        let key = (spec.tenant, spec.ls);
        let started = match self.may_start(&spec) {
            Ok(true) => {
                let parts = Parts { dir: self.replica_dir(key), stored };
                Replica::start(&self.context, parts).await.map(Some)
            }
            other => other.map(|_| None),
        };
        let waits = matches!(started, Ok(None));
        let (running, failure) = match started {
            Ok(running) => (running, None),
            Err(e) => (None, Some(Failure::from(e))),
        };
        let result = failure.clone().map_or(Ok(()), |failure| Err(failure.into()));
        let tried = (!waits).then(Instant::now);
        let (moved, released) =
            self.read().get(&key).map_or((None, Weak::new()), |before| (before.moved, before.released.clone()));
        self.write().insert(key, Hosted { spec, running, tried, failure, moved, released });
        result
    }

    /// Stops a replica and deletes its files; idempotent.
    pub async fn remove_replica(&self, tenant: TenantId, ls: LsId) -> Result<()> {
        let changing = self.changing((tenant, ls));
        let _changing = changing.lock().await;
        self.remove_locked((tenant, ls)).await
    }

    /// The caller holds the lock of `changing`.
    async fn remove_locked(&self, key: Key) -> Result<()> {
        let hosted = self.write().remove(&key);
        if let Some(replica) = hosted.and_then(|h| h.running) {
            let machine = replica.machine_handle();
            replica.remove().await?;
            drop(replica);
            wait_released(machine).await;
        }
        let data = self.dir.clone();
        let delete = move || {
            places::delete_replica(&data, key.0, key.1)?;
            quarantine::remove(&data, key.0, key.1)
        };
        let deleted = tokio::task::spawn_blocking(delete).await.map_err(io::Error::other).and_then(|r| r);
        deleted.map_err(|e| EngineError::io("deleting a replica", self.replica_dir(key).root(), e))
    }

    /// Deletes what lies here of log streams that are neither hosted nor wanted: a restore that was cancelled before its
    /// replica was ever ordered leaves such files.
    ///
    /// `is_wanted` is asked when a log stream's turn has come, while nothing can be prepared for it: it has to know the
    /// newest orders, as a restore that they began may have laid files down since.
    pub async fn remove_strays(&self, is_wanted: impl Fn(TenantId, LsId) -> bool) -> Result<()> {
        let data = self.dir.clone();
        let listed = tokio::task::spawn_blocking(move || places::stored_keys(&data)).await;
        let stored = listed.map_err(io::Error::other).and_then(|r| r);
        let stored = stored.map_err(|e| EngineError::io("listing replicas", &self.dir, e))?;
        for (tenant, ls) in stored {
            let changing = self.changing((tenant, ls));
            let _changing = changing.lock().await;
            if !is_wanted(tenant, ls) && !self.read().contains_key(&(tenant, ls)) {
                tracing::info!(%tenant, %ls, "files of a log stream that was not ordered: removing them");
                self.remove_locked((tenant, ls)).await?;
            }
        }
        Ok(())
    }

    /// Stops a replica; its files stay.
    async fn stop_one(&self, key: Key) {
        let running = self.write().get_mut(&key).and_then(|h| h.running.take());
        if let Some(replica) = running {
            let machine = replica.machine_handle();
            if let Some(hosted) = self.write().get_mut(&key) {
                hosted.released = machine.clone();
            }
            replica.stop().await;
            drop(replica);
            wait_released(machine).await;
        }
    }

    /// A running replica.
    #[must_use]
    pub fn replica(&self, tenant: TenantId, ls: LsId) -> Option<Arc<Replica>> {
        self.read().get(&(tenant, ls)).and_then(|h| h.running.clone())
    }

    /// Every running replica.
    #[must_use]
    pub fn replicas(&self) -> Vec<Arc<Replica>> {
        self.read().values().filter_map(|h| h.running.clone()).collect()
    }

    /// Every replica that this worker was told to host, running or not, in order.
    #[must_use]
    pub fn hosted(&self) -> Vec<ReplicaSpec> {
        self.read().values().map(|h| h.spec.clone()).collect()
    }

    /// What became of every replica that this worker was told to host, in order.
    #[must_use]
    pub fn states(&self) -> Vec<((TenantId, LsId), HostedState)> {
        self.read().iter().map(|(key, hosted)| (*key, hosted.state())).collect()
    }

    /// The directory into which a restore lays SST files and engine files; what an interrupted attempt left is still there.
    pub async fn prepare_restored(&self, tenant: TenantId, ls: LsId, job: JobId) -> Result<PathBuf> {
        // Not while files of this log stream are being removed.
        let changing = self.changing((tenant, ls));
        let _changing = changing.lock().await;
        let path = self.replica_dir((tenant, ls)).restore(job).join("db");
        files::create_dir(&path).map_err(|e| EngineError::io("preparing a restore", &path, e))?;
        Ok(path)
    }

    /// All files are laid down: checks that they are a whole store and marks the replica as rebuilt, durably. Idempotent.
    pub async fn finish_restored(&self, tenant: TenantId, ls: LsId, point: RestoredPoint) -> Result<()> {
        let (dir, memory) = (self.replica_dir((tenant, ls)), self.context.memory.clone());
        let path = dir.root().to_owned();
        let finish = move || restore::finish(&dir, LogId { tenant, ls }, &memory, &point);
        let done = tokio::task::spawn_blocking(finish).await;
        done.map_err(|e| EngineError::io("finishing a restore", &path, io::Error::other(e)))?
    }

    /// The restore whose data was rebuilt here, once it is finished.
    pub async fn restored(&self, tenant: TenantId, ls: LsId) -> Result<Option<RestoredPoint>> {
        spec::restored(&self.replica_dir((tenant, ls)))
    }

    /// Stops every replica in order; their files stay.
    pub async fn shutdown(&self) {
        let keys: Vec<Key> = self.read().keys().copied().collect();
        let stop = async |key| {
            let changing = self.changing(key);
            let _changing = changing.lock().await;
            self.stop_one(key).await;
        };
        futures::future::join_all(keys.into_iter().map(stop)).await;
    }

    fn changing(&self, key: Key) -> Arc<Mutex<()>> {
        self.changing.lock().entry(key).or_default().clone()
    }

    fn replica_dir(&self, (tenant, ls): Key) -> ReplicaDir {
        places::replica_dir(&self.dir, tenant, ls)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Key, Hosted>> {
        self.hosted.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Key, Hosted>> {
        self.hosted.write()
    }
}
