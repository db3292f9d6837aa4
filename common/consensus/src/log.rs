//! What an owner's log must do: the contract between a group and the place where its entries lie.
//!
//! All methods block. `append` and small `read`s are called on the async threads of a group, so they must not wait for
//! the disk; `sync`, `truncate_after` and `purge` are called on threads that may wait.

use crate::types::{Entry, LogPos};
use std::io;
use std::ops::Range;

/// The range of entries that a log has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// Last entry that was purged: the log holds what comes after it.
    pub purged: Option<LogPos>,
    /// Last entry; `purged` when the log is empty.
    pub last: Option<LogPos>,
}

/// A group's log. Calls that change it never overlap each other; `read`, `state` and `sync` may overlap everything.
pub trait EntryLog: Send + Sync + 'static {
    /// The range of entries.
    fn state(&self) -> io::Result<LogState>;

    /// The entries of `range` that the log holds, in order, up to about `max_bytes` of bodies but at least one when
    /// there is one. Never leaves out an entry in the middle.
    fn read(&self, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<Entry>>;

    /// Appends entries that follow each other. They are readable by every reader when this returns; they need not be
    /// durable. The first entry of an empty log may have any index.
    fn append(&self, entries: Vec<Entry>) -> io::Result<()>;

    /// Returns when everything whose `append` had returned before the call is durable. An error is final: the group
    /// stops.
    fn sync(&self) -> io::Result<()>;

    /// Removes every entry after `pos`, which is in the log or its purged position (all entries for `None`). Need not be
    /// durable, but must never leave a hole.
    fn truncate_after(&self, pos: Option<LogPos>) -> io::Result<()>;

    /// Removes every entry up to and including `upto`, which may lie after the last entry: the log then is empty and
    /// goes on after `upto`. The purged position must not be lost once an entry is.
    fn purge(&self, upto: LogPos) -> io::Result<()>;

    /// Why entries that were durable are not in this log any more; `None` when there is nothing to say. What was
    /// acknowledged with them is lost here, so the replica must not vote before it has caught up.
    fn loss(&self) -> Option<String> {
        None
    }

    /// It is durably known that the replica does not vote: what is here now is the log from here on.
    fn loss_is_known(&self) -> io::Result<()> {
        Ok(())
    }
}
