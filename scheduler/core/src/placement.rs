//! Which workers host a new log stream: the live ones with the fewest replicas, by id where they are equal.

use crate::refuse;
use crate::state::State;
use std::collections::BTreeMap;
use strandline_types::{Failure, LsId, NodeId};

/// Members for each log stream, in order; the first member of each starts the group, and these are spread as well.
pub fn place(state: &State, log_streams: &[LsId], replicas: u32) -> Result<BTreeMap<LsId, Vec<NodeId>>, Failure> {
    let mut load = live_load(state);
    let needed = replicas as usize;
    if load.len() < needed {
        return Err(refuse::too_few_workers(needed, load.len()));
    }
    let mut placed = BTreeMap::new();
    for (nth, &ls) in log_streams.iter().enumerate() {
        let mut by_load: Vec<(usize, NodeId)> = load.iter().map(|(&id, &n)| (n, id)).collect();
        by_load.sort_unstable();
        let mut members: Vec<NodeId> = by_load.iter().take(needed).map(|&(_, id)| id).collect();
        members.sort_unstable();
        members.rotate_left(nth % needed);
        for id in &members {
            *load.entry(*id).or_default() += 1;
        }
        placed.insert(ls, members);
    }
    Ok(placed)
}

/// The live worker with the fewest replicas that is none of `members`.
pub fn spare(state: &State, members: &[NodeId], now_ms: u64) -> Option<NodeId> {
    let load = replica_load(state);
    let free = state.workers.keys().filter(|w| !members.contains(w) && state.is_known(**w, now_ms));
    free.min_by_key(|w| (load.get(w).copied().unwrap_or(0), **w)).copied()
}

fn live_load(state: &State) -> BTreeMap<NodeId, usize> {
    let load = replica_load(state);
    let live = state.workers.keys().filter(|w| state.is_known(**w, state.clock_ms));
    live.map(|w| (*w, load.get(w).copied().unwrap_or(0))).collect()
}

fn replica_load(state: &State) -> BTreeMap<NodeId, usize> {
    let mut load = BTreeMap::new();
    for member in state.tenants.values().flat_map(|t| t.log_streams.values()).flat_map(|ls| &ls.members) {
        *load.entry(*member).or_default() += 1;
    }
    load
}
