//! Destinations: who has which, their keys and attributes, and the archive destinations of a tenant.
//!
//! Order rule: a place belongs to one tenant and one purpose for as long as the tenant lives; what a running round was
//! opened with does not change under it, but for keys and attributes.

use super::archive::open_round_if_wanted;
use super::known_dest::{find_or_add, owner_of, replace};
use super::normal::normal;
use crate::address;
use crate::command::{ArchiveDestSpec, Done, Outcome};
use crate::jobs::machine::between;
use crate::refuse;
use crate::round_machine::RoundEvent;
use crate::state::{ArchiveDest, DestKind, DestState, Destination, State};
use strandline_types::{Access, DestId, DestNo, Failure, RoundState, TenantId};

/// ALTER EXTERNAL_STORAGE_DEST: rounds and jobs go on with the new keys and attributes.
pub(crate) fn change_storage(state: &mut State, id: DestId, uri: &str, access: Access) -> Outcome {
    let uri = address::named(uri)?;
    let Some(dest) = state.destinations.get(&id) else { return Err(refuse::no_such_dest(&uri.to_string())) };
    if !dest.uri.is_same_place(&uri) {
        return Err(refuse::other_place(dest, &uri));
    }
    if !replace(state, id, uri.clone(), access) {
        return Ok(Done::Nothing);
    }
    let now_ms = state.clock_ms;
    if let Some(dest) = state.destinations.get_mut(&id) {
        dest.trouble = None;
        if dest.was_claimed() {
            dest.checked_ms = now_ms;
        }
    }
    for round in state.rounds.values_mut().filter(|r| r.dest_id == id && r.is_open()) {
        round.uri = uri.to_string();
    }
    Ok(Done::Dest(id))
}

/// `format.obbak` of a destination is there.
pub(crate) fn formatted(state: &mut State, dest: DestId) -> Outcome {
    let now_ms = state.clock_ms;
    match state.destinations.get_mut(&dest) {
        Some(d) if !d.formatted => {
            d.formatted = true;
            d.checked_ms = now_ms;
            d.trouble = None;
            Ok(Done::Ok)
        }
        _ => Ok(Done::Nothing),
    }
}

/// A check file of a destination was written and read back.
pub(crate) fn checked(state: &mut State, dest: DestId, check_file: String) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(dest) = state.destinations.get_mut(&dest) else { return Ok(Done::Nothing) };
    dest.check_file = check_file;
    // A statement proves a destination before the plan's step has claimed it: that is no claim.
    if dest.was_claimed() {
        dest.checked_ms = now_ms;
    }
    Ok(Done::Ok)
}

/// LOG_ARCHIVE_DEST, LOG_ARCHIVE_DEST_n.
pub(crate) fn set_archive_dest(state: &mut State, id: TenantId, no: DestNo, spec: Option<ArchiveDestSpec>) -> Outcome {
    let tenant = normal(state, id)?;
    if no > DestNo::LAST {
        return Err(refuse::bad_dest_no(no));
    }
    let Some(spec) = spec else { return clear_archive_dest(state, id, no) };
    if let Some(round) = state.open_round_of(id, no) {
        return Err(refuse::archive_running(round));
    }
    spec.options.check()?;
    let wanted = address::named(&spec.uri)?;
    let is_place_of = |dest| state.destinations.get(&dest).is_some_and(|d: &Destination| d.uri.is_same_place(&wanted));
    let is_elsewhere = |(n, d): (&DestNo, &ArchiveDest)| *n != no && is_place_of(d.dest_id);
    if tenant.archive.dests.iter().any(is_elsewhere) {
        return Err(refuse::dest_twice(&spec.uri));
    }
    let dest_id = find_or_add(state, id, DestKind::Archive, &spec.uri, spec.access)?;
    let Some(tenant) = state.tenants.get_mut(&id) else { return Ok(Done::Nothing) };
    let kept = tenant.archive.dests.get(&no).map(|d| d.state).unwrap_or_default();
    tenant.archive.dests.insert(no, ArchiveDest { dest_id, options: spec.options, state: kept });
    // A tenant that archives already archives there as well, from now on.
    open_round_if_wanted(state, id, no);
    // What is current has changed, and with it what may go.
    between::clean::ask_again(state, id);
    Ok(Done::Dest(dest_id))
}

