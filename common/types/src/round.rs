//! Archive round and log-stream archive states (docs/oceanbase.md, 2.6–2.8, docs/protocols.md, section 3).

use crate::Transition;
use serde::{Deserialize, Serialize};
use std::fmt;

/// State of one archive round of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RoundState {
    /// Round id and first piece are chosen; nothing is on the medium yet.
    Prepare,
    /// The start SCN is fixed and the round placeholder written; log streams are being told.
    Beginning,
    /// Every live log stream archives.
    Doing,
    /// Log was lost before it was archived: terminal but for a stop.
    Interrupted,
    /// NOARCHIVELOG was asked; log streams are draining.
    Stopping,
    /// The round has ended; all its pieces are frozen.
    Stop,
    /// DEFER was asked; log streams are pausing.
    Suspending,
    /// Paused; ENABLE resumes the same round.
    Suspend,
}

impl Transition for RoundState {
    fn next_states(self) -> &'static [Self] {
        use RoundState::{Beginning, Doing, Interrupted, Prepare, Stop, Stopping, Suspend, Suspending};
        match self {
            Prepare => &[Beginning, Stopping],
            Beginning => &[Doing, Interrupted, Suspending, Stopping],
            Doing => &[Interrupted, Suspending, Stopping],
            Interrupted => &[Stopping],
            Suspending => &[Suspend, Stopping],
            Suspend => &[Beginning, Stopping],
            Stopping => &[Stop],
            Stop => &[],
        }
    }
}

impl RoundState {
    /// Every state, in the order of the original's numbers.
    pub const ALL: [Self; 8] = [
        Self::Prepare,
        Self::Beginning,
        Self::Doing,
        Self::Interrupted,
        Self::Stopping,
        Self::Stop,
        Self::Suspending,
        Self::Suspend,
    ];

    /// True while log streams of the round may write to the medium.
    #[must_use]
    pub const fn is_writing(self) -> bool {
        matches!(self, Self::Beginning | Self::Doing | Self::Suspending | Self::Stopping)
    }
}

impl fmt::Display for RoundState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare => "PREPARE",
            Self::Beginning => "BEGINNING",
            Self::Doing => "DOING",
            Self::Interrupted => "INTERRUPTED",
            Self::Stopping => "STOPPING",
            Self::Stop => "STOP",
            Self::Suspending => "SUSPENDING",
            Self::Suspend => "SUSPEND",
        })
    }
}

/// What one log stream says of its part in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ArchiveLsState {
    /// Archiving.
    Doing,
    /// Drained after a stop order; nothing more will be written.
    Stopped,
    /// Log that the round needs is gone.
    Interrupted,
    /// Drained after a suspend order.
    Suspended,
}

impl fmt::Display for ArchiveLsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Doing => "DOING",
            Self::Stopped => "STOP",
            Self::Interrupted => "INTERRUPTED",
            Self::Suspended => "SUSPEND",
        })
    }
}

/// Whether log recycling waits for the archive (docs/protocols.md, section 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Binding {
    /// Recycling never waits; a gap interrupts the round.
    #[default]
    Optional,
    /// Recycling waits and finally blocks writes.
    Mandatory,
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Optional => "OPTIONAL",
            Self::Mandatory => "MANDATORY",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table of docs/oceanbase.md, 2.7, written out: a cell that is not here must be refused.
    #[test]
    fn the_round_follows_its_transition_table_and_nothing_else() {
        use RoundState::*;
        let legal = [
            (Prepare, Beginning),
            (Prepare, Stopping),
            (Beginning, Doing),
            (Beginning, Interrupted),
            (Beginning, Suspending),
            (Beginning, Stopping),
            (Doing, Interrupted),
            (Doing, Suspending),
            (Doing, Stopping),
            (Interrupted, Stopping),
            (Suspending, Suspend),
            (Suspending, Stopping),
            (Suspend, Beginning),
            (Suspend, Stopping),
            (Stopping, Stop),
        ];
        for from in RoundState::ALL {
            for to in RoundState::ALL {
                assert_eq!(from.transition(to).is_ok(), legal.contains(&(from, to)), "{from} -> {to}");
            }
        }
    }
}
