//! Workers whose clocks are wrong, and who leads instead.
//!
//! A leader gives its writes the SCNs of its own clock. One that is far off hands over to a member whose clock is right,
//! and does not stand for election while such a member leads. Between right and far off lies a margin in which nothing is
//! done, so that a clock at the border moves nobody to and fro. When no worker's clock is right against the schedulers',
//! the schedulers' own is the likely cause, and nobody moves.

use crate::damaged::trouble_of;
use crate::lost::seen_replica;
use crate::state::{LogStream, ReplicaStanding, State, Worker};
use strandline_types::limits::{CLOCK_WELL_MS, MAX_CLOCK_OFFSET_MS};
use strandline_types::{NodeId, TenantId};

/// True for a clock by which nobody should give SCNs.
pub(crate) fn is_off(worker: &Worker) -> bool {
    worker.clock_offset_ms().unsigned_abs() > MAX_CLOCK_OFFSET_MS
}

fn is_well(worker: &Worker) -> bool {
    worker.clock_offset_ms().unsigned_abs() <= CLOCK_WELL_MS
}

/// True when no known worker has a clock that is right.
pub(crate) fn is_nobody_well(state: &State, now_ms: u64) -> bool {
    !state.workers.values().any(|w| state.is_known(w.id, now_ms) && is_well(w))
}

/// The member to which a leader with a wrong clock hands over: the one with a right clock that has the most log.
pub(crate) fn hand_over_to(
    state: &State,
    tenant: TenantId,
    ls: &LogStream,
    member: NodeId,
    now_ms: u64,
) -> Option<NodeId> {
    let leads = leads(state, tenant, ls, member);
    if !leads || !state.workers.get(&member).is_some_and(is_off) {
        return None;
    }
    let heirs = ls.members.iter().filter(|heir| **heir != member && may_lead(state, tenant, ls, **heir, now_ms));
    heirs
        .copied()
        .max_by_key(|heir| (seen_replica(state, tenant, ls, *heir).map(|r| r.end_lsn), std::cmp::Reverse(*heir)))
}

/// True for a member with a wrong clock while another one with a right clock leads.
pub(crate) fn is_held_back(state: &State, tenant: TenantId, ls: &LogStream, member: NodeId, now_ms: u64) -> bool {
    let is_off = state.workers.get(&member).is_some_and(is_off);
    let is_well_led = |leader: NodeId| leads(state, tenant, ls, leader) && may_lead(state, tenant, ls, leader, now_ms);
    is_off && ls.leader.is_some_and(|leader| leader != member && is_well_led(leader))
}

fn leads(state: &State, tenant: TenantId, ls: &LogStream, member: NodeId) -> bool {
    ls.leader == Some(member) && seen_replica(state, tenant, ls, member).is_some_and(|r| r.is_leader)
}

fn may_lead(state: &State, tenant: TenantId, ls: &LogStream, member: NodeId, now_ms: u64) -> bool {
    state.is_known(member, now_ms)
        && state.workers.get(&member).is_some_and(is_well)
        && seen_replica(state, tenant, ls, member).is_some_and(|r| r.standing == ReplicaStanding::Full)
        && trouble_of(state, tenant, ls, member).is_none()
}
