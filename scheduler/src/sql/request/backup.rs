//! What `BACKUP` and its parameters ask for.

use super::Tenants;
use strandline_types::BackupMode;

/// `BACKUP DATABASE`, `BACKUP TENANT` and their variants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRequest {
    /// Full, incremental or synthetic.
    pub mode: BackupMode,
    /// Of whom.
    pub tenants: Tenants,
    /// `TO`: elsewhere than DATA_BACKUP_DEST.
    pub to: Option<String>,
    /// `PLUS ARCHIVELOG`.
    pub plus_archivelog: bool,
    /// `DESCRIPTION`.
    pub description: String,
}
