//! One open RocksDB of a replica.

use super::inner::{InnerState, applied_at};
use super::options::{SharedMemory, without_wal};
use super::{DEFAULT, INNER, name_of, rocks, tablet_of};
use crate::ScanPage;
use crate::error::corrupt;
use crate::sessions::{FORGOTTEN_KEY, SESSION_PREFIX, Sessions};
use bytes::Bytes;
use parking_lot::RwLock;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BoundColumnFamily, ColumnFamilyDescriptor, DB, Direction, FlushOptions, IteratorMode, Options, ReadOptions,
    WriteBatch,
};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strandline_types::{Defect, Scn, TabletId};

/// Tablets and records of one replica.
pub(crate) struct TabletStore {
    pub(super) db: DB,
    pub(super) path: PathBuf,
    pub(super) memory: Arc<SharedMemory>,
    /// Tablets that exist, the inner one included.
    pub(super) tablets: RwLock<BTreeSet<TabletId>>,
}

impl std::fmt::Debug for TabletStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TabletStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl TabletStore {
    /// Opens the store in `path`, or creates an empty one there. RocksDB makes a store first and its families one by one
    /// afterwards; a creation that was cut off between is begun again.
    pub(crate) fn open(path: &Path, memory: &Arc<SharedMemory>) -> io::Result<Self> {
        let options = memory.database();
        let names = column_families(&options, path)?;
        let tablets = RwLock::new(names.iter().filter_map(|n| tablet_of(n)).collect());
        let descriptors = names.into_iter().map(|n| ColumnFamilyDescriptor::new(n, memory.column_family()));
        let db = DB::open_cf_descriptors(&options, path, descriptors).map_err(rocks)?;
        Ok(Self { db, path: path.to_owned(), memory: memory.clone(), tablets })
    }

    /// Opens the store in `path` for reading, with the inner tablet and those of `only` that it has. The files of the
    /// others need not be there.
    pub(crate) fn open_some(path: &Path, memory: &Arc<SharedMemory>, only: &BTreeSet<TabletId>) -> io::Result<Self> {
        let mut options = memory.database();
        options.create_if_missing(false);
        let mut names = DB::list_cf(&options, path).map_err(rocks)?;
        names.retain(|n| n == DEFAULT || tablet_of(n).is_some_and(|t| t == TabletId::INNER || only.contains(&t)));
        let tablets = RwLock::new(names.iter().filter_map(|n| tablet_of(n)).collect());
        let db = DB::open_cf_for_read_only(&options, path, names, false).map_err(rocks)?;
        Ok(Self { db, path: path.to_owned(), memory: memory.clone(), tablets })
    }

    /// Copies every pair of a tablet from another store, `portion_bytes` at a time.
    pub(crate) fn copy_tablet(&self, from: &Self, tablet: TabletId, portion_bytes: usize) -> io::Result<()> {
        let name = name_of(tablet);
        let Some(source) = from.db.cf_handle(&name) else { return Ok(()) };
        if self.db.cf_handle(&name).is_none() {
            self.db.create_cf(&name, &self.memory.column_family()).map_err(rocks)?;
            self.add_tablet(tablet);
        }
        let target =
            self.db.cf_handle(&name).ok_or_else(|| io::Error::other(format!("tablet {tablet} was not created")))?;
        let mut portion = WriteBatch::default();
        for pair in from.db.iterator_cf(&source, IteratorMode::Start) {
            let (key, value) = pair.map_err(rocks)?;
            portion.put_cf(&target, key, value);
            if portion.size_in_bytes() >= portion_bytes {
                let full = std::mem::take(&mut portion);
                self.db.write_opt(full, &without_wal()).map_err(rocks)?;
            }
        }
        self.db.write_opt(portion, &without_wal()).map_err(rocks)
    }

    /// What the inner column family says.
    pub(crate) fn inner_state(&self) -> io::Result<InnerState> {
        InnerState::load(&self.db, &self.inner_cf()?)
    }

