//! `RESTORE_DATA`: rebuilds the tablets of one replica from a backup set.
//!
//! Order: indexes and meta are read and verified, blocks are fetched in parallel and verified against both their own
//! header and the index, their files become durable in groups, the engine's own files come last, then the engine takes
//! the whole over. Re-entrant: a file that is here with the right length and checksum is not fetched again. Nothing in
//! an index is trusted as a path.

use super::local;
use super::set::BackupSet;
use crate::disk::blocking;
use crate::task_ctx::{TaskCtx, cancelled};
use std::sync::Arc;
use strandline_proto::TaskKey;
use strandline_proto::v1::RestoreDataSpec;
use strandline_types::Failure;
use strandline_worker_core::restore_plan::plan_restore;

/// Runs the task. Nothing is reported back: the engine keeps what it needs.
///
/// # Errors
/// `NotFound` or `Corrupt` with the object for a file or block that is missing or damaged; `Permission` for a sealed
/// set without its password; `Exhausted` when the local disk is full.
pub async fn run_restore_data(ctx: &TaskCtx, spec: &RestoreDataSpec, id: TaskKey) -> Result<(), Failure> {
    tokio::select! {
        done = restore(ctx, spec, id) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

async fn restore(ctx: &TaskCtx, spec: &RestoreDataSpec, id: TaskKey) -> Result<(), Failure> {
    let target = ctx.engine.restore_target(id.tenant_id, id.ls_id, id.job_id);
    if target.is_finished().await? {
        return Ok(());
    }
    let set = Arc::new(BackupSet::open(ctx.medium_with(&spec.data_uri, &spec.access)?, spec).await?);
    let meta = set.ls_meta().await?;
    let base = set.restored_base(&meta)?;
    let entries = set.block_entries().await?;

    let dir = target.prepare().await?;
    let present = local::present_files(dir.clone()).await?;
    let engine_files = meta.engine_files.keys().map(String::as_str);
    let wanted = plan_restore(set.ls(), entries, engine_files, &present).map_err(|e| set.damaged(&e.to_string()))?;
    ctx.progress.set_total(wanted.iter().map(|w| w.entry.plain_bytes).sum());

    let kept = wanted.iter().map(|w| &w.entry.file_name).chain(meta.engine_files.keys()).cloned().collect();
    local::remove_strays(dir.clone(), present, kept).await?;
    local::fetch_all(ctx, &set, &dir, wanted).await?;
    let files = dir.clone();
    blocking(move || local::write_engine_files(&files, &meta.engine_files)).await?;
    Ok(target.finish_restored(base).await?)
}
