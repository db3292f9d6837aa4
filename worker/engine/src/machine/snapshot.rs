//! Snapshots for replicas that are too far behind: tablets and log blocks together, so that the next leader can
//! archive from where the last leader stopped.

use super::{ApplyState, Machine, SnapshotHead};
use crate::dirs::{Generation, ReplicaDir};
use crate::error::corrupt;
use crate::files;
use crate::log::{Floor, PalfLog};
use crate::tablet::{AppliedRecord, Effects, TabletStore};
use bytes::Bytes;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use strandline_consensus::{LogPos, SnapshotDir};

impl Machine {
    pub(super) fn make_snapshot(&self) -> io::Result<SnapshotDir> {
        let mut apply_state = self.apply_state();
        let inner = self.inner();
        let Some(applied) = inner.applied else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "nothing was applied here yet"));
        };
        if let Some(made) = apply_state.snapshot.clone().filter(|s| s.last == Some(applied.pos) && s.dir.exists()) {
            return Ok(made);
        }
        let head = SnapshotHead { pos: applied.pos, base: applied.base, membership: inner.membership.clone() };
        let all = self.dir.snapshots();
        let dir = all.join(format!("{}", applied.pos));
        files::remove_tree_if_there(&dir)?;
        fs::create_dir_all(&dir)?;
        self.store().checkpoint(&dir.join("db"))?;
        self.log.copy_to(&dir.join("log"), &Floor { purged: Some(head.pos), base: head.base })?;
        head.store(&dir)?;
        files::sync_tree(&dir)?;
        let made = SnapshotDir { last: Some(head.pos), membership: head.membership, dir };
        keep_only(&all, &made.dir)?;
        apply_state.snapshot = Some(made.clone());
        Ok(made)
    }

    pub(super) fn take_snapshot(&self, dir: &Path, last: Option<LogPos>, membership: Bytes) -> io::Result<()> {
        let mut apply_state = self.apply_state();
        let head = SnapshotHead::load(dir)?.ok_or_else(|| corrupt(format!("{} is no snapshot", dir.display())))?;
        if last != Some(head.pos) {
            return Err(corrupt(format!("the snapshot ends at {}, not at {last:?}", head.pos)));
        }
        let next = self.dir.next(&apply_state.generation)?;
        files::link_tree(&dir.join("db"), &next.db())?;
        let store = TabletStore::open(&next.db(), &self.memory)?;
        let inner = check_and_complete(&store, &head, membership)?;
        let sessions = store.sessions()?;
        self.lay_log(&dir.join("log"), &next, &head)?;
        files::sync_tree(next.path())?;
        self.dir.switch(&next)?;
        self.replace(&mut apply_state, next, store)?;
        *self.sessions() = sessions;
        self.set_inner(inner);
        Ok(())
    }

    /// The log of the new generation: our own when it holds the snapshot's last entry (whatever follows it stays),
    /// else the one that came with the snapshot.
    fn lay_log(&self, theirs: &Path, next: &Generation, head: &SnapshotHead) -> io::Result<()> {
        let floor = Floor { purged: Some(head.pos), base: head.base };
        match self.log.after(head.pos.index)? {
            Some((pos, base)) if pos == head.pos && base == head.base => self.log.link_to(&next.log(), &floor),
            _ => {
                files::link_tree(theirs, &next.log())?;
                PalfLog::begin_at(&next.log(), self.id, &floor)
            }
        }
    }

    /// The new generation is in force on disk: now in memory.
    fn replace(&self, apply_state: &mut ApplyState, next: Generation, store: TabletStore) -> io::Result<()> {
        self.log.switch_to(&next.log())?;
        *self.store.write() = Arc::new(store);
        let old = std::mem::replace(&mut apply_state.generation, next);
        apply_state.snapshot = None;
        apply_state.installed = true;
        files::remove_tree_if_there(&self.dir.snapshots())?;
        // Readers may still hold the old store: its open files stay readable.
        files::remove_tree_if_there(old.path())
    }
}

/// The tablets must be where the head says; they learn the members that the snapshot was sent with.
fn check_and_complete(
    store: &TabletStore,
    head: &SnapshotHead,
    membership: Bytes,
) -> io::Result<crate::tablet::InnerState> {
    let before = store.inner_state()?;
    let expected = AppliedRecord { pos: head.pos, base: head.base };
    if before.applied != Some(expected) {
        return Err(corrupt(format!(
            "the tablets of a snapshot are at {:?}, its head at {}",
            before.applied, head.pos
        )));
    }
    let mut effects = Effects::new(store, &before);
    effects.set_membership(membership);
    let inner = effects.commit(expected)?;
    store.flush()?;
    Ok(inner)
}

/// The newest whole snapshot that an earlier process left; everything else there is deleted.
pub(super) fn newest(dir: &ReplicaDir) -> io::Result<Option<SnapshotDir>> {
    let all = dir.snapshots();
    let mut newest: Option<SnapshotDir> = None;
    let entries = match fs::read_dir(&all) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    for entry in entries {
        let dir = entry?.path();
        // A head is written last: a directory without one, or with a bad one, is a left-over.
        if let Ok(Some(head)) = SnapshotHead::load(&dir)
            && newest.as_ref().is_none_or(|n| n.last < Some(head.pos))
        {
            newest = Some(SnapshotDir { last: Some(head.pos), membership: head.membership, dir });
        }
    }
    match &newest {
        Some(kept) => keep_only(&all, &kept.dir)?,
        None => files::remove_tree_if_there(&all)?,
    }
    Ok(newest)
}

fn keep_only(all: &Path, kept: &Path) -> io::Result<()> {
    for entry in fs::read_dir(all)? {
        let path = entry?.path();
        if path != kept {
            files::remove_tree_if_there(&path)?;
        }
    }
    Ok(())
}
