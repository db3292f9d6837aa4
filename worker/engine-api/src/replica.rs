//! An engine whose replicas the worker hosts: what the scheduler's orders need of it.
//!
//! An engine that runs by itself, beside the worker, does not have its replicas created and removed by orders: it
//! implements [`crate::Engine`] only.
//!
//! Order rules: every call is idempotent, because orders are repeated; files of a replica are deleted only after it has
//! stopped.

use crate::{HostedState, LogBase, ReplicaStatus, SourceError};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use strandline_types::dictionary::{Dictionary, TabletList};
use strandline_types::{Failure, JobId, LsId, Lsn, NodeId, Scn, TenantId};

/// Which replica this worker has to host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSpec {
    /// Tenant.
    pub tenant: TenantId,
    /// Log stream.
    pub ls: LsId,
    /// Every member of its log stream with the address (`host:port`) of its worker.
    pub members: BTreeMap<NodeId, String>,
    /// True for the one member that begins a fresh log stream.
    pub bootstrap: bool,
    /// Set for replicas of a restored tenant.
    pub restore: Option<RestoreStart>,
}

/// A replica that begins from a backup instead of from nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreStart {
    /// The restore job whose data was rebuilt here.
    pub job: JobId,
    /// Of the *source* log: the first group that is not in the data.
    pub base: LogBase,
    /// Every replica has its data: the log stream may start.
    pub start: bool,
}

/// Creates, runs and removes the replicas of this worker.
#[async_trait]
pub trait ReplicaHost: Debug + Send + Sync {
    /// Every replica that this worker was told to host, running or not, in order.
    fn hosted(&self) -> Vec<(TenantId, LsId)>;

    /// What became of each of them, in the same order.
    fn states(&self) -> Vec<((TenantId, LsId), HostedState)>;

    /// What has to be reported of them: those that do not run, are damaged, or are being rebuilt.
    fn troubles(&self) -> Vec<((TenantId, LsId), Failure)>;

    /// How many have damaged files.
    fn damaged(&self) -> usize;

    /// Those that were started and not removed, in order.
    fn replicas(&self) -> Vec<Arc<dyn Replica>>;

    /// One of those.
    fn replica(&self, tenant: TenantId, ls: LsId) -> Option<Arc<dyn Replica>>;

    /// Makes sure that the replica runs as `spec` says. A restored one whose data is not rebuilt, or whose start is not
    /// allowed yet, is remembered and not started.
    async fn ensure(&self, spec: ReplicaSpec) -> Result<(), SourceError>;

    /// Like [`Self::ensure`]; a replica whose files are damaged begins again without them.
    async fn rebuild(&self, spec: ReplicaSpec) -> Result<(), SourceError>;

    /// Stops a replica and deletes its files.
    async fn remove(&self, tenant: TenantId, ls: LsId) -> Result<(), SourceError>;

    /// Deletes files of log streams that are neither hosted nor wanted. `is_wanted` is asked while nothing can be
    /// prepared for the log stream: it has to know the newest orders.
    async fn remove_strays(&self, is_wanted: IsWanted<'_>) -> Result<(), SourceError>;

    /// Deletes damaged files of replicas that are whole again, or that are neither hosted nor wanted.
    async fn remove_damaged(&self, is_wanted: IsWanted<'_>) -> Result<(), SourceError>;
}

/// Tells whether the newest orders name a log stream.
pub type IsWanted<'a> = &'a (dyn Fn(TenantId, LsId) -> bool + Send + Sync);

/// A hosted replica that was started.
#[async_trait]
pub trait Replica: Send + Sync {
    /// Where it stands; cheap.
    fn status(&self) -> ReplicaStatus;

    /// The stored data dictionary (system log stream only).
    fn dictionary(&self) -> Option<Dictionary>;

    /// Says what clients may do; remembered over restarts.
    fn set_access(&self, access: crate::ClientAccess);

    /// Does not stand for election for a while from now on, or does so again.
    fn hold_back(&self, is_held_back: bool);

    /// Hands the leadership over, if this replica leads. It may not happen: the order is repeated.
    async fn hand_over(&self, to: NodeId);

    /// Local log below `needed_from` may be dropped as far as archives are concerned. The newest call counts, also with
    /// a lower position. Clients' writes are refused while the log has more than `bytes_max` behind it; `None` = no
    /// bound.
    fn keep_log(&self, needed_from: Lsn, bytes_max: Option<u64>);

    /// Logs the dictionary when this replica leads the system log stream and the stored one is older.
    async fn set_dictionary(&self, dictionary: Dictionary) -> Result<(), SourceError>;

    /// Logs which tablets are left when this replica leads and the applied list is older. The entry gets a larger SCN
    /// than `after`.
    async fn set_tablets(&self, tablets: TabletList, after: Scn) -> Result<(), SourceError>;

    /// Brings the log stream to `scn` when this replica leads, clients may write, and the log stream is below it.
    async fn keep_alive_to(&self, scn: Scn) -> Result<(), SourceError>;
}