    /// The clients' sessions that the inner column family holds.
    pub(crate) fn sessions(&self) -> io::Result<Sessions> {
        let cf = self.inner_cf()?;
        let forgotten = self.db.get_cf(&cf, FORGOTTEN_KEY).map_err(rocks)?;
        let from = IteratorMode::From(SESSION_PREFIX, Direction::Forward);
        let records = self.db.iterator_cf(&cf, from).map(|record| record.map_err(rocks));
        let records = records.take_while(|r| r.as_ref().map_or(true, |(key, _)| key.starts_with(SESSION_PREFIX)));
        Sessions::load(records, forgotten.as_deref())
    }

    pub(super) fn inner_cf(&self) -> io::Result<Arc<BoundColumnFamily<'_>>> {
        self.db.cf_handle(INNER).ok_or_else(|| corrupt(format!("{} has no inner tablet", self.path.display())))
    }

    /// Tablets that exist here, the inner one aside.
    pub(crate) fn tablet_count(&self) -> usize {
        self.tablets.read().len().saturating_sub(1)
    }

    pub(super) fn add_tablet(&self, tablet: TabletId) {
        self.tablets.write().insert(tablet);
    }

    /// True when the tablet exists here.
    pub(crate) fn has_tablet(&self, tablet: TabletId) -> bool {
        self.db.cf_handle(&name_of(tablet)).is_some()
    }

    /// Value of a key and the SCN up to which that is true.
    pub(crate) fn get(&self, tablet: TabletId, key: &[u8]) -> io::Result<(Option<Bytes>, Scn)> {
        let snapshot = self.db.snapshot();
        let mut options = ReadOptions::default();
        options.set_snapshot(&snapshot);
        let scn = self.scn_at(&options)?;
        let Some(cf) = self.db.cf_handle(&name_of(tablet)) else { return Ok((None, scn)) };
        let value = self.db.get_cf_opt(&cf, key, &options).map_err(rocks)?;
        Ok((value.map(Bytes::from), scn))
    }

    /// Pairs of `[start, end)`, up to `limit` pairs and `max_bytes` but at least one.
    pub(crate) fn scan(
        &self,
        tablet: TabletId,
        start: &[u8],
        end: &[u8],
        limit: usize,
        max_bytes: usize,
    ) -> io::Result<ScanPage> {
        let snapshot = self.db.snapshot();
        let mut options = ReadOptions::default();
        options.set_snapshot(&snapshot);
        let mut page = ScanPage { scn: self.scn_at(&options)?, ..ScanPage::default() };
        let Some(cf) = self.db.cf_handle(&name_of(tablet)) else { return Ok(page) };
        if !end.is_empty() {
            options.set_iterate_upper_bound(end);
        }
        let from = IteratorMode::From(start, rocksdb::Direction::Forward);
        let mut bytes = 0;
        for pair in self.db.iterator_cf_opt(&cf, options, from) {
            let (key, value) = pair.map_err(rocks)?;
            bytes += key.len() + value.len();
            if page.pairs.len() >= limit || (bytes > max_bytes && !page.pairs.is_empty()) {
                page.more = true;
                break;
            }
            page.pairs.push((Bytes::from(key), Bytes::from(value)));
        }
        Ok(page)
    }

    fn scn_at(&self, options: &ReadOptions) -> io::Result<Scn> {
        let applied = applied_at(&self.db, &self.inner_cf()?, options)?;
        Ok(applied.map_or(Scn::MIN, |a| a.base.prev_scn))
    }

    /// Everything that was written is durable when this returns.
    ///
    /// An empty list is every column family, taken together at one point in time. A list of our own would miss a tablet
    /// that is created meanwhile: its writes would be lost while the applied record that covers them is kept.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let every: [&Arc<BoundColumnFamily<'_>>; 0] = [];
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db.flush_cfs_opt(&every, &options).map_err(rocks)
    }

    /// Flushes and makes `dir`, which must not exist, a second store with the same content: hard links.
    pub(crate) fn checkpoint(&self, dir: &Path) -> io::Result<()> {
        Checkpoint::new(&self.db).and_then(|c| c.create_checkpoint(dir)).map_err(rocks)
    }

    /// Moves everything into the bottom level.
    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    pub(crate) fn compact_all(&self) {
        self.flush().unwrap();
        for tablet in self.tablets.read().iter() {
            let cf = self.db.cf_handle(&name_of(*tablet)).unwrap();
            self.db.compact_range_cf(&cf, None::<&[u8]>, None::<&[u8]>);
        }
    }
}

