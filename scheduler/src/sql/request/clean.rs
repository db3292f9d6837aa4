//! What can be asked about cleaning and validation (fact sheet 1.4, 1.5).

use super::Tenants;
use strandline_types::ValidateLevel;

/// `VALIDATE …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateRequest {
    /// Whose.
    pub tenants: Tenants,
    /// What.
    pub what: ValidateWhat,
    /// A destination other than the tenant's own, of any cluster.
    pub dest: Option<String>,
    /// `KEY = 'file:/path|command:…'`: where the key of an encrypted archive comes from that this cluster did not write.
    pub key_source: String,
    /// How closely.
    pub level: ValidateLevel,
    /// `DESCRIPTION`.
    pub description: String,
}

/// What to validate; an empty list of ids means all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidateWhat {
    /// `BACKUP`: all sets and pieces.
    Database,
    /// `BACKUPSET [= '1,2']`.
    Sets(Vec<u64>),
    /// `ARCHIVELOG_PIECE [= '1,2']`.
    Pieces(Vec<u64>),
}

/// Statements about cleaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CleanRequest {
    /// `ADD DELETE BACKUP POLICY`.
    AddPolicy {
        /// Whose.
        tenants: Tenants,
        /// What it says.
        policy: PolicyText,
        /// `PREVIEW`: say what it would delete and keep and why, and do nothing.
        preview: bool,
    },
    /// `DROP DELETE BACKUP POLICY`.
    DropPolicy {
        /// Whose.
        tenants: Tenants,
        /// Its name.
        name: String,
    },
    /// `DELETE …`.
    Delete {
        /// Whose.
        tenants: Tenants,
        /// What.
        what: DeleteWhat,
        /// `DESCRIPTION`.
        description: String,
        /// `PREVIEW`: say what would be deleted and kept and why, and do nothing.
        preview: bool,
    },
    /// `CANCEL DELETE BACKUP`.
    Cancel(Tenants),
}

/// What a retention policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyText {
    /// `default` or `log_only`.
    pub name: String,
    /// `RECOVERY_WINDOW` in milliseconds; 0 = nothing expires.
    pub window_ms: u64,
    /// `REDUNDANCY`: usable full sets that are kept in any case.
    pub redundancy: u64,
    /// `KEEP_WEEKLY`: weeks of which one full set each is kept.
    pub keep_weekly: u64,
    /// `KEEP_MONTHLY`.
    pub keep_monthly: u64,
    /// `KEEP_YEARLY`.
    pub keep_yearly: u64,
}

/// What to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteWhat {
    /// `BACKUPSET`.
    Sets(Vec<u64>),
    /// `BACKUPPIECE`, with the archive destination when the ids alone do not say which pieces are meant.
    Pieces(Vec<u64>, Option<String>),
    /// `OBSOLETE BACKUP`.
    Obsolete,
    /// `BACKUP ALL` of a data backup destination.
    AllData(String),
    /// `BACKUP ALL` of an archive destination.
    AllLog(String),
}
