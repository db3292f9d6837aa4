//! What is waited for.

use super::Who;
use std::fmt;
use strandline_types::{ArchiveLsState, Binding, Failure, JobId, LsId, NodeId, Scn, scn_text};

/// What something waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// That a failure passes; `more` other tasks of it have failed as well.
    Failure {
        /// The oldest one.
        failure: Failure,
        /// How many others there are.
        more: usize,
    },
    /// That a log stream gets over a failure.
    StreamFailure(LsId, Failure),
    /// That a log stream says that it is in this state.
    StreamState(LsId, ArchiveLsState),
    /// That its destination takes the log of a stream before the spool is full.
    Spool {
        /// The log stream.
        ls: LsId,
        /// How full it is.
        full_percent: u32,
        /// What happens at the end.
        binding: Binding,
    },
    /// Its destination, which is not ready, and why.
    Destination(Option<Failure>),
    /// The data backup destination of the tenant, which is not ready.
    DataDestination,
    /// ENABLE: the destination is deferred.
    Enable,
    /// A backup job that is to end.
    BackupJob(JobId),
    /// A backup job that is to end before the full backup that follows an interruption.
    BackupJobBeforeFull(JobId),
    /// The archive's checkpoint.
    Checkpoint {
        /// Where it is.
        at: Scn,
        /// Where it has to be.
        needed: Scn,
        /// What that is called, when it has a name.
        name: Option<&'static str>,
    },
    /// That a source's archive holds an SCN.
    SourceArchive {
        /// What has to be there.
        until: Scn,
        /// What is there.
        at: Scn,
    },
    /// LOG_RESTORE_SOURCE: there is no archive to follow.
    RestoreSource,
    /// That a destination takes a placeholder, and why it does not.
    Placeholder(Box<Who>, Option<Failure>),
    /// That log stream 1 logs the newest dictionary.
    Dictionary,
    /// That the leader of log stream 1 tells its dictionary.
    RestoredDictionary,
    /// That the leader of log stream 1 logs the tables of a recovery.
    RecoveredTables,
    /// That its log streams drop the tablets of dropped tables.
    DroppedTablets,
    /// That a log stream drops the tablets of dropped tables.
    DroppedTabletsOf(LsId),
    /// A live worker that can do a task.
    LiveWorker,
    /// A worker that has room for one more task: all are busy with other jobs.
    Room,
    /// That a worker lets go of a tenant.
    Release(NodeId),
    /// A leader.
    Leader,
    /// A leader of a log stream.
    LeaderOf(LsId),
    /// Its leader, which is not heard of.
    SilentLeader(NodeId),
    /// Replicas that workers lost with their disks: too many to go on without them.
    LostReplicas(Vec<NodeId>),
    /// A replica that is not as it has to be.
    Replica {
        /// On which worker.
        worker: NodeId,
        /// What is the matter with it.
        condition: Condition,
        /// What the worker says.
        failure: Failure,
    },
    /// That the tenant of a drill is dropped.
    DropOfDrill,
    /// That a job is done with a set or piece which it reads.
    Reader(String),
    /// That the clock of a worker is put right.
    Clock {
        /// How far it is ahead; negative = behind.
        ahead_ms: i64,
        /// No worker's clock is right: that of the leading scheduler is the likely cause.
        is_nobody_well: bool,
    },
}

/// What is the matter with a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is damaged, and this becomes of it.
    Damaged(Outlook),
    /// It runs and lacks something.
    NotWhole,
    /// It does not run.
    Stopped,
}

/// What becomes of a damaged replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It is rebuilt from the others.
    Rebuilt,
    /// It is the only one.
    Only,
    /// The others are no majority that votes.
    NoMajority,
}

