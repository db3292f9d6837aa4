//! Which actions may change what workers have to do: workers are told of them at once.
//!
//! A hint and no more: orders are computed from the whole state, and every heartbeat brings all of them.

use super::{Action, RoundAction};

impl Action {
    /// False for what comes often and gives no worker anything to do.
    #[must_use]
    pub const fn changes_orders(&self) -> bool {
        !matches!(
            self,
            Self::TakeLead { .. }
                | Self::Heartbeats(_)
                | Self::MediumFailed { .. }
                | Self::Round {
                    what: RoundAction::PiecesStarted { .. }
                        | RoundAction::CheckpointPublished { .. }
                        | RoundAction::SealPiece { .. }
                        | RoundAction::PieceFrozen { .. },
                    ..
                }
                | Self::StandbyScanned { .. }
                | Self::SweepEnded { .. }
                | Self::LeftoverDone { .. }
        )
    }
}
