//! What workers have to know of the tasks of a backup.

use crate::orders::{LsTurn, TaskSpec};
use crate::state::{BackupJob, BackupSet, State, TaskRun};
use crate::task::{TaskId, TaskKind};
use strandline_types::{
    Access, BackupMode, BackupSetId, BackupSetKind, Compression, DestOwner, LsId, Lsn, PieceKey, RetryId, Scn, Secret,
    TurnId,
};

/// Back up one consistent point of one log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupLsSpec {
    /// Destination, without secrets.
    pub uri: String,
    /// Its access parameters.
    pub access: Access,
    /// Set.
    pub set_id: BackupSetId,
    /// True for an incremental set.
    pub incremental: bool,
    /// The consistent point must not be before this.
    pub min_checkpoint_scn: Scn,
    /// Size at which a data file is closed.
    pub data_file_bytes: u64,
    /// Incremental: the set directly before in the chain.
    pub base: Option<BaseSet>,
    /// Earlier attempts of this task: their finished blocks may be referenced.
    pub failed_retries: Vec<LsTurn>,
    /// Compressor number of the format.
    pub compression: Compression,
    /// Blocks are encrypted with this.
    pub seal: Option<SealSpec>,
    /// Bytes per second at most; 0 = the default.
    pub bytes_per_s_max: u64,
    /// Threads at most; 0 = the default.
    pub threads_max: u32,
    /// Whose the destination has to be.
    pub owner: DestOwner,
}

/// A set whose tenant-level index is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseSet {
    /// Set.
    pub set_id: BackupSetId,
    /// True when it is incremental itself.
    pub incremental: bool,
    /// Turn of its tenant-level index.
    pub turn: TurnId,
    /// Retry of its tenant-level index.
    pub index_retry: RetryId,
}

/// How a set is encrypted. The key travels to executors and is never stored with the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealSpec {
    /// 32 bytes.
    pub key: Secret,
    /// What it was derived with.
    pub salt: [u8; 16],
}

/// Build the tenant-level index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupIndexSpec {
    /// Destination, without secrets.
    pub uri: String,
    /// Its access parameters.
    pub access: Access,
    /// Set.
    pub set_id: BackupSetId,
    /// True for an incremental set.
    pub incremental: bool,
    /// The attempts that succeeded.
    pub parts: Vec<LsTurn>,
    /// Whose the destination has to be.
    pub owner: DestOwner,
}

/// PLUS ARCHIVELOG: copy one log stream's log into the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupLogSpec {
    /// The archive, without secrets.
    pub archive_uri: String,
    /// Its access parameters.
    pub archive_access: Access,
    /// Where the key of an encrypted archive comes from; never a key.
    pub archive_key_source: String,
    /// Destination of the set, without secrets.
    pub uri: String,
    /// Its access parameters.
    pub access: Access,
    /// Set.
    pub set_id: BackupSetId,
    /// True for an incremental set.
    pub incremental: bool,
    /// Pieces that may hold it, in order.
    pub pieces: Vec<PieceKey>,
    /// Log stream.
    pub source_ls_id: LsId,
    /// From here.
    pub start_lsn: Lsn,
    /// Up to the first group that reaches this.
    pub end_scn: Scn,
    /// Whose the destination has to be.
    pub owner: DestOwner,
}

/// Build one log stream's part of a full set out of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticSpec {
    /// Destination, without secrets.
    pub uri: String,
    /// Its access parameters.
    pub access: Access,
    /// Newest set of the chain.
    pub chain: BaseSet,
    /// The full set that is built.
    pub set_id: BackupSetId,
    /// Log stream.
    pub source_ls_id: LsId,
    /// Turn of the log stream's part in the newest set.
    pub ls_turn: TurnId,
    /// Its retry.
    pub ls_retry: RetryId,
    /// Size at which a data file is closed.
    pub data_file_bytes: u64,
    /// How the chain and the new set are encrypted.
    pub seal: Option<SealSpec>,
    /// Whose the destination has to be.
    pub owner: DestOwner,
}

