//! The state machine of the scheduler group: the core's State in memory, behind the one lock of this crate.
//!
//! Durability: the State is written to disk only as a snapshot; after a restart the newest snapshot is loaded and the
//! Raft log after it is applied again. `apply` of the core is a pure function, so that gives the same State.
//! A snapshot directory is `snapshot-<index>-<term>/` with the one file `state`; it appears by a rename and never
//! changes. Rule: the lock is never held over an await or over I/O on the medium.

use super::snapshot_file;
use parking_lot::RwLock;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use strandline_consensus::{Applied, Entry, EntryBody, GroupStateMachine, LogPos, Reply, SnapshotDir};
use strandline_scheduler_core::{Command, State, apply};
use tokio::sync::watch;

/// State and position of this node.
#[derive(Debug)]
pub struct StateMachine {
    dir: PathBuf,
    held: RwLock<Held>,
    changed: watch::Sender<u64>,
    orders_changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Held {
    state: State,
    applied: Applied,
    snapshot: Option<SnapshotDir>,
}

impl StateMachine {
    /// Loads the newest snapshot below `dir`, or begins empty.
    ///
    /// # Errors
    /// The disk's, or `InvalidData` for a snapshot that is damaged.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let held = load(&dir)?;
        let last = held.applied.last.map_or(0, |p| p.index);
        let (changed, orders_changed) = (watch::Sender::new(last), watch::Sender::new(last));
        Ok(Self { dir, held: RwLock::new(held), changed, orders_changed })
    }

    /// Goes back to the newest snapshot, as a new process would: the log after it is applied again. Nothing may be
    /// applied meanwhile.
    ///
    /// # Errors
    /// As [`StateMachine::open`]; the State stays as it is then.
    pub fn reload(&self) -> io::Result<()> {
        let held = load(&self.dir)?;
        *self.held.write() = held;
        Ok(())
    }

    /// Looks at the State. Keep it short: `apply` waits meanwhile.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.held.read().state)
    }

    /// Wakes after every batch of applied commands.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Wakes after a batch of applied commands that may have changed what workers have to do.
    pub fn order_changes(&self) -> watch::Receiver<u64> {
        self.orders_changed.subscribe()
    }

    /// Position of the last snapshot and of the last applied entry.
    pub fn positions(&self) -> (Option<LogPos>, Option<LogPos>) {
        let held = self.held.read();
        (held.snapshot.as_ref().and_then(|s| s.last), held.applied.last)
    }

    fn adopt(&self, snapshot: SnapshotDir) -> io::Result<SnapshotDir> {
        let mut held = self.held.write();
        held.snapshot = Some(snapshot.clone());
        drop(held);
        for old in snapshot_dirs(&self.dir)?.into_iter().filter(|d| *d != snapshot.dir) {
            fs::remove_dir_all(old)?;
        }
        Ok(snapshot)
    }
}

fn load(dir: &Path) -> io::Result<Held> {
    let mut held = Held::default();
    if let Some(newest) = snapshot_dirs(dir)?.pop() {
        let content = snapshot_file::read(&newest)?;
        held.applied = content.applied.clone();
        held.snapshot =
            Some(SnapshotDir { last: content.applied.last, membership: content.applied.membership, dir: newest });
        held.state = content.state;
    }
    Ok(held)
}

/// Snapshot directories below `dir`, oldest first. Half-built ones are not among them.
fn snapshot_dirs(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snapshot-") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn dir_name(last: Option<LogPos>) -> String {
    let last = last.unwrap_or(LogPos { term: 0, index: 0 });
    format!("snapshot-{:020}-{:020}", last.index, last.term)
}

/// A command that this node cannot read stops it: if it went on without, its State would no longer be the others'.
fn read_command(body: &[u8]) -> io::Result<Command> {
    strandline_stored::decode(body).map_err(|e| {
        let failure = e.into_failure("scheduler log");
        io::Error::new(io::ErrorKind::InvalidData, failure.to_string())
    })
}

impl GroupStateMachine for StateMachine {
    fn applied(&self) -> io::Result<Applied> {
        Ok(self.held.read().applied.clone())
    }

    fn apply(&self, entries: Vec<Entry>) -> io::Result<Vec<Reply>> {
        let mut held = self.held.write();
        let mut replies = Vec::with_capacity(entries.len());
        let mut changes_orders = false;
        for entry in entries {
            let reply = match entry.body {
                EntryBody::Blank => Reply::default(),
                EntryBody::Membership(bytes) => {
                    held.applied.membership = bytes;
                    Reply::default()
                }
                EntryBody::Normal(payload) => {
                    let command = read_command(&payload.body)?;
                    changes_orders |= command.action.changes_orders();
                    let answered = apply(&mut held.state, command);
                    Reply(postcard::to_stdvec(&answered).map_err(io::Error::other)?.into())
                }
            };
            held.applied.last = Some(entry.pos);
            replies.push(reply);
        }
        let last = held.applied.last.map_or(0, |p| p.index);
        drop(held);
        self.changed.send_replace(last);
        if changes_orders {
            self.orders_changed.send_replace(last);
        }
        Ok(replies)
    }

    fn build_snapshot(&self) -> io::Result<SnapshotDir> {
        let (bytes, applied) = {
            let held = self.held.read();
            (snapshot_file::encode(&held.applied, &held.state)?, held.applied.clone())
        };
        let dir = self.dir.join(dir_name(applied.last));
        snapshot_file::place(&self.dir, &dir, &bytes)?;
        self.adopt(SnapshotDir { last: applied.last, membership: applied.membership, dir })
    }

    fn install_snapshot(&self, dir: &Path, last: Option<LogPos>, membership: bytes::Bytes) -> io::Result<()> {
        let content = snapshot_file::read(dir)?;
        let applied = Applied { last, membership };
        let bytes = snapshot_file::encode(&applied, &content.state)?;
        let target = self.dir.join(dir_name(last));
        snapshot_file::place(&self.dir, &target, &bytes)?;
        {
            let mut held = self.held.write();
            held.state = content.state;
            held.applied = applied.clone();
        }
        self.adopt(SnapshotDir { last, membership: applied.membership, dir: target })?;
        self.changed.send_replace(last.map_or(0, |p| p.index));
        Ok(())
    }

    fn current_snapshot(&self) -> io::Result<Option<SnapshotDir>> {
        Ok(self.held.read().snapshot.clone())
    }
}

#[cfg(test)]
mod tests;
