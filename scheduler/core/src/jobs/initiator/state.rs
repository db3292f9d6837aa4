//! Backup jobs of the system tenant: what one statement asked for several tenants.
//!
//! They do nothing themselves; they tell what became of their children.

use crate::jobs::machine::head::JobHead;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{BackupJobStatus, BackupMode, Failure, JobId, TenantId};

/// A statement that was given to the system tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitiatorJob {
    /// What every job has.
    pub head: JobHead,
    /// What was asked for.
    pub mode: BackupMode,
    /// PLUS ARCHIVELOG.
    pub plus_archivelog: bool,
    /// True when a password was set.
    pub is_sealed: bool,
    /// One per tenant.
    pub children: BTreeMap<TenantId, ChildJob>,
}

/// One tenant's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildJob {
    /// Its job; `None` when it could not start.
    pub job: Option<JobId>,
    /// How it ended; `None` while it runs.
    pub end: Option<BackupJobStatus>,
    /// Why it did not end well.
    pub failure: Option<Failure>,
}

impl InitiatorJob {
    /// Where it stands: ended once every child has.
    #[must_use]
    pub fn status(&self) -> BackupJobStatus {
        let ended_as = |status| self.children.values().any(|c| c.end == Some(status));
        if self.children.values().any(|c| c.end.is_none()) {
            BackupJobStatus::Data
        } else if ended_as(BackupJobStatus::Failed) {
            BackupJobStatus::Failed
        } else if ended_as(BackupJobStatus::Canceled) {
            BackupJobStatus::Canceled
        } else {
            BackupJobStatus::Completed
        }
    }

    /// The first reason why a child did not end well, with its tenant.
    #[must_use]
    pub fn failure(&self) -> Option<(TenantId, &Failure)> {
        self.children.iter().find_map(|(tenant, c)| Some((*tenant, c.failure.as_ref()?)))
    }
}
