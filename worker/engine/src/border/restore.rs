//! A replica that is being restored, running or not; and single tablets out of a backup.

use crate::{Access, Engine, Extract, Replica, RestoredPoint};
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;
use strandline_engine_api::{Pairs, ReplayBatch, Replayed, RestoreTarget, RestoredBase, SourceError, TabletExtract};
use strandline_types::{JobId, LsId, TabletId, TenantId};

/// A replica that is being restored, running or not.
pub(super) struct BuiltInTarget {
    pub(super) engine: Arc<Engine>,
    pub(super) tenant: TenantId,
    pub(super) ls: LsId,
    pub(super) job: JobId,
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
        let point = RestoredPoint { job: self.job, base: restored.base.into(), scn: restored.scn };
        Ok(self.engine.finish_restored(self.tenant, self.ls, point).await?)
    }

    async fn replayed(&self) -> Result<Option<Replayed>, SourceError> {
        Ok(self.replica()?.replayed().map(Into::into))
    }

    async fn append_replayed(
        &self,
        batch: ReplayBatch,
    ) -> Result<BoxFuture<'static, Result<(), SourceError>>, SourceError> {
        let applied = self.replica()?.append_replayed(batch.try_into()?).await?;
        Ok(applied.map(|done| done.map_err(SourceError::from)).boxed())
    }

    fn leads(&self) -> bool {
        self.engine.replica(self.tenant, self.ls).is_some_and(|replica| replica.status().is_leader)
    }

    fn is_open(&self) -> bool {
        self.engine.replica(self.tenant, self.ls).is_some_and(|replica| replica.access() == Access::Open)
    }
}

/// Tablets out of a backup.
pub(super) struct BuiltInExtract(pub(super) Extract);

impl TabletExtract for BuiltInExtract {
    fn replayed(&self) -> Replayed {
        self.0.replayed().into()
    }

    fn replay(&mut self, batch: ReplayBatch) -> Result<(), SourceError> {
        Ok(self.0.replay(batch.try_into()?)?)
    }

    fn page(&self, tablet: TabletId, start: &[u8], max_bytes: usize) -> Result<Pairs, SourceError> {
        let page = self.0.page(tablet, start, max_bytes)?;
        Ok(Pairs { pairs: page.pairs, more: page.more })
    }
}
