//! Backup schedules: when a tenant is to be backed up by itself.
//!
//! One invariant: a due time is dealt with once. `after_ms` says up to which instant that is done; it is moved by the
//! same command that starts (or refuses, or skips) the run, so no failover can repeat one.

use super::Trouble;
use serde::{Deserialize, Serialize};
use std::fmt;
use strandline_types::{BackupMode, Failure, JobId, TenantId};

/// What happens to a run whose time has passed while nothing could start it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MissedRun {
    /// One run makes up for all of them; a full one when a full one was among them.
    #[default]
    RunOnce,
    /// Left out; the next one comes at its time.
    Skip,
}

impl fmt::Display for MissedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunOnce => "RUN_ONCE",
            Self::Skip => "SKIP",
        })
    }
}

/// What an administrator sets. Cron texts are empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulePlan {
    /// Full sets.
    pub full: String,
    /// Incremental sets.
    pub incremental: String,
    /// Synthetic full sets.
    pub synthetic: String,
    /// IANA name of the zone that the cron texts are read in.
    pub time_zone: String,
    /// What happens to missed runs.
    pub missed: MissedRun,
    /// PLUS ARCHIVELOG for full and incremental sets.
    pub plus_archivelog: bool,
    /// Where the password of encrypted sets is found when a run is due; empty = sets are not encrypted.
    pub key_source: String,
}

/// One tenant's schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSchedule {
    /// Tenant.
    pub tenant_id: TenantId,
    /// What is set.
    pub plan: SchedulePlan,
    /// Off until it is enabled.
    pub enabled: bool,
    /// Rises with every change: a run that was decided by an older plan is void.
    pub revision: u64,
    /// Due times up to here are dealt with.
    pub after_ms: u64,
    /// The newest runs, oldest first.
    pub runs: Vec<ScheduledRun>,
    /// Why a due run has no key.
    pub trouble: Option<Trouble>,
}

/// What became of one due time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledRun {
    /// When it was due.
    pub due_ms: u64,
    /// When it was dealt with.
    pub decided_ms: u64,
    /// What was to be made.
    pub mode: BackupMode,
    /// The job, when one was started.
    pub job: Option<JobId>,
    /// Why none was.
    pub refusal: Option<Failure>,
}
