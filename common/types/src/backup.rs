//! Data backup states (docs/oceanbase.md, 2.6, 2.10; docs/protocols.md, section 4).

use crate::Transition;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Full or incremental.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackupSetKind {
    /// Holds every block.
    Full,
    /// Holds the blocks that its chain does not.
    Inc,
}

impl BackupSetKind {
    /// As in paths: `full` or `inc`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Inc => "inc",
        }
    }
}

impl fmt::Display for BackupSetKind {
    /// As views show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "FULL",
            Self::Inc => "INC",
        })
    }
}

/// What a backup statement or a schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackupMode {
    /// Every block of the cluster.
    Full,
    /// What the chain does not hold; a full set where there is no chain.
    Incremental,
    /// A full set out of the newest chain, without touching the cluster.
    Synthetic,
}

impl fmt::Display for BackupMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "FULL",
            Self::Incremental => "INCREMENTAL",
            Self::Synthetic => "SYNTHETIC",
        })
    }
}

/// Which part of a log stream's data a directory of a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DataKind {
    /// The inner tablet of a log stream.
    Sys,
    /// Blocks above the bottom level.
    Minor,
    /// Blocks of the bottom level.
    Major,
}

impl DataKind {
    /// Every kind, in the order of the original's numbers.
    pub const ALL: [Self; 3] = [Self::Sys, Self::Minor, Self::Major];

    /// As in paths: `sys_data`, `minor_data`, `major_data`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Sys => "sys_data",
            Self::Minor => "minor_data",
            Self::Major => "major_data",
        }
    }

    /// The original's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Sys => 0,
            Self::Minor => 1,
            Self::Major => 2,
        }
    }

    /// From the original's number.
    #[must_use]
    pub const fn from_number(n: u32) -> Option<Self> {
        match n {
            0 => Some(Self::Sys),
            1 => Some(Self::Minor),
            2 => Some(Self::Major),
            _ => None,
        }
    }
}

/// Where a backup job stands. The stages between `Init` and an end are worked through in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackupJobStatus {
    /// Accepted; set id chosen, start placeholder to be written.
    Init,
    /// Log-stream tasks run (meta, sys, minor and major data of one consistent point each).
    Data,
    /// The tenant-level index is built.
    Index,
    /// Waiting until the archive's checkpoint covers `min_restore_scn`.
    Log,
    /// PLUS ARCHIVELOG: the log that the set needs is copied into it.
    CopyLog,
    /// Infos are written.
    Infos,
    /// Success is decided; its end placeholder is written, and no other one ever will be.
    End,
    /// Done, usable.
    Completed,
    /// Ended with a reason; not usable.
    Failed,
    /// Cancel was asked.
    Canceling,
    /// Cancelled.
    Canceled,
}

impl BackupJobStatus {
    /// Every status.
    pub const ALL: [Self; 11] = [
        Self::Init,
        Self::Data,
        Self::Index,
        Self::Log,
        Self::CopyLog,
        Self::Infos,
        Self::End,
        Self::Completed,
        Self::Failed,
        Self::Canceling,
        Self::Canceled,
    ];

    /// True once nothing more happens.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

impl Transition for BackupJobStatus {
    fn next_states(self) -> &'static [Self] {
        use BackupJobStatus::{Canceled, Canceling, Completed, CopyLog, Data, End, Failed, Index, Infos, Init, Log};
        match self {
            Init => &[Data, Failed, Canceling],
            Data => &[Index, Failed, Canceling],
            // A synthetic set has the log of its chain: nothing to wait for.
            Index => &[Log, Infos, Failed, Canceling],
            Log => &[CopyLog, Infos, Failed, Canceling],
            CopyLog => &[Infos, Failed, Canceling],
            Infos => &[End, Failed, Canceling],
            // Too late to cancel. It fails only when the medium is given up.
            End => &[Completed, Failed],
            Canceling => &[Canceled, Failed],
            Completed | Failed | Canceled => &[],
        }
    }
}

impl fmt::Display for BackupJobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Data => "BACKUP_USER_DATA",
            Self::Index => "BACKUP_FUSE_TABLET_META",
            Self::Log => "BEFORE_BACKUP_LOG",
            Self::CopyLog => "BACKUP_LOG",
            Self::Infos | Self::End => "BACKUP_META_FINISH",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Canceling => "CANCELING",
            Self::Canceled => "CANCELED",
        })
    }
}

/// What a set is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackupSetStatus {
    /// Being written.
    Doing,
    /// Restorable.
    Success,
    /// Ended without success.
    Failed,
}

impl fmt::Display for BackupSetStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Doing => "DOING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
        })
    }
}

/// State of one log-stream task (docs/oceanbase.md, 2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LsTaskStatus {
    /// No executor chosen yet.
    Init,
    /// An executor is chosen and has not reported yet.
    Pending,
    /// The executor reports progress.
    Doing,
    /// The executor reported an end, good or bad.
    Finish,
}

impl fmt::Display for LsTaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Pending => "PENDING",
            Self::Doing => "DOING",
            Self::Finish => "FINISH",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_running_status_can_fail_or_be_cancelled_and_no_ended_one_moves() {
        for s in BackupJobStatus::ALL {
            if s.is_ended() {
                assert!(s.next_states().is_empty(), "{s}");
            } else {
                assert!(s.may_become(BackupJobStatus::Failed), "{s}");
                let too_late = matches!(s, BackupJobStatus::Canceling | BackupJobStatus::End);
                assert_ne!(too_late, s.may_become(BackupJobStatus::Canceling), "{s}");
            }
        }
    }

    #[test]
    fn the_stages_follow_each_other_in_order() {
        use BackupJobStatus::*;
        for pair in [Init, Data, Index, Log, CopyLog, Infos, End, Completed].windows(2) {
            assert!(pair[0].may_become(pair[1]));
        }
        assert!(Log.may_become(Infos), "without PLUS ARCHIVELOG");
        assert!(!Init.may_become(Completed) && !Data.may_become(Log) && !Infos.may_become(Completed));
    }
}
