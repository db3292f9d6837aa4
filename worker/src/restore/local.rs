//! The files of a restore on this worker's disk: fetched in parallel within a byte budget, durable when all are here.
//!
//! The files themselves are the ledger: one that is here with the right length and checksum is finished, whichever
//! attempt of whichever process wrote it, and is never fetched again.

use super::set::BackupSet;
use super::unsynced::{UnsyncedFiles, WrittenFile, write_file};
use crate::disk::{blocking, io_failure, sync_dir, write_durable};
use crate::task_ctx::TaskCtx;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use strandline_format::checksum::crc32c_raw;
use strandline_media::Looks;
use strandline_types::Failure;
use strandline_types::limits::{BLOCKS_IN_FLIGHT_MAX, RESTORE_BYTES_IN_FLIGHT_MAX, RESTORE_READ_BYTES_MAX};
use strandline_worker_core::restore_plan::{BlockRun, WantedBlock, runs};
use tokio::sync::Semaphore;

/// The file that makes RocksDB see the others; it is written after all of them.
const LAST_ENGINE_FILE: &str = "CURRENT";
const BUDGET_UNIT_BYTES: u64 = 1024;

/// Room for blocks in memory: one for the process, however many log streams are restored at once.
static ROOM: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new((RESTORE_BYTES_IN_FLIGHT_MAX / BUDGET_UNIT_BYTES) as usize));

/// Fetches what is not here yet into `dir`; all of it is durable on return.
pub(super) async fn fetch_all(
    ctx: &TaskCtx,
    set: &Arc<BackupSet>,
    dir: &Path,
    wanted: Vec<WantedBlock>,
) -> Result<(), Failure> {
    let (missing, kept) = missing(ctx, dir, wanted).await?;
    metrics::counter!("strandline_restore_blocks_kept_total").increment(kept);
    let bytes = missing.iter().map(|w| w.entry.plain_bytes).sum();
    metrics::counter!("strandline_restore_wanted_bytes_total").increment(bytes);
    tracing::info!(dir = %dir.display(), kept, missing = missing.len(), "blocks that are here and blocks to fetch");
    let unsynced = UnsyncedFiles::default();
    let files_to_sync = &unsynced;
    stream::iter(runs(missing, RESTORE_READ_BYTES_MAX))
        .map(Ok)
        .try_for_each_concurrent(BLOCKS_IN_FLIGHT_MAX, |run| async move {
            let units = run.bytes().min(RESTORE_BYTES_IN_FLIGHT_MAX).div_ceil(BUDGET_UNIT_BYTES) as u32;
            // The semaphore is never closed.
            let _room = ROOM.acquire_many(units).await;
            let run = Arc::new(run);
            // What one answer shows as damaged is read again before the restore fails for it.
            let look = || async {
                let bytes = set.read(&run).await?;
                let (set, dir, run) = (Arc::clone(set), dir.to_owned(), Arc::clone(&run));
                blocking(move || write_run(&set, &dir, &run, &bytes)).await
            };
            let (files, written) = Looks::default().sure(look).await?;
            ctx.progress.add_done(written);
            files_to_sync.add(files).await
        })
        .await?;
    unsynced.finish().await
}

/// Verifies and writes the blocks of one read; gives the files and their plain bytes.
fn write_run(set: &BackupSet, dir: &Path, run: &BlockRun, bytes: &Bytes) -> Result<(Vec<WrittenFile>, u64), Failure> {
    let (mut files, mut written) = (Vec::with_capacity(run.blocks().len()), 0);
    for (nth, wanted) in run.blocks().iter().enumerate() {
        let content = set.open_block(run, nth, bytes)?;
        files.push(write_file(dir.join(&wanted.entry.file_name), &content)?);
        written += content.len() as u64;
    }
    metrics::counter!("strandline_restore_blocks_fetched_total").increment(run.blocks().len() as u64);
    Ok((files, written))
}

/// Takes out what is here already; also tells how many blocks that are.
async fn missing(ctx: &TaskCtx, dir: &Path, wanted: Vec<WantedBlock>) -> Result<(Vec<WantedBlock>, u64), Failure> {
    let all = wanted.len();
    let checked = stream::iter(wanted).map(|wanted| {
        let path = dir.join(&wanted.entry.file_name);
        async move {
            if !wanted.is_present {
                return Ok(Some(wanted));
            }
            let checksum = wanted.entry.checksum;
            let here = blocking(move || is_intact(&path, checksum)).await?;
            if here {
                ctx.progress.add_done(wanted.entry.plain_bytes);
            }
            Ok::<_, Failure>((!here).then_some(wanted))
        }
    });
    let missing: Vec<WantedBlock> =
        checked.buffered(BLOCKS_IN_FLIGHT_MAX).try_filter_map(|w| async { Ok(w) }).try_collect().await?;
    let kept = (all - missing.len()) as u64;
    Ok((missing, kept))
}

fn is_intact(path: &Path, checksum: u32) -> Result<bool, Failure> {
    let content = std::fs::read(path).map_err(|e| io_failure("read", path, &e))?;
    Ok(crc32c_raw(0, &content) == checksum)
}

/// Makes a directory and what is missing above it.
pub(super) fn make_dir(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|e| io_failure("make", dir, &e))
}

/// Names and lengths of the plain files in a directory.
pub(super) async fn present_files(dir: PathBuf) -> Result<BTreeMap<String, u64>, Failure> {
    blocking(move || {
        let list = || {
            let mut files = BTreeMap::new();
            for entry in std::fs::read_dir(&dir)? {
                let entry = entry?;
                let meta = entry.metadata()?;
                if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string()) {
                    files.insert(name, meta.len());
                }
            }
            Ok(files)
        };
        list().map_err(|e| io_failure("list", &dir, &e))
    })
    .await
}

/// Removes what an earlier attempt left and this set does not have: the store must be the set's and nothing else.
pub(super) async fn remove_strays(
    dir: PathBuf,
    present: BTreeMap<String, u64>,
    kept: BTreeSet<String>,
) -> Result<(), Failure> {
    blocking(move || {
        for name in present.keys().filter(|name| !kept.contains(*name)) {
            let path = dir.join(name);
            std::fs::remove_file(&path).map_err(|e| io_failure("remove", &path, &e))?;
        }
        Ok(())
    })
    .await
}

/// Writes the engine's own small files, the one that makes the store a store last.
pub(super) fn write_engine_files(dir: &Path, files: &BTreeMap<String, Bytes>) -> Result<(), Failure> {
    let (last, others): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| *name == LAST_ENGINE_FILE);
    for (name, content) in others {
        write_durable(&dir.join(name), content)?;
    }
    sync_dir(dir)?;
    for (name, content) in last {
        write_durable(&dir.join(name), content)?;
    }
    sync_dir(dir)
}
