//! The log of one log stream, as a running replica has it.

use crate::{SourceError, TabletSource};
use async_trait::async_trait;
use bytes::Bytes;
use strandline_types::dictionary::Dictionary;
use strandline_types::{Lsn, Scn, Term};

/// A running replica: its log and its tablets.
pub trait LogStream: LogSource + TabletSource {}

impl<T: LogSource + TabletSource> LogStream for T {}

/// Where a replica's log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// True when this replica leads and may archive.
    pub is_leader: bool,
    /// Grows with every change of the leader: the fencing token of the archiver.
    pub term: Term,
    /// First position that is still in the local log.
    pub log_start: Lsn,
    /// End of the committed log here.
    pub end_lsn: Lsn,
    /// SCN of the last committed group.
    pub max_scn: Scn,
}

/// Committed log: whole groups, `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedLog {
    /// Start of the first group.
    pub start: Lsn,
    /// End of the last group; equal to `start` when nothing newer is committed.
    pub end: Lsn,
    /// The groups as they lie in the log.
    pub bytes: Bytes,
}

/// The log of one log stream.
///
/// Order rule: a group that was given out is never taken back, also not by another leader.
#[async_trait]
pub trait LogSource: Send + Sync {
    /// Where the log stands now; cheap.
    fn log_status(&self) -> LogStatus;

    /// Whole committed groups from `from`, which must be the start of a group: up to `max_bytes`, but at least one
    /// group when one is there.
    ///
    /// # Errors
    /// [`SourceError::Recycled`] when the log no longer reaches back to `from`.
    async fn read_committed(&self, from: Lsn, max_bytes: usize) -> Result<CommittedLog, SourceError>;

    /// Waits until the committed log ends after `lsn`; cancel-safe. Also returns when the replica goes away.
    async fn wait_for_log_after(&self, lsn: Lsn);

    /// The tenant's data dictionary; `None` unless this is the system log stream and a dictionary was logged.
    fn dictionary(&self) -> Option<Dictionary>;
}
