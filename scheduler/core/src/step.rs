//! What a plan is made of: steps, and the reasons why nothing happens.
//!
//! Order rule for code that runs a step: all of `work` in order, every piece durable, then `then` through Raft. Any part
//! may be repeated by anybody at any time. At most one step of a plan has the same `subject`; the body runs steps of
//! different subjects at the same time and never two of one.

use crate::command::{Action, Subject};
use crate::orders::MediumName;
use crate::report::BackupLsResult;
use crate::state::{BackupSet, Dictionary, LsPart, PieceRow, SetSeal, State, Tenant};
use crate::waiting::{On, Waiting, Who};
use std::collections::{BTreeMap, BTreeSet};
use strandline_types::{
    Access, BackupSetId, BackupSetKind, ClusterId, DestId, DestNo, DestOwner, DestUri, Failure, LsId, Lsn, NodeId,
    PieceClock, PieceKey, RoundId, Scn, TenantId,
};

/// What to do next, and why the rest waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Next steps, in no particular order.
    pub steps: Vec<Step>,
    /// Everything that cannot move now.
    pub waiting: Vec<Waiting>,
}

impl Plan {
    /// A step that is nothing but a command.
    pub(crate) fn propose(&mut self, then: Action) {
        self.steps.push(Step { subject: None, work: Vec::new(), then });
    }

    /// A step with work on the medium.
    pub(crate) fn work(&mut self, subject: Subject, work: Vec<MediumWork>, then: Action) {
        self.steps.push(Step { subject: Some(subject), work, then });
    }

    pub(crate) fn wait(&mut self, tenant_id: TenantId, who: Who, on: On, since_ms: impl Into<Option<u64>>) {
        self.waiting.push(Waiting { tenant_id, who, on, since_ms: since_ms.into() });
    }
}

/// Some work on the medium (often none), then the word that it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is for; `None` for steps without work.
    pub subject: Option<Subject>,
    /// Work on the medium, in order.
    pub work: Vec<MediumWork>,
    /// The action to propose once all of it is durable.
    pub then: Action,
}

impl Step {
    /// True when this step, of which work may still be under way, is that of a job which has ended or has come to another
    /// stage. What archive rounds, standbys and schedules do is theirs for as long as it takes.
    #[must_use]
    pub fn is_void(&self, plan: &[Self]) -> bool {
        match self.subject {
            Some(Subject::Backup(_) | Subject::Clean(_) | Subject::Drill(_) | Subject::Leftovers(_)) => {
                plan.iter().find(|step| step.subject == self.subject).is_none_or(|now| now.then != self.then)
            }
            _ => false,
        }
    }
}

/// A destination and whose it is: all that `format.obbak` needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestRef {
    /// Where, without keys.
    pub uri: DestUri,
    /// Its keys.
    pub access: Access,
    /// Id.
    pub dest_id: DestId,
    /// The parent below which its directory may be made.
    pub made_below: Option<DestUri>,
    /// Which archive destination of the tenant it is for the round that is written; 0 elsewhere.
    pub dest_no: DestNo,
    /// Tenant.
    pub tenant_id: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// Cluster.
    pub cluster_id: ClusterId,
    /// Its name.
    pub cluster_name: String,
    /// What a writer has to find in `format.obbak`.
    pub owner: DestOwner,
}

