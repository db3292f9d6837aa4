//! How a hosted replica is: plain data without behaviour.

use crate::Replayed;
use strandline_types::{Failure, LsId, Lsn, NodeId, Scn, TenantId, Term};

/// What clients may do at a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAccess {
    /// Nothing: the tenant is being restored.
    Closed,
    /// Read and write.
    ReadWrite,
    /// Read: the tenant is a standby, only the recovery writes.
    ReadOnly,
}

/// Whether a replica counts as a member of its log stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It votes and may lead.
    Full,
    /// It began empty, has heard its leader, and does not vote yet.
    CatchingUp,
    /// It began empty, has heard no leader, and does not vote yet.
    Empty,
}

/// Where a replica stands; cheap to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Tenant.
    pub tenant: TenantId,
    /// Log stream.
    pub ls: LsId,
    /// True when it has stopped by itself: its disk failed.
    pub is_stopped: bool,
    /// True when this replica leads.
    pub is_leader: bool,
    /// Grows with every change of the leader.
    pub term: Term,
    /// Who leads, when that is known.
    pub leader: Option<NodeId>,
    /// First position that is still in the local log.
    pub log_start: Lsn,
    /// End of the applied log.
    pub end_lsn: Lsn,
    /// SCN of the last applied group.
    pub max_scn: Scn,
    /// Version of the stored data dictionary.
    pub dictionary_version: Option<u64>,
    /// Version of the newest tablet list that is applied.
    pub tablets_version: Option<u64>,
    /// How far source log was replayed; `None` when this is no restored tenant.
    pub replayed: Option<Replayed>,
    /// What clients may do.
    pub access: ClientAccess,
    /// Whether it counts.
    pub membership: Membership,
}

/// Whether a replica has applied what was committed before it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaughtUp {
    /// It has heard no leader since the start.
    Unknown,
    /// It has to apply up to `goal`.
    Behind {
        /// Number of the last entry that is applied here.
        applied: Option<u64>,
        /// Number of the last entry that was committed when the leader was first heard.
        goal: u64,
    },
    /// It has applied that.
    Done,
}

/// How a running replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaHealth {
    /// It votes and may lead.
    pub is_full_member: bool,
    /// How far it has come.
    pub caught_up: CaughtUp,
}

/// What became of a replica that this worker was told to host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostedState {
    /// A restored one whose data or start is still to come.
    Waits,
    /// It does not run; it is started again by itself.
    Stopped(Failure),
    /// It runs.
    Runs(ReplicaHealth),
}
