//! What workers have to know of tasks over what lies on a medium: validation, cleaning, drills and table recovery.

use super::{RestoreDataSpec, RestoreLogSpec};
use strandline_catalogue::retention::Object;
use strandline_types::{
    Access, Address, BackupSetId, BackupSetKind, DestOwner, LsId, PieceKey, Scn, Secret, TabletId, TenantId,
    ValidateLevel,
};

/// A set or a piece, as it lies in a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum MediumName {
    /// A backup set.
    Set(BackupSetId, BackupSetKind),
    /// A piece of an archive.
    Piece(PieceKey),
}

impl MediumName {
    /// The same in the words of retention.
    #[must_use]
    pub const fn object(self) -> Object {
        match self {
            Self::Set(id, _) => Object::Set(id),
            Self::Piece(key) => Object::Piece(key),
        }
    }
}

/// Probe a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestCheckSpec {
    /// Destination, without keys.
    pub uri: String,
    /// Its keys.
    pub access: Access,
    /// Whose it has to be, when it was claimed before.
    pub owner: Option<DestOwner>,
    /// Where the key of an encrypted archive is to be found; empty = it is not encrypted.
    pub key_source: String,
}

/// Read one log stream of a set or piece again, or what is not of any log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateSpec {
    /// The destination.
    pub at: Address,
    /// How closely.
    pub level: ValidateLevel,
    /// What.
    pub name: MediumName,
    /// The log stream; 0 = what is not of any.
    pub source_ls_id: LsId,
    /// Keys of encrypted sets: of this one and of those that it is built on.
    pub seal_keys: Vec<Secret>,
    /// Where the key of an encrypted archive comes from.
    pub archive_key_source: String,
}

/// Delete everything in some directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanSpec {
    /// Destination, without secrets.
    pub uri: String,
    /// Its access parameters.
    pub access: Access,
    /// Directories below it.
    pub directories: Vec<String>,
    /// Whose the destination has to be.
    pub owner: DestOwner,
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

impl MediumName {
    /// The directory of one log stream, or that of the set's own archive.
    #[must_use]
    pub fn part(&self, ls: Option<LsId>) -> String {
        match ls {
            None => format!("{self}/complement_log"),
            Some(ls) => format!("{self}/logstream_{ls}"),
        }
    }
}

impl std::fmt::Display for MediumName {
    /// The directory on the medium (docs/oceanbase.md, 3.1, 3.2).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Set(id, kind) => write!(f, "backup_set_{id}_{}", kind.tag()),
            Self::Piece(key) => write!(f, "piece_{key}"),
        }
    }
}
