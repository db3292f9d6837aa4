//! Restore jobs.

use super::{Dictionary, TaskRun};
use crate::orders::RestorePiece;
use crate::report::RestoreLogResult;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{
    Access, BackupSetId, BackupSetKind, Failure, JobId, LsId, NodeId, PalfBase, RestoreStage, RetryId, Scn, Secret,
    TenantId, TurnId,
};

/// What an administrator asked for with RESTORE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreJob {
    /// Id.
    pub id: JobId,
    /// The tenant that is built.
    pub tenant_id: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// Everything is restored up to this, inclusive.
    pub target_scn: Scn,
    /// Where it comes from.
    pub source: RestoreSource,
    /// The tenant stays a standby that follows the archive.
    pub standby: bool,
    /// What the administrator wrote.
    pub description: String,
    /// Where it stands.
    pub stage: RestoreStage,
    /// When it was asked for.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// When it last came a step further.
    pub progress_ms: u64,
    /// One task per log stream and replica.
    pub data_tasks: BTreeMap<(LsId, NodeId), TaskRun>,
    /// One task per log stream, on its leader.
    pub log_tasks: BTreeMap<LsId, TaskRun>,
    /// How far replay came.
    pub log_results: BTreeMap<LsId, RestoreLogResult>,
    /// The dictionary that log stream 1 held after replay.
    pub dictionary: Option<Dictionary>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// What the body read from the medium: the chosen set and pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSource {
    /// Where the data backup is.
    pub data_uri: String,
    /// Where the log archive is; empty when no log is needed.
    pub archive_uri: String,
    /// Access parameters of both.
    pub access: Access,
    /// Where the key of an encrypted archive comes from, on every worker; never a key.
    pub key_source: String,
    /// Cluster that made the backup.
    pub cluster_name: String,
    /// Version of the program that made the backup.
    pub cluster_version: String,
    /// Tenant that was backed up.
    pub tenant_id: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// The set.
    pub set_id: BackupSetId,
    /// Its kind.
    pub set_kind: BackupSetKind,
    /// Its chain, from the full set on, itself last.
    pub sets: Vec<(BackupSetId, BackupSetKind)>,
    /// Turn of its tenant-level index.
    pub data_turn: TurnId,
    /// Log streams in the set.
    pub log_streams: Vec<SourceLs>,
    /// Pieces to replay, in order.
    pub pieces: Vec<RestorePiece>,
    /// Bytes of the chain.
    pub total_bytes: u64,
    /// Bytes of the pieces.
    pub log_bytes: u64,
    /// Tablets of the set.
    pub tablet_count: u64,
    /// Key of an encrypted set; wiped when the job ends.
    pub seal_key: Secret,
    /// Keys of further sets of the chain; wiped when the job ends.
    pub chain_keys: Vec<(BackupSetId, Secret)>,
}

/// One log stream in a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLs {
    /// Id, in the source and in the new tenant.
    pub ls_id: LsId,
    /// Where log replay starts.
    pub base: PalfBase,
    /// Turn of its meta.
    pub turn: TurnId,
    /// Retry of its meta.
    pub retry: RetryId,
}

impl RestoreSource {
    /// Forgets the keys.
    pub fn wipe(&mut self) {
        self.seal_key = Secret::NONE;
        self.chain_keys.clear();
    }

    /// A log stream of the set.
    #[must_use]
    pub fn log_stream(&self, id: LsId) -> Option<&SourceLs> {
        self.log_streams.iter().find(|ls| ls.ls_id == id)
    }
}
