//! What the backup plane needs from an engine: the only door between `archive/`, `backup/`, `restore/` and whatever
//! keeps the data. The built-in engine is the first implementation (`engine_source.rs`); other databases come later.
//!
//! The traits speak in log positions, SCNs, blocks (immutable files) and opaque bytes; nothing here may name a type of
//! an engine. Order rules: `read_committed` never hands out a group that could still be taken back; a [`Checkpoint`]
//! holds exactly the effects of the log below its base; `append_replayed` is called in LSN order and its effects enter
//! the log in the order of the calls.

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use strandline_proto::v1::Dictionary;
use strandline_types::{ErrorClass, Failure, Fingerprint, JobId, LsId, Lsn, PalfBase, Scn, TabletId, TenantId, Term};
use tokio_util::sync::CancellationToken;

pub use strandline_worker_core::backup_plan::CheckpointBlock;
pub use strandline_worker_core::replay::{ReplayBatch, ReplayItem};
pub use strandline_worker_core::throttle::ClientWork;

/// One engine: finds the replicas that this worker hosts.
pub trait Engine: Send + Sync {
    /// A running replica of a log stream.
    fn log_stream(&self, tenant: TenantId, ls: LsId) -> Option<Arc<dyn LogStream>>;

    /// What the clients' work on this worker looks like, so that background work can stay out of its way.
    fn client_work(&self) -> ClientWork {
        ClientWork { idle_ms: u64::MAX, ..ClientWork::default() }
    }

    /// The place where a restore job rebuilds a replica of the restored tenant, and into which it replays log later.
    fn restore_target(&self, tenant: TenantId, ls: LsId, job: JobId) -> Arc<dyn RestoreTarget>;

    /// Takes the tablets `only` of the log stream `ls` out of the files of a backup in `base` (their blocks, those of
    /// sys data, the engine's own files) into a fresh store in `scratch`. Blocks the thread.
    ///
    /// # Errors
    /// `Corrupt` when the files are not those of `point`; `Invalid` for an engine that cannot do it.
    fn extract(
        &self,
        _base: &Path,
        scratch: &Path,
        _ls: LsId,
        _only: BTreeSet<TabletId>,
        _point: RestoredBase,
    ) -> Result<Box<dyn TabletExtract>, SourceError> {
        let what = "this engine cannot take single tablets out of a backup";
        Err(Failure::new(ErrorClass::Invalid, what, scratch.display().to_string(), "restore the whole tenant").into())
    }
}

/// Some tablets of a backup as a store of their own. Every call blocks the thread.
pub trait TabletExtract: Send {
    /// How far log is applied.
    fn replayed(&self) -> Replayed;

    /// Applies the next batch of source log; what it does to other tablets is passed over.
    ///
    /// # Errors
    /// `Corrupt` for a batch that leaves a hole.
    fn replay(&mut self, batch: ReplayBatch) -> Result<(), SourceError>;

    /// Pairs of a tablet from `start` on, up to `max_bytes` but at least one.
    ///
    /// # Errors
    /// What the disk says.
    fn page(&self, tablet: TabletId, start: &[u8], max_bytes: usize) -> Result<Pairs, SourceError>;
}

/// Some pairs of a tablet, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Keys with values.
    pub pairs: Vec<(Bytes, Bytes)>,
    /// True when the tablet goes on after the last key.
    pub more: bool,
}

/// A running replica: its log and its tablets.
pub trait LogStream: LogSource + TabletSource {}

impl<T: LogSource + TabletSource> LogStream for T {}

/// Where a replica's log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// True when this replica leads and may archive.
    pub is_leader: bool,
    /// Term of the replica's group: the fencing token of the archiver.
    pub term: Term,
    /// First position that is still in the local log.
    pub log_start: Lsn,
    /// End of the committed log here.
    pub end_lsn: Lsn,
    /// SCN of the last committed group.
    pub max_scn: Scn,
}

/// Committed log: whole groups, `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedLog {
    /// Start of the first group.
    pub start: Lsn,
    /// End of the last group; equal to `start` when nothing newer is committed.
    pub end: Lsn,
    /// The groups as they lie in the log.
    pub bytes: Bytes,
}

/// The log of one log stream.
#[async_trait]
pub trait LogSource: Send + Sync {
    /// Where the log stands now; cheap.
    fn log_status(&self) -> LogStatus;

    /// Whole committed groups from `from`, which must be the start of a group: up to `max_bytes`, but at least one
    /// group when one is there.
    ///
    /// # Errors
    /// [`SourceError::Recycled`] when the log no longer reaches back to `from`.
    async fn read_committed(&self, from: Lsn, max_bytes: usize) -> Result<CommittedLog, SourceError>;

    /// The framing state before the group at `lsn`, which must be the start of a committed group or the committed end.
    ///
    /// # Errors
    /// [`SourceError::Recycled`] when the log no longer reaches back to `lsn`.
    async fn base_at(&self, lsn: Lsn) -> Result<PalfBase, SourceError>;

    /// Waits until the committed log ends after `lsn`; cancel-safe. Also returns when the replica goes away.
    async fn wait_for_log_after(&self, lsn: Lsn);

    /// The tenant's data dictionary; `None` unless this is the system log stream and a dictionary was logged.
    fn dictionary(&self) -> Option<Dictionary>;
}