/// Names of the column families in `path`; those of an empty store when there is none, or one whose creation was cut off
/// before the inner tablet. A store that has tablets and no inner one is damaged, and stays as it is.
pub(super) fn column_families(options: &Options, path: &Path) -> io::Result<Vec<String>> {
    let empty = || vec![DEFAULT.to_owned(), INNER.to_owned()];
    if !path.join("CURRENT").exists() {
        return Ok(empty());
    }
    let names = DB::list_cf(options, path).map_err(|error| manifest_of(path).err().unwrap_or_else(|| rocks(error)))?;
    Ok(if names == [DEFAULT] && !Defect::F6.is_planted() { empty() } else { names })
}

/// Whether `CURRENT` names a file that is there. RocksDB takes a damaged name for an error of the disk.
fn manifest_of(path: &Path) -> io::Result<()> {
    let current = std::fs::read(path.join("CURRENT"))?;
    let name = std::str::from_utf8(&current).ok().and_then(|text| text.strip_suffix('\n'));
    match name.filter(|name| name.starts_with("MANIFEST-")) {
        Some(name) if path.join(name).exists() => Ok(()),
        _ => Err(corrupt(format!("CURRENT in {} does not name a manifest that is there", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NEW: TabletId = TabletId::FIRST_USER;

    #[test]
    fn a_store_whose_creation_was_cut_off_is_begun_again_and_one_that_lost_its_inner_tablet_is_not() {
        let tmp = tempfile::tempdir().unwrap();
        let memory = Arc::new(SharedMemory::new(16 << 20, 8 << 20));
        let path = tmp.path().join("db");
        // As RocksDB leaves it when the process dies after `CURRENT` and before the second family.
        drop(DB::open(&memory.database(), &path).unwrap());
        let store = TabletStore::open(&path, &memory).unwrap();
        assert_eq!(store.inner_state().unwrap(), InnerState::default());
        store.db.create_cf(name_of(NEW), &memory.column_family()).unwrap();
        store.db.drop_cf(INNER).unwrap();
        drop(store);
        let damaged = TabletStore::open(&path, &memory).unwrap().inner_state().unwrap_err();
        assert!(damaged.to_string().contains("no inner tablet"), "{damaged}");
    }

    #[test]
    fn a_flush_never_leaves_out_a_tablet_that_is_being_created() {
        let tmp = tempfile::tempdir().unwrap();
        let (live, crashed) = (tmp.path().join("live"), tmp.path().join("crashed"));
        let memory = Arc::new(SharedMemory::new(16 << 20, 8 << 20));
        let store = TabletStore::open(&live, &memory).unwrap();
        // As `Effects` does it, stopped between the creation of a tablet and its being known here.
        store.db.create_cf(name_of(NEW), &memory.column_family()).unwrap();
        let mut batch = WriteBatch::default();
        batch.put_cf(&store.db.cf_handle(&name_of(NEW)).unwrap(), b"k", b"v");
        batch.put_cf(&store.inner_cf().unwrap(), b"applied", []);
        store.db.write_opt(batch, &without_wal()).unwrap();
        store.flush().unwrap();
        std::fs::create_dir(&crashed).unwrap();
        for file in std::fs::read_dir(&live).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), crashed.join(file.file_name())).unwrap();
        }
        let after = TabletStore::open(&crashed, &memory).unwrap();
        let (inner, tablet) = (after.inner_cf().unwrap(), after.db.cf_handle(&name_of(NEW)).unwrap());
        assert!(after.db.get_cf(&inner, b"applied").unwrap().is_some());
        assert!(after.db.get_cf(&tablet, b"k").unwrap().is_some(), "the applied record is ahead of the tablet");
    }
}
