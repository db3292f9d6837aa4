//! The built-in engine behind the border of `source`.
//!
//! Only translates: nothing is decided here.

use crate::source::{
    BlockFacts, Checkpoint, CheckpointBlock, ClientWork, CommittedLog, Engine, LogSource, LogStatus, LogStream, Pairs,
    ReplayBatch, Replayed, RestoreTarget, RestoredBase, SourceError, TabletExtract, TabletSource,
};
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use strandline_engine::{Door, EngineError, Extract, Foreground, Replica, RestoredPoint, sst};
use strandline_proto::v1::Dictionary;
use strandline_types::{ErrorClass, Failure, Fingerprint, JobId, LsId, Lsn, PalfBase, Scn, TabletId, TenantId};
use tokio_util::sync::CancellationToken;

/// The built-in engine as the backup plane sees it.
#[derive(Clone, Debug)]
pub struct BuiltInEngine(pub Arc<strandline_engine::Engine>);

impl Engine for BuiltInEngine {
    fn log_stream(&self, tenant: TenantId, ls: LsId) -> Option<Arc<dyn LogStream>> {
        Some(Arc::new(BuiltInLogStream(self.0.replica(tenant, ls)?)))
    }

    fn client_work(&self) -> ClientWork {
        let Foreground { flushes, flush_us, idle_ms } = strandline_engine::foreground();
        ClientWork { flushes, flush_us, idle_ms }
    }

    fn restore_target(&self, tenant: TenantId, ls: LsId, job: JobId) -> Arc<dyn RestoreTarget> {
        Arc::new(BuiltInTarget { engine: Arc::clone(&self.0), tenant, ls, job })
    }

    fn extract(
        &self,
        base: &Path,
        scratch: &Path,
        ls: LsId,
        only: BTreeSet<TabletId>,
        point: RestoredBase,
    ) -> Result<Box<dyn TabletExtract>, SourceError> {
        // No job marks these files: they are scratch.
        let point = RestoredPoint { job: JobId(0), base: point.base, scn: point.scn };
        Ok(Box::new(BuiltInExtract(Extract::begin(base, scratch, ls, only, &point)?)))
    }
}

/// Tablets out of a backup.
struct BuiltInExtract(Extract);

impl TabletExtract for BuiltInExtract {
    fn replayed(&self) -> Replayed {
        let at = self.0.replayed();
        Replayed { lsn: at.lsn, scn: at.scn }
    }

    fn replay(&mut self, batch: ReplayBatch) -> Result<(), SourceError> {
        Ok(self.0.replay(engine_batch(batch))?)
    }

    fn page(&self, tablet: TabletId, start: &[u8], max_bytes: usize) -> Result<Pairs, SourceError> {
        let page = self.0.page(tablet, start, max_bytes)?;
        Ok(Pairs { pairs: page.pairs, more: page.more })
    }
}

fn engine_batch(batch: ReplayBatch) -> strandline_engine::ReplayBatch {
    let item = |i: crate::source::ReplayItem| strandline_engine::ReplayItem { scn: i.scn, kind: i.kind, body: i.body };
    strandline_engine::ReplayBatch {
        start: batch.start,
        end: batch.end,
        scn: batch.scn,
        items: batch.items.into_iter().map(item).collect(),
    }
}

/// One running replica.
struct BuiltInLogStream(Arc<Replica>);

#[async_trait]
impl LogSource for BuiltInLogStream {
    fn log_status(&self) -> LogStatus {
        let s = self.0.status();
        LogStatus {
            is_leader: s.is_leader,
            term: s.term,
            log_start: s.log_start,
            end_lsn: s.end_lsn,
            max_scn: s.max_scn,
        }
    }

    async fn read_committed(&self, from: Lsn, max_bytes: usize) -> Result<CommittedLog, SourceError> {
        let log = self.0.read_committed(from, max_bytes).await?;
        Ok(CommittedLog { start: log.start, end: log.end, bytes: log.bytes })
    }

    async fn base_at(&self, lsn: Lsn) -> Result<PalfBase, SourceError> {
        Ok(self.0.base_at(lsn).await?)
    }

    async fn wait_for_log_after(&self, lsn: Lsn) {
        // An error means that the sender is gone with its replica: the caller finds out when it reads.
        let _ = self.0.committed_end().wait_for(|end| *end > lsn).await;
    }

