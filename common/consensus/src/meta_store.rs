//! Votes, committed positions and the marks of all groups of a node, in one small RocksDB.
//!
//! A vote and a mark are durable when the call returns; a committed position is a hint that may be lost. Keys: one tag
//! byte (`v`, `c`, `j`, `f`), then the group's name.
//!
//! RocksDB keeps a failed write as a state of the open database and refuses every later one. All groups of the node
//! share this store, so after an error it is opened anew: what its WAL holds is replayed and written again, and the
//! call is tried once more. It must never answer from a database that has failed.

use crate::convert::{decode, encode};
use crate::raft_types::{LogId, Vote};
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

const VOTE: u8 = b'v';
const COMMITTED: u8 = b'c';
const CAUGHT_UP: u8 = b'j';
const FORMED: u8 = b'f';
/// Value of a "has caught up" mark that stands beside the mark of a formed group: the first versions had no such mark,
/// and wrote no value.
const BESIDE_FORMED: &[u8] = &[1];
const WRITE_BUFFER_BYTES: usize = 1 << 20;
const WAL_BYTES_MAX: u64 = 8 << 20;

/// The node's small store.
pub(crate) struct MetaStore {
    dir: PathBuf,
    /// `None` while it cannot be opened.
    db: RwLock<Option<DB>>,
    /// A call has failed: the next one opens the database anew.
    has_failed: AtomicBool,
    /// The next so many writes fail as on a broken disk.
    #[cfg(test)]
    pub(crate) breaks: std::sync::atomic::AtomicU32,
}

impl MetaStore {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        Ok(Self {
            dir: dir.to_owned(),
            db: RwLock::new(Some(open_db(dir)?)),
            has_failed: AtomicBool::new(false),
            #[cfg(test)]
            breaks: std::sync::atomic::AtomicU32::new(0),
        })
    }

    pub(crate) fn vote(&self, group: &str) -> io::Result<Option<Vote>> {
        self.get(VOTE, group)?.map(|bytes| decode(&bytes)).transpose()
    }

    pub(crate) fn save_vote(&self, group: &str, vote: &Vote) -> io::Result<()> {
        self.put_durably(VOTE, group, &encode(vote)?)
    }

    pub(crate) fn committed(&self, group: &str) -> io::Result<Option<LogId>> {
        self.get(COMMITTED, group)?.map(|bytes| decode(&bytes)).transpose()
    }

    pub(crate) fn save_committed(&self, group: &str, committed: &LogId) -> io::Result<()> {
        let bytes = encode(committed)?;
        self.write(|db| db.put(key(COMMITTED, group), &bytes))
    }

    /// Whether the replica votes and stands for election.
    pub(crate) fn is_caught_up(&self, group: &str) -> io::Result<bool> {
        Ok(self.get(CAUGHT_UP, group)?.is_some())
    }

    pub(crate) fn set_caught_up(&self, group: &str) -> io::Result<()> {
        self.put_durably(CAUGHT_UP, group, BESIDE_FORMED)
    }

    /// Whether the replica ever took an entry or a snapshot of its group into its files.
    pub(crate) fn is_formed(&self, group: &str) -> io::Result<bool> {
        if self.get(FORMED, group)?.is_some() {
            return Ok(true);
        }
        Ok(self.get(CAUGHT_UP, group)?.is_some_and(|value| value != BESIDE_FORMED))
    }

    pub(crate) fn set_formed(&self, group: &str) -> io::Result<()> {
        self.put_durably(FORMED, group, &[])
    }

    /// What stands on a log that was lost: the replica is no full member any more, and nothing of it is committed.
    pub(crate) fn log_was_lost(&self, group: &str) -> io::Result<()> {
        self.set_formed(group)?;
        self.write(|db| {
            let mut batch = WriteBatch::default();
            batch.delete(key(COMMITTED, group));
            batch.delete(key(CAUGHT_UP, group));
            db.write_opt(batch, &durable())
        })
    }

    /// Everything of a group, durably: its replica leaves this node for good.
    pub(crate) fn forget(&self, group: &str) -> io::Result<()> {
        self.write(|db| {
            let mut batch = WriteBatch::default();
            for tag in [VOTE, COMMITTED, CAUGHT_UP, FORMED] {
                batch.delete(key(tag, group));
            }
            db.write_opt(batch, &durable())
        })
    }

    fn get(&self, tag: u8, group: &str) -> io::Result<Option<Vec<u8>>> {
        self.tried(|db| db.get(key(tag, group)))
    }

    fn put_durably(&self, tag: u8, group: &str, value: &[u8]) -> io::Result<()> {
        self.write(|db| db.put_opt(key(tag, group), value, &durable()))
    }

    /// A write that fails is tried once more on the store that was opened anew: one hiccup of the disk stops no group.
    fn write(&self, work: impl Fn(&DB) -> Result<(), rocksdb::Error>) -> io::Result<()> {
        match self.tried(|db| self.breaking().unwrap_or_else(|| work(db))) {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::error!(dir = %self.dir.display(), %error, "the vote store failed: it is opened anew");
                self.tried(|db| self.breaking().unwrap_or_else(|| work(db)))
            }
        }
    }

    fn tried<T>(&self, work: impl FnOnce(&DB) -> Result<T, rocksdb::Error>) -> io::Result<T> {
        self.heal()?;
        let held = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = held.as_ref().ok_or_else(|| io::Error::other("the vote store is not open"))?;
        work(db).map_err(|e| {
            self.has_failed.store(true, Ordering::Release);
            io::Error::other(format!("vote store: {e}"))
        })
    }

    /// Opens the database anew when it has failed. It is closed first: two may not be open at once.
    fn heal(&self) -> io::Result<()> {
        if !self.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut held = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if self.has_failed.load(Ordering::Acquire) {
            drop(held.take());
            *held = Some(open_db(&self.dir)?);
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

fn open_db(dir: &Path) -> io::Result<DB> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_keep_log_file_num(2);
    DB::open(&options, dir).map_err(|e| io::Error::other(format!("vote store: {e}")))
}

fn key(tag: u8, group: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + group.len());
    key.push(tag);
    key.extend_from_slice(group.as_bytes());
    key
}

