//! Backup jobs and the sets that they make.

use crate::jobs::machine::head::JobHead;
use crate::report::{BackupIndexResult, BackupLogResult, BackupLsResult};
use crate::state::TaskRun;
use crate::task::{Part, TaskId, TaskKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{
    BackupJobStatus, BackupMode, BackupSetId, BackupSetKind, BackupSetStatus, Compression, DestId, DestUri, FileStatus,
    JobId, LsId, NodeId, PieceKey, RetryId, RoundId, Scn, Secret, TenantId, TurnId,
};

/// What was asked for with BACKUP DATABASE, for one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupJob {
    /// What every job has.
    pub head: JobHead,
    /// What was asked for.
    pub mode: BackupMode,
    /// The set it makes.
    pub set_id: BackupSetId,
    /// The set's kind; an incremental without a chain becomes a full one.
    pub kind: BackupSetKind,
    /// The set directly before in the chain; of a synthetic set, the newest of the chain that it is made of.
    pub base: Option<BackupSetId>,
    /// PLUS ARCHIVELOG.
    pub plus_archivelog: bool,
    /// Destination.
    pub dest_id: DestId,
    /// Where it is.
    pub uri: DestUri,
    /// Where it stands.
    pub status: BackupJobStatus,
    /// The archive round that it relies on, whose end ends it; 0 = none (synthetic).
    pub round_id: RoundId,
    /// Size at which a data file is closed.
    pub data_file_bytes: u64,
    /// Compressor number of the format.
    pub compression: Compression,
    /// Threads of one executor at most; 0 = the default.
    pub threads_max: u32,
    /// Key of an encrypted set; wiped when the job ends.
    pub seal_key: Secret,
    /// Present turn: one more each time that the tenant changes under the data tasks.
    pub turn: TurnId,
    /// Consistent points of the present turn are not before this.
    pub turn_scn: Scn,
    /// Dictionary version when the present turn began.
    pub turn_dictionary: u64,
    /// Attempts of earlier turns, per log stream: their finished blocks may be referenced.
    pub spent: BTreeMap<LsId, Vec<(TurnId, RetryId)>>,
    /// What the tasks left.
    pub results: BTreeMap<LsId, BackupLsResult>,
    /// What it left.
    pub index_result: Option<BackupIndexResult>,
    /// What they left.
    pub log_results: BTreeMap<LsId, BackupLogResult>,
    /// Pieces that the log is copied from.
    pub log_pieces: Vec<PieceKey>,
    /// True once the end placeholder is written, or given up.
    pub closed: bool,
}

impl BackupJob {
    /// True while something is left to do, the end placeholder included.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closed
    }

    /// Its data tasks: one for each log stream.
    pub fn data_tasks(&self) -> impl Iterator<Item = (LsId, &TaskRun)> + Clone {
        self.runs.of_streams(self.data_task_kind())
    }

    /// PLUS ARCHIVELOG: one copy of log for each log stream.
    pub fn log_tasks(&self) -> impl Iterator<Item = (LsId, &TaskRun)> + Clone {
        self.runs.of_streams(TaskKind::BackupLog)
    }

    /// The task of the tenant-level index, once it is due.
    #[must_use]
    pub fn index_task(&self) -> Option<&TaskRun> {
        self.runs.get(Self::INDEX)
    }

    /// The tenant-level index is written.
    pub(crate) fn is_indexed(&self) -> bool {
        self.index_task().is_some_and(TaskRun::is_finished)
    }

    /// The name of the task of the tenant-level index.
    pub(crate) const INDEX: TaskId = TaskId { kind: TaskKind::BackupIndex, part: Part::Tenant };

    /// The name of the data task of a log stream.
    pub(crate) fn data_task(&self, ls: LsId) -> TaskId {
        TaskId { kind: self.data_task_kind(), part: Part::Ls(ls) }
    }

    /// What its data tasks do.
    #[must_use]
    pub fn data_task_kind(&self) -> TaskKind {
        if self.mode == BackupMode::Synthetic { TaskKind::Synthetic } else { TaskKind::BackupLs }
    }
}

