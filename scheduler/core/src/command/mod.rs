//! Everything that can happen to the state.
//!
//! An [`Action`] is either a request (of an administrator or of a worker's report) or the word that a step of the plan is
//! done. The latter name what they found (state, retry, old value) and are void when the state has moved on meanwhile,
//! so that a step which two leaders ran is harmless.

mod done;
mod entry;
mod orders;
mod recovery;
mod requests;
mod round;

pub use done::{Done, Outcome};
pub use entry::Command;
pub use recovery::{ImportCatalog, StartRecoverTable};
pub use requests::{
    ArchiveDestSpec, BackupDest, BackupParam, BackupRequest, ScheduleChange, SealKey, StartRestore, StartValidate,
    Subject, Swept,
};
pub use round::RoundAction;

use crate::report::WorkerReport;
use crate::state::{CleanWhat, DestState, JobKind, Stage};
use crate::task::TaskKey;
use serde::{Deserialize, Serialize};
use strandline_types::{
    Access, Address, BackupMode, BackupSetId, ClusterId, DestId, DestNo, DestUri, Failure, JobId, LsId, NodeId,
    PieceKey, RoundId, Scn, TenantId, Term, TurnId,
};

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// The first command of a cluster; later ones change nothing.
    InitCluster {
        /// Id.
        id: ClusterId,
        /// Name.
        name: String,
        /// Scheduler nodes and the addresses of their gRPC doors.
        schedulers: Vec<(NodeId, String)>,
    },
    /// A node was elected; it proposes this before it plans anything.
    TakeLead {
        /// Who.
        node: NodeId,
        /// In which term.
        term: Term,
    },
    /// What workers said, trimmed by [`crate::news`]. An unknown worker id registers.
    Heartbeats(Vec<WorkerReport>),

    /// CREATE TENANT.
    CreateTenant {
        /// Name.
        name: String,
        /// Log streams, the system log stream included in addition.
        log_streams: u32,
        /// Replicas of each: 1 to 5.
        replicas: u32,
    },
    /// DROP TENANT.
    DropTenant {
        /// Tenant.
        tenant: TenantId,
    },
    /// No worker hosts anything of a dropped tenant any more.
    TenantGone {
        /// Tenant.
        tenant: TenantId,
    },
    /// CREATE TABLE.
    CreateTable {
        /// Tenant.
        tenant: TenantId,
        /// Name.
        name: String,
        /// Tablets.
        tablets: u32,
    },
    /// DROP TABLE.
    DropTable {
        /// Tenant.
        tenant: TenantId,
        /// Name.
        name: String,
    },

    /// LOG_ARCHIVE_DEST, LOG_ARCHIVE_DEST_n; `None` clears it.
    SetArchiveDest {
        /// Tenant.
        tenant: TenantId,
        /// Which.
        no: DestNo,
        /// The new destination.
        dest: Option<ArchiveDestSpec>,
    },
    /// LOG_ARCHIVE_DEST_STATE, LOG_ARCHIVE_DEST_STATE_n.
    SetArchiveDestState {
        /// Tenant.
        tenant: TenantId,
        /// Which.
        no: DestNo,
        /// ENABLE or DEFER.
        state: DestState,
    },
    /// archive_lag_target.
    SetArchiveLag {
        /// Tenant.
        tenant: TenantId,
        /// Milliseconds.
        lag_target_ms: u64,
    },
    /// log_archive_concurrency.
    SetArchiveConcurrency {
        /// Tenant.
        tenant: TenantId,
        /// Threads per worker; 0 = by its CPU.
        threads: u32,
    },
    /// ALTER EXTERNAL_STORAGE_DEST: the same place under other keys or attributes, verified by the body.
    ChangeStorage {
        /// Destination.
        dest: DestId,
        /// Its address with its new attributes.
        uri: String,
        /// Its new keys.
        access: Access,
    },
    /// archive_new_tenants: every new tenant is archived below this destination; `None` switches it off.
    ArchiveNewTenants {
        /// The parent and the options.
        parent: Option<ArchiveDestSpec>,
    },
    /// CHECK DESTINATION, or part of setting one: every known worker probes it.
    CheckDest {
        /// The destination, without keys.
        uri: String,
        /// Its keys.
        access: Access,
        /// Where workers find the key of an encrypted archive; empty = it is not encrypted.
        key_source: String,
    },
    /// ARCHIVELOG.
    ArchiveLog {
        /// Tenant.
        tenant: TenantId,
    },
    /// NOARCHIVELOG.
    NoArchiveLog {
        /// Tenant.
        tenant: TenantId,
    },
    /// `format.obbak` of a destination is there.
    DestFormatted {
        /// Destination.
        dest: DestId,
    },
    /// The scheduler's own work on the medium failed; what it means depends on what it was for.
    MediumFailed {
        /// What it was for.
        subject: Subject,
        /// How.
        failure: Failure,
    },

    /// Something happens to an archive round.
    Round {
        /// Tenant.
        tenant: TenantId,
        /// Round.
        round: RoundId,
        /// What.
        what: RoundAction,
    },

    /// DATA_BACKUP_DEST; `None` clears it.
    SetDataDest {
        /// Tenant.
        tenant: TenantId,
        /// The new path, without keys.
        uri: Option<String>,
        /// Its keys.
        access: Access,
    },
    /// A parameter of a tenant's backups; a job that runs keeps the old one.
    SetBackupParam {
        /// Tenant.
        tenant: TenantId,
        /// Which, and its value.
        param: BackupParam,
    },
    /// BACKUP DATABASE, for one tenant.
    StartBackup {
        /// Tenant.
        tenant: TenantId,
        /// What is asked for.
        request: BackupRequest,
    },
    /// BACKUP DATABASE or BACKUP TENANT out of the system tenant: a job there, and one child per tenant.
    StartBackups {
        /// Tenants.
        tenants: Vec<TenantId>,
        /// True when all tenants are meant: those that cannot start are told of and left out. False: all or none.
        all: bool,
        /// What is asked for.
        request: BackupRequest,
    },
    /// SET BACKUP SCHEDULE and its relatives.
    ChangeSchedule {
        /// Tenant.
        tenant: TenantId,
        /// What changes.
        change: ScheduleChange,
    },
    /// A time of a schedule has come.
    RunSchedule {
        /// Tenant.
        tenant: TenantId,
        /// The schedule that it was found in.
        revision: u64,
        /// When it is due: what keeps it from running twice.
        due_ms: u64,
        /// What is to be made.
        mode: BackupMode,
        /// The backup; `None` = too late for it, it is left out.
        request: Option<BackupRequest>,
        /// Due times before this one that nothing was started for: the newest ones, and how many there are in all.
        left_out: (Vec<(u64, BackupMode)>, u64),
    },
    /// The key of a scheduled run was found.
    RunSealed {
        /// Tenant.
        tenant: TenantId,
    },
    /// The tenant has changed under the data tasks of a job: they are done again where it matters.
    NextTurn {
        /// Job.
        job: JobId,
        /// The turn that the decision was made in.
        turn: TurnId,
    },

    /// RESTORE. Set, pieces and bases were read from the medium by the body.
    StartRestore(Box<StartRestore>),
    /// A replica of a tenant that is being restored moves to another worker, before its group has started.
    MoveReplica {
        /// Job.
        job: JobId,
        /// Log stream.
        ls: LsId,
        /// From this worker.
        from: NodeId,
        /// To this one.
        to: NodeId,
    },

    /// RECOVER STANDBY UNTIL.
    RecoverStandby {
        /// Tenant.
        tenant: TenantId,
        /// Up to here; `None` = unlimited.
        until: Option<Scn>,
    },
    /// RECOVER STANDBY CANCEL.
    StopStandby {
        /// Tenant.
        tenant: TenantId,
    },
    /// ACTIVATE STANDBY.
    ActivateStandby {
        /// Tenant.
        tenant: TenantId,
    },
    /// SET LOG_RESTORE_SOURCE. The body has looked that it is an archive of the source.
    SetRestoreSource {
        /// Tenant.
        tenant: TenantId,
        /// The archive.
        from: Address,
    },
    /// What a look at the archive of a standby found.
    StandbySource {
        /// Tenant.
        tenant: TenantId,
        /// Pieces from where the slowest log stream stands.
        pieces: Vec<PieceKey>,
        /// How far they go.
        reach: Scn,
    },
    /// A look at the archive of a standby is over.
    StandbyScanned {
        /// Tenant.
        tenant: TenantId,
    },
    /// All log streams of a standby stand at one SCN: it opens.
    OpenStandby {
        /// Tenant.
        tenant: TenantId,
    },
    /// RECOVER TABLE. Tables, set and pieces were read from the medium by the body.
    StartRecoverTable(Box<StartRecoverTable>),
    /// IMPORT CATALOG. The destination was read by the body.
    ImportCatalog(Box<ImportCatalog>),
    /// DROP CATALOG.
    ForgetCatalog {
        /// The destination.
        uri: DestUri,
    },
    /// SET RESTORE_DRILL_INTERVAL.
    SetDrillInterval {
        /// Tenant.
        tenant: TenantId,
        /// 0 = only when asked for.
        interval_ms: u64,
    },
    /// SET RESTORE_DRILL_SCHEDULE, checked when it is applied.
    SetDrillSchedule {
        /// Tenant.
        tenant: TenantId,
        /// Cron text; empty = none.
        cron: String,
        /// The zone that it is read in.
        time_zone: String,
    },
    /// RUN RESTORE DRILL, or the schedule's turn.
    StartDrill {
        /// Tenant.
        tenant: TenantId,
        /// The drill before it, when it is the schedule's turn.
        last_ms: Option<u64>,
    },
    /// ADD DELETE BACKUP POLICY.
    AddCleanPolicy {
        /// Tenant.
        tenant: TenantId,
        /// What it says.
        policy: strandline_catalogue::retention::Policy,
    },
    /// DROP DELETE BACKUP POLICY.
    DropCleanPolicy {
        /// Tenant.
        tenant: TenantId,
        /// Its name.
        name: String,
    },
    /// DELETE BACKUPSET, BACKUPPIECE, OBSOLETE BACKUP, BACKUP ALL.
    StartClean {
        /// Tenant.
        tenant: TenantId,
        /// What.
        what: CleanWhat,
        /// DESCRIPTION.
        description: String,
    },
    /// A policy's turn has come, if nobody has had it since.
    TickClean {
        /// Tenant.
        tenant: TenantId,
        /// Its last turn.
        last_run_ms: u64,
    },
    /// What a look at a destination found that belongs to nothing.
    Swept {
        /// Destination.
        dest: DestId,
        /// What was found.
        seen: Swept,
    },
    /// A look at a destination is over.
    SweepEnded {
        /// Destination.
        dest: DestId,
        /// The look before it.
        last_ms: u64,
    },
    /// VALIDATE. The objects were looked up by the body.
    StartValidate(Box<StartValidate>),

    /// A job comes to its next stage, if it still is in `from`.
    AdvanceJob {
        /// Job.
        job: JobId,
        /// Stage that the decision was made in.
        from: Stage,
        /// New stage.
        to: Stage,
    },
    /// CANCEL of a kind of job.
    CancelJob {
        /// Which kind.
        kind: JobKind,
        /// The tenant that it runs for; of a restore, the one that is being built.
        tenant: TenantId,
    },
    /// Nothing is left to do for a job: its parts have ended, or the end placeholder of its set is written or given up.
    CloseJob {
        /// Job.
        job: JobId,
    },
    /// A task gets an executor.
    AssignTask {
        /// Which attempt.
        key: TaskKey,
        /// Who.
        executor: NodeId,
    },
    /// The executor of a task is given up: the task gets a new retry id.
    TaskLost {
        /// Which attempt.
        key: TaskKey,
        /// By whom.
        executor: NodeId,
        /// Why.
        failure: Failure,
    },
    /// A job cannot go on.
    JobFailed {
        /// Job.
        job: JobId,
        /// Why.
        failure: Failure,
    },
    /// A check file of a destination was written and read back.
    DestChecked {
        /// Destination.
        dest: DestId,
        /// The file, below the destination.
        check_file: String,
    },
    /// A standby has everything up to the SCN that was asked for.
    StandbyReached {
        /// Tenant.
        tenant: TenantId,
    },
    /// The medium of a failed or cancelled set does not answer: the job ends, what it leaves is done later.
    BackupLeft {
        /// Job.
        job: JobId,
    },
    /// The end placeholder of a set that an ended job had left is written.
    LeftoverDone {
        /// Destination.
        dest: DestId,
        /// Set.
        set: BackupSetId,
    },
}
