//! An [`EntryLog`] in one column family of a RocksDB, for groups whose state machine lives there too.
//!
//! Keys: `e` + index (big endian) → postcard of the entry; `p` → the purged position. The WAL is on: an append is in the
//! WAL's page cache when it returns, `sync` flushes the WAL. A state machine that writes to the same database without
//! sync is therefore never ahead of this log after a crash. Nobody else writes to the column family.

use crate::convert::{decode, encode};
use crate::log::{EntryLog, LogState};
use crate::types::{Entry, LogPos};
use rocksdb::{BoundColumnFamily, DB, Direction, IteratorMode, Options, ReadOptions, WriteBatch};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const ENTRY: u8 = b'e';
const AFTER_ENTRIES: u8 = b'f';
const PURGED: &[u8] = b"p";

/// A log in RocksDB.
pub struct RocksLog {
    db: Arc<DB>,
    cf: String,
    state: Mutex<LogState>,
}

impl RocksLog {
    /// Opens a database of its own.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_keep_log_file_num(2);
        let cf = rocksdb::DEFAULT_COLUMN_FAMILY_NAME;
        let db = DB::open_cf(&options, dir, [cf]).map_err(io::Error::other)?;
        Self::in_db(Arc::new(db), cf)
    }

    /// Uses the column family `cf` of a database that is open already.
    pub fn in_db(db: Arc<DB>, cf: &str) -> io::Result<Self> {
        let log = Self { db, cf: cf.to_owned(), state: Mutex::default() };
        let state = log.load_state()?;
        *log.lock() = state;
        Ok(log)
    }

    fn load_state(&self) -> io::Result<LogState> {
        let cf = self.cf()?;
        let purged = self.db.get_cf(&cf, PURGED).map_err(io::Error::other)?;
        let purged: Option<LogPos> = purged.map(|bytes| decode(&bytes)).transpose()?;
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound([ENTRY]);
        let mode = IteratorMode::From(&[AFTER_ENTRIES], Direction::Reverse);
        let last = match self.db.iterator_cf_opt(&cf, options, mode).next() {
            Some(item) => Some(decode::<Entry>(&item.map_err(io::Error::other)?.1)?.pos),
            None => purged,
        };
        Ok(LogState { purged, last })
    }

    fn cf(&self) -> io::Result<Arc<BoundColumnFamily<'_>>> {
        self.db.cf_handle(&self.cf).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such column family"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EntryLog for RocksLog {
    fn state(&self) -> io::Result<LogState> {
        Ok(*self.lock())
    }

    fn read(&self, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(key(range.end));
        let cf = self.cf()?;
        let from = key(range.start);
        for item in self.db.iterator_cf_opt(&cf, options, IteratorMode::From(&from, Direction::Forward)) {
            let (_, value) = item.map_err(io::Error::other)?;
            let entry: Entry = decode(&value)?;
            if entries.last().is_some_and(|before| before.pos.index + 1 != entry.pos.index) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("no entry before {}", entry.pos)));
            }
            bytes += entry.body_len();
            if bytes > max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn append(&self, entries: Vec<Entry>) -> io::Result<()> {
        let Some(last) = entries.last().map(|entry| entry.pos) else { return Ok(()) };
        let cf = self.cf()?;
        let mut batch = WriteBatch::default();
        for entry in &entries {
            batch.put_cf(&cf, key(entry.pos.index), encode(entry)?);
        }
        self.db.write(batch).map_err(io::Error::other)?;
        self.lock().last = Some(last);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.db.flush_wal(true).map_err(io::Error::other)
    }

    fn truncate_after(&self, pos: Option<LogPos>) -> io::Result<()> {
        let cf = self.cf()?;
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(&cf, key(pos.map_or(0, |pos| pos.index + 1)), vec![AFTER_ENTRIES]);
        self.db.write(batch).map_err(io::Error::other)?;
        let mut state = self.lock();
        state.last = pos.or(state.purged);
        Ok(())
    }

    fn purge(&self, upto: LogPos) -> io::Result<()> {
        let cf = self.cf()?;
        let mut batch = WriteBatch::default();
        batch.put_cf(&cf, PURGED, encode(&upto)?);
        batch.delete_range_cf(&cf, key(0), key(upto.index + 1));
        self.db.write(batch).map_err(io::Error::other)?;
        let mut state = self.lock();
        state.purged = Some(upto);
        state.last = state.last.max(Some(upto));
        Ok(())
    }
}

fn key(index: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(ENTRY);
    key.extend_from_slice(&index.to_be_bytes());
    key
}
