//! What statements ask for, as the proposer hands it over: the payloads of [`Action`](super::Action).
//!
//! They hold everything that must not be found out while a command is applied (clock, randomness, the medium), because
//! nodes may differ in it.

use crate::state::{DestOptions, MediumObject, RestoreSource, SchedulePlan, SetSeal, ValidateKind};
use serde::{Deserialize, Serialize};
use strandline_types::{
    Access, BackupMode, BackupSetId, Compression, DestId, JobId, RoundId, Scn, Secret, TenantId, ValidateLevel,
};

/// What LOG_ARCHIVE_DEST says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveDestSpec {
    /// LOCATION, without keys.
    pub uri: String,
    /// Its keys.
    pub access: Access,
    /// Everything else.
    pub options: DestOptions,
}

/// A parameter of a tenant's backups, checked by the proposer (docs/oceanbase.md, 4.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackupParam {
    /// `backup_data_file_size`, in bytes.
    DataFileBytes(u64),
    /// `ha_low_thread_score`.
    LowThreads(u32),
    /// `backup_compression`: the format's compressor number.
    Compression(Compression),
}

/// A change of a tenant's backup schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScheduleChange {
    /// A new plan, checked by the proposer.
    Set {
        /// The plan.
        plan: SchedulePlan,
        /// ENABLE.
        enable: bool,
    },
    /// ENABLE or DISABLE.
    Enable(bool),
    /// DROP.
    Drop,
}

/// What a backup statement asks for, and what the proposer knows and the core must not find out by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// FULL, INCREMENTAL or SYNTHETIC.
    pub mode: BackupMode,
    /// TO: another destination than DATA_BACKUP_DEST, examined by the proposer.
    pub to: Option<BackupDest>,
    /// PLUS ARCHIVELOG.
    pub plus_archivelog: bool,
    /// DESCRIPTION.
    pub description: String,
    /// SET ENCRYPTION: how the set is to be encrypted.
    pub seal: Option<SealKey>,
    /// The proposer's version: it must not be looked up while the command is applied, where nodes may differ.
    pub version: String,
}

impl BackupRequest {
    /// A plain request.
    #[must_use]
    pub fn new(mode: BackupMode, description: impl Into<String>) -> Self {
        let description = description.into();
        Self { mode, to: None, plus_archivelog: false, description, seal: None, version: String::new() }
    }
}

/// A destination that is named in a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDest {
    /// Where, without keys.
    pub uri: String,
    /// Its keys.
    pub access: Access,
}

/// A key and how it came about; made at the edge, out of a password and a random salt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealKey {
    /// 32 bytes.
    pub key: Secret,
    /// What may be known of it.
    pub seal: SetSeal,
}

/// What a piece of work on the medium was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// A destination's format file.
    Dest(DestId),
    /// An archive round.
    Round(TenantId, RoundId),
    /// A backup job.
    Backup(JobId),
    /// A set or piece that is deleted, or the cleaning job that deletes a whole destination.
    Clean(JobId),
    /// What belongs to nothing in a destination.
    Sweep(DestId),
    /// The archive that a standby follows.
    Standby(TenantId),
    /// A restore drill.
    Drill(JobId),
    /// A backup schedule.
    Schedule(TenantId),
    /// What ended backups have left in a destination.
    Leftovers(DestId),
}

/// A validation that the body has prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartValidate {
    /// Whose statement it is.
    pub tenant: TenantId,
    /// What was asked for.
    pub kind: ValidateKind,
    /// How closely.
    pub level: ValidateLevel,
    /// The destination that was named; empty = the tenant's own.
    pub path: String,
    /// DESCRIPTION.
    pub description: String,
    /// What to look at.
    pub objects: Vec<MediumObject>,
    /// Keys of encrypted sets.
    pub keys: Vec<(BackupSetId, Secret)>,
}

/// What a look at a destination found that belongs to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Directories that are still there.
    pub orphans: Vec<String>,
    /// Unfinished uploads that are still there.
    pub unfinished: u64,
    /// Orphans that were removed now.
    pub removed: u64,
    /// Unfinished uploads that were aborted now.
    pub aborted: u64,
}

/// A restore that the body has prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRestore {
    /// Name of the new tenant.
    pub tenant_name: String,
    /// Replicas of each log stream.
    pub replicas: u32,
    /// Everything is restored up to this, inclusive.
    pub target_scn: Scn,
    /// What was chosen.
    pub source: RestoreSource,
    /// The tenant stays a standby that follows the archive.
    pub standby: bool,
    /// DESCRIPTION.
    pub description: String,
}
