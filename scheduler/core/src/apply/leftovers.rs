//! What ended backups leave to be done: kept, done, given up.
//!
//! Order rule: a set that is being deleted is left over no more. Cleaning takes its placeholders away; nobody may write
//! them again.

use super::audit;
use crate::command::{Done, Outcome};
use crate::state::{State, Trouble};
use strandline_types::{BackupSetId, DestId, ErrorClass, Failure, limits};

/// Keeps a set whose end placeholder the medium did not take.
pub(crate) fn keep(state: &mut State, dest: DestId, set: BackupSetId) {
    let now_ms = state.clock_ms;
    if !state.destinations.contains_key(&dest) {
        return;
    }
    let left = state.leftovers.entry(dest).or_default();
    left.sets.entry(set).or_insert(now_ms);
    let oldest = left.sets.first_key_value().map(|(set, _)| *set);
    if let Some(oldest) = oldest.filter(|_| left.sets.len() > limits::LEFTOVERS_KEPT_MAX) {
        give_up(state, dest, oldest, "too many sets wait for the destination");
    }
}

/// The end placeholder is written.
pub(crate) fn done(state: &mut State, dest: DestId, set: BackupSetId) -> Outcome {
    if !state.is_left_over(dest, set) {
        return Ok(Done::Nothing);
    }
    forget(state, dest, set);
    if let Some(left) = state.leftovers.get_mut(&dest) {
        left.trouble = None;
    }
    Ok(Done::Ok)
}

/// Nothing is to be written for a set any more.
pub(crate) fn forget(state: &mut State, dest: DestId, set: BackupSetId) {
    let Some(left) = state.leftovers.get_mut(&dest) else { return };
    left.sets.remove(&set);
    if left.sets.is_empty() {
        state.leftovers.remove(&dest);
    }
}

/// The medium did not take it. What waiting does not mend is given up: other bytes stand there, or the path is another
/// one's by now.
pub(crate) fn medium_failed(state: &mut State, dest: DestId, failure: Failure) {
    let now_ms = state.clock_ms;
    let Some(left) = state.leftovers.get_mut(&dest) else { return };
    let is_final = is_final(failure.class);
    match left.sets.first_key_value().map(|(set, _)| *set).filter(|_| is_final) {
        Some(set) => give_up(state, dest, set, &failure.to_string()),
        None => left.trouble = Some(Trouble::again(left.trouble.as_ref(), failure, now_ms)),
    }
}

/// True for what waiting does not mend.
pub(crate) const fn is_final(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Fenced | ErrorClass::Corrupt | ErrorClass::Invalid)
}

fn give_up(state: &mut State, dest: DestId, set: BackupSetId, why: &str) {
    forget(state, dest, set);
    let Some(tenant) = state.destinations.get(&dest).map(|d| d.tenant_id) else { return };
    let values = [("dest_id", dest.to_string()), ("backup_set_id", set.to_string()), ("why", why.to_owned())];
    audit::note(state, tenant, ("backup_data", "give_up_end_placeholder"), values);
}

/// Destinations that are gone have nothing left.
pub(crate) fn prune(state: &mut State) {
    let State { leftovers, destinations, .. } = state;
    leftovers.retain(|dest, _| destinations.contains_key(dest));
}
