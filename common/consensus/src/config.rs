//! Settings of a node and of a group, and how they become openraft's.

use openraft::{Config, SnapshotPolicy};
use std::path::PathBuf;
use std::time::Duration;

/// Longest time in which one snapshot has to arrive and be installed.
const INSTALL_SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(600);
/// Threads that run `sync()` for all groups of a node: disks take several flushes at once.
const SYNC_THREADS_DEFAULT: usize = 4;

/// Settings of a [`Node`](crate::Node).
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Id of this server, never 0, never used again after its disk was lost.
    pub id: u64,
    /// Directory for votes and for snapshots on their way in. On the same file system as the state machines, so that
    /// they can move files out of it.
    pub dir: PathBuf,
    /// Threads for `EntryLog::sync`.
    pub sync_threads: usize,
}

impl NodeConfig {
    /// Settings with defaults.
    pub fn new(id: u64, dir: impl Into<PathBuf>) -> Self {
        Self { id, dir: dir.into(), sync_threads: SYNC_THREADS_DEFAULT }
    }
}

/// Timing of one group. A follower stands for election after `election_max_ms` (the leader's lease) plus a random time
/// between the two bounds without a heartbeat.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// Leaders send heartbeats this often.
    pub heartbeat_ms: u64,
    /// Shortest random part of the election timeout.
    pub election_min_ms: u64,
    /// Longest random part of the election timeout, and the leader's lease.
    pub election_max_ms: u64,
    /// Its members form it by asking each other ([`Group::form`](crate::Group::form)). Otherwise the sender of the orders
    /// knows that it is fresh, and a candidate that has the first entry only shows it.
    pub is_formed_by_asking: bool,
}

impl GroupConfig {
    /// For the scheduler group: a new leader within 1.6 s.
    #[must_use]
    pub const fn scheduler() -> Self {
        Self { heartbeat_ms: 100, election_min_ms: 400, election_max_ms: 800, is_formed_by_asking: true }
    }

    /// For log streams, of which a worker has many: a new leader within 1.2 s, so that the archive lag of the writes
    /// before a failover stays bounded as well.
    #[must_use]
    pub const fn log_stream() -> Self {
        Self { heartbeat_ms: 150, election_min_ms: 300, election_max_ms: 600, is_formed_by_asking: false }
    }

    /// Two election timeouts: a member that was silent for longer does not count.
    #[must_use]
    pub const fn silence_max(&self) -> Duration {
        Duration::from_millis(2 * self.election_max_ms)
    }

    /// openraft's settings. Snapshots and purges happen only when the owner asks for them.
    pub(crate) fn to_raft(&self, name: &str) -> Result<Config, openraft::ConfigError> {
        Config {
            cluster_name: name.to_owned(),
            heartbeat_interval: self.heartbeat_ms,
            election_timeout_min: self.election_min_ms,
            election_timeout_max: self.election_max_ms,
            install_snapshot_timeout: INSTALL_SNAPSHOT_TIMEOUT.as_millis() as u64,
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: 0,
            enable_pre_vote: Some(true),
            // A replica whose disk was lost comes back empty; catch_up.rs keeps it from voting meanwhile.
            allow_log_reversion: Some(true),
            // State machines need not be durable in apply: a restarted leader must hear a quorum before it serves.
            enable_leader_restore: Some(false),
            backoff: "100ms 200ms ...1s".to_owned(),
            ..Config::default()
        }
        .validate()
    }
}
