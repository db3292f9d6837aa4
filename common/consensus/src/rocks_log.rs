//! An [`EntryLog`] in a RocksDB of its own.
//!
//! Keys: `e` + index (big endian) → postcard of the entry; `p` → the purged position. The WAL is on: an append is in the
//! WAL's page cache when it returns, `sync` flushes the WAL.
//!
//! RocksDB opens at the last state that its files prove and does not say what it left out. So a mark beside it says what
//! was durable ([`crate::durable_mark`]), and before a database that was written in this boot is opened its WAL is looked
//! through ([`crate::wal_check`]). A log that lacks something says so: [`EntryLog::loss`].

use crate::boot::BootId;
use crate::convert::{decode, encode};
use crate::durable_mark::{Found, Mark, MarkFile};
use crate::log::{EntryLog, LogState};
use crate::marker::Marker;
use crate::types::{Entry, LogPos};
use crate::wal_check;
use parking_lot::Mutex;
use rocksdb::{DB, Direction, IteratorMode, Options, ReadOptions, WriteBatch};
use std::io;
use std::ops::Range;
use std::path::Path;
use strandline_types::Defect;

const ENTRY: u8 = b'e';
const AFTER_ENTRIES: u8 = b'f';
const PURGED: &[u8] = b"p";

/// A log in RocksDB.
pub struct RocksLog {
    db: DB,
    state: Mutex<LogState>,
    /// Dropped after the database: what was durable then is marked exactly.
    marker: Marker,
    loss: Mutex<Option<String>>,
}

impl RocksLog {
    /// Opens a database of its own.
    pub fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let (mut file, found) = MarkFile::load(dir)?;
        let marked = if let Found::Mark(mark) = found { mark } else { Mark::default() };
        let before = damage_before(dir, &found)?;
        if before.is_some() && !marked.is_damaged {
            // Opening takes the evidence away.
            file.store(&Mark { is_damaged: true, ..marked })?;
        }
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_keep_log_file_num(2);
        let db = DB::open(&options, dir).map_err(io::Error::other)?;
        let mut state = load_state(&db)?;
        let hole = hole(&db, state)?;
        let told = hole.map(|at| format!("the log has no entry {at}, and goes on behind it"));
        let loss = match before.or(told) {
            None => missing(&db, state, marked.durable)?,
            some => some,
        };
        if loss.is_some() {
            file.store(&Mark { is_damaged: true, ..marked })?;
        }
        if let Some(at) = hole {
            // What stands behind it cannot be used: the leader has it.
            let mut batch = WriteBatch::default();
            batch.delete_range(key(at), vec![AFTER_ENTRIES]);
            db.write(batch).and_then(|()| db.flush_wal(true)).map_err(io::Error::other)?;
            state = load_state(&db)?;
        }
        let mark = Mark { durable: state.last, boot: BootId::now(), is_damaged: loss.is_some() };
        if loss.is_none()
            && let Err(error) = file.store(&mark)
        {
            tracing::debug!(%error, "the mark of the log was not written: it says less");
        }
        let marker = Marker::start(file, &mark)?;
        Ok(Self { db, state: Mutex::new(state), marker, loss: Mutex::new(loss) })
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, LogState> {
        self.state.lock()
    }
}

/// What is known of a database before it is opened.
fn damage_before(dir: &Path, found: &Found) -> io::Result<Option<String>> {
    match found {
        _ if Defect::D1.is_planted() => Ok(None),
        Found::None => Ok(None),
        Found::Unreadable => Ok(Some(format!("the mark of what was durable in {} is damaged", dir.display()))),
        Found::Mark(mark) if mark.is_damaged => Ok(Some(format!("damage was found in {} before", dir.display()))),
        Found::Mark(mark) if mark.boot.is_same_boot(BootId::now()) => wal_check::first_damage(dir),
        Found::Mark(_) => Ok(None),
    }
}

/// What is missing of a log that was durable up to `durable`.
fn missing(db: &DB, state: LogState, durable: Option<LogPos>) -> io::Result<Option<String>> {
    let Some(durable) = durable.filter(|pos| state.purged.is_none_or(|purged| purged.index < pos.index)) else {
        return Ok(None);
    };
    if Defect::D1.is_planted() {
        return Ok(None);
    }
    let here = db.get(key(durable.index)).map_err(io::Error::other)?;
    let here = here.map(|bytes| decode::<Entry>(&bytes)).transpose()?.map(|entry| entry.pos);
    let ends = state.last.map_or_else(|| "is empty".to_owned(), |last| format!("ends at {last}"));
    Ok((here != Some(durable)).then(|| format!("the log {ends}, but it was durable up to {durable}")))
}

/// The first index that has no entry though later ones have: a file is gone from the database. Reads all of them once, so
/// that a block that is bad is found now.
fn hole(db: &DB, state: LogState) -> io::Result<Option<u64>> {
    if state.last.is_none() || state.last == state.purged {
        return Ok(None);
    }
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound([AFTER_ENTRIES]);
    let wanted = state.purged.map_or(0, |purged| purged.index + 1)..;
    let there = db.iterator_opt(IteratorMode::From(&[ENTRY], Direction::Forward), options);
    for (index, item) in wanted.zip(there) {
        if *item.map_err(io::Error::other)?.0 != *key(index) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn load_state(db: &DB) -> io::Result<LogState> {
    let purged = db.get(PURGED).map_err(io::Error::other)?;
    let purged: Option<LogPos> = purged.map(|bytes| decode(&bytes)).transpose()?;
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound([ENTRY]);
    let mode = IteratorMode::From(&[AFTER_ENTRIES], Direction::Reverse);
    let last = match db.iterator_opt(mode, options).next() {
        Some(item) => Some(decode::<Entry>(&item.map_err(io::Error::other)?.1)?.pos),
        None => purged,
    };
    Ok(LogState { purged, last })
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
        let from = key(range.start);
        for item in self.db.iterator_opt(IteratorMode::From(&from, Direction::Forward), options) {
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
        let mut batch = WriteBatch::default();
        for entry in &entries {
            batch.put(key(entry.pos.index), encode(entry)?);
        }
        self.db.write(batch).map_err(io::Error::other)?;
        self.lock().last = Some(last);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let before = self.marker.before_flush(self.lock().last);
        self.db.flush_wal(true).map_err(io::Error::other)?;
        self.marker.flushed(before);
        Ok(())
    }

    fn truncate_after(&self, pos: Option<LogPos>) -> io::Result<()> {
        self.marker.cut_to(pos)?;
        let mut batch = WriteBatch::default();
        batch.delete_range(key(pos.map_or(0, |pos| pos.index + 1)), vec![AFTER_ENTRIES]);
        self.db.write(batch).map_err(io::Error::other)?;
        let mut state = self.lock();
        state.last = pos.or(state.purged);
        Ok(())
    }

    fn purge(&self, upto: LogPos) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        batch.put(PURGED, encode(&upto)?);
        batch.delete_range(key(0), key(upto.index + 1));
        self.db.write(batch).map_err(io::Error::other)?;
        let mut state = self.lock();
        state.purged = Some(upto);
        state.last = state.last.max(Some(upto));
        Ok(())
    }

    fn loss(&self) -> Option<String> {
        self.loss.lock().clone()
    }

    fn loss_is_known(&self) -> io::Result<()> {
        self.sync()?;
        self.marker.begin_anew(self.lock().last)?;
        *self.loss.lock() = None;
        Ok(())
    }
}

fn key(index: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(ENTRY);
    key.extend_from_slice(&index.to_be_bytes());
    key
}

#[cfg(test)]
mod tests;
