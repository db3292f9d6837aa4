//! Workers as the scheduler sees them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{Failure, LsId, Lsn, NodeId, Scn, TenantId, Term};

/// One worker. Whether it is known or unknown is a question of time: `State::is_known`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Id.
    pub id: NodeId,
    /// Address of its gRPC door.
    pub address: String,
    /// Another number after every start of the process.
    pub boot_id: u64,
    /// Its clock in its newest report.
    pub clock_ms: u64,
    /// When it first reported.
    pub first_heard_ms: u64,
    /// When it last reported.
    pub last_heard_ms: u64,
    /// What it last said of its replicas.
    pub replicas: BTreeMap<(TenantId, LsId), ReplicaSeen>,
    /// Why replicas that it was ordered to host do not run.
    pub replica_troubles: BTreeMap<(TenantId, LsId), Failure>,
    /// Bytes that were free on the disk of its replicas, as of its last report.
    pub free_bytes: Option<u64>,
}

impl Worker {
    /// How far its clock was ahead of the state's when its newest report was taken, in milliseconds; the way of the report
    /// is in it.
    #[must_use]
    pub fn clock_offset_ms(&self) -> i64 {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        signed(self.clock_ms).saturating_sub(signed(self.last_heard_ms))
    }
}

/// What part a replica takes in its group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaStanding {
    /// It votes and may lead; also said of the replicas of a worker that does not tell.
    #[default]
    Full,
    /// It began empty and takes the log; it does not vote yet.
    CatchingUp,
    /// It began empty, and nobody of its group has spoken to it since.
    Empty,
}

/// What a worker last said of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSeen {
    /// True on the leader.
    pub is_leader: bool,
    /// Raft term that it is in.
    pub term: Term,
    /// End of the applied log.
    pub end_lsn: Lsn,
    /// SCN of the last applied group.
    pub max_scn: Scn,
    /// Restored tenants: source SCN up to which log was replayed.
    pub replayed_scn: Scn,
    /// Oldest byte of log that it still holds.
    pub log_start_lsn: Lsn,
    /// What part it takes.
    pub standing: ReplicaStanding,
}
