//! Votes, committed positions and the marks of all groups of a node, in two small RocksDBs that hold the same.
//!
//! A vote and a mark are durable in both when the call returns; a committed position is a hint that may be lost. Keys: one
//! tag byte (`v`, `c`, `j`, `f`, `l`), then the group's name; `w` alone once both hold the same.
//!
//! RocksDB ends the recovery of a damaged WAL silently before the damage, and a vote that is forgotten can elect two
//! leaders of one term. So everything is written twice, one after the other: what one of the two lost, the other still
//! has. When the store is opened the two are made equal; one that is damaged is set aside and made anew from the other.

use crate::convert::{decode, encode};
use crate::meta_db::{Changes, Content, MetaDb, Opened};
use crate::raft_types::{LogId, Vote};
use std::fs;
use std::io;
use std::path::Path;

const VOTE: u8 = b'v';
const COMMITTED: u8 = b'c';
const CAUGHT_UP: u8 = b'j';
const FORMED: u8 = b'f';
const LOSS: u8 = b'l';
/// In both once they hold the same.
const WHOLE: &[u8] = b"w";
/// Value of a "has caught up" mark that stands beside the mark of a formed group: the first versions had no such mark,
/// and wrote no value.
const BESIDE_FORMED: &[u8] = &[1];
const MAIN: &str = "votes";
const COPY: &str = "votes.copy";

/// The node's small store.
pub(crate) struct MetaStore {
    main: MetaDb,
    copy: MetaDb,
}