    fn dictionary(&self) -> Option<Dictionary> {
        self.0.dictionary()
    }
}

#[async_trait]
impl TabletSource for BuiltInLogStream {
    async fn checkpoint(&self, dir: &Path) -> Result<Checkpoint, SourceError> {
        let point = self.0.checkpoint(dir).await?;
        let blocks = point.blocks.into_iter().map(|b| CheckpointBlock {
            tablet: b.tablet,
            kind: b.kind,
            file_name: b.file_name,
            bytes: b.bytes,
            level: b.level,
            unique_id: b.unique_id.0,
        });
        Ok(Checkpoint {
            base: point.base,
            scn: point.scn,
            index: point.index,
            term: point.term,
            blocks: blocks.collect(),
            engine_files: point.engine_files,
            dictionary: point.dictionary,
            pin: Box::new(RemoveOnDrop(point.dir.clone())),
            dir: point.dir,
        })
    }

    async fn fingerprint(
        &self,
        scn: Option<Scn>,
        stop: CancellationToken,
        bytes: Arc<AtomicU64>,
    ) -> Result<(Scn, Fingerprint), SourceError> {
        Ok(self.0.fingerprint(scn, stop, bytes).await?)
    }

    fn check_block(&self, block: &CheckpointBlock, content: &[u8]) -> Result<BlockFacts, SourceError> {
        let facts = sst::verify_sst(content).map_err(|damage| {
            let object = format!("tablet {}, file {}", block.tablet, block.file_name);
            let todo = "try another replica; remove this one and let it be rebuilt from the others";
            Failure::new(ErrorClass::Corrupt, format!("a block of the replica is damaged: {damage}"), object, todo)
        })?;
        Ok(BlockFacts { compressed: facts.compressed })
    }
}

/// Deletes the hard links of a checkpoint.
struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(dir = %self.0.display(), %error, "a checkpoint could not be removed");
        }
    }
}

/// A replica that is being restored, running or not.
struct BuiltInTarget {
    engine: Arc<strandline_engine::Engine>,
    tenant: TenantId,
    ls: LsId,
    job: JobId,
}

impl BuiltInTarget {
    fn replica(&self) -> Result<Arc<Replica>, SourceError> {
        let not_here = SourceError::NotHere { tenant: self.tenant, ls: self.ls };
        self.engine.replica(self.tenant, self.ls).ok_or(not_here)
    }
}

#[async_trait]
impl RestoreTarget for BuiltInTarget {
    async fn prepare(&self) -> Result<PathBuf, SourceError> {
        Ok(self.engine.prepare_restored(self.tenant, self.ls, self.job).await?)
    }

    async fn is_finished(&self) -> Result<bool, SourceError> {
        let restored = self.engine.restored(self.tenant, self.ls).await?;
        Ok(restored.is_some_and(|point| point.job == self.job))
    }

    async fn finish_restored(&self, restored: RestoredBase) -> Result<(), SourceError> {
        let point = RestoredPoint { job: self.job, base: restored.base, scn: restored.scn };
        Ok(self.engine.finish_restored(self.tenant, self.ls, point).await?)
    }

    async fn replayed(&self) -> Result<Option<Replayed>, SourceError> {
        Ok(self.replica()?.replayed().map(|r| Replayed { lsn: r.lsn, scn: r.scn }))
    }

    async fn append_replayed(
        &self,
        batch: ReplayBatch,
    ) -> Result<BoxFuture<'static, Result<(), SourceError>>, SourceError> {
        let applied = self.replica()?.append_replayed(engine_batch(batch)).await?;
        Ok(applied.map(|done| done.map_err(SourceError::from)).boxed())
    }

    fn leads(&self) -> bool {
        self.engine.replica(self.tenant, self.ls).is_some_and(|replica| replica.status().is_leader)
    }

    fn is_open(&self) -> bool {
        self.engine.replica(self.tenant, self.ls).is_some_and(|replica| replica.door() == Door::Open)
    }
}

impl From<EngineError> for SourceError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotHere { tenant, ls } => Self::NotHere { tenant, ls },
            EngineError::NotLeader { .. } => Self::NotLeader,
            EngineError::Recycled { from, log_start } => Self::Recycled { from, log_start },
            other => Self::Engine(other.into()),
        }
    }
}
