//! Some tablets of a backup as a small store of its own: their content at the consistent point, then their log, then
//! whatever reads them. No Raft group, no log, no other tablet: what table recovery needs and no more.
//!
//! The store of the backup is opened read-only with the wanted tablets alone, so the files of all others need not be
//! there. Log is applied as a restored replica applies it, positions of earlier restores included.

use crate::error::{EngineError, Result, corrupt};
use crate::machine::apply_replayed;
use crate::restore::{BASE_POS, base_of};
use crate::tablet::{AppliedRecord, Effects, InnerState, SharedMemory, TabletStore};
use crate::{ReplayBatch, Replayed, RestoredPoint, ScanPage};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strandline_format::pb;
use strandline_types::{ErrorClass, Failure, LsId, Lsn, TabletId};

const WRITE_BUFFER_BYTES: usize = 32 << 20;
const BLOCK_CACHE_BYTES: usize = 8 << 20;
/// Pairs are copied in portions of this.
const COPY_BYTES: usize = 4 << 20;

/// The tablets, as far as their log was applied.
pub struct Extract {
    store: TabletStore,
    inner: InnerState,
    path: PathBuf,
    ls: LsId,
    only: BTreeSet<TabletId>,
}

impl std::fmt::Debug for Extract {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extract").field("path", &self.path).field("ls", &self.ls).finish_non_exhaustive()
    }
}

impl Extract {
    /// Copies `only` out of the store in `base` (the engine files of a backup, the files of these tablets and of the
    /// inner one) into a fresh store in `dir`. A tablet that `base` does not have is one that began later.
    ///
    /// # Errors
    /// `Corrupt` when the store is not the one of `point`; what the disk says.
    pub fn begin(base: &Path, dir: &Path, ls: LsId, only: BTreeSet<TabletId>, point: &RestoredPoint) -> Result<Self> {
        let memory = Arc::new(SharedMemory::new(WRITE_BUFFER_BYTES, BLOCK_CACHE_BYTES));
        let io = |e| EngineError::io("taking tablets out of a backup", base, e);
        let source = TabletStore::open_some(base, &memory, &only).map_err(io)?;
        let inner = source.inner_state().map_err(io)?;
        let found = inner.applied.map(|a| a.base);
        if found != Some(point.base) {
            let what = format!("the store of the backup is at {found:?}, not at lsn {}", point.base.lsn);
            let todo = "the backup set is damaged: recover from another one";
            return Err(Failure::new(ErrorClass::Corrupt, what, base.display().to_string(), todo).into());
        }
        let store = TabletStore::open(dir, &memory).map_err(io)?;
        let copied = || -> io::Result<InnerState> {
            for tablet in &only {
                store.copy_tablet(&source, *tablet, COPY_BYTES)?;
            }
            let nothing = InnerState::default();
            let mut effects = Effects::new(&store, &nothing);
            effects.adopt(inner);
            effects.push_replayed(Replayed { lsn: point.base.lsn, scn: point.scn });
            effects.commit(AppliedRecord { pos: BASE_POS, base: base_of(point) })
        };
        let inner = copied().map_err(io)?;
        Ok(Self { store, inner, path: dir.to_owned(), ls, only })
    }

    /// How far log is applied.
    #[must_use]
    pub fn replayed(&self) -> Replayed {
        self.inner.replayed.first().copied().unwrap_or_default()
    }

    /// Applies source log; writes to other tablets are passed over. A batch that is applied already is success without
    /// effect.
    ///
    /// # Errors
    /// `Corrupt` for a batch that does not start where the last one ended; what the disk says.
    pub fn replay(&mut self, batch: ReplayBatch) -> Result<()> {
        let items = batch.items.into_iter();
        let batch = pb::ReplayedBatch {
            source_start_lsn: batch.start.0,
            source_end_lsn: batch.end.0,
            source_scn: batch.scn.0,
            items: items.map(|i| pb::ReplayedItem { scn: i.scn.0, kind: i.kind.into(), body: i.body }).collect(),
        };
        let io = |e| EngineError::io("applying log to recovered tablets", &self.path, e);
        let Some(applied) = self.inner.applied else { return Err(io(corrupt("recovered tablets without a base"))) };
        let mut effects = Effects::new(&self.store, &self.inner).only(&self.only);
        if let Err(at) = apply_replayed(&mut effects, self.ls, &batch).map_err(io)? {
            let start = Lsn(batch.source_start_lsn);
            return Err(io(corrupt(format!("log from lsn {start} where lsn {at} has to come next"))));
        }
        self.inner = effects.commit(applied).map_err(io)?;
        Ok(())
    }

    /// Pairs of a tablet from `start` on, up to `max_bytes` but at least one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn page(&self, tablet: TabletId, start: &[u8], max_bytes: usize) -> Result<ScanPage> {
        let page = self.store.scan(tablet, start, &[], usize::MAX, max_bytes);
        page.map_err(|e| EngineError::io("reading recovered tablets", &self.path, e))
    }
}
