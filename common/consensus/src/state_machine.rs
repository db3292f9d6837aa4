//! What an owner's state machine must do: apply committed entries, make and take snapshots.
//!
//! All methods block and are called on threads that may wait, one at a time per group: a snapshot is never built while
//! entries are applied.

use crate::types::{Entry, LogPos, Reply};
use bytes::Bytes;
use std::io;
use std::path::{Path, PathBuf};

/// How far a state machine has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Last entry that was applied.
    pub last: Option<LogPos>,
    /// Bytes of the last membership entry that was applied or installed; empty when there was none.
    pub membership: Bytes,
}

/// A snapshot: a private directory with plain files (and directories of plain files).
#[derive(Clone, Debug)]
pub struct SnapshotDir {
    /// Last entry that the snapshot holds.
    pub last: Option<LogPos>,
    /// Membership as of `last`.
    pub membership: Bytes,
    /// The directory. Its files may be hard links, but must not change; it stays until the next snapshot is there. A
    /// sender whose directory disappears starts again with the next one.
    pub dir: PathBuf,
}

/// A group's state machine.
pub trait GroupStateMachine: Send + Sync + 'static {
    /// How far it has come.
    fn applied(&self) -> io::Result<Applied>;

    /// Applies entries that follow each other and answers each of them. Position and membership are stored in one
    /// atomic step with the effects. Need not be durable: after a crash the log is applied again from `applied()`.
    fn apply(&self, entries: Vec<Entry>) -> io::Result<Vec<Reply>>;

    /// Makes a snapshot of the state as it is now; `current_snapshot` gives it back from then on.
    fn build_snapshot(&self) -> io::Result<SnapshotDir>;

    /// Replaces the whole state by a snapshot. Files may be moved out of `dir`. Atomic across a crash. A log that is
    /// one thing with its state machine takes its new base from here; `EntryLog::purge(last)` follows.
    fn install_snapshot(&self, dir: &Path, last: Option<LogPos>, membership: Bytes) -> io::Result<()>;

    /// The last snapshot that was built or installed, if its files are still here. After a restart `None` is allowed:
    /// a group whose log was purged then builds a new one.
    fn current_snapshot(&self) -> io::Result<Option<SnapshotDir>>;
}