impl MetaStore {
    /// Opens the two databases below the node's directory.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let (main, copy) = (root.join(MAIN), root.join(COPY));
        let of_copy = MetaDb::open(&copy)?;
        let of_main = match &of_copy {
            Opened::Whole(_, has) if is_whole(has) && !MetaDb::exists(&main) => {
                Opened::Damaged("it is not there".to_owned())
            }
            _ => MetaDb::open(&main)?,
        };
        let ((main, main_has), (copy, copy_has), all) = match (of_main, of_copy) {
            (Opened::Whole(a, a_has), Opened::Whole(b, b_has)) if is_whole(&b_has) => {
                let all = merged(root, &a_has, &b_has)?;
                ((a, a_has), (b, b_has), all)
            }
            // The first versions kept one.
            (Opened::Whole(a, has), Opened::Whole(b, b_has)) => ((a, has.clone()), (b, b_has), has),
            (Opened::Whole(a, has), Opened::Damaged(why)) => ((a, has.clone()), anew(&copy, &why)?, has),
            (Opened::Damaged(why), Opened::Whole(b, has)) if is_whole(&has) => {
                (anew(&main, &why)?, (b, has.clone()), has)
            }
            (Opened::Damaged(why), _) => return Err(io::Error::new(io::ErrorKind::InvalidData, why)),
        };
        let all: Content = all.into_iter().chain([(WHOLE.to_vec(), Vec::new())]).collect();
        main.write_durably(&changes(&main_has, &all))?;
        copy.write_durably(&changes(&copy_has, &all))?;
        Ok(Self { main, copy })
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
        self.main.write_lightly(&vec![(key(COMMITTED, group), Some(encode(committed)?))])
    }

    /// Whether the replica votes and stands for election.
    pub(crate) fn is_caught_up(&self, group: &str) -> io::Result<bool> {
        Ok(self.get(CAUGHT_UP, group)?.is_some())
    }

    pub(crate) fn set_caught_up(&self, group: &str) -> io::Result<()> {
        self.write(vec![(key(CAUGHT_UP, group), Some(BESIDE_FORMED.to_vec())), (key(LOSS, group), None)])
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

    /// What stands on a log that was lost, or a part of it: the replica is no full member any more, and nothing of it is
    /// committed. `why` is kept until it has caught up.
    pub(crate) fn log_was_lost(&self, group: &str, why: &str) -> io::Result<()> {
        self.set_formed(group)?;
        let gone = [COMMITTED, CAUGHT_UP].map(|tag| (key(tag, group), None));
        let told = (key(LOSS, group), Some(why.as_bytes().to_vec()));
        self.write(gone.into_iter().chain([told]).collect())
    }

    /// What was lost, until the replica has caught up.
    pub(crate) fn loss(&self, group: &str) -> io::Result<Option<String>> {
        Ok(self.get(LOSS, group)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Everything of a group, durably: its replica leaves this node for good.
    pub(crate) fn forget(&self, group: &str) -> io::Result<()> {
        self.write([VOTE, COMMITTED, CAUGHT_UP, FORMED, LOSS].map(|tag| (key(tag, group), None)).into())
    }

    fn get(&self, tag: u8, group: &str) -> io::Result<Option<Vec<u8>>> {
        self.main.get(&key(tag, group))
    }

    fn put_durably(&self, tag: u8, group: &str, value: &[u8]) -> io::Result<()> {
        self.write(vec![(key(tag, group), Some(value.to_vec()))])
    }

    fn write(&self, changes: Changes) -> io::Result<()> {
        self.main.write_durably(&changes)?;
        self.copy.write_durably(&changes)
    }
}

/// The two were made equal once: what is missing in one of them now was lost there.
fn is_whole(content: &Content) -> bool {
    content.contains_key(WHOLE)
}

/// Sets a damaged database aside and begins an empty one.
fn anew(dir: &Path, why: &str) -> io::Result<(MetaDb, Content)> {
    let aside = dir.with_extension("damaged");
    tracing::warn!(dir = %dir.display(), aside = %aside.display(), why, "a vote store is damaged: it is made anew");
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    if dir.exists() {
        fs::rename(dir, &aside)?;
    }
    match MetaDb::open(dir)? {
        Opened::Whole(db, empty) => Ok((db, empty)),
        Opened::Damaged(why) => Err(io::Error::new(io::ErrorKind::InvalidData, why)),
    }
}

/// What both know together: the newer vote, every mark of a formed group and every loss, and a full member only where both
/// say so.
fn merged(root: &Path, main: &Content, copy: &Content) -> io::Result<Content> {
    let mut all = Content::new();
    let has_lost = |a: &Content, b: &Content| b.keys().any(|k| k.first() == Some(&VOTE) && !a.contains_key(k));
    if has_lost(main, copy) || has_lost(copy, main) {
        tracing::warn!(dir = %root.display(), "one of the two vote stores lacks a vote: the other one has it");
    }
    for (key, value) in main {
        let there = copy.get(key);
        let value = match (key.first().copied(), there) {
            (Some(CAUGHT_UP), None) => continue,
            (Some(VOTE), Some(other)) if other != value => {
                let (a, b): (Vote, Vote) = (decode(value)?, decode(other)?);
                if b > a { other } else { value }
            }
            _ => value,
        };
        all.insert(key.clone(), value.clone());
    }
    let only_there = copy.iter().filter(|(key, _)| !main.contains_key(*key));
    let kept = only_there.filter(|(key, _)| matches!(key.first().copied(), Some(VOTE | FORMED | LOSS)));
    all.extend(kept.map(|(key, value)| (key.clone(), value.clone())));
    Ok(all)
}

/// What makes `from` into `to`. Hints are left as they are.
fn changes(from: &Content, to: &Content) -> Changes {
    let is_mine = |key: &[u8]| key.first() != Some(&COMMITTED);
    let gone = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), None));
    let new = to.iter().filter(|(key, value)| from.get(*key) != Some(*value));
    let new = new.map(|(key, value)| (key.clone(), Some(value.clone())));
    gone.chain(new).filter(|(key, _)| is_mine(key)).collect()
}

fn key(tag: u8, group: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + group.len());
    key.push(tag);
    key.extend_from_slice(group.as_bytes());
    key
}

#[cfg(test)]
mod tests;
