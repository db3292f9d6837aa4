//! Identity of a task: what fences an old executor (docs/protocols.md, section 1).

use serde::{Deserialize, Serialize};
use std::fmt;
use strandline_types::{JobId, LsId, RetryId, TenantId, TurnId};

/// What a worker is asked to do. The numbers on the wire are the body's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskKind {
    /// Meta, sys, minor and major data of one consistent point of one log stream.
    BackupLs,
    /// Tenant-level index over all log streams of a set.
    BackupIndex,
    /// PLUS ARCHIVELOG: one log stream's log goes into the set.
    BackupLog,
    /// One log stream's part of a full set is built from a chain, from the medium alone.
    Synthetic,
    /// Rebuild one replica's tablets from the medium.
    RestoreData,
    /// Replay the archive into one log stream, on its leader.
    RestoreLog,
    /// Probe a destination from this worker.
    DestCheck,
    /// Read one log stream of a set or piece again and check it.
    Validate,
    /// Delete one log stream's files of a set or piece.
    Clean,
    /// Digest of one log stream's content at an SCN.
    Fingerprint,
    /// Fetch some tablets of one log stream and write them into another tenant.
    RecoverTable,
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BackupLs => "BACKUP_DATA",
            Self::BackupIndex => "BACKUP_BUILD_INDEX",
            Self::BackupLog => "BACKUP_PLUS_ARCHIVE_LOG",
            Self::Synthetic => "BACKUP_SYNTHETIC",
            Self::RestoreData => "RESTORE_DATA",
            Self::RestoreLog => "RESTORE_LOG",
            Self::DestCheck => "DEST_CHECK",
            Self::Validate => "VALIDATE",
            Self::Clean => "CLEAN",
            Self::Fingerprint => "FINGERPRINT",
            Self::RecoverTable => "RECOVER_TABLE",
        })
    }
}

/// Names one attempt at one task. Files on the medium carry turn and retry, so two attempts never meet in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskKey {
    /// The job it belongs to.
    pub job_id: JobId,
    /// The tenant it works for; of a restore, the new tenant.
    pub tenant_id: TenantId,
    /// The log stream; `LsId(0)` = the tenant as a whole.
    pub ls_id: LsId,
    /// What is to be done.
    pub kind: TaskKind,
    /// Tenant-level repetition.
    pub turn: TurnId,
    /// Log-stream-level repetition.
    pub retry: RetryId,
}

impl TaskKey {
    /// The log stream id of tasks that work for the tenant as a whole.
    pub const TENANT: LsId = LsId(0);
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of job {}, log stream {}, turn {}, retry {}",
            self.kind, self.job_id, self.ls_id, self.turn, self.retry
        )
    }
}
