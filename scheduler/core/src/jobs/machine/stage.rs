//! The stage of a job of any kind that goes through stages.

use crate::state::{DrillStage, RecoverStage};
use serde::{Deserialize, Serialize};
use strandline_types::{BackupJobStatus, CleanStage, RestoreStage};

/// The stage of a job of any kind that goes through stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Of a backup.
    Backup(BackupJobStatus),
    /// Of a restore.
    Restore(RestoreStage),
    /// Of a table recovery.
    RecoverTable(RecoverStage),
    /// Of a restore drill.
    Drill(DrillStage),
    /// Of a set or piece that is deleted.
    CleanTask(CleanStage),
}