/// What the worker of a task has to know.
pub(super) fn spec(state: &State, job: &BackupJob, task: TaskId, run: &TaskRun) -> Option<TaskSpec> {
    let set = state.backup_sets.get(&(job.tenant_id, job.set_id))?;
    let from = From { state, job, set };
    match (task.kind, task.part.ls()) {
        (TaskKind::BackupLs, Some(ls)) => Some(from.log_stream(ls, run)),
        (TaskKind::Synthetic, Some(ls)) => from.synthetic(ls),
        (TaskKind::BackupLog, Some(ls)) => from.log(ls),
        (TaskKind::BackupIndex, None) => Some(from.index()),
        _ => None,
    }
}

/// What the specs of a job are made of.
struct From<'a> {
    state: &'a State,
    job: &'a BackupJob,
    set: &'a BackupSet,
}

impl From<'_> {
    fn access(&self) -> Access {
        self.state.access_of(self.job.dest_id)
    }

    fn owner(&self) -> DestOwner {
        self.state.owner_by_id(self.job.dest_id)
    }

    fn incremental(&self) -> bool {
        self.set.kind == BackupSetKind::Inc
    }

    fn base(&self) -> Option<BaseSet> {
        let base = self.state.backup_sets.get(&(self.job.tenant_id, self.job.base?))?;
        let (turn, index_retry) = (base.data_turn, base.index_retry);
        Some(BaseSet { set_id: base.set_id, incremental: base.kind == BackupSetKind::Inc, turn, index_retry })
    }

    fn seal(&self) -> Option<SealSpec> {
        let seal = self.set.seal.as_ref()?;
        Some(SealSpec { key: self.job.seal_key.clone(), salt: seal.salt })
    }

    fn log_stream(&self, ls: LsId, run: &TaskRun) -> TaskSpec {
        let job = self.job;
        let spent = job.spent.get(&ls).into_iter().flatten();
        let failed = (0..run.retry.0).map(|retry| LsTurn { ls_id: ls, turn: run.turn, retry: RetryId(retry) });
        TaskSpec::BackupLs(BackupLsSpec {
            uri: job.uri.to_string(),
            access: self.access(),
            set_id: job.set_id,
            incremental: self.incremental(),
            min_checkpoint_scn: job.turn_scn,
            data_file_bytes: job.data_file_bytes,
            base: self.base().filter(|_| job.mode == BackupMode::Incremental),
            failed_retries: spent.map(|p| LsTurn { ls_id: ls, turn: p.0, retry: p.1 }).chain(failed).collect(),
            compression: job.compression,
            seal: self.seal(),
            bytes_per_s_max: 0,
            threads_max: job.threads_max,
            owner: self.owner(),
        })
    }

    fn index(&self) -> TaskSpec {
        let parts = self.set.parts.iter().map(|(&ls_id, p)| LsTurn { ls_id, turn: p.turn, retry: p.retry });
        TaskSpec::BackupIndex(BackupIndexSpec {
            uri: self.job.uri.to_string(),
            access: self.access(),
            set_id: self.job.set_id,
            incremental: self.incremental(),
            parts: parts.collect(),
            owner: self.owner(),
        })
    }

    fn log(&self, ls: LsId) -> Option<TaskSpec> {
        let round = self.state.rounds.get(&(self.job.tenant_id, self.job.round_id))?;
        let base = self.job.results.get(&ls)?.base;
        Some(TaskSpec::BackupLog(BackupLogSpec {
            archive_uri: round.uri.clone(),
            archive_access: self.state.access_of(round.dest_id),
            archive_key_source: round.options.encryption.key_source().to_owned(),
            uri: self.job.uri.to_string(),
            access: self.access(),
            set_id: self.job.set_id,
            incremental: self.incremental(),
            pieces: self.job.log_pieces.clone(),
            source_ls_id: ls,
            start_lsn: base.lsn,
            end_scn: self.set.min_restore_scn,
            owner: self.owner(),
        }))
    }

    fn synthetic(&self, ls: LsId) -> Option<TaskSpec> {
        let base = self.state.backup_sets.get(&(self.job.tenant_id, self.job.base?))?;
        let part = base.parts.get(&ls)?;
        Some(TaskSpec::Synthetic(SyntheticSpec {
            uri: self.job.uri.to_string(),
            access: self.access(),
            chain: self.base()?,
            set_id: self.job.set_id,
            source_ls_id: ls,
            ls_turn: part.turn,
            ls_retry: part.retry,
            data_file_bytes: self.job.data_file_bytes,
            seal: self.seal(),
            owner: self.owner(),
        }))
    }
}