fn durable() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_error_of_the_disk_is_survived_by_the_call_and_a_longer_one_by_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = MetaStore::open(dir.path()).unwrap();
        let vote = |term| Vote::new(term, 1);
        store.save_vote("g", &vote(1)).unwrap();
        store.breaks.store(1, Ordering::Release);
        store.save_vote("g", &vote(2)).unwrap();
        assert_eq!(store.vote("g").unwrap(), Some(vote(2)));
        store.breaks.store(2, Ordering::Release);
        assert!(store.save_vote("g", &vote(3)).is_err(), "nobody may take it for saved");
        assert_eq!(store.vote("g").unwrap(), Some(vote(2)), "what was saved is there");
        store.save_vote("g", &vote(4)).unwrap();
        assert_eq!(store.vote("g").unwrap(), Some(vote(4)));
    }

    #[test]
    fn a_directory_of_a_formed_group_says_so_until_the_replica_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = MetaStore::open(dir.path()).unwrap();
        store.set_caught_up("g").unwrap();
        assert!(!store.is_formed("g").unwrap());
        store.set_formed("g").unwrap();
        drop(store);
        let store = MetaStore::open(dir.path()).unwrap();
        assert!(store.is_formed("g").unwrap() && !store.is_formed("h").unwrap());
        store.log_was_lost("g").unwrap();
        assert!(store.is_formed("g").unwrap() && !store.is_caught_up("g").unwrap());
        store.forget("g").unwrap();
        assert!(!store.is_formed("g").unwrap());
    }

    #[test]
    fn a_full_member_of_an_earlier_version_counts_as_one_of_a_formed_group() {
        let dir = tempfile::tempdir().unwrap();
        let store = MetaStore::open(dir.path()).unwrap();
        store.write(|db| db.put(key(CAUGHT_UP, "g"), [])).unwrap();
        assert!(store.is_caught_up("g").unwrap() && store.is_formed("g").unwrap());
    }
}
