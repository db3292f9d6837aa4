//! `CLEAN`: deletes everything below some directories of a destination.
//!
//! Idempotent: what is gone already counts as done, so a repeated task ends well. The scheduler has decided that these
//! directories are not needed and has taken their end placeholder away first; nothing is decided here. Deletions are
//! independent of each other, only so many are under way at once, and one that fails ends the task with its object.

use crate::task_ctx::{TaskCtx, cancelled};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::sync::Arc;
use strandline_media::{Listed, Medium};
use strandline_proto::v1::{CleanResult, CleanSpec};
use strandline_types::limits::CLEAN_DELETES_IN_FLIGHT_MAX;
use strandline_types::{ErrorClass, Failure};

/// Runs the task. The result counts what this run deleted; objects that were gone before are in no count.
///
/// # Errors
/// `Invalid` for a directory that is the whole destination; what the medium says otherwise.
pub async fn run_clean(ctx: &TaskCtx, spec: &CleanSpec) -> Result<CleanResult, Failure> {
    tokio::select! {
        done = clean(ctx, spec) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

async fn clean(ctx: &TaskCtx, spec: &CleanSpec) -> Result<CleanResult, Failure> {
    let medium = ctx.medium_to_write(&spec.uri, &spec.access, spec.owner)?;
    if spec.directories.iter().any(|dir| dir.trim_matches('/').is_empty()) {
        let todo = "report it: cleaning goes by sets and pieces, never by whole destinations";
        return Err(Failure::new(ErrorClass::Invalid, "a whole destination is not cleaned", medium.uri(), todo));
    }
    // A destination that is not mounted lists nothing: that would look like a work that is done.
    medium.prove().await?;
    let mut objects = Vec::new();
    for dir in &spec.directories {
        objects.extend(medium.list(dir).await?);
    }
    ctx.progress.set_total(objects.iter().map(|o| o.bytes).sum());
    let result = CleanResult { objects: objects.len() as u64, bytes: objects.iter().map(|o| o.bytes).sum() };
    stream::iter(objects)
        .map(Ok)
        .try_for_each_concurrent(CLEAN_DELETES_IN_FLIGHT_MAX, |object| delete(ctx, &medium, object))
        .await?;
    Ok(result)
}

async fn delete(ctx: &TaskCtx, medium: &Arc<dyn Medium>, object: Listed) -> Result<(), Failure> {
    medium.delete(&object.path).await?;
    ctx.progress.add_done(object.bytes);
    Ok(())
}
