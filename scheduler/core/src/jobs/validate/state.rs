//! Validation jobs and what they look at (docs/oceanbase.md, 2.3).

use crate::jobs::machine::head::JobHead;
use crate::orders::MediumName;
use crate::results::ValidateResult;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use strandline_types::{Address, DestId, JobId, JobStatus, LsId, Secret, ValidateLevel};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValidateKind {
    /// Everything.
    Database,
    /// Sets.
    BackupSet,
    /// Pieces.
    Piece,
}

impl fmt::Display for ValidateKind {
    /// The original's words (docs/oceanbase.md, 2.3).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "DATABASE",
            Self::BackupSet => "BACKUPSET",
            Self::Piece => "ARCHIVELOG_PIECE",
        })
    }
}

/// One set or piece as it lies in a destination: all that a worker needs to look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumObject {
    /// What.
    pub name: MediumName,
    /// The destination that holds it.
    pub at: Address,
    /// The destination in State; 0 = one that this cluster does not own.
    pub dest_id: DestId,
    /// Its log streams.
    pub log_streams: Vec<LsId>,
    /// Bytes, as far as known.
    pub bytes: u64,
    /// Where the key of an encrypted archive comes from.
    pub key_source: String,
}

/// One validation job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidateJob {
    /// What every job has.
    pub head: JobHead,
    /// What was asked for.
    pub kind: ValidateKind,
    /// How closely.
    pub level: ValidateLevel,
    /// The destination that was named; empty = the tenant's own.
    pub path: String,
    /// Where it stands.
    pub status: JobStatus,
    /// Its tasks.
    pub tasks: Vec<JobId>,
    /// Keys of encrypted sets; wiped at the end.
    pub keys: Vec<(strandline_types::BackupSetId, Secret)>,
}

/// One set or piece that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidateTask {
    /// What every job has.
    pub head: JobHead,
    /// What.
    pub object: MediumObject,
    /// Where it stands.
    pub status: JobStatus,
    /// What they found.
    pub results: BTreeMap<LsId, ValidateResult>,
}

impl ValidateTask {
    /// The job that it is a part of.
    #[must_use]
    pub fn job_id(&self) -> JobId {
        self.parent.unwrap_or(self.id)
    }

    /// Damages that its log-stream tasks found.
    #[must_use]
    pub fn damage_count(&self) -> u64 {
        self.results.values().map(|r| r.damage_count).sum()
    }
}
