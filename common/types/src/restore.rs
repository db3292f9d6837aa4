//! Stages of a restore job (docs/protocols.md, section 5; the seed's seven steps).

use crate::Transition;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a restore job stands. Every stage is re-entrant after a failover of the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RestoreStage {
    /// The target tenant is recorded, its replicas are placed.
    CreateTenant,
    /// Every replica fetches the blocks of its log stream and rebuilds its tablets.
    RestoreData,
    /// The log streams start from their bases and elect leaders.
    StartLogStreams,
    /// Log is replayed up to the target.
    ReplayLog,
    /// All streams are checked to be at the target.
    PostCheck,
    /// The tenant is open.
    Success,
    /// Ended with a reason; the half-built tenant is removed.
    Failed,
}

impl RestoreStage {
    /// Every stage, in order.
    pub const ALL: [Self; 7] = [
        Self::CreateTenant,
        Self::RestoreData,
        Self::StartLogStreams,
        Self::ReplayLog,
        Self::PostCheck,
        Self::Success,
        Self::Failed,
    ];

    /// True once nothing more happens.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }
}

impl Transition for RestoreStage {
    fn next_states(self) -> &'static [Self] {
        use RestoreStage::{CreateTenant, Failed, PostCheck, ReplayLog, RestoreData, StartLogStreams, Success};
        match self {
            CreateTenant => &[RestoreData, Failed],
            RestoreData => &[StartLogStreams, Failed],
            StartLogStreams => &[ReplayLog, Failed],
            ReplayLog => &[PostCheck, Failed],
            PostCheck => &[Success, Failed],
            Success | Failed => &[],
        }
    }
}

impl fmt::Display for RestoreStage {
    /// The original's words (docs/oceanbase.md, 2.6).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateTenant => "CREATE_TENANT",
            Self::RestoreData => "RESTORE_CREATE_INIT_LS",
            Self::StartLogStreams => "PHYSICAL_RESTORE_WAIT_RESTORE_TO_CONSISTENT_SCN",
            Self::ReplayLog => "RESTORE_WAIT_LS",
            Self::PostCheck => "POST_CHECK",
            Self::Success => "RESTORE_SUCCESS",
            Self::Failed => "RESTORE_FAIL",
        })
    }
}
