//! One small RocksDB of the node that is opened anew when it has failed.
//!
//! RocksDB keeps a failed write as a state of the open database and refuses every later one. All groups of the node share
//! this one, so after an error it is opened anew: what its WAL holds is replayed and written again, and the call is tried
//! once more. It must never answer from a database that has failed.

use parking_lot::RwLock;
use rocksdb::{DB, ErrorKind, IteratorMode, Options, WriteBatch, WriteOptions};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const WRITE_BUFFER_BYTES: usize = 1 << 20;
const WAL_BYTES_MAX: u64 = 8 << 20;

/// Everything that a database holds.
pub(crate) type Content = BTreeMap<Vec<u8>, Vec<u8>>;
/// New values; `None` removes the key.
pub(crate) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// The database.
pub(crate) struct MetaDb {
    dir: PathBuf,
    /// `None` while it cannot be opened.
    db: RwLock<Option<DB>>,
    /// A call has failed: the next one opens the database anew.
    has_failed: AtomicBool,
    /// The next so many writes fail as on a broken disk.
    #[cfg(test)]
    pub(crate) breaks: std::sync::atomic::AtomicU32,
}

/// What came of opening one.
pub(crate) enum Opened {
    /// It is whole, as far as its files can tell.
    Whole(MetaDb, Content),
    /// Its files are damaged, and how.
    Damaged(String),
}

impl MetaDb {
    /// Opens it and reads all of it, every block with its checksum.
    pub(crate) fn open(dir: &Path) -> io::Result<Opened> {
        let read = open_db(dir).and_then(|db| content(&db).map(|content| (db, content)));
        match read {
            Ok((db, content)) => {
                let db = Self {
                    dir: dir.to_owned(),
                    db: RwLock::new(Some(db)),
                    has_failed: AtomicBool::new(false),
                    #[cfg(test)]
                    breaks: std::sync::atomic::AtomicU32::new(0),
                };
                Ok(Opened::Whole(db, content))
            }
            Err(e) if e.kind() == ErrorKind::Corruption => Ok(Opened::Damaged(e.to_string())),
            Err(e) => Err(failed(dir, &e)),
        }
    }

    /// True where there is one.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join("CURRENT").exists()
    }

    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.tried(|db| db.get(key))
    }

    /// Durable when this returns. A write that fails is tried once more on the database that was opened anew: one hiccup of
    /// the disk stops no group.
    pub(crate) fn write_durably(&self, changes: &Changes) -> io::Result<()> {
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        self.write(changes, &durable)
    }

    /// May be lost.
    pub(crate) fn write_lightly(&self, changes: &Changes) -> io::Result<()> {
        self.write(changes, &WriteOptions::default())
    }

    fn write(&self, changes: &Changes, options: &WriteOptions) -> io::Result<()> {
        let work = |db: &DB| {
            let mut batch = WriteBatch::default();
            for (key, value) in changes {
                match value {
                    Some(value) => batch.put(key, value),
                    None => batch.delete(key),
                }
            }
            self.breaking().unwrap_or_else(|| db.write_opt(batch, options))
        };
        match self.tried(work) {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::error!(dir = %self.dir.display(), %error, "the vote store failed: it is opened anew");
                self.tried(work)
            }
        }
    }

    fn tried<T>(&self, work: impl FnOnce(&DB) -> Result<T, rocksdb::Error>) -> io::Result<T> {
        self.heal()?;
        let held = self.db.read();
        let db = held.as_ref().ok_or_else(|| io::Error::other("the vote store is not open"))?;
        work(db).map_err(|e| {
            self.has_failed.store(true, Ordering::Release);
            failed(&self.dir, &e)
        })
    }

    /// Opens the database anew when it has failed. It is closed first: two may not be open at once.
    fn heal(&self) -> io::Result<()> {
        if !self.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut held = self.db.write();
        if self.has_failed.load(Ordering::Acquire) {
            drop(held.take());
            *held = Some(open_db(&self.dir).map_err(|e| failed(&self.dir, &e))?);
            self.has_failed.store(false, Ordering::Release);
        }
        Ok(())
    }

    #[cfg(test)]
    fn breaking(&self) -> Option<Result<(), rocksdb::Error>> {
        let left = self.breaks.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        // The crate has no other way to make one of its errors.
        left.ok().map(|_| DB::open_default("/proc/no such place").map(drop))
    }

    #[cfg(not(test))]
    const fn breaking(&self) -> Option<Result<(), rocksdb::Error>> {
        None
    }
}

fn content(db: &DB) -> Result<Content, rocksdb::Error> {
    let pairs = db.iterator(IteratorMode::Start);
    pairs.map(|pair| pair.map(|(key, value)| (key.into_vec(), value.into_vec()))).collect()
}

fn failed(dir: &Path, error: &rocksdb::Error) -> io::Error {
    io::Error::other(format!("vote store {}: {error}", dir.display()))
}

fn open_db(dir: &Path) -> Result<DB, rocksdb::Error> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_keep_log_file_num(2);
    DB::open(&options, dir)
}
