//! What one worker has to do: the whole desired state, never a change to it.
//!
//! A worker hosts exactly the replicas, archives exactly the rounds and runs exactly the tasks that are in its orders;
//! everything else it stops. The nouns here stand behind the wire message `WorkerOrders`.

mod archive;
pub(crate) mod build;
mod medium_tasks;
pub(crate) mod source;

pub use crate::jobs::backup::spec::{BackupIndexSpec, BackupLogSpec, BackupLsSpec, BaseSet, SealSpec, SyntheticSpec};
pub use build::orders_for;
pub use medium_tasks::{
    CleanSpec, DestCheckSpec, FingerprintSpec, MediumName, RecoverTableSpec, TabletMap, ValidateSpec,
};

use crate::state::{ArchivedLog, Dictionary, Encryption, TabletList};
use crate::task::TaskKey;
use strandline_types::{
    Access, Address, BackupSetId, Compression, DestId, DestNo, DestOwner, JobId, LsId, Lsn, NodeId, PalfBase,
    PieceClock, PieceId, RetryId, RoundId, Scn, Secret, TenantId, TurnId,
};

/// The orders of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Every worker and the address of its door.
    pub workers: Vec<(NodeId, String)>,
    /// Replicas to host.
    pub replicas: Vec<ReplicaOrder>,
    /// Rounds to archive.
    pub rounds: Vec<RoundOrder>,
    /// Tasks to run.
    pub tasks: Vec<TaskOrder>,
}

/// One replica to host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaOrder {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Log stream.
    pub ls_id: LsId,
    /// All members of the group.
    pub members: Vec<NodeId>,
    /// This member starts the fresh group.
    pub bootstrap: bool,
    /// A leader below this SCN appends a keep-alive group *with exactly this SCN* at once. With a later one the
    /// streams of a tenant would chase each other.
    pub keep_alive_scn: Scn,
    /// Local log below this may be recycled.
    pub recycle_lsn: Lsn,
    /// Writes are refused while the log holds more than this above `recycle_lsn`; 0 = no bound.
    pub log_bytes_max: u64,
    /// Log stream 1: the dictionary to log.
    pub dictionary: Option<Dictionary>,
    /// The tablets that are left to the log stream: the others are dropped.
    pub tablets: Option<TabletList>,
    /// The replica begins from a backup.
    pub restore: Option<RestoreOrder>,
    /// Clients may read and write.
    pub open: bool,
    /// Clients may only read: a standby.
    pub read_only: bool,
    /// Damaged files are put aside, and the replica begins anew from the others.
    pub rebuild: bool,
    /// A leader hands over to this member.
    pub hand_over_to: Option<NodeId>,
    /// It does not stand for election.
    pub held_back: bool,
}

/// A replica that begins from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreOrder {
    /// The job.
    pub job_id: JobId,
    /// Base of the source log.
    pub base: PalfBase,
    /// Every replica has its data: start the group.
    pub start: bool,
}

/// What to do for a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundWork {
    /// Archive.
    Write,
    /// Finish what is in flight, then report *stopped*.
    Stop,
    /// Finish what is in flight, then report *suspended*.
    Suspend,
}

/// One round to archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundOrder {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Destination.
    pub dest_id: DestId,
    /// Which of the tenant's archive destinations it is.
    pub dest_no: DestNo,
    /// Round.
    pub round_id: RoundId,
    /// What to do.
    pub work: RoundWork,
    /// Where the destination is, without keys.
    pub uri: String,
    /// Its keys; they may change while the round runs.
    pub access: Access,
    /// Start, base piece, interval.
    pub clock: PieceClock,
    /// Delay until log is on the medium and reported.
    pub lag_target_ms: u64,
    /// Threads for reading and writing on each worker; 0 = by its CPU.
    pub concurrency: u32,
    /// How log is compressed.
    pub compression: Compression,
    /// Whether and with whose key log is encrypted.
    pub encryption: Encryption,
    /// Last progress of the log streams that this worker hosts and that have started.
    pub log_streams: Vec<LsResume>,
    /// Whose the destination has to be.
    pub owner: DestOwner,
}

/// Last progress of one log stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsResume {
    /// Log stream.
    pub ls_id: LsId,
    /// Piece of the newest archived group.
    pub piece_id: PieceId,
    /// First byte of the stream in that piece.
    pub piece_start_lsn: Lsn,
    /// First byte that the round holds.
    pub start_lsn: Lsn,
    /// Everything below is durable on the medium.
    pub archived_lsn: Lsn,
    /// Every group up to this SCN is durable on the medium.
    pub checkpoint_scn: Scn,
    /// It has drained: no leader writes into the round any more.
    pub stopped: bool,
}

/// One task to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskOrder {
    /// Which attempt.
    pub key: TaskKey,
    /// What to do.
    pub spec: TaskSpec,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskSpec {
    /// See [`BackupLsSpec`].
    BackupLs(BackupLsSpec),
    /// See [`BackupIndexSpec`].
    BackupIndex(BackupIndexSpec),
    /// See [`BackupLogSpec`].
    BackupLog(BackupLogSpec),
    /// See [`SyntheticSpec`].
    Synthetic(SyntheticSpec),
    /// See [`RestoreDataSpec`].
    RestoreData(RestoreDataSpec),
    /// See [`RestoreLogSpec`].
    RestoreLog(RestoreLogSpec),
    /// See [`DestCheckSpec`].
    DestCheck(DestCheckSpec),
    /// See [`ValidateSpec`].
    Validate(ValidateSpec),
    /// See [`CleanSpec`].
    Clean(CleanSpec),
    /// See [`FingerprintSpec`].
    Fingerprint(FingerprintSpec),
    /// See [`RecoverTableSpec`].
    RecoverTable(Box<RecoverTableSpec>),
}

/// The attempt that made one log stream's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsTurn {
    /// Log stream.
    pub ls_id: LsId,
    /// Turn.
    pub turn: TurnId,
    /// Retry.
    pub retry: RetryId,
}

/// Rebuild one replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreDataSpec {
    /// The data backup.
    pub data: Address,
    /// Set.
    pub set_id: BackupSetId,
    /// True for an incremental set.
    pub incremental: bool,
    /// Turn of the tenant-level index.
    pub data_turn: TurnId,
    /// Log stream in the source.
    pub source_ls_id: LsId,
    /// Turn of its meta.
    pub ls_turn: TurnId,
    /// Retry of its meta.
    pub ls_retry: RetryId,
    /// Key of an encrypted set.
    pub seal_key: Secret,
    /// Keys of further sets of the chain, where they differ.
    pub chain_keys: Vec<(BackupSetId, Secret)>,
}

/// Replay the archive into one log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreLogSpec {
    /// Log to replay, in order, with the archives that hold it.
    pub log: Vec<ArchivedLog>,
    /// Log stream in the source.
    pub source_ls_id: LsId,
    /// First group to replay.
    pub base: PalfBase,
    /// Replay groups with SCN up to this.
    pub target_scn: Scn,
    /// Where the key of an encrypted archive comes from; never a key.
    pub key_source: String,
    /// Never done by itself: more pieces and a higher target come with later orders.
    pub follow: bool,
}
