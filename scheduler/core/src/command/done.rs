//! What an applied command led to.

use serde::{Deserialize, Serialize};
use strandline_types::{DestId, Failure, JobId, RoundId, TableId, TenantId};

/// What an applied command led to.
pub type Outcome = Result<Done, Failure>;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Done {
    /// As asked.
    Ok,
    /// It was so already, or the state has moved on: nothing changed.
    Nothing,
    /// A tenant was created.
    Tenant(TenantId),
    /// A table was created.
    Table(TableId),
    /// A destination was set (or its id found again).
    Dest(DestId),
    /// A check of a destination has begun.
    DestCheck(JobId),
    /// An archive round was opened.
    Round(RoundId),
    /// A backup job was accepted.
    BackupJob(JobId),
    /// A backup job of the system tenant was accepted with its children; `refused` of them were not.
    Initiator {
        /// Its id.
        job: JobId,
        /// Children.
        started: Vec<(TenantId, JobId)>,
        /// What could not start, and why.
        refused: Vec<(TenantId, Failure)>,
    },
    /// A restore job was accepted.
    RestoreJob(JobId),
    /// A table recovery was accepted.
    RecoverTableJob(JobId),
    /// A destination was imported, under this tenant.
    Imported(TenantId),
    /// A restore drill was accepted.
    Drill(JobId),
    /// A cleaning job was accepted.
    CleanJob(JobId),
    /// A validation job was accepted.
    ValidateJob(JobId),
}