impl On {
    /// A failure that nothing else of it has.
    #[must_use]
    pub const fn failure(failure: Failure) -> Self {
        Self::Failure { failure, more: 0 }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failure { failure, more: 0 } => write!(f, "{failure}"),
            Self::Failure { failure, more } => write!(f, "{failure} (and {more} more of its tasks)"),
            Self::StreamFailure(ls, failure) => write!(f, "log stream {ls}: {failure}"),
            Self::StreamState(ls, wanted) => write!(f, "log stream {ls} to report {wanted}"),
            Self::Spool { ls, full_percent, binding } => {
                let end = match binding {
                    Binding::Mandatory => "writes are refused when it is full",
                    Binding::Optional => "log is let go when it is full, and the round is interrupted",
                };
                write!(f, "its destination to take the log of stream {ls}: the spool is {full_percent} % full; {end}")
            }
            Self::Destination(None) => f.write_str("its destination, which is not ready"),
            Self::Destination(Some(failure)) => write!(f, "its destination, which is not ready. {failure}"),
            Self::DataDestination => f.write_str("the data backup destination, which is not ready"),
            Self::Enable => f.write_str("ENABLE"),
            Self::BackupJob(job) => write!(f, "backup job {job} to end"),
            Self::BackupJobBeforeFull(job) => {
                write!(f, "backup job {job} to end, to begin a full backup after the interruption")
            }
            Self::Checkpoint { at, needed, name } => {
                let name = name.map_or_else(String::new, |name| format!("{name} "));
                write!(f, "checkpoint_scn {at} to reach {name}{needed}")
            }
            Self::SourceArchive { until, at } => {
                let (until, at) = (with_time(*until), with_time(*at));
                write!(f, "its source's archive to come to {until}: it holds everything up to {at}")
            }
            Self::RestoreSource => f.write_str("an archive: ALTER SYSTEM SET LOG_RESTORE_SOURCE"),
            Self::Placeholder(dest, None) => write!(f, "{dest} to take it"),
            Self::Placeholder(dest, Some(failure)) => write!(f, "{dest} to take it: {failure}"),
            Self::Dictionary => f.write_str("log stream 1 to log the newest data dictionary"),
            Self::RestoredDictionary => f.write_str("the leader of log stream 1 to tell its dictionary"),
            Self::RecoveredTables => f.write_str("the leader of log stream 1 to log the tables"),
            Self::DroppedTablets => f.write_str("its log streams to drop the tablets of dropped tables"),
            Self::DroppedTabletsOf(ls) => write!(f, "log stream {ls} to drop their tablets"),
            Self::LiveWorker => f.write_str("a live worker that can do it"),
            Self::Room => f.write_str("a worker that has room for it: all are busy with other jobs"),
            Self::Release(worker) => write!(f, "worker {worker}"),
            Self::Leader => f.write_str("a leader"),
            Self::LeaderOf(ls) => write!(f, "a leader of log stream {ls}"),
            Self::SilentLeader(worker) => write!(f, "its leader, worker {worker}, which is not heard of"),
            Self::LostReplicas(workers) => {
                let workers: Vec<String> = workers.iter().map(ToString::to_string).collect();
                write!(f, "the replica that worker {} lost with its disk: {LOST_TODO}", workers.join(", "))
            }
            Self::Replica { worker, condition, failure } => {
                write!(f, "its replica on worker {worker}, {condition}: {failure}")
            }
            Self::DropOfDrill => f.write_str("its tenant to be dropped"),
            Self::Reader(reader) => f.write_str(reader),
            Self::Clock { ahead_ms, is_nobody_well } => write!(f, "{}", clock(*ahead_ms, *is_nobody_well)),
        }
    }
}

/// What a user does about replicas that are gone for good.
pub(crate) const LOST_TODO: &str = "bring its old disk back, or DROP TENANT and RESTORE it from a backup";

fn with_time(scn: Scn) -> String {
    format!("SCN {scn} ({})", scn_text(scn))
}

fn clock(ahead_ms: i64, is_nobody_well: bool) -> String {
    let side = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let off = format!("it is {} s {side} the schedulers'", ahead_ms.unsigned_abs() / 1000);
    if is_nobody_well {
        let cause = "no worker's clock is right against it, so the clock of the leading scheduler is the likely cause";
        return format!("{off}: {cause}. Compare the clocks of all hosts; no leader is moved meanwhile");
    }
    format!(
        "{off}: set the time of that host; writes there get SCNs of a wrong time, so what it leads is handed over to \
         members whose clocks are right, where there are such"
    )
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(outlook) => write!(f, "which is damaged; {outlook}"),
            Self::NotWhole => f.write_str("which is not whole"),
            Self::Stopped => f.write_str("which does not run"),
        }
    }
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rebuilt => "it is put aside and rebuilt from the others",
            Self::Only => "it is the only one, so nothing is moved",
            Self::NoMajority => "the others are no majority that votes now, so nothing is moved",
        })
    }
}
