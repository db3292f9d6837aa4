//! A replica that is rebuilt from a backup and then catches up with replayed log.

use crate::{LogBase, SourceError};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::path::PathBuf;
use strandline_types::{Lsn, Scn};

/// An entry of source log that has to be applied again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayItem {
    /// SCN of the source entry.
    pub scn: Scn,
    /// The whole entry as it lies in the source log. Only the engine reads it.
    pub entry: Bytes,
}

/// Source log `[start, end)` to be applied as one step; a batch without items only moves the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayBatch {
    /// End of the batch before this one: the replica that applies it must stand there.
    pub start: Lsn,
    /// End of the last source group that the batch covers.
    pub end: Lsn,
    /// SCN of the last source group that the batch covers.
    pub scn: Scn,
    /// What has to be applied, in order.
    pub items: Vec<ReplayItem>,
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
    pub base: LogBase,
    /// SCN of the last effect in the blocks.
    pub scn: Scn,
}

/// A replica that is rebuilt from a backup, then catches up with replayed log.
#[async_trait]
pub trait RestoreTarget: Send + Sync {
    /// The directory into which block files and engine files are written, the task's alone until
    /// [`Self::finish_restored`]. Created when missing; what an interrupted attempt left there is still there.
    async fn prepare(&self) -> Result<PathBuf, SourceError>;

    /// True once [`Self::finish_restored`] has succeeded, now or before a restart.
    async fn is_finished(&self) -> Result<bool, SourceError>;

    /// Every file is written and durable: checks that they are a whole store and marks the replica as rebuilt,
    /// durably. Idempotent.
    async fn finish_restored(&self, base: RestoredBase) -> Result<(), SourceError>;

    /// How far source log is applied on this replica; `None` before the first batch.
    async fn replayed(&self) -> Result<Option<Replayed>, SourceError>;

    /// Puts a batch into the log. Returns once it has its place; the future it returns completes when it is applied.
    /// Calls come in LSN order, and the effects enter the log in the order of the calls.
    /// A batch that ends at or before the replayed position is success without effect; one that does not start there
    /// is refused, so that a batch that got lost with a leader never leaves a hole.
    async fn append_replayed(
        &self,
        batch: ReplayBatch,
    ) -> Result<BoxFuture<'static, Result<(), SourceError>>, SourceError>;

    /// True while this replica leads its log stream: only the leader can replay into it.
    fn leads(&self) -> bool;

    /// True when clients may write: replay is over and refused. A standby, which clients may only read, is not open.
    fn is_open(&self) -> bool;
}
