//! Backup jobs and the sets that they make.

use super::{TaskRun, Trouble};
use crate::report::{BackupIndexResult, BackupLsResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{
    BackupJobStatus, BackupSetId, BackupSetKind, BackupSetStatus, DestId, Failure, FileStatus, JobId, LsId, RetryId,
    RoundId, Scn, TenantId, TurnId,
};

/// What an administrator asked for with BACKUP DATABASE, for one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupJob {
    /// Id.
    pub id: JobId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// The set it makes.
    pub set_id: BackupSetId,
    /// The set's kind.
    pub kind: BackupSetKind,
    /// Destination.
    pub dest_id: DestId,
    /// Where it is.
    pub uri: String,
    /// What the administrator wrote.
    pub description: String,
    /// Where it stands.
    pub status: BackupJobStatus,
    /// When it was asked for.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// When it last came a step further.
    pub progress_ms: u64,
    /// The archive round that it relies on; another one ends it.
    pub round_id: RoundId,
    /// One task per log stream.
    pub tasks: BTreeMap<LsId, TaskRun>,
    /// What they left.
    pub results: BTreeMap<LsId, BackupLsResult>,
    /// The tenant-level index task.
    pub index: TaskRun,
    /// What it left.
    pub index_result: Option<BackupIndexResult>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What holds the scheduler's own writes up.
    pub trouble: Option<Trouble>,
    /// True once the end placeholder is written, or given up.
    pub closed: bool,
}

impl BackupJob {
    /// True while something is left to do, the end placeholder included.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closed
    }
}

/// One backup set: the row of a job's result, kept as long as the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSet {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Id.
    pub set_id: BackupSetId,
    /// The job that makes it.
    pub job_id: JobId,
    /// Destination.
    pub dest_id: DestId,
    /// Where it is.
    pub uri: String,
    /// Full or incremental.
    pub kind: BackupSetKind,
    /// The full set that its chain begins with; 0 = none.
    pub prev_full: BackupSetId,
    /// The set directly before it in the chain; 0 = none.
    pub prev_inc: BackupSetId,
    /// What it is worth.
    pub status: BackupSetStatus,
    /// What may be expected of its files.
    pub file_status: FileStatus,
    /// When it was begun.
    pub start_ms: u64,
    /// When it was decided to be whole; before the infos are written.
    pub end_ms: u64,
    /// Log streams' consistent points are not before this.
    pub start_scn: Scn,
    /// Log is replayed from here.
    pub start_replay_scn: Scn,
    /// The earliest SCN that it can be restored to.
    pub min_restore_scn: Scn,
    /// Highest consistent point of its log streams.
    pub consistent_scn: Scn,
    /// Bytes read.
    pub input_bytes: u64,
    /// Bytes written.
    pub output_bytes: u64,
    /// Tablets.
    pub tablet_count: u64,
    /// Tablets done.
    pub finish_tablet_count: u64,
    /// Blocks.
    pub macro_block_count: u64,
    /// Files.
    pub file_count: u64,
    /// Meta turn.
    pub meta_turn: TurnId,
    /// Data turn.
    pub data_turn: TurnId,
    /// Retry of the tenant-level index that succeeded.
    pub index_retry: RetryId,
    /// The attempts that succeeded, per log stream.
    pub parts: BTreeMap<LsId, LsPart>,
    /// The original's error number of the end, 0 = success.
    pub result: i32,
    /// Why it failed.
    pub comment: String,
}

/// The attempt that made one log stream's part of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LsPart {
    /// Turn.
    pub turn: TurnId,
    /// Retry.
    pub retry: RetryId,
}
