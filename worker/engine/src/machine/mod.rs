//! The state machine of one log stream: applies committed entries to the tablets, makes and takes snapshots.
//!
//! Order rules: an entry is durable in the local log before its effects touch the tablets, so the tablets are never
//! ahead of the log on disk; nothing is applied while a consistent point is taken; log and tablets are replaced together
//! or not at all.

mod apply;
mod apply_pause;
mod fingerprint;
mod head;
mod point;
mod replay;
mod reply;
mod snapshot;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;

pub(crate) use fingerprint::Seen;
pub(crate) use head::SnapshotHead;
pub(crate) use replay::apply_replayed;
pub(crate) use reply::Outcome;

use crate::dirs::{Generation, ReplicaDir};
use crate::error::{corrupt, corrupt_text};
use crate::log::{LogId, PalfLog};
use crate::sessions::Sessions;
use crate::tablet::{InnerState, SharedMemory, TabletStore};
use apply_pause::ApplyPause;
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use strandline_consensus::{Applied, Entry, EntryLog, GroupStateMachine, LogPos, Reply, SnapshotDir};
use strandline_types::{Lsn, Scn};
use tokio::sync::watch;

/// State machine of one replica.
#[derive(Debug)]
pub(crate) struct Machine {
    dir: ReplicaDir,
    id: LogId,
    memory: Arc<SharedMemory>,
    log: Arc<PalfLog>,
    store: RwLock<Arc<TabletStore>>,
    /// The records of the store, as of the last applied batch.
    inner: RwLock<Arc<InnerState>>,
    /// Requests of clients that are done, as of the last applied entry or a moment ahead of it.
    sessions: Mutex<Sessions>,
    /// Held while entries are applied or a consistent point is taken.
    apply_state: Mutex<ApplyState>,
    pause: ApplyPause,
    committed: watch::Sender<Lsn>,
    /// The first damage that was met in the files since they were opened.
    damage: OnceLock<String>,
}

impl std::fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedMemory").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct ApplyState {
    generation: Generation,
    snapshot: Option<SnapshotDir>,
    /// The state came in a snapshot whose files are gone: one is made when it is asked for.
    installed: bool,
}

impl Machine {
    /// Opens log and tablets of a replica, or begins empty ones.
    pub(crate) fn open(dir: ReplicaDir, id: LogId, memory: &Arc<SharedMemory>) -> io::Result<Arc<Self>> {
        let generation = dir.open()?;
        let log = Arc::new(PalfLog::open(&generation.log(), id)?);
        let store = TabletStore::open(&generation.db(), memory)?;
        let inner = store.inner_state()?;
        let sessions = store.sessions()?;
        if let Some(list) = &inner.tablets {
            store.remove_dropped(list)?;
        }
        if let (None, Some(purged)) = (&inner.applied, EntryLog::state(log.as_ref())?.purged) {
            let what = format!("the log begins after {purged}, but the tablets hold nothing of what was before it");
            return Err(corrupt(what));
        }
        if let Some(applied) = &inner.applied
            && log.tail().lsn < applied.base.lsn
        {
            let (end, at) = (log.tail().lsn, applied.base.lsn);
            return Err(corrupt(format!("the log ends at lsn {end}, but the tablets hold its effects up to {at}")));
        }
        let snapshot = snapshot::newest(&dir)?;
        let (end, scn) = inner.applied.map_or((Lsn::ZERO, Scn::MIN), |a| (a.base.lsn, a.base.prev_scn));
        Ok(Arc::new(Self {
            dir,
            id,
            memory: memory.clone(),
            log,
            store: RwLock::new(Arc::new(store)),
            inner: RwLock::new(Arc::new(inner)),
            sessions: Mutex::new(sessions),
            apply_state: Mutex::new(ApplyState { generation, snapshot, installed: false }),
            pause: ApplyPause::after(scn),
            committed: watch::Sender::new(end),
            damage: OnceLock::new(),
        }))
    }

    pub(crate) fn log(&self) -> &Arc<PalfLog> {
        &self.log
    }

    /// The tablets as they are now; they may be replaced by a snapshot later.
    pub(crate) fn store(&self) -> Arc<TabletStore> {
        self.store.read().clone()
    }

    /// The replica's own records as of the last applied batch.
    pub(crate) fn inner(&self) -> Arc<InnerState> {
        self.inner.read().clone()
    }

    /// The requests of clients that are done.
    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock()
    }

    /// End of the applied log.
    pub(crate) fn committed(&self) -> watch::Receiver<Lsn> {
        self.committed.subscribe()
    }

    /// What is damaged in the files, as far as anybody has met it since they were opened.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    /// Remembers an error that says *corrupt*.
    pub(crate) fn note_damage(&self, error: &io::Error) {
        if let Some(what) = corrupt_text(error) {
            // The first one counts: what follows comes of it.
            let _ = self.damage.set(what);
        }
    }

    /// Makes everything that is applied durable in the tablets.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.store().flush()
    }

    fn apply_state(&self) -> MutexGuard<'_, ApplyState> {
        self.apply_state.lock()
    }

    fn set_inner(&self, inner: InnerState) {
        let end = inner.applied.map_or(Lsn::ZERO, |a| a.base.lsn);
        *self.inner.write() = Arc::new(inner);
        self.committed.send_if_modified(|lsn| std::mem::replace(lsn, end) != end);
    }
}

impl GroupStateMachine for Machine {
    fn applied(&self) -> io::Result<Applied> {
        let inner = self.inner();
        Ok(Applied { last: inner.applied.map(|a| a.pos), membership: inner.membership.clone() })
    }

    fn apply(&self, entries: Vec<Entry>) -> io::Result<Vec<Reply>> {
        let mut rest = entries.as_slice();
        let mut replies = Vec::with_capacity(rest.len());
        while !rest.is_empty() {
            let apply_state = self.apply_state();
            let (now, later) = rest.split_at(self.pause.before(rest));
            replies.extend(self.apply_entries(now)?);
            self.pause.saw(now);
            drop(apply_state);
            if !later.is_empty() {
                self.pause.wait();
            }
            rest = later;
        }
        Ok(replies)
    }

    fn build_snapshot(&self) -> io::Result<SnapshotDir> {
        self.make_snapshot()
    }

    fn install_snapshot(&self, dir: &Path, last: Option<LogPos>, membership: bytes::Bytes) -> io::Result<()> {
        self.take_snapshot(dir, last, membership)
    }

    fn current_snapshot(&self) -> io::Result<Option<SnapshotDir>> {
        let (made, installed) = {
            let apply_state = self.apply_state();
            (apply_state.snapshot.clone().filter(|s| s.dir.exists()), apply_state.installed)
        };
        match made {
            None if installed => self.make_snapshot().map(Some),
            made => Ok(made),
        }
    }
}