/// One piece of work on the medium. Each is idempotent, and its bytes are decided by what is said here (and, for file
/// lists, by what lies on the medium), never by who runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediumWork {
    /// `format.obbak`: there already and equal in identity, or written now.
    Format {
        /// Destination.
        dest: DestRef,
        /// `archive_log` or `backup_data`.
        kind: crate::state::DestKind,
        /// Time in the file.
        created_ms: u64,
        /// It was ours before: then it is looked for, and not written.
        again: bool,
    },
    /// `rounds/round_..._start`.
    RoundStart {
        /// Destination.
        dest: DestRef,
        /// Round.
        round: RoundId,
        /// Start, base piece, interval.
        clock: PieceClock,
    },
    /// `pieces/piece_..._start_<time>`.
    PieceStart {
        /// Destination.
        dest: DestRef,
        /// Piece.
        key: PieceKey,
        /// First SCN of it.
        start_scn: Scn,
    },
    /// `tenant_archive_piece_infos` of a piece that the checkpoint enters.
    PieceInfos {
        /// Destination.
        dest: DestRef,
        /// The piece.
        piece: PieceRow,
        /// All earlier frozen pieces of this destination, in order.
        frozen: Vec<PieceRow>,
        /// Log streams of which there is log in the round's archive by now, and where that begins.
        log_streams: Vec<(LsId, Lsn)>,
    },
    /// `checkpoint_info.0` once, then `checkpoint.<scn>`, then the old one is removed.
    PublishCheckpoint {
        /// Destination.
        dest: DestRef,
        /// The piece as it is before this checkpoint. `checkpoint_info.0` may only hold what never changes of it.
        piece: PieceRow,
        /// The checkpoint.
        checkpoint_scn: Scn,
        /// The one published before it in this piece, if any.
        old_scn: Option<Scn>,
    },
    /// Everything that a frozen piece has and an active one has not.
    FreezePiece(Box<FreezePiece>),
    /// `rounds/round_..._end`.
    RoundEnd {
        /// Destination.
        dest: DestRef,
        /// Round.
        round: RoundId,
        /// Start, base piece, interval.
        clock: PieceClock,
        /// Final checkpoint.
        checkpoint_scn: Scn,
    },
    /// `backup_sets/..._start`.
    SetStart {
        /// Destination.
        dest: DestRef,
        /// Set.
        set: BackupSetId,
        /// Its kind.
        kind: BackupSetKind,
    },
    /// What makes the log that was copied into a set an archive of its own.
    ComplementLog(Box<ComplementLog>),
    /// All info files of a set.
    SetInfos(Box<SetInfos>),
    /// `backup_sets/..._end_{success|failed}_<time>`.
    SetEnd {
        /// Destination.
        dest: DestRef,
        /// The set.
        set: Box<BackupSet>,
        /// Which placeholder.
        success: bool,
    },
    /// Unfinished uploads of a set that nobody works on any more are aborted.
    SetAbort {
        /// Destination.
        dest: DestRef,
        /// Set.
        set: BackupSetId,
        /// Its kind.
        kind: BackupSetKind,
    },
    /// The end placeholder of a set or piece goes: readers list it no more.
    CleanBegin(Box<CleanWork>),
    /// Infos, leftovers and at last the start placeholder of a set or piece go.
    CleanRest(Box<CleanWork>),
    /// What is left of a destination that was emptied: check files and its identity.
    CleanDest {
        /// Destination.
        dest: DestRef,
    },
    /// Orphans and unfinished uploads are looked for, and old ones removed. What was found is an action of its own.
    Sweep(Box<SweepWork>),
    /// The archive that a standby follows is looked at. What was found is an action of its own.
    Follow(Box<FollowWork>),
    /// What a drill restores is chosen. The restore is an action of its own.
    Drill(Box<DrillWork>),
    /// The key of a scheduled run is derived. The run is an action of its own.
    SealRun(Box<SealRun>),
}

/// A set or piece that is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanWork {
    /// Destination.
    pub dest: DestRef,
    /// What.
    pub name: MediumName,
    /// True when the round's own files go as well.
    pub ends_round: bool,
}

/// A look at the archive that a standby follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowWork {
    /// The archive and its keys; the tenant is the standby.
    pub dest: DestRef,
    /// Whose archive it is.
    pub source_tenant: TenantId,
    /// Log is needed from here.
    pub from: Scn,
    /// The archive is known to hold everything up to here.
    pub known_scn: Scn,
}

/// The choice of what a drill restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillWork {
    /// Name of the tenant that is made.
    pub tenant_name: String,
    /// Replicas of each of its log streams.
    pub replicas: u32,
    /// Data backup.
    pub dest: DestRef,
    /// Archive.
    pub archive: DestRef,
    /// Where the key of an encrypted archive comes from.
    pub key_source: String,
    /// Up to here.
    pub scn: Scn,
}