/// A consistent point of a log stream, pinned on disk until it is dropped.
pub struct Checkpoint {
    /// Where the files of `blocks` lie.
    pub dir: PathBuf,
    /// The first log group that is *not* in the blocks, and how to frame it.
    pub base: PalfBase,
    /// SCN of the last effect in the blocks.
    pub scn: Scn,
    /// Raft index of that effect.
    pub index: u64,
    /// Raft term of that effect.
    pub term: Term,
    /// Every block.
    pub blocks: Vec<CheckpointBlock>,
    /// Small files of the engine (name, content) that make the blocks a store again.
    pub engine_files: Vec<(String, Bytes)>,
    /// The tenant's data dictionary as it is at the point; `None` unless this is the system log stream.
    pub dictionary: Option<Dictionary>,
    /// Releases the point when dropped.
    pub pin: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("dir", &self.dir)
            .field("base", &self.base)
            .field("scn", &self.scn)
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

/// What an engine knows of a block that is intact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockFacts {
    /// It is compressed already.
    pub compressed: bool,
}

/// The tablets of one log stream.
#[async_trait]
pub trait TabletSource: Send + Sync {
    /// Takes a consistent point into `dir`, which must not exist yet.
    async fn checkpoint(&self, dir: &Path) -> Result<Checkpoint, SourceError>;

    /// Digest of the tablets' content as of `scn` (`None` = now), and the SCN that it is of. Waits for an SCN that is
    /// not applied yet; ends early once `stop` is cancelled. `bytes` counts what was read.
    ///
    /// # Errors
    /// `Invalid` when the content has changed after `scn` (tablets keep no history), or for an engine without digests.
    async fn fingerprint(
        &self,
        _scn: Option<Scn>,
        _stop: CancellationToken,
        _bytes: Arc<AtomicU64>,
    ) -> Result<(Scn, Fingerprint), SourceError> {
        let what = "this engine cannot tell a digest of its content";
        Err(Failure::new(ErrorClass::Invalid, what, "log stream", "").into())
    }

    /// Verifies a block that was read for a backup by the engine's own checksums, every byte of it; its length was
    /// checked already. Runs beside the runtime and may take as long as the bytes need.
    ///
    /// # Errors
    /// `Corrupt`, naming tablet and file, for a block that is not intact.
    fn check_block(&self, block: &CheckpointBlock, content: &[u8]) -> Result<BlockFacts, SourceError>;
}

/// How far source log is applied: everything below `lsn`, the last of it at `scn`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// End of the last source group that was applied or passed over.
    pub lsn: Lsn,
    /// Its SCN.
    pub scn: Scn,
}

/// The consistent point that a rebuilt replica starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoredBase {
    /// Where replay of the source log starts.
    pub base: PalfBase,
    /// SCN of the last effect in the blocks.
    pub scn: Scn,
}

/// A replica that is rebuilt from a backup, then catches up with replayed log.
#[async_trait]
pub trait RestoreTarget: Send + Sync {
    /// The directory into which block files and engine files are laid, the task's alone until
    /// [`Self::finish_restored`]. Created when missing; what an interrupted attempt left there is still there.
    async fn prepare(&self) -> Result<PathBuf, SourceError>;

    /// True once [`Self::finish_restored`] has succeeded, now or before a restart.
    async fn is_finished(&self) -> Result<bool, SourceError>;

    /// Every file is laid down and durable: checks that they are a whole store and marks the replica as rebuilt,
    /// durably. Idempotent.
    async fn finish_restored(&self, base: RestoredBase) -> Result<(), SourceError>;

    /// How far source log is applied on this replica; `None` before the first batch.
    async fn replayed(&self) -> Result<Option<Replayed>, SourceError>;

    /// Puts a batch into the log. Returns once it has its place; the future it returns completes when it is applied.
    /// A batch that ends at or before the replayed position is success without effect; one that does not start there
    /// is refused, so that a batch that got lost with a leader never leaves a hole.
    async fn append_replayed(
        &self,
        batch: ReplayBatch,
    ) -> Result<BoxFuture<'static, Result<(), SourceError>>, SourceError>;

    /// True while this replica leads its log stream: nobody else can replay into it.
    fn leads(&self) -> bool;

    /// True when clients may write: replay is over and refused. A standby, which clients may only read, is not open.
    fn is_open(&self) -> bool;
}

/// Why an engine did not do what the backup plane asked.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// This worker hosts no such replica (any more).
    #[error("no replica of log stream {tenant}/{ls} is here")]
    NotHere {
        /// Tenant.
        tenant: TenantId,
        /// Log stream.
        ls: LsId,
    },
    /// Only the leader can do it.
    #[error("this replica does not lead its log stream")]
    NotLeader,
    /// The local log was recycled past the position.
    #[error("the log begins at {log_start}, {from} is recycled")]
    Recycled {
        /// What was asked for.
        from: Lsn,
        /// What is there.
        log_start: Lsn,
    },
    /// Anything else, already in the words of a user.
    #[error(transparent)]
    Engine(#[from] Failure),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let what = error.to_string();
        match error {
            SourceError::NotHere { tenant, ls } => {
                Self::new(ErrorClass::NotFound, what, format!("log stream {tenant}/{ls}"), "the task moves elsewhere")
            }
            SourceError::NotLeader => Self::new(ErrorClass::Transient, what, "log stream", "the leader goes on"),
            SourceError::Recycled { from, .. } => Self::new(
                ErrorClass::NotFound,
                what,
                format!("log position {from}"),
                "start a new archive round and take a full backup",
            ),
            SourceError::Engine(failure) => failure,
        }
    }
}
