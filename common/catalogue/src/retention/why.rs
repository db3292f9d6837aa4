//! The reasons of a plan, as an administrator reads them.

use std::fmt;
use strandline_types::{BackupSetId, Scn, scn_text};

/// Why something goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteWhy {
    /// The backup failed: it restores nothing.
    Failed,
    /// An earlier cleaning began it.
    Deleting,
    /// It is older than the window and cannot be restored.
    Unusable,
    /// It is older than the window, which another set serves.
    Expired {
        /// That set.
        heir: Option<BackupSetId>,
    },
    /// No set that stays needs this log.
    LogExpired {
        /// Log from here on stays.
        before: Scn,
    },
    /// An administrator asked for it.
    Asked,
}

impl fmt::Display for DeleteWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("the backup failed: nothing can be restored from it"),
            Self::Deleting => f.write_str("an earlier cleaning has begun to delete it"),
            Self::Unusable => f.write_str("it is older than the recovery window and cannot be restored"),
            Self::Expired { heir: Some(set) } => {
                write!(f, "it is older than the recovery window, which is served from backup set {set} on")
            }
            Self::Expired { heir: None } => f.write_str("it is older than the recovery window, which newer sets serve"),
            Self::LogExpired { before } => {
                write!(
                    f,
                    "no backup set that stays needs this log; from SCN {before} ({}) on log stays",
                    scn_text(*before)
                )
            }
            Self::Asked => f.write_str("an administrator asked for it"),
        }
    }
}

/// Why something stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepWhy {
    /// It is inside the recovery window.
    InWindow,
    /// Nothing expires: the policy has no window.
    NoWindow,
    /// Older than the window, but the window's SCNs from here on are restored with it.
    Anchor {
        /// The first of them.
        scn: Scn,
    },
    /// Part of the chain of an increment that stays.
    ChainOf {
        /// The increment.
        set: BackupSetId,
    },
    /// It carries log that a set which stays is restored with.
    LogFor {
        /// That set.
        set: BackupSetId,
    },
    /// One of the newest full sets that are kept in any case.
    Redundancy {
        /// How many.
        copies: u32,
    },
    /// The newest set of its week, month or year: a full one where there is one.
    Period {
        /// `week`, `month` or `year`.
        period: &'static str,
    },
    /// Somebody still writes it.
    BeingWritten,
    /// No full set can be used: nothing is deleted that might still help.
    NothingElse,
    /// No set has log that it could be restored with: no log is deleted that might still help.
    NothingRestorable,
    /// SCNs of the window could be restored with it if a BROKEN object were found whole.
    Doubtful,
    /// It does not lie in a current destination.
    Elsewhere,
    /// The policy is about log only.
    LogOnly,
    /// The window's SCNs are restored with log from here on.
    LogFrom {
        /// From here on.
        scn: Scn,
    },
    /// A set that is kept by count or period needs it to be whole.
    LogOf {
        /// That set.
        set: BackupSetId,
    },
}

impl fmt::Display for KeepWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InWindow => f.write_str("it is inside the recovery window"),
            Self::NoWindow => f.write_str("the policy has no recovery window: nothing expires"),
            Self::Anchor { scn } => {
                write!(f, "the recovery window is restored with it from SCN {scn} ({}) on", scn_text(*scn))
            }
            Self::ChainOf { set } => write!(f, "the incremental backup set {set} is nothing without it"),
            Self::LogFor { set } => write!(f, "backup set {set} is restored with the log that it carries"),
            Self::Redundancy { copies: 1 } => f.write_str("the newest full backup set that can be used always stays"),
            Self::Redundancy { copies } => write!(f, "one of the {copies} newest full backup sets that always stay"),
            Self::Period { period } => write!(f, "the newest backup set of its {period} that is kept by the policy"),
            Self::BeingWritten => f.write_str("it is still being written"),
            Self::NothingElse => {
                f.write_str("no full backup set can be used: nothing is deleted that might still help")
            }
            Self::NothingRestorable => {
                f.write_str("no backup set has log to be restored with: no log is deleted that might still help")
            }
            Self::Doubtful => f.write_str(
                "SCNs of the recovery window can be restored with it when a validation finds what is BROKEN whole again",
            ),
            Self::Elsewhere => f.write_str("it is in a destination that is not current: a policy leaves it alone"),
            Self::LogOnly => f.write_str("the policy log_only deletes no backup sets"),
            Self::LogFrom { scn } => {
                write!(f, "the recovery window needs log from SCN {scn} ({}) on", scn_text(*scn))
            }
            Self::LogOf { set } => write!(f, "backup set {set} needs this log to be whole"),
        }
    }
}
