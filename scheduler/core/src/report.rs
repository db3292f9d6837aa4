//! What one worker says in a heartbeat: the nouns behind the wire message `WorkerReport`.
//!
//! A report is a picture, not a change: it may come late, twice or out of order, and `apply` takes from it only what
//! moves forward.

use crate::results::{CleanResult, FingerprintResult, RecoverTableResult, ValidateResult};
use crate::state::{DestFinding, Dictionary, LogGap, LogStream, LsPiece, ReplicaStanding, Trouble};
use crate::task::TaskKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{
    ArchiveLsState, DestId, Failure, LsId, Lsn, NodeId, PalfBase, PieceId, RoundId, Scn, TabletId, TenantId, Term,
};

/// Everything one worker has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// Who speaks.
    pub worker_id: NodeId,
    /// Where its gRPC door is.
    pub address: String,
    /// Another number after every start of the process.
    pub boot_id: u64,
    /// Its clock when it spoke: tells a late report from the newest.
    pub clock_ms: u64,
    /// The replicas it hosts.
    pub replicas: Vec<ReplicaReport>,
    /// Archive progress of the log streams it leads.
    pub archive: Vec<ArchiveReport>,
    /// What holds up log streams that it leads and that have no progress to report yet.
    pub archive_waiting: Vec<ArchiveWaiting>,
    /// The tasks it was given.
    pub tasks: Vec<TaskReport>,
    /// Why replicas that it was ordered to host do not run.
    pub replica_troubles: BTreeMap<(TenantId, LsId), Failure>,
    /// Bytes that are free on the disk of its replicas; `None` = it does not tell.
    pub free_bytes: Option<u64>,
}

/// One log-stream replica that a worker hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaReport {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Log stream.
    pub ls_id: LsId,
    /// True on the leader.
    pub is_leader: bool,
    /// Raft term that it is in.
    pub term: Term,
    /// The leader it follows, if it knows one.
    pub leader: Option<NodeId>,
    /// End of the applied log.
    pub end_lsn: Lsn,
    /// SCN of the last applied group.
    pub max_scn: Scn,
    /// Oldest byte of log that the replica still holds.
    pub log_start_lsn: Lsn,
    /// Version of the dictionary in log stream 1, 0 elsewhere.
    pub dictionary_version: u64,
    /// Version of the newest tablet list that is applied, 0 for none.
    pub tablets_version: u64,
    /// Log stream 1 of a restored tenant that is not open yet: the dictionary that replay made.
    pub restored_dictionary: Option<Dictionary>,
    /// Restored tenants: the source SCN up to which log was replayed.
    pub replayed_scn: Scn,
    /// What part it takes in its group.
    pub standing: ReplicaStanding,
}

/// How far the leader of a log stream has archived one round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveReport {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Log stream.
    pub ls_id: LsId,
    /// Destination.
    pub dest_id: DestId,
    /// Round.
    pub round_id: RoundId,
    /// Raft term of the leader: the fencing token.
    pub term: Term,
    /// What the archiver says of its part in the round.
    pub state: ArchiveLsState,
    /// Piece of the newest archived group.
    pub piece_id: PieceId,
    /// First SCN that the round holds of this stream.
    pub start_scn: Scn,
    /// First byte that the round holds of this stream.
    pub start_lsn: Lsn,
    /// Everything below is durable on the medium.
    pub archived_lsn: Lsn,
    /// Every group with SCN up to this is durable on the medium.
    pub checkpoint_scn: Scn,
    /// What holds it up, if anything.
    pub trouble: Option<Failure>,
    /// Since when.
    pub trouble_since_ms: u64,
    /// Requests to the medium since the leader took over.
    pub requests: u64,
    /// The log that is missing, once the stream is interrupted.
    pub gap: Option<LogGap>,
    /// What the medium has, from the newest piece on that the state knows.
    pub pieces: BTreeMap<PieceId, LsPiece>,
}

/// What holds up a log stream that has no progress to report in a round. It fixes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveWaiting {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Log stream.
    pub ls_id: LsId,
    /// Round.
    pub round_id: RoundId,
    /// What, and since when.
    pub trouble: Trouble,
}

impl ArchiveReport {
    /// The term that the report speaks for: a leader that had stopped or paused, lost the leadership and has it again will
    /// not write in its new term either.
    pub(crate) fn speaks_for(&self, ls: &LogStream, worker: NodeId) -> Term {
        let has_ended = matches!(self.state, ArchiveLsState::Stopped | ArchiveLsState::Suspended);
        if has_ended && ls.leader == Some(worker) { ls.term.max(self.term) } else { self.term }
    }
}

/// Where a task stands at its executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// Runs.
    Doing,
    /// Ended well.
    Done,
    /// Ended badly.
    Failed,
}

/// One task at one executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskReport {
    /// Which attempt at which task.
    pub key: TaskKey,
    /// Where it stands.
    pub state: TaskState,
    /// Bytes that it has to move, as far as known.
    pub bytes_total: u64,
    /// Bytes moved.
    pub bytes_done: u64,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// What came out, once done.
    pub result: Option<TaskResult>,
    /// What holds it up while it runs, and since when by the worker's clock.
    pub waiting: Option<Trouble>,
    /// True once some call on a medium was answered in this attempt.
    pub answered: bool,
}

/// What came out of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskResult {
    /// Of a backup of one log stream.
    BackupLs(BackupLsResult),
    /// Of the tenant-level index.
    BackupIndex(BackupIndexResult),
    /// Of a copy of log.
    BackupLog(BackupLogResult),
    /// Of replay.
    RestoreLog(RestoreLogResult),
    /// Of a check of a destination.
    DestCheck(Vec<DestFinding>),
    /// Of a validation.
    Validate(ValidateResult),
    /// Of cleaning.
    Clean(CleanResult),
    /// Of a digest.
    Fingerprint(FingerprintResult),
    /// Of a table recovery.
    RecoverTable(RecoverTableResult),
}

/// What a backup of one log stream left on the medium.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupLsResult {
    /// Where log replay starts.
    pub base: PalfBase,
    /// SCN of the consistent point.
    pub checkpoint_scn: Scn,
    /// Bytes read.
    pub input_bytes: u64,
    /// Bytes written.
    pub output_bytes: u64,
    /// Blocks in the set.
    pub macro_block_count: u64,
    /// Tablets in the set.
    pub tablet_count: u64,
    /// Files in the set.
    pub file_count: u64,
    /// The tablets.
    pub tablets: Vec<TabletId>,
    /// Payload of `ls_meta_info`, for the collection `ls_meta_infos`.
    pub ls_meta: Vec<u8>,
    /// Log stream 1 only: the dictionary at the consistent point.
    pub dictionary: Option<Dictionary>,
}

/// What the index task left on the medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupIndexResult {
    /// Files written.
    pub file_count: u64,
    /// Bytes written.
    pub output_bytes: u64,
}

/// What a copy of log left on the medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupLogResult {
    /// First byte.
    pub start_lsn: Lsn,
    /// End of the copied log.
    pub end_lsn: Lsn,
    /// SCN of the last copied group.
    pub end_scn: Scn,
    /// Files written.
    pub file_count: u64,
    /// Bytes written.
    pub output_bytes: u64,
}

/// How far replay came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreLogResult {
    /// Source SCN of the last replayed group.
    pub replayed_scn: Scn,
    /// Log bytes replayed.
    pub replayed_bytes: u64,
}
