//! Replicas in whose files a worker met damage: whether the others can give one back.
//!
//! Nothing is moved on a guess. A replica is rebuilt only while the other members alone are a majority that is heard,
//! votes and is sound. Alone, or with too few of them, its files stay as they are: they may be the best that there is.

use crate::lost::seen_replica;
use crate::state::{LogStream, ReplicaStanding, State};
use crate::waiting::Outlook;
use strandline_types::{ErrorClass, Failure, NodeId, TenantId};

/// What a worker last said against its replica of a log stream.
pub(crate) fn trouble_of<'a>(
    state: &'a State,
    tenant: TenantId,
    ls: &LogStream,
    member: NodeId,
) -> Option<&'a Failure> {
    state.workers.get(&member)?.replica_troubles.get(&(tenant, ls.id))
}

/// The damage that a worker met in the files of its replica.
pub(crate) fn damage_of<'a>(state: &'a State, tenant: TenantId, ls: &LogStream, member: NodeId) -> Option<&'a Failure> {
    trouble_of(state, tenant, ls, member).filter(|trouble| trouble.class == ErrorClass::Corrupt)
}

/// True when the other members are a majority that is known at `now_ms`, votes and is sound.
pub(crate) fn others_suffice(state: &State, tenant: TenantId, ls: &LogStream, member: NodeId, now_ms: u64) -> bool {
    let is_sound = |other: &&NodeId| {
        let seen = seen_replica(state, tenant, ls, **other);
        state.is_known(**other, now_ms)
            && seen.is_some_and(|r| r.standing == ReplicaStanding::Full)
            && damage_of(state, tenant, ls, **other).is_none()
    };
    let sound = ls.members.iter().filter(|other| **other != member).filter(is_sound).count();
    ls.started && sound > ls.members.len() / 2
}

/// True when the damaged files of a replica are to be put aside, and the replica is to be rebuilt. A restore that runs lays
/// its own files, and ends or fails by itself.
pub(crate) fn is_rebuilt(state: &State, tenant: TenantId, ls: &LogStream, member: NodeId, now_ms: u64) -> bool {
    damage_of(state, tenant, ls, member).is_some()
        && state.open_restore_job(tenant).is_none()
        && others_suffice(state, tenant, ls, member, now_ms)
}

/// What becomes of a damaged replica, for users.
pub(crate) fn outlook(state: &State, tenant: TenantId, ls: &LogStream, member: NodeId, now_ms: u64) -> Outlook {
    if is_rebuilt(state, tenant, ls, member, now_ms) {
        Outlook::Rebuilt
    } else if ls.members.len() == 1 {
        Outlook::Only
    } else {
        Outlook::NoMajority
    }
}