/// Clearing a destination whose round is paused stops that round: so one of several can be given up for good while the
/// others go on.
fn clear_archive_dest(state: &mut State, id: TenantId, no: DestNo) -> Outcome {
    let paused = match state.open_round_of(id, no) {
        Some(round) if round.state != RoundState::Suspend => return Err(refuse::archive_running(round)),
        Some(round) => Some((round.round_id, round.state)),
        None => None,
    };
    let Some(tenant) = state.tenants.get_mut(&id) else { return Ok(Done::Nothing) };
    tenant.archive.dests.remove(&no);
    if let Some((round, from)) = paused {
        super::archive::move_round(state, (id, round), from, RoundEvent::StopWanted, String::new())?;
    }
    between::clean::ask_again(state, id);
    Ok(Done::Ok)
}

/// archive_new_tenants.
pub(crate) fn set_archive_new_tenants(state: &mut State, parent: Option<ArchiveDestSpec>) -> Outcome {
    let parent = match parent {
        None => None,
        Some(spec) => {
            spec.options.check()?;
            let uri = address::named(&spec.uri)?;
            let is_in = |d: &&Destination| d.uri.is_same_place(&uri) || uri.place().is_inside(d.uri.place());
            if let Some(other) = state.destinations.values().find(is_in) {
                return Err(refuse::dest_nested(&uri, other, &owner_of(state, other)));
            }
            Some(ArchiveDestSpec { uri: uri.to_string(), ..spec })
        }
    };
    if state.archive_new_tenants == parent {
        return Ok(Done::Nothing);
    }
    state.archive_new_tenants = parent;
    Ok(Done::Ok)
}

/// Where a new tenant would be archived by itself, if that was asked for and the place is free.
///
/// # Errors
/// `Invalid` when the place is taken.
pub(crate) fn place_of_new(state: &State, id: TenantId, name: &str) -> Result<Option<ArchiveDestSpec>, Failure> {
    let Some(parent) = &state.archive_new_tenants else { return Ok(None) };
    let uri = address::named(&parent.uri)?.below(&format!("{name}_{id}"));
    match state.destinations.values().find(|d| d.uri.overlaps(&uri)) {
        Some(other) => Err(refuse::dest_nested(&uri, other, &owner_of(state, other))),
        None => Ok(Some(ArchiveDestSpec { uri: uri.to_string(), ..parent.clone() })),
    }
}

/// A new tenant archives from its first moment.
pub(crate) fn archive_new(state: &mut State, id: TenantId, spec: ArchiveDestSpec) {
    let parent = state.archive_new_tenants.as_ref().and_then(|p| address::named(&p.uri).ok());
    let Ok(dest_id) = find_or_add(state, id, DestKind::Archive, &spec.uri, spec.access) else { return };
    if let Some(dest) = state.destinations.get_mut(&dest_id) {
        dest.made_below = parent;
    }
    let Some(tenant) = state.tenants.get_mut(&id) else { return };
    let dest = ArchiveDest { dest_id, options: spec.options, state: DestState::Enable };
    tenant.archive.dests.insert(DestNo(0), dest);
    tenant.archive.log_mode = true;
    open_round_if_wanted(state, id, DestNo(0));
}

/// LOG_ARCHIVE_DEST_STATE, LOG_ARCHIVE_DEST_STATE_n.
pub(crate) fn set_archive_state(state: &mut State, id: TenantId, no: DestNo, to: DestState) -> Outcome {
    let name = normal(state, id)?.name.clone();
    let Some(tenant) = state.tenants.get_mut(&id) else { return Ok(Done::Nothing) };
    let Some(dest) = tenant.archive.dests.get_mut(&no) else { return Err(refuse::no_archive_dest(&name)) };
    if dest.state == to {
        return Ok(Done::Nothing);
    }
    dest.state = to;
    Ok(open_round_if_wanted(state, id, no))
}