/// A scheduled run that is to be encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealRun {
    /// The tenant's data backup destination.
    pub dest: DestRef,
    /// Where the password is found.
    pub key_source: String,
    /// How the newest set of the destination is encrypted: a chain has one key.
    pub chain: Option<SetSeal>,
    /// The run, whose request gets the key.
    pub run: Action,
}

/// What belongs to nothing in a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepWork {
    /// Destination.
    pub dest: DestRef,
    /// Sets and pieces that are deleted: whatever of them is still there is an orphan.
    pub gone: BTreeSet<MediumName>,
    /// Orphans whose grace time is over.
    pub remove: Vec<String>,
    /// Unfinished uploads that were begun before this are aborted.
    pub abort_before_ms: u64,
}

/// What the files of a frozen piece say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezePiece {
    /// Destination.
    pub dest: DestRef,
    /// The piece with its final figures.
    pub piece: PieceRow,
    /// Log streams of the round; those without a file in the piece get none.
    pub log_streams: Vec<LsId>,
    /// Where the round begins with each of them.
    pub start_lsns: BTreeMap<LsId, Lsn>,
    /// All earlier frozen pieces of this destination, in order.
    pub frozen: Vec<PieceRow>,
}

/// The log in a set as an archive: one round that begins and ends as the source's does, and its pieces up to the set's
/// end, all frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplementLog {
    /// Destination of the set.
    pub dest: DestRef,
    /// The archive that the log was copied from.
    pub archive_dest_id: DestId,
    /// The set.
    pub set_id: BackupSetId,
    /// Its kind.
    pub kind: BackupSetKind,
    /// Time in `format.obbak`.
    pub created_ms: u64,
    /// Start, base piece and interval of the round.
    pub clock: PieceClock,
    /// The round.
    pub round_id: RoundId,
    /// Everything up to here is there.
    pub checkpoint_scn: Scn,
    /// Pieces that may hold some of it, in order.
    pub pieces: Vec<PieceRow>,
    /// Log streams.
    pub log_streams: Vec<LsId>,
}

/// What the info files of a backup set say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetInfos {
    /// Destination.
    pub dest: DestRef,
    /// The tenant as it is now, for the locality file.
    pub tenant: Tenant,
    /// The workers that host it, and their addresses.
    pub workers: Vec<(NodeId, String)>,
    /// The set with its final figures, as a success.
    pub set: BackupSet,
    /// Earlier sets of this destination, in order.
    pub earlier: Vec<BackupSet>,
    /// Per log stream: the attempt that succeeded and what it left.
    pub parts: BTreeMap<LsId, (LsPart, BackupLsResult)>,
    /// The dictionary at log stream 1's consistent point.
    pub dictionary: Dictionary,
}

/// The action that records a failed step, or none when the state knows the same trouble already.
///
/// Retryable or not, the plan gives the step again (the body backs off) until `apply` decides that it is over.
#[must_use]
pub fn failure_action(state: &State, step: &Step, failure: Failure) -> Option<Action> {
    let subject = step.subject?;
    let known = match subject {
        Subject::Dest(id) => state.destinations.get(&id).and_then(|d| d.trouble.as_ref()),
        Subject::Round(tenant, round) => state.rounds.get(&(tenant, round)).and_then(|r| r.trouble.as_ref()),
        Subject::Backup(id) | Subject::Clean(id) => state.jobs.get(&id).and_then(|j| j.head().trouble.as_ref()),
        Subject::Sweep(id) => state.sweeps.get(&id).and_then(|s| s.trouble.as_ref()),
        Subject::Standby(id) => state.standby(id).and_then(|s| s.trouble.as_ref()),
        // A drill that cannot choose fails at once.
        Subject::Drill(_) => None,
        Subject::Schedule(id) => state.schedules.get(&id).and_then(|s| s.trouble.as_ref()),
        Subject::Leftovers(id) => state.leftovers.get(&id).and_then(|l| l.trouble.as_ref()),
    };
    if known.is_some_and(|t| t.failure == failure) {
        return None;
    }
    Some(Action::MediumFailed { subject, failure })
}
