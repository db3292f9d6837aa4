//! A replica that begins from a backup: SST files are laid down, then turned into the base of a fresh group.
//!
//! The store that was laid down holds the *source's* records. They are replaced here: nothing is applied in the new
//! group but its base, and the source's position becomes the place where replay starts. Order rules: the mark is
//! written last; everything before it may be repeated.

use crate::dirs::ReplicaDir;
use crate::error::{EngineError, Result, corrupt};
use crate::files;
use crate::log::{Floor, LogId, PalfLog};
use crate::machine::SnapshotHead;
use crate::spec;
use crate::tablet::{AppliedRecord, Effects, SharedMemory, TabletStore};
use crate::{Replayed, RestoredPoint};
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;
use strandline_consensus::LogPos;
use strandline_types::{ErrorClass, Failure, Lsn, PalfBase};

/// The entry that stands for the whole baseline: index 0 of the new group, `log_id` 1 of the new log.
pub(crate) const BASE_POS: LogPos = LogPos { term: 1, index: 0 };

/// State of the new log after the baseline.
pub(crate) fn base_of(point: &RestoredPoint) -> PalfBase {
    PalfBase { lsn: Lsn::ZERO, prev_log_id: BASE_POS.index + 1, prev_accumulated_checksum: 0, prev_scn: point.scn }
}

/// Checks what was laid down below `dir` and makes it a snapshot that a group can begin from.
pub(crate) fn finish(dir: &ReplicaDir, id: LogId, memory: &Arc<SharedMemory>, point: &RestoredPoint) -> Result<()> {
    if spec::restored(dir)?.as_ref() == Some(point) {
        return Ok(());
    }
    let root = dir.restore(point.job);
    check_laid_down(&root.join("db"), point)?;
    let io = |e| EngineError::io("turning restored files into a replica", &root, e);
    rebase(&root.join("db"), memory, point).map_err(io)??;
    let base = base_of(point);
    let build = || -> io::Result<()> {
        let log = root.join("log");
        files::remove_tree_if_there(&log)?;
        std::fs::create_dir_all(&log)?;
        PalfLog::begin_at(&log, id, &Floor { purged: Some(BASE_POS), base })?;
        SnapshotHead { pos: BASE_POS, base, membership: Bytes::new() }.store(&root)?;
        files::sync_tree(&root)?;
        files::sync_dir(dir.root())?;
        spec::set_restored(dir, point)
    };
    build().map_err(io)
}

/// RocksDB would create an empty store where there is none.
fn check_laid_down(db: &Path, point: &RestoredPoint) -> Result<()> {
    if db.join("CURRENT").exists() {
        return Ok(());
    }
    Err(Failure::new(
        ErrorClass::Invalid,
        "the restored files are no store: CURRENT is missing",
        format!("{} (job {})", db.display(), point.job),
        "lay down the engine files of the backup before finishing",
    )
    .into())
}

/// Replaces the source's records. The inner result is a refusal: the store is not the one of `point`.
fn rebase(db: &Path, memory: &Arc<SharedMemory>, point: &RestoredPoint) -> io::Result<Result<()>> {
    let store = TabletStore::open(db, memory)?;
    let before = store.inner_state()?;
    let ours = AppliedRecord { pos: BASE_POS, base: base_of(point) };
    let from = Replayed { lsn: point.base.lsn, scn: point.scn };
    if before.applied == Some(ours) && before.replayed.first() == Some(&from) {
        // An earlier attempt came this far.
        return store.flush().map(Ok);
    }
    let Some(source) = before.applied else { return Err(corrupt("the restored store has no applied record")) };
    if source.base != point.base {
        let what = format!("the restored store is at lsn {}, not at {}", source.base.lsn, point.base.lsn);
        let todo = "the backup set is damaged: restore from another one";
        return Ok(Err(Failure::new(ErrorClass::Corrupt, what, db.display().to_string(), todo).into()));
    }
    let mut effects = Effects::new(&store, &before);
    effects.push_replayed(from);
    effects.set_membership(Bytes::new());
    effects.commit(ours)?;
    store.flush().map(Ok)
}
