//! The cluster itself, its scheduler nodes, and destinations.

use crate::command::{Done, Outcome};
use crate::refuse;
use crate::state::{DestKind, Destination, State};
use strandline_types::{ClusterId, DestId, Failure, NodeId, TenantId, Term};

pub(super) fn init(state: &mut State, id: ClusterId, name: String, schedulers: Vec<(NodeId, String)>) -> Outcome {
    let nodes = schedulers.into_iter().collect();
    if state.schedulers.nodes == nodes && state.cluster.id != ClusterId(0) {
        return Ok(Done::Nothing);
    }
    // Identity is given once; addresses may move with every start.
    if state.cluster.id == ClusterId(0) {
        state.cluster.id = id;
        state.cluster.name = name;
        state.cluster.born_ms = state.clock_ms;
    }
    state.schedulers.nodes = nodes;
    Ok(Done::Ok)
}

pub(super) fn take_lead(state: &mut State, node: NodeId, term: Term) -> Outcome {
    if term <= state.schedulers.term {
        return Ok(Done::Nothing);
    }
    state.schedulers.leader = node;
    state.schedulers.term = term;
    state.schedulers.leader_since_ms = state.clock_ms;
    Ok(Done::Ok)
}

/// The destination of this tenant, path and kind; a new id for a new path.
pub(super) fn find_or_add_dest(
    state: &mut State,
    tenant: TenantId,
    kind: DestKind,
    uri: &str,
) -> Result<DestId, Failure> {
    let uri = check_uri(uri)?;
    if let Some(known) = state.destinations.values_mut().find(|d| d.uri == uri) {
        if known.tenant_id == tenant && known.kind == kind {
            // Naming it again is how an administrator says that a trouble is mended.
            known.trouble = None;
            return Ok(known.id);
        }
        let known = known.clone();
        return Err(refuse::dest_taken(&known, &owner_of(state, &known)));
    }
    if let Some(other) = state.destinations.values().find(|d| is_inside(&uri, &d.uri) || is_inside(&d.uri, &uri)) {
        return Err(refuse::dest_nested(&uri, other, &owner_of(state, other)));
    }
    let id = state.next.dest;
    state.next.dest = id.next();
    let created_ms = state.clock_ms;
    let dest = Destination { id, tenant_id: tenant, kind, uri, created_ms, formatted: false, trouble: None };
    state.destinations.insert(id, dest);
    Ok(id)
}

fn owner_of(state: &State, dest: &Destination) -> String {
    state.tenants.get(&dest.tenant_id).map_or_else(|| dest.tenant_id.to_string(), |t| t.name.clone())
}

/// A destination's files are all its own: one below another would be listed, and in time deleted, as part of it.
fn is_inside(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn dest_formatted(state: &mut State, dest: DestId) -> Outcome {
    match state.destinations.get_mut(&dest) {
        Some(d) if !d.formatted => {
            d.formatted = true;
            d.trouble = None;
            Ok(Done::Ok)
        }
        _ => Ok(Done::Nothing),
    }
}

/// The uri in its one spelling.
fn check_uri(uri: &str) -> Result<String, Failure> {
    let trimmed = uri.trim();
    let plain = trimmed.trim_end_matches('/');
    let path = match plain.split_once("://") {
        Some(("file", path)) if path.starts_with('/') && path.len() > 1 => path,
        Some(("mem", name)) if !name.is_empty() => name,
        _ => return Err(refuse::bad_uri(trimmed)),
    };
    let is_sound = path.split('/').skip(1).all(|part| !part.is_empty() && part != ".." && part != ".");
    if is_sound && !path.contains(char::is_whitespace) { Ok(plain.to_owned()) } else { Err(refuse::bad_uri(trimmed)) }
}
