//! A running replica as archive and backup see it.

use crate::{Replica, sst};
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use strandline_engine_api::{
    BlockFacts, Checkpoint, CheckpointBlock, CommittedLog, EngineMark, LogSource, LogStatus, SourceError, StopSignal,
    TabletSource,
};
use strandline_types::dictionary::Dictionary;
use strandline_types::{ErrorClass, Failure, Fingerprint, Lsn, Scn};

#[async_trait]
impl LogSource for Replica {
    fn log_status(&self) -> LogStatus {
        let s = self.status();
        LogStatus {
            is_leader: s.is_leader,
            term: s.term,
            log_start: s.log_start,
            end_lsn: s.end_lsn,
            max_scn: s.max_scn,
        }
    }

    async fn read_committed(&self, from: Lsn, max_bytes: usize) -> Result<CommittedLog, SourceError> {
        let log = Replica::read_committed(self, from, max_bytes).await?;
        Ok(CommittedLog { start: log.start, end: log.end, bytes: log.bytes })
    }

    async fn wait_for_log_after(&self, lsn: Lsn) {
        // An error means that the sender is gone with its replica: the caller finds out when it reads.
        let _ = self.committed_end().wait_for(|end| *end > lsn).await;
    }

    fn dictionary(&self) -> Option<Dictionary> {
        Replica::dictionary(self).map(Into::into)
    }
}

#[async_trait]
impl TabletSource for Replica {
    async fn checkpoint(&self, dir: &Path) -> Result<Checkpoint, SourceError> {
        let point = Replica::checkpoint(self, dir).await?;
        let blocks = point.blocks.into_iter().map(|b| CheckpointBlock {
            tablet: b.tablet,
            kind: b.kind,
            file_name: b.file_name,
            bytes: b.bytes,
            level: b.level,
            unique_id: b.unique_id.0,
        });
        Ok(Checkpoint {
            base: point.base.into(),
            scn: point.scn,
            mark: EngineMark { index: point.index, epoch: point.term.0 },
            blocks: blocks.collect(),
            engine_files: point.engine_files,
            dictionary: point.dictionary.map(Into::into),
            pin: Box::new(RemoveOnDrop(point.dir.clone())),
            dir: point.dir,
        })
    }

    async fn fingerprint(
        &self,
        scn: Option<Scn>,
        stop: StopSignal,
        bytes: Arc<AtomicU64>,
    ) -> Result<(Scn, Fingerprint), SourceError> {
        Ok(Replica::fingerprint(self, scn, stop, bytes).await?)
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
