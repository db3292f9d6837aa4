//! Restore jobs.

use crate::jobs::machine::head::JobHead;
use crate::report::RestoreLogResult;
use crate::state::{Dictionary, TaskRun};
use crate::task::{Part, TaskKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{
    Access, Address, BackupSetId, BackupSetKind, LsId, NodeId, PalfBase, PieceKey, RestoreStage, RetryId, Scn, Secret,
    TenantId, TurnId,
};

/// What an administrator asked for with RESTORE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreJob {
    /// What every job has.
    pub head: JobHead,
    /// Its name.
    pub tenant_name: String,
    /// Everything is restored up to this, inclusive.
    pub target_scn: Scn,
    /// Where it comes from.
    pub source: RestoreSource,
    /// The tenant stays a standby that follows the archive.
    pub standby: bool,
    /// Where it stands.
    pub stage: RestoreStage,
    /// How far replay came.
    pub log_results: BTreeMap<LsId, RestoreLogResult>,
    /// The dictionary that log stream 1 held after replay.
    pub dictionary: Option<Dictionary>,
}

impl RestoreJob {
    /// One task for each log stream and replica.
    pub fn data_tasks(&self) -> impl Iterator<Item = (LsId, NodeId, &TaskRun)> + Clone {
        self.runs.of(TaskKind::RestoreData).filter_map(|(part, run)| match part {
            Part::Replica(ls, worker) => Some((ls, worker, run)),
            _ => None,
        })
    }

    /// One task for each log stream, on its leader.
    pub fn log_tasks(&self) -> impl Iterator<Item = (LsId, &TaskRun)> + Clone {
        self.runs.of_streams(TaskKind::RestoreLog)
    }
}

/// What the body read from the medium: the chosen set and pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSource {
    /// The data backup.
    pub data: Address,
    /// Log to replay, in order, with the archives that hold it. A standby follows the last one.
    pub log: Vec<ArchivedLog>,
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

/// Pieces of one archive, to be replayed one after the other. Each archive is reached in its own way with its own keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedLog {
    /// The archive.
    pub from: Address,
    /// Pieces, in order.
    pub pieces: Vec<PieceKey>,
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
    /// Forgets every key: those of the sets and those of the destinations.
    pub fn wipe(&mut self) {
        self.wipe_data_keys();
        for log in &mut self.log {
            log.from.access = Access::default();
        }
    }

    /// Forgets the keys of the sets and of their destination: log that follows needs none of them.
    pub fn wipe_data_keys(&mut self) {
        self.data.access = Access::default();
        self.seal_key = Secret::NONE;
        self.chain_keys.clear();
    }

    /// The archive that is followed.
    #[must_use]
    pub fn archive(&self) -> Option<&Address> {
        self.log.last().map(|log| &log.from)
    }

    /// Pieces of all archives, in the order in which they are replayed.
    pub fn pieces(&self) -> impl Iterator<Item = PieceKey> {
        self.log.iter().flat_map(|log| log.pieces.iter().copied())
    }

    /// The destinations as an administrator names them: the data backup, then the archives.
    #[must_use]
    pub fn destinations(&self) -> String {
        let archives: Vec<String> = self.log.iter().map(|log| log.from.to_string()).collect();
        let all = [self.data.to_string()].into_iter().chain(archives);
        all.collect::<Vec<_>>().join(",")
    }

    /// A log stream of the set.
    #[must_use]
    pub fn log_stream(&self, id: LsId) -> Option<&SourceLs> {
        self.log_streams.iter().find(|ls| ls.ls_id == id)
    }
}
