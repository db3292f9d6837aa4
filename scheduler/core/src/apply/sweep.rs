//! What lies in a destination and belongs to nothing: what a look at it found, and how looks go.

use crate::command::{Done, Outcome, Swept};
use crate::state::{State, Trouble};
use strandline_types::{DestId, Failure, limits};

/// A look for orphans did not work: the next tick looks again.
pub(crate) fn failed(state: &mut State, dest: DestId, failure: Failure) {
    let now_ms = state.clock_ms;
    if state.destinations.contains_key(&dest) {
        let sweep = state.sweeps.entry(dest).or_default();
        sweep.trouble = Some(Trouble::again(sweep.trouble.as_ref(), failure, now_ms));
        sweep.last_ms = now_ms;
    }
}

/// What a look at a destination found that belongs to nothing; it is the whole picture.
pub(crate) fn swept(state: &mut State, dest: DestId, seen: Swept) -> Outcome {
    let now_ms = state.clock_ms;
    if !state.destinations.contains_key(&dest) {
        return Ok(Done::Nothing);
    }
    let sweep = state.sweeps.entry(dest).or_default();
    let first_seen = |dir: String| (dir.clone(), sweep.orphans.get(&dir).copied().unwrap_or(now_ms));
    sweep.orphans = seen.orphans.into_iter().take(limits::CLEAN_OBJECTS_MAX).map(first_seen).collect();
    sweep.unfinished = seen.unfinished;
    sweep.removed += seen.removed;
    sweep.aborted += seen.aborted;
    Ok(Done::Ok)
}

/// A look at a destination is over, however it went.
pub(crate) fn ended(state: &mut State, dest: DestId, last_ms: u64) -> Outcome {
    let now_ms = state.clock_ms;
    if !state.destinations.contains_key(&dest) {
        return Ok(Done::Nothing);
    }
    let sweep = state.sweeps.entry(dest).or_default();
    if sweep.last_ms != last_ms {
        return Ok(Done::Nothing);
    }
    sweep.last_ms = now_ms;
    sweep.trouble = None;
    Ok(Done::Ok)
}

/// Destinations that are gone have nothing to look for.
pub(crate) fn prune(state: &mut State) {
    let State { sweeps, destinations, .. } = state;
    sweeps.retain(|dest, _| destinations.contains_key(dest));
}
