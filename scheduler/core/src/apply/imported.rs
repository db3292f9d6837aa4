//! IMPORT CATALOG: a destination of another cluster gets rows here, under a tenant that has nothing else.
//!
//! Order rule: an import is the whole picture of its destination. Importing it again replaces its rows, so it is refused
//! while something here deletes from it.

use super::tenant::{begin_drop, check_chosen_name, insert};
use crate::command::{Done, ImportCatalog, Outcome};
use crate::refuse;
use crate::state::{Destination, ImportedFrom, State, TenantStatus};
use std::collections::BTreeMap;
use strandline_types::{DestId, DestUri, Failure, PieceId, RoundId, TenantId, limits};

pub(crate) fn import(state: &mut State, request: ImportCatalog) -> Outcome {
    let count = request.sets.len() + request.rounds.iter().map(|r| r.pieces.len()).sum::<usize>();
    if count > limits::IMPORTED_OBJECTS_MAX {
        return Err(refuse::import_too_large(&request.at.uri, count, limits::IMPORTED_OBJECTS_MAX));
    }
    let is_it = |d: &&Destination| d.uri.is_same_place(&request.at.uri);
    let known = state.destinations.values().find(is_it).map(|d| (d.id, d.tenant_id));
    if known.is_some_and(|(_, t)| state.tenants.get(&t).is_none_or(|t| t.imported.is_none())) {
        return Err(refuse::import_own(&request.at.uri));
    }
    let before = known.map(|(_, tenant)| tenant);
    if let Some(job) = before.and_then(|tenant| state.open_clean_job(tenant)) {
        return Err(refuse::clean_in_progress(job.id));
    }
    let tenant = owner(state, &request)?;
    if let Some(job) = state.open_clean_job(tenant) {
        return Err(refuse::clean_in_progress(job.id));
    }
    let dest = known.map_or_else(|| new_dest(state, &request, tenant), |(id, _)| id);
    take_rows(state, tenant, dest, request);
    if let Some(before) = before {
        drop_when_empty(state, before);
    }
    Ok(Done::Imported(tenant))
}

/// The tenant that stands for the owner: the one of an earlier import, or a new one.
fn owner(state: &mut State, request: &ImportCatalog) -> Result<TenantId, Failure> {
    let is_same = |from: &ImportedFrom| from.is_same_owner(&request.from);
    if let Some(there) = state.tenants.values_mut().find(|t| t.imported.as_ref().is_some_and(is_same)) {
        if let Some(name) = request.name.as_ref().filter(|n| !n.eq_ignore_ascii_case(&there.name)) {
            return Err(refuse::imported_as(&there.name, name));
        }
        if let Some(from) = &mut there.imported {
            from.allow_delete |= request.from.allow_delete;
        }
        return Ok(there.id);
    }
    let is_free = |name: &str| state.tenant_by_name(name).is_err();
    let name = match &request.name {
        Some(name) if !is_free(name) => return Err(refuse::tenant_exists(name)),
        Some(name) => name.clone(),
        None => {
            let wanted = format!("imported_{}", request.from.tenant_name);
            let numbered = (2..=u32::MAX).map(|n| format!("{wanted}_{n}"));
            std::iter::once(wanted.clone()).chain(numbered).find(|n| is_free(n)).unwrap_or(wanted)
        }
    };
    check_chosen_name(&name)?;
    let id = insert(state, name, 0, BTreeMap::new(), TenantStatus::Imported, None);
    if let Some(tenant) = state.tenants.get_mut(&id) {
        tenant.imported = Some(request.from.clone());
    }
    Ok(id)
}

fn new_dest(state: &mut State, request: &ImportCatalog, tenant: TenantId) -> DestId {
    let id = state.next.dest;
    state.next.dest = id.next();
    let dest = Destination {
        id,
        tenant_id: tenant,
        kind: request.kind,
        uri: request.at.uri.clone(),
        access: request.at.access.clone(),
        created_ms: state.clock_ms,
        // Its identity was read; nobody here writes one.
        formatted: true,
        checked_ms: state.clock_ms,
        made_below: None,
        trouble: None,
        changes: Vec::new(),
        check_file: String::new(),
    };
    state.destinations.insert(id, dest);
    id
}

fn take_rows(state: &mut State, tenant: TenantId, dest: DestId, request: ImportCatalog) {
    let uri = request.at.uri.to_string();
    if let Some(there) = state.destinations.get_mut(&dest) {
        (there.uri, there.access) = (request.at.uri, request.at.access);
        // Somebody else may have begun anew there.
        there.tenant_id = tenant;
        there.checked_ms = state.clock_ms;
    }
    state.backup_sets.retain(|_, s| s.dest_id != dest);
    state.rounds.retain(|_, r| r.dest_id != dest);
    for mut set in request.sets {
        (set.tenant_id, set.dest_id, set.uri) = (tenant, dest, uri.clone());
        state.backup_sets.entry((tenant, set.set_id)).or_insert(set);
    }
    for mut round in request.rounds {
        (round.tenant_id, round.dest_id, round.uri) = (tenant, dest, uri.clone());
        state.rounds.entry((tenant, round.round_id)).or_insert(round);
    }
    raise_counters(state, tenant);
}

/// DROP CATALOG: forgotten here; its files stay.
pub(crate) fn forget(state: &mut State, uri: &DestUri) -> Outcome {
    let is_it = |d: &&Destination| d.uri.is_same_place(uri);
    let Some((dest, tenant)) = state.destinations.values().find(is_it).map(|d| (d.id, d.tenant_id)) else {
        return Err(refuse::no_such_catalog(uri));
    };
    if state.tenants.get(&tenant).is_none_or(|t| t.imported.is_none()) {
        return Err(refuse::no_such_catalog(uri));
    }
    if let Some(job) = state.open_clean_job(tenant) {
        return Err(refuse::clean_in_progress(job.id));
    }
    state.destinations.remove(&dest);
    state.backup_sets.retain(|_, s| s.dest_id != dest);
    state.rounds.retain(|_, r| r.dest_id != dest);
    state.sweeps.remove(&dest);
    drop_when_empty(state, tenant);
    Ok(Done::Ok)
}

/// An imported tenant goes with its last destination.
fn drop_when_empty(state: &mut State, tenant: TenantId) {
    if !state.destinations.values().any(|d| d.tenant_id == tenant) {
        begin_drop(state, tenant);
    }
}

/// Keeps the counters above everything that was imported.
fn raise_counters(state: &mut State, id: TenantId) {
    let round = state.rounds_of(id).map(|r| r.round_id).max();
    let piece = state.rounds_of(id).filter_map(|r| r.pieces.keys().next_back().copied()).max();
    if let Some(tenant) = state.tenants.get_mut(&id) {
        tenant.next.round = tenant.next.round.max(round.map_or(RoundId(1), RoundId::next));
        tenant.next.piece = tenant.next.piece.max(piece.map_or(PieceId(1), PieceId::next));
    }
}
