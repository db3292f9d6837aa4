//! States of jobs that work over many objects: validation, cleaning, table recovery (docs/oceanbase.md, 2.3, 2.4, 2.11).

use crate::Transition;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a job, or one of its objects, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobStatus {
    /// Accepted; what it has to do is decided.
    Init,
    /// Worked on.
    Doing,
    /// Done.
    Completed,
    /// Ended with a reason.
    Failed,
    /// Cancel was asked: what runs is called back.
    Canceling,
    /// Cancelled.
    Canceled,
}

impl JobStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Init, Self::Doing, Self::Completed, Self::Failed, Self::Canceling, Self::Canceled];

    /// True once nothing more happens.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

impl Transition for JobStatus {
    fn next_states(self) -> &'static [Self] {
        use JobStatus::{Canceled, Canceling, Completed, Doing, Failed, Init};
        match self {
            Init => &[Doing, Failed, Canceling],
            Doing => &[Completed, Failed, Canceling],
            Canceling => &[Canceled, Failed],
            Completed | Failed | Canceled => &[],
        }
    }
}

impl fmt::Display for JobStatus {
    /// The original's words (docs/oceanbase.md, 2.3).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Doing => "DOING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Canceling => "CANCELING",
            Self::Canceled => "CANCELED",
        })
    }
}

/// Where the deletion of one set or piece stands (docs/oceanbase.md, 2.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CleanStage {
    /// Marked DELETING; nothing is done yet.
    Waiting,
    /// The end placeholder goes: from then on no reader lists it.
    Begin,
    /// Workers delete the log streams' directories.
    LogStreams,
    /// Infos and the start placeholder go.
    Rest,
    /// Gone.
    Done,
    /// Ended with a reason; the next cleaning goes on with it.
    Failed,
    /// Cancelled.
    Canceled,
}

impl CleanStage {
    /// Every stage.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Begin, Self::LogStreams, Self::Rest, Self::Done, Self::Failed, Self::Canceled];

    /// True once nothing more happens.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Canceled)
    }

    /// True while files of it may be going.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Begin | Self::LogStreams | Self::Rest)
    }
}

impl Transition for CleanStage {
    fn next_states(self) -> &'static [Self] {
        use CleanStage::{Begin, Canceled, Done, Failed, LogStreams, Rest, Waiting};
        match self {
            Waiting => &[Begin, Failed, Canceled],
            Begin => &[LogStreams, Failed, Canceled],
            LogStreams => &[Rest, Failed, Canceled],
            Rest => &[Done, Failed, Canceled],
            Done | Failed | Canceled => &[],
        }
    }
}

impl fmt::Display for CleanStage {
    /// The original's words (docs/oceanbase.md, 2.4).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "INIT",
            Self::Begin | Self::LogStreams | Self::Rest => "DOING",
            Self::Done => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        })
    }
}

/// How closely a validation looks (docs/oceanbase.md, 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ValidateLevel {
    /// Every file is there with its size.
    Basic,
    /// Every byte is read and every checksum compared.
    Physical,
}

impl ValidateLevel {
    /// By its name, without case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "physical" => Some(Self::Physical),
            _ => None,
        }
    }
}

impl fmt::Display for ValidateLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic => "basic",
            Self::Physical => "physical",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_running_job_can_fail_and_no_ended_one_moves() {
        for s in JobStatus::ALL {
            assert_eq!(s.is_ended(), s.next_states().is_empty(), "{s}");
            assert!(s.is_ended() || s.may_become(JobStatus::Failed), "{s}");
            assert!(!matches!(s, JobStatus::Init | JobStatus::Doing) || s.may_become(JobStatus::Canceling), "{s}");
        }
    }

    #[test]
    fn a_deletion_goes_through_its_stages_in_order() {
        use CleanStage::*;
        for pair in [Waiting, Begin, LogStreams, Rest, Done].windows(2) {
            assert!(pair[0].may_become(pair[1]), "{pair:?}");
        }
        for stage in CleanStage::ALL {
            assert_eq!(stage.is_ended(), stage.next_states().is_empty(), "{stage:?}");
            assert!(!stage.may_become(Waiting), "nothing that has begun is undone");
        }
    }

    #[test]
    fn a_level_is_read_as_it_is_shown() {
        for level in [ValidateLevel::Basic, ValidateLevel::Physical] {
            assert_eq!(ValidateLevel::parse(&level.to_string().to_uppercase()), Some(level));
        }
        assert_eq!(ValidateLevel::parse("deep"), None);
    }
}
