//! The effects of applied entries, gathered into one atomic write.

use super::options::without_wal;
use super::store::TabletStore;
use super::{AppliedRecord, InnerState, TabletList, name_of, rocks};
use crate::Replayed;
use crate::error::corrupt;
use crate::sessions::Change;
use bytes::Bytes;
use rocksdb::{BoundColumnFamily, WriteBatch};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use strandline_format::pb;
use strandline_proto::v1::Dictionary;
use strandline_types::TabletId;

/// What a batch of entries does to a store. Nothing is visible before [`Effects::commit`].
pub(crate) struct Effects<'a> {
    store: &'a TabletStore,
    before: &'a InnerState,
    inner: InnerState,
    batch: WriteBatch,
    tablets: HashMap<u64, Arc<BoundColumnFamily<'a>>>,
    only: Option<&'a BTreeSet<TabletId>>,
}

impl<'a> Effects<'a> {
    pub(crate) fn new(store: &'a TabletStore, before: &'a InnerState) -> Self {
        let batch = WriteBatch::default();
        Self { store, before, inner: before.clone(), batch, tablets: HashMap::new(), only: None }
    }

    /// Writes to other tablets are passed over.
    pub(crate) fn only(self, tablets: &'a BTreeSet<TabletId>) -> Self {
        Self { only: Some(tablets), ..self }
    }

    /// Writes of one client batch. A tablet begins to exist with its first write.
    pub(crate) fn put(&mut self, writes: &[pb::Write]) -> io::Result<()> {
        for write in writes {
            if write.tablet_id < TabletId::FIRST_USER.0 {
                return Err(corrupt(format!("a client batch writes into inner tablet {}", write.tablet_id)));
            }
            let tablet = TabletId(write.tablet_id);
            // A write that the drop has overtaken is gone with the tablet.
            if self.only.is_some_and(|only| !only.contains(&tablet)) || self.inner.is_dropped(tablet) {
                continue;
            }
            let cf = self.tablet(write.tablet_id)?;
            if write.delete {
                self.batch.delete_cf(&cf, &write.key);
            } else {
                self.batch.put_cf(&cf, &write.key, &write.value);
            }
        }
        Ok(())
    }

    fn tablet(&mut self, id: u64) -> io::Result<Arc<BoundColumnFamily<'a>>> {
        if let Some(cf) = self.tablets.get(&id) {
            return Ok(cf.clone());
        }
        let name = name_of(TabletId(id));
        let db = &self.store.db;
        if db.cf_handle(&name).is_none() {
            db.create_cf(&name, &self.store.memory.column_family()).map_err(rocks)?;
            self.store.add_tablet(TabletId(id));
        }
        let cf = db.cf_handle(&name).ok_or_else(|| io::Error::other(format!("tablet {id} was not created")))?;
        self.tablets.insert(id, cf.clone());
        Ok(cf)
    }

    /// The records of another store become those of this one.
    pub(crate) fn adopt(&mut self, inner: InnerState) {
        self.inner = inner;
    }

    pub(crate) fn set_membership(&mut self, membership: Bytes) {
        self.inner.membership = membership;
    }

    /// Takes a dictionary when it is newer than the stored one.
    pub(crate) fn set_dictionary(&mut self, dictionary: Dictionary) {
        if self.inner.dictionary.as_ref().is_none_or(|d| d.version < dictionary.version) {
            self.inner.dictionary = Some(dictionary);
        }
    }

    /// Takes a tablet list when it is newer than the stored one; the tablets go with [`Effects::commit`].
    pub(crate) fn set_tablets(&mut self, list: TabletList) {
        if self.inner.tablets.as_ref().is_none_or(|t| t.version() < list.version()) {
            self.inner.tablets = Some(Arc::new(list));
        }
    }

    /// Writes these records of clients' sessions: key, and value or `None` for one that goes.
    pub(crate) fn put_sessions(&mut self, changes: Vec<Change>) -> io::Result<()> {
        let cf = self.store.inner_cf()?;
        for (key, value) in changes {
            match value {
                Some(value) => self.batch.put_cf(&cf, key, value),
                None => self.batch.delete_cf(&cf, key),
            }
        }
        Ok(())
    }

    /// How far the source log `level` steps up is applied.
    pub(crate) fn replayed(&self, level: usize) -> Option<Replayed> {
        self.inner.replayed.get(level).copied()
    }

    pub(crate) fn set_replayed(&mut self, level: usize, to: Replayed) {
        if let Some(slot) = self.inner.replayed.get_mut(level) {
            *slot = to;
        }
    }

    /// A restored store: the position in its source becomes the first one.
    pub(crate) fn push_replayed(&mut self, from: Replayed) {
        self.inner.replayed.insert(0, from);
    }

    /// Writes everything together with the applied record, then removes what a new tablet list has dropped; gives the
    /// state of the records afterwards.
    pub(crate) fn commit(mut self, applied: AppliedRecord) -> io::Result<InnerState> {
        self.inner.applied = Some(applied);
        self.inner.put_changes(self.before, &mut self.batch, &self.store.inner_cf()?)?;
        self.store.db.write_opt(self.batch, &without_wal()).map_err(rocks)?;
        drop(self.tablets);
        if let Some(list) = self.inner.tablets.as_ref().filter(|t| Some(*t) != self.before.tablets.as_ref()) {
            self.store.carry_out(list)?;
        }
        Ok(self.inner)
    }
}
