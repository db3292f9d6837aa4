//! Votes, committed positions and the "has caught up" marks of all groups of a node, in one small RocksDB.
//!
//! A vote and a mark are durable when the call returns; a committed position is a hint that may be lost. Keys: one tag
//! byte (`v`, `c`, `j`), then the group's name.

use crate::convert::{decode, encode};
use crate::raft_types::{LogId, Vote};
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use std::io;
use std::path::Path;

const VOTE: u8 = b'v';
const COMMITTED: u8 = b'c';
const CAUGHT_UP: u8 = b'j';
const WRITE_BUFFER_BYTES: usize = 1 << 20;
const WAL_BYTES_MAX: u64 = 8 << 20;

/// The node's small store.
pub(crate) struct MetaStore {
    db: DB,
}

impl MetaStore {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_write_buffer_size(WRITE_BUFFER_BYTES);
        options.set_max_total_wal_size(WAL_BYTES_MAX);
        options.set_keep_log_file_num(2);
        Ok(Self { db: DB::open(&options, dir).map_err(io::Error::other)? })
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
        self.db.put(key(COMMITTED, group), encode(committed)?).map_err(io::Error::other)
    }

    pub(crate) fn forget_committed(&self, group: &str) -> io::Result<()> {
        self.db.delete(key(COMMITTED, group)).map_err(io::Error::other)
    }

    pub(crate) fn is_caught_up(&self, group: &str) -> io::Result<bool> {
        Ok(self.get(CAUGHT_UP, group)?.is_some())
    }

    pub(crate) fn set_caught_up(&self, group: &str) -> io::Result<()> {
        self.put_durably(CAUGHT_UP, group, &[])
    }

    pub(crate) fn forget_caught_up(&self, group: &str) -> io::Result<()> {
        self.db.delete(key(CAUGHT_UP, group)).map_err(io::Error::other)
    }

    /// Everything of a group, durably: its replica leaves this node for good.
    pub(crate) fn forget(&self, group: &str) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        for tag in [VOTE, COMMITTED, CAUGHT_UP] {
            batch.delete(key(tag, group));
        }
        self.db.write_opt(batch, &durable()).map_err(io::Error::other)
    }

    fn get(&self, tag: u8, group: &str) -> io::Result<Option<Vec<u8>>> {
        self.db.get(key(tag, group)).map_err(io::Error::other)
    }

    fn put_durably(&self, tag: u8, group: &str, value: &[u8]) -> io::Result<()> {
        self.db.put_opt(key(tag, group), value, &durable()).map_err(io::Error::other)
    }
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
