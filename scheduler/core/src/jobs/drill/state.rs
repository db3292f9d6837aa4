//! Restore drills: proof, not promise, that the newest backup can be restored.
//!
//! The source's log streams are digested at one SCN a little ahead of now, the newest backup is restored up to that very
//! SCN into a tenant of its own, that one is digested too, and both are compared. What is proven: at this SCN every key
//! of every tablet came back with its value. The tenant is dropped, the evidence stays.

use crate::jobs::machine::head::JobHead;
use crate::results::FingerprintResult;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use strandline_types::{BackupSetId, JobId, LsId, Scn, TenantId, Transition};

/// Where a drill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DrillStage {
    /// The source is digested at the SCN.
    Source,
    /// The archive has to reach the SCN; then the restore begins.
    Choose,
    /// The restore runs.
    Restore,
    /// The restored tenant is digested.
    Restored,
    /// The restored tenant is dropped.
    Drop,
    /// Both were equal.
    Proven,
    /// They were not, or it could not be found out.
    Failed,
}

impl DrillStage {
    /// True once nothing more happens.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Proven | Self::Failed)
    }
}

impl Transition for DrillStage {
    fn next_states(self) -> &'static [Self] {
        match self {
            Self::Source => &[Self::Choose, Self::Failed],
            Self::Choose => &[Self::Restore, Self::Failed],
            Self::Restore => &[Self::Restored, Self::Drop],
            Self::Restored => &[Self::Drop],
            // Whether both were equal is decided before the drop.
            Self::Drop => &[Self::Proven, Self::Failed],
            Self::Proven | Self::Failed => &[],
        }
    }
}

impl fmt::Display for DrillStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "FINGERPRINT_SOURCE",
            Self::Choose => "WAIT_ARCHIVE",
            Self::Restore => "RESTORING",
            Self::Restored => "FINGERPRINT_RESTORED",
            Self::Drop => "DROPPING",
            Self::Proven => "PROVEN",
            Self::Failed => "FAILED",
        })
    }
}

/// One drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// What every job has.
    pub head: JobHead,
    /// The SCN that is proven.
    pub scn: Scn,
    /// Where it stands.
    pub stage: DrillStage,
    /// The restore job and the tenant that it builds.
    pub restore: Option<(JobId, TenantId)>,
    /// The set that was restored.
    pub set_id: BackupSetId,
    /// Digests of the source.
    pub source: BTreeMap<LsId, FingerprintResult>,
    /// Digests of what was restored.
    pub restored: BTreeMap<LsId, FingerprintResult>,
}

/// Names of the tenants of drills begin like this; the drill's number follows.
const TENANT_PREFIX: &str = "DRILL_";

impl Drill {
    /// Name of the tenant that it restores into.
    #[must_use]
    pub fn tenant_name(&self) -> String {
        format!("{TENANT_PREFIX}{}", self.id)
    }
}

/// True for a name that the tenant of a drill has or may get.
#[must_use]
pub fn is_drill_name(name: &str) -> bool {
    let is_prefixed = name.get(..TENANT_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(TENANT_PREFIX));
    is_prefixed && name[TENANT_PREFIX.len()..].bytes().all(|b| b.is_ascii_digit())
}

/// How often a tenant's backups are proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillPlan {
    /// Every so many milliseconds; 0 = only when asked for.
    pub interval_ms: u64,
    /// At the times of this cron text; empty = at none.
    pub cron: String,
    /// IANA name of the zone that it is read in.
    pub time_zone: String,
    /// When the last one began.
    pub last_ms: u64,
    /// The newest SCN that was proven.
    pub proven_scn: Scn,
    /// When that was.
    pub proven_ms: u64,
}