/// One backup set: the row of a job's result, kept as long as the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSet {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Id.
    pub set_id: BackupSetId,
    /// The job that makes it.
    pub job_id: JobId,
    /// Destination.
    pub dest_id: DestId,
    /// Where it is.
    pub uri: String,
    /// Full or incremental.
    pub kind: BackupSetKind,
    /// The full set that its chain begins with; 0 = none.
    pub prev_full: BackupSetId,
    /// The set directly before it in the chain; 0 = none.
    pub prev_inc: BackupSetId,
    /// What it is worth.
    pub status: BackupSetStatus,
    /// What may be expected of its files.
    pub file_status: FileStatus,
    /// When it was begun.
    pub start_ms: u64,
    /// When it was decided to be whole; before the infos are written.
    pub end_ms: u64,
    /// Log streams' consistent points are not before this.
    pub start_scn: Scn,
    /// Log is replayed from here.
    pub start_replay_scn: Scn,
    /// The earliest SCN that it can be restored to.
    pub min_restore_scn: Scn,
    /// Highest consistent point of its log streams.
    pub consistent_scn: Scn,
    /// Bytes read.
    pub input_bytes: u64,
    /// Bytes written.
    pub output_bytes: u64,
    /// Tablets.
    pub tablet_count: u64,
    /// Tablets done.
    pub finish_tablet_count: u64,
    /// Blocks.
    pub macro_block_count: u64,
    /// Files.
    pub file_count: u64,
    /// Meta turn.
    pub meta_turn: TurnId,
    /// Data turn.
    pub data_turn: TurnId,
    /// Retry of the tenant-level index that succeeded.
    pub index_retry: RetryId,
    /// The attempts that succeeded, per log stream.
    pub parts: BTreeMap<LsId, LsPart>,
    /// Bytes of indexes.
    pub extra_bytes: u64,
    /// PLUS ARCHIVELOG: the set carries its log and can be restored alone.
    pub plus_archivelog: bool,
    /// Log files in it.
    pub log_file_count: u64,
    /// Whose log covers it; 0 = nobody's (synthetic sets have that of their chain).
    pub archive_dest_id: DestId,
    /// The round of that archive.
    pub archive_round_id: RoundId,
    /// How it is encrypted, if it is.
    pub seal: Option<SetSeal>,
    /// Version of the program that decided it: sets of another version are no base for an incremental one.
    pub version: String,
    /// What is to be known about it though it did not fail, for example why it is a full one.
    pub note: String,
    /// The original's error number of the end, 0 = success.
    pub result: i32,
    /// Why it failed.
    pub comment: String,
}

/// The attempt that made one log stream's part of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LsPart {
    /// Turn.
    pub turn: TurnId,
    /// Retry.
    pub retry: RetryId,
    /// Who did it: its replica shares most blocks with the set, so the next incremental prefers it.
    pub executor: NodeId,
}

/// What may be known of a set's encryption: enough to tell whether a password is the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSeal {
    /// What the key was derived with.
    pub salt: [u8; 16],
    /// Of the key.
    pub fingerprint: [u8; 8],
}

impl SetSeal {
    /// As views and set infos show the mode of an encrypted or plain set (docs/oceanbase.md, 2.6).
    #[must_use]
    pub fn mode(seal: Option<&Self>) -> &'static str {
        if seal.is_some() { "PASSWORD_ENCRYPTION" } else { "NONE" }
    }

    /// The fingerprint as text: what PASSWD shows.
    #[must_use]
    pub fn passwd(seal: Option<&Self>) -> String {
        seal.map(|s| s.fingerprint.iter().map(|b| format!("{b:02x}")).collect()).unwrap_or_default()
    }
}
