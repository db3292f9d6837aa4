//! Standby tenants: restored ones that follow the archive of their source (docs/oceanbase.md, 1.7, 2.5).
//!
//! Order rule: no log stream goes past the target, which is never beyond what the archive holds of all of them; so
//! whatever a standby shows at its target was once true of its source.

use crate::jobs::machine::head::JobHead;
use crate::state::{RestoreSource, TaskRun};
use crate::task::TaskKind;
use serde::{Deserialize, Serialize};
use std::fmt;
use strandline_types::{LsId, Scn, Transition};

/// What a standby does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandbyStage {
    /// Nothing: it stands where it is.
    Stopped,
    /// It follows the archive.
    Following,
    /// Its log streams are brought to one SCN, then it opens.
    Activating,
    /// It has everything up to the SCN that was asked for, and stands there.
    Reached,
}

impl Transition for StandbyStage {
    fn next_states(self) -> &'static [Self] {
        match self {
            Self::Stopped => &[Self::Following, Self::Activating],
            Self::Following => &[Self::Stopped, Self::Reached, Self::Activating],
            Self::Reached => &[Self::Stopped, Self::Following, Self::Activating],
            Self::Activating => &[],
        }
    }
}

impl fmt::Display for StandbyStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "STOPPED",
            Self::Following => "FOLLOWING",
            Self::Activating => "ACTIVATING",
            Self::Reached => "REACHED",
        })
    }
}

/// One standby tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standby {
    /// What every job has.
    pub head: JobHead,
    /// What it was restored from; the archive and its pieces are those that it follows.
    pub source: RestoreSource,
    /// What it does.
    pub stage: StandbyStage,
    /// It follows up to here; `None` = as far as the archive comes.
    pub until: Option<Scn>,
    /// Every log stream may come as far as this.
    pub target_scn: Scn,
    /// When the archive was last looked at.
    pub scanned_ms: u64,
}

impl Standby {
    /// True while it has nothing to do.
    #[must_use]
    pub const fn stands(&self) -> bool {
        matches!(self.stage, StandbyStage::Stopped | StandbyStage::Reached)
    }

    /// One task for each log stream, on its leader.
    pub fn log_tasks(&self) -> impl Iterator<Item = (LsId, &TaskRun)> + Clone {
        self.runs.of_streams(TaskKind::RestoreLog)
    }

    /// True when the log streams may come as far as was asked for: nothing more of the archive is needed.
    #[must_use]
    pub fn is_aimed_at_its_end(&self) -> bool {
        self.until.is_some_and(|until| self.target_scn >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_that_has_reached_its_end_may_go_on_stop_or_open_and_one_that_opens_does_nothing_else() {
        use StandbyStage::{Activating, Following, Reached, Stopped};
        for to in [Following, Stopped, Activating] {
            assert!(Reached.may_become(to), "{to}");
            assert!(!Activating.may_become(to), "{to}");
        }
        assert!(Following.may_become(Reached) && !Stopped.may_become(Reached));
    }
}
