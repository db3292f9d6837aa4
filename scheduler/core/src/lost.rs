//! Log streams that cannot come back by themselves: too many of their replicas have lost their disks.

use crate::state::{LogStream, ReplicaSeen, ReplicaStanding, State};
use strandline_types::{NodeId, TenantId};

/// What a worker last said of its replica of a log stream.
pub(crate) fn seen_replica<'a>(
    state: &'a State,
    tenant: TenantId,
    ls: &LogStream,
    member: NodeId,
) -> Option<&'a ReplicaSeen> {
    state.workers.get(&member)?.replicas.get(&(tenant, ls.id))
}

/// The members of a log stream that began anew with an empty disk, when those that are left are no majority and nobody
/// leads: replicas that began empty do not vote before a leader has fed them, so there will be no leader. Empty when the
/// log stream can still come back.
pub(crate) fn lost_members(state: &State, tenant: TenantId, ls: &LogStream) -> Vec<NodeId> {
    let seen = |member: &NodeId| seen_replica(state, tenant, ls, *member);
    let is_led = ls.members.iter().any(|m| seen(m).is_some_and(|r| r.is_leader));
    let is_empty = |m: &&NodeId| seen(m).is_some_and(|r| r.standing == ReplicaStanding::Empty);
    let empty: Vec<NodeId> = ls.members.iter().filter(is_empty).copied().collect();
    let majority = ls.members.len() / 2 + 1;
    let is_lost = ls.started && !is_led && ls.members.len() - empty.len() < majority;
    if is_lost { empty } else { Vec::new() }
}
