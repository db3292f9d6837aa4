//! Identity of a task: what fences an old executor (docs/protocols.md, section 1).

use serde::{Deserialize, Serialize};
use std::fmt;
use strandline_types::{JobId, LsId, NodeId, RetryId, TenantId, TurnId};

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

impl TaskKind {
    /// The part of its job that a task works on, by what the wire says: a number of a log stream, 0 where there is none,
    /// and the worker.
    #[must_use]
    pub const fn part(self, ls: LsId, worker: NodeId) -> Part {
        match self {
            Self::BackupIndex => Part::Tenant,
            Self::DestCheck => Part::Worker(worker),
            Self::RestoreData => Part::Replica(ls, worker),
            Self::Validate | Self::Clean if ls.0 == 0 => Part::Rest,
            Self::BackupLs
            | Self::BackupLog
            | Self::Synthetic
            | Self::RestoreLog
            | Self::Validate
            | Self::Clean
            | Self::Fingerprint
            | Self::RecoverTable => Part::Ls(ls),
        }
    }
}

/// What a task of a job works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// The tenant as a whole.
    Tenant,
    /// What belongs to no log stream.
    Rest,
    /// A log stream.
    Ls(LsId),
    /// The replica of a log stream on a worker.
    Replica(LsId, NodeId),
    /// What a worker alone can do.
    Worker(NodeId),
}

impl Part {
    /// Its log stream, if it is of one.
    #[must_use]
    pub const fn ls(self) -> Option<LsId> {
        match self {
            Self::Ls(ls) | Self::Replica(ls, _) => Some(ls),
            Self::Tenant | Self::Rest | Self::Worker(_) => None,
        }
    }

    /// The number of its log stream as the wire and texts have it: 0 where there is none.
    #[must_use]
    pub const fn ls_number(self) -> LsId {
        match self.ls() {
            Some(ls) => ls,
            None => LsId(0),
        }
    }
}

/// Names one task of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskId {
    /// What is to be done.
    pub kind: TaskKind,
    /// With what.
    pub part: Part,
}

/// Names one attempt at one task. Files on the medium carry turn and retry, so two attempts never meet in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskKey {
    /// The job it belongs to.
    pub job_id: JobId,
    /// The tenant it works for; of a restore, the new tenant.
    pub tenant_id: TenantId,
    /// What it works on.
    pub part: Part,
    /// What is to be done.
    pub kind: TaskKind,
    /// Tenant-level repetition.
    pub turn: TurnId,
    /// Log-stream-level repetition.
    pub retry: RetryId,
}

impl TaskKey {
    /// The task that it is an attempt at.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        TaskId { kind: self.kind, part: self.part }
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of job {}, log stream {}, turn {}, retry {}",
            self.kind,
            self.job_id,
            self.part.ls_number(),
            self.turn,
            self.retry
        )
    }
}
