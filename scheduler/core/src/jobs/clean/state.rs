//! Retention policies, cleaning jobs and what they delete (docs/oceanbase.md, 2.4, 2.11).
//!
//! Order rule: what a job deletes is decided whole when it starts and marked DELETING in the same command; from then on
//! no backup builds on it and no other job takes it. The job follows this list literally.

use crate::jobs::machine::head::JobHead;
use crate::orders::MediumName;
use crate::state::Trouble;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use strandline_catalogue::retention::Policy;
use strandline_types::{CleanStage, DestId, ErrorClass, Failure, FileStatus, JobId, JobStatus};

/// One tenant's policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanPolicy {
    /// What it says.
    pub policy: Policy,
    /// When its last turn was, or when it was added: the next one comes a period later.
    pub last_run_ms: u64,
}

impl CleanPolicy {
    /// `default` or `log_only`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        if self.policy.log_only { "log_only" } else { "default" }
    }
}

/// What a cleaning job was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CleanWhat {
    /// What the policy says.
    Obsolete,
    /// These sets.
    Sets(Vec<u64>),
    /// These pieces.
    Pieces(Vec<u64>),
    /// Everything in a destination that is not written any more, itself included.
    All(DestId),
    /// These pieces of one destination.
    PiecesOf(DestId, Vec<u64>),
}

impl CleanWhat {
    /// Ids, or the destination; what the original shows as PARAMETER.
    #[must_use]
    pub fn parameter(&self) -> String {
        match self {
            Self::Obsolete => String::new(),
            Self::Sets(ids) | Self::Pieces(ids) | Self::PiecesOf(_, ids) => {
                ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
            }
            Self::All(dest) => format!("dest_id={dest}"),
        }
    }
}

impl fmt::Display for CleanWhat {
    /// The original's words (docs/oceanbase.md, 2.4).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Obsolete => "DELETE OBSOLETE BACKUP",
            Self::Sets(_) => "DELETE BACKUP SET",
            Self::Pieces(_) | Self::PiecesOf(..) => "DELETE BACKUP PIECE",
            Self::All(_) => "DELETE BACKUP ALL",
        })
    }
}

/// One cleaning job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanJob {
    /// What every job has.
    pub head: JobHead,
    /// What was asked for.
    pub what: CleanWhat,
    /// Where it stands.
    pub status: JobStatus,
    /// Its tasks, in the order in which they are begun.
    pub tasks: Vec<JobId>,
    /// The first objects that stay, and why.
    pub kept: Vec<(String, String)>,
    /// All objects that stay.
    pub kept_count: u64,
}

/// True when an object cannot be deleted before its lock ends. That is waited for; another want of rights is a failure,
/// which nobody can tell when it ends. Every medium says it in these words.
pub(crate) fn is_object_lock(failure: &Failure) -> bool {
    failure.class == ErrorClass::Permission && failure.what.contains("LOCKED_BY_WORM")
}

/// One set or piece that is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanTask {
    /// What every job has.
    pub head: JobHead,
    /// Destination.
    pub dest_id: DestId,
    /// What.
    pub name: MediumName,
    /// Why.
    pub why: String,
    /// What its files were worth before; a task that was not begun gives it back.
    pub was: FileStatus,
    /// True when the round's own files go with this piece.
    pub ends_round: bool,
    /// Where it stands.
    pub stage: CleanStage,
    /// When its deletion was begun.
    pub begun_ms: Option<u64>,
    /// Objects that workers deleted.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl CleanTask {
    /// The job that it is a part of.
    #[must_use]
    pub fn job_id(&self) -> JobId {
        self.parent.unwrap_or(self.id)
    }
}

/// What was found in a destination that belongs to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// When it was last looked for.
    pub last_ms: u64,
    /// Directories of sets and pieces that State does not know or has deleted, and since when they are seen.
    pub orphans: BTreeMap<String, u64>,
    /// Unfinished uploads that were seen the last time.
    pub unfinished: u64,
    /// Orphans removed so far.
    pub removed: u64,
    /// Unfinished uploads aborted so far.
    pub aborted: u64,
    /// Why the last look failed.
    pub trouble: Option<Trouble>,
}
