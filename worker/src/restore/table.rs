//! `RECOVER_TABLE`: some tablets of one source log stream become tables of another tenant.
//!
//! Only the blocks of these tablets are fetched, their log is replayed into a small store on this worker's scratch, and
//! what is there at the target is written into the target tables like any client writes. Order rule: nothing is written
//! before the target is reached, so a target table never shows content that never was. Writing a key twice changes
//! nothing: a task that begins anew ends with the same tables.

use super::local;
use super::log::{LogSink, replay};
use super::set::BackupSet;
use crate::disk::blocking;
use crate::task_ctx::{TaskCtx, cancelled};
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strandline_engine_api::{ReplayBatch, Replayed, SourceError, TableSink, TabletExtract};
use strandline_proto::TaskKey;
use strandline_proto::v1::{RecoverTableResult, RecoverTableSpec, RestoreDataSpec, RestoreLogSpec, TabletMap};
use strandline_types::limits::{RECOVER_WRITE_BYTES, RECOVER_WRITES_IN_FLIGHT_MAX};
use strandline_types::{ErrorClass, Failure, LsId, Scn, TabletId, TenantId};
use strandline_worker_core::restore_plan::plan_restore;

type Shared = Arc<Mutex<Box<dyn TabletExtract>>>;

/// Runs the task.
///
/// # Errors
/// As the data and log tasks of a restore; what the target tenant says when it refuses a write.
pub async fn run_recover_table(
    ctx: &TaskCtx,
    spec: &RecoverTableSpec,
    id: TaskKey,
) -> Result<RecoverTableResult, Failure> {
    tokio::select! {
        done = recover(ctx, spec, id) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

async fn recover(ctx: &TaskCtx, spec: &RecoverTableSpec, id: TaskKey) -> Result<RecoverTableResult, Failure> {
    let (Some(data), Some(log)) = (&spec.data, &spec.log) else {
        let object = format!("job {}", id.job_id);
        return Err(Failure::new(
            ErrorClass::Invalid,
            "table recovery without data or log to recover from",
            object,
            "",
        ));
    };
    let (extract, fetched) = fetch(ctx, spec, data).await?;
    let replayed_scn = replay_into(ctx, &extract, log).await?;
    let replayed_bytes = ctx.progress.done().saturating_sub(fetched);
    let sink = (ctx.open_tables)(TenantId(spec.target_tenant_id)).await?;
    let keys = write_all(ctx, &extract, &sink, &spec.tablets).await?;
    Ok(RecoverTableResult { keys, bytes_fetched: fetched + replayed_bytes, replayed_scn: replayed_scn.0 })
}

/// The blocks of the wanted tablets, opened; and how many bytes they had.
async fn fetch(ctx: &TaskCtx, spec: &RecoverTableSpec, data: &RestoreDataSpec) -> Result<(Shared, u64), Failure> {
    let only: BTreeSet<TabletId> = spec.tablets.iter().map(|t| TabletId(t.source_tablet_id)).collect();
    let set = Arc::new(BackupSet::open(ctx.medium_with(&data.data_uri, &data.access)?, data).await?);
    let meta = set.ls_meta().await?;
    let base = set.restored_base(&meta)?;
    let mut entries = set.block_entries().await?;
    entries.retain(|e| e.logical.tablet_id == TabletId::INNER || only.contains(&e.logical.tablet_id));
    let engine_files = meta.engine_files.keys().map(String::as_str);
    let wanted = plan_restore(set.ls(), entries, engine_files, &BTreeMap::new());
    let wanted = wanted.map_err(|e| set.damaged(&e.to_string()))?;
    let bytes = wanted.iter().map(|w| w.entry.plain_bytes).sum();
    ctx.progress.set_total(bytes);
    let dir = ctx.scratch.join("base");
    let made = dir.clone();
    blocking(move || local::make_dir(&made)).await?;
    local::fetch_all(ctx, &set, &dir, wanted).await?;
    let (files, engine, scratch) = (meta.engine_files, Arc::clone(&ctx.engine), ctx.scratch.join("tablets"));
    let ls = LsId(spec.source_ls_id);
    let extract = blocking(move || {
        local::write_engine_files(&dir, &files)?;
        Ok(engine.extract(&dir, &scratch, ls, only, base)?)
    });
    Ok((Arc::new(Mutex::new(extract.await?)), bytes))
}

async fn replay_into(ctx: &TaskCtx, extract: &Shared, log: &RestoreLogSpec) -> Result<Scn, Failure> {
    let sink: Arc<dyn LogSink> = Arc::new(ExtractSink(Arc::clone(extract)));
    let outcome = replay(ctx, &sink, log).await?;
    outcome.missing.map_or(Ok(Scn(outcome.result.replayed_scn)), Err)
}

/// Applies batches one after the other, beside the runtime.
struct ExtractSink(Shared);

#[async_trait]
impl LogSink for ExtractSink {
    async fn replayed(&self) -> Result<Option<Replayed>, SourceError> {
        Ok(Some(self.0.lock().replayed()))
    }

    async fn append(&self, batch: ReplayBatch) -> Result<BoxFuture<'static, Result<(), SourceError>>, SourceError> {
        let extract = Arc::clone(&self.0);
        blocking(move || Ok(extract.lock().replay(batch)?)).await?;
        Ok(futures::future::ready(Ok(())).boxed())
    }
}

/// Writes every pair into the target tables; gives their number.
async fn write_all(
    ctx: &TaskCtx,
    extract: &Shared,
    sink: &Arc<dyn TableSink>,
    tablets: &[TabletMap],
) -> Result<u64, Failure> {
    let (mut keys, mut writes) = (0, FuturesUnordered::new());
    for map in tablets {
        let (tablet, mut from) = (TabletId(map.source_tablet_id), Bytes::new());
        loop {
            let (extract, start) = (Arc::clone(extract), from.clone());
            let page = blocking(move || Ok(extract.lock().page(tablet, &start, RECOVER_WRITE_BYTES)?)).await?;
            let Some((last, _)) = page.pairs.last() else { break };
            from = [last.as_ref(), &[0]].concat().into();
            keys += page.pairs.len() as u64;
            // Writing for long is progress.
            ctx.progress.add_done(page.pairs.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum());
            while writes.len() >= RECOVER_WRITES_IN_FLIGHT_MAX {
                writes.next().await.unwrap_or(Ok(()))?;
            }
            writes.push(sink.put(map.target_table.clone(), page.pairs));
            if !page.more {
                break;
            }
        }
    }
    while let Some(written) = writes.next().await {
        written?;
    }
    Ok(keys)
}
