//! The round's machine as one table (docs/oceanbase.md, 2.7): which state follows which on what. What brings an event about is
//! the plan's question; what a state is allowed to do is `common/types`'. This table is all there is between them.

use serde::{Deserialize, Serialize};
use strandline_types::RoundState;

/// What happens to a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoundEvent {
    /// Its start placeholder is on the medium.
    Begun,
    /// Every live log stream archives.
    AllDoing,
    /// A log stream needs log that is gone.
    LogLost,
    /// LOG_ARCHIVE_DEST_STATE = DEFER.
    Deferred,
    /// Every live log stream has paused.
    AllSuspended,
    /// LOG_ARCHIVE_DEST_STATE = ENABLE.
    Enabled,
    /// NOARCHIVELOG, or AUTO_RESTART after an interruption.
    StopWanted,
    /// Every log stream has stopped, all pieces are frozen, the end placeholder is on the medium.
    Ended,
    /// The medium or a log stream has not answered for too long.
    GivenUp,
}

impl RoundEvent {
    /// Every event.
    pub const ALL: [Self; 9] = [
        Self::Begun,
        Self::AllDoing,
        Self::LogLost,
        Self::Deferred,
        Self::AllSuspended,
        Self::Enabled,
        Self::StopWanted,
        Self::Ended,
        Self::GivenUp,
    ];

    /// True for events that stand for something on the medium: they come with the word of the step that did it.
    #[must_use]
    pub const fn is_of_medium(self) -> bool {
        matches!(self, Self::Begun | Self::Ended | Self::GivenUp)
    }
}

/// The state that follows, or `None` when the event means nothing in this state.
#[must_use]
pub const fn next(state: RoundState, event: RoundEvent) -> Option<RoundState> {
    use RoundEvent::{AllDoing, AllSuspended, Begun, Deferred, Enabled, Ended, GivenUp, LogLost, StopWanted};
    use RoundState::{Beginning, Doing, Interrupted, Prepare, Stop, Stopping, Suspend, Suspending};
    match (state, event) {
        (Prepare, Begun) | (Suspend, Enabled) => Some(Beginning),
        (Beginning, AllDoing) => Some(Doing),
        (Beginning | Doing, LogLost) => Some(Interrupted),
        (Beginning | Doing, Deferred) => Some(Suspending),
        (Suspending, AllSuspended) => Some(Suspend),
        (Prepare | Beginning | Doing | Interrupted | Suspending | Suspend, StopWanted) => Some(Stopping),
        (Stopping, Ended | GivenUp) => Some(Stop),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strandline_types::Transition;

    #[test]
    fn every_state_and_event_has_its_cell() {
        use RoundState::{Beginning, Doing, Interrupted, Prepare, Stop, Stopping, Suspend, Suspending};
        // Rows in the order of RoundState::ALL, columns in the order of RoundEvent::ALL.
        const __: Option<RoundState> = None;
        const BE: Option<RoundState> = Some(Beginning);
        const DO: Option<RoundState> = Some(Doing);
        const IN: Option<RoundState> = Some(Interrupted);
        const SG: Option<RoundState> = Some(Suspending);
        const SD: Option<RoundState> = Some(Suspend);
        const ST: Option<RoundState> = Some(Stopping);
        const OV: Option<RoundState> = Some(Stop);
        #[rustfmt::skip]
        let table = [
            // Begun, AllDoing, LogLost, Deferred, AllSuspended, Enabled, StopWanted, Ended, GivenUp
            (Prepare,     [BE, __, __, __, __, __, ST, __, __]),
            (Beginning,   [__, DO, IN, SG, __, __, ST, __, __]),
            (Doing,       [__, __, IN, SG, __, __, ST, __, __]),
            (Interrupted, [__, __, __, __, __, __, ST, __, __]),
            (Stopping,    [__, __, __, __, __, __, __, OV, OV]),
            (Stop,        [__, __, __, __, __, __, __, __, __]),
            (Suspending,  [__, __, __, __, SD, __, ST, __, __]),
            (Suspend,     [__, __, __, __, __, BE, ST, __, __]),
        ];
        assert_eq!(table.map(|(s, _)| s), RoundState::ALL);
        for (state, row) in table {
            for (event, expected) in RoundEvent::ALL.into_iter().zip(row) {
                assert_eq!(next(state, event), expected, "{state} on {event:?}");
            }
        }
    }

    #[test]
    fn the_table_leads_exactly_where_the_states_may_go() {
        for from in RoundState::ALL {
            for to in RoundState::ALL {
                let leads = RoundEvent::ALL.into_iter().any(|e| next(from, e) == Some(to));
                assert_eq!(leads, from.may_become(to), "{from} -> {to}");
            }
        }
    }
}
