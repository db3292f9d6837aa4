//! Tasks over what lies on a medium: validation, cleaning, drills and table recovery.

use super::{RestoreDataSpec, RestoreLogSpec};
use strandline_types::{
    Access, BackupSetId, BackupSetKind, LsId, PieceKey, Scn, Secret, TabletId, TenantId, ValidateLevel,
};

/// A set or a piece, as it lies in a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum MediumName {
    /// A backup set.
    Set(BackupSetId, BackupSetKind),
    /// A piece of an archive.
    Piece(PieceKey),
}

/// Probe a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestCheckSpec {
    /// Destination, without keys.
    pub uri: String,
    /// Its keys.
    pub access: Access,
}

/// Read one log stream of a set or piece again, or what is not of any log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateSpec {
    /// Destination, without secrets.
    pub uri: String,
    /// Its access parameters.
    pub access: String,
    /// How closely.
    pub level: ValidateLevel,
    /// What.
    pub name: MediumName,
    /// The log stream; 0 = what is not of any.
    pub source_ls_id: LsId,
    /// Key of an encrypted set.
    pub seal_key: Secret,
    /// Where the key of an encrypted archive comes from.
    pub archive_key_source: String,
}

/// Delete everything in some directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanSpec {
    /// Destination, without secrets.
    pub uri: String,
    /// Its access parameters.
    pub access: String,
    /// Directories below it.
    pub directories: Vec<String>,
}

/// Digest the content of one log stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FingerprintSpec {
    /// As of this SCN; 0 = as it is now.
    pub scn: Scn,
}

/// Fetch some tablets of one log stream and write them into another tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverTableSpec {
    /// The log stream in the source.
    pub source_ls_id: LsId,
    /// Where the tablets' blocks are.
    pub data: RestoreDataSpec,
    /// Where their log is, and up to where it is replayed.
    pub log: RestoreLogSpec,
    /// Which tablets become which tables.
    pub tablets: Vec<TabletMap>,
    /// Whose tables they become.
    pub target_tenant_id: TenantId,
}

/// One tablet and the table that it becomes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TabletMap {
    /// In the source.
    pub source_tablet_id: TabletId,
    /// Name in the target tenant.
    pub target_table: String,
}
