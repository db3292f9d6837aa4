//! The destinations that State knows, by place.
//!
//! Order rule: a place belongs to one tenant and one purpose for as long as the tenant lives.

use crate::address;
use crate::refuse;
use crate::state::{DestKind, Destination, State, StorageChange};
use strandline_types::{Access, DestId, DestUri, Failure, TenantId, limits};

/// The destination of this tenant, place and kind; a new id for a new place.
pub(crate) fn find_or_add(
    state: &mut State,
    tenant: TenantId,
    kind: DestKind,
    uri: &str,
    access: Access,
) -> Result<DestId, Failure> {
    let uri = address::named(uri)?;
    if let Some(known) = state.destinations.values().find(|d| d.uri.is_same_place(&uri)) {
        if known.tenant_id != tenant || known.kind != kind {
            return Err(refuse::dest_taken(known, &owner_of(state, known)));
        }
        let id = known.id;
        replace(state, id, uri, access);
        // Naming it again is how an administrator says that a trouble is mended.
        if let Some(dest) = state.destinations.get_mut(&id) {
            dest.trouble = None;
        }
        return Ok(id);
    }
    if let Some(other) = state.destinations.values().find(|d| d.uri.overlaps(&uri)) {
        return Err(refuse::dest_nested(&uri, other, &owner_of(state, other)));
    }
    let id = state.next.dest;
    state.next.dest = id.next();
    let dest = Destination {
        id,
        tenant_id: tenant,
        kind,
        uri,
        access,
        created_ms: state.clock_ms,
        formatted: false,
        checked_ms: 0,
        made_below: None,
        trouble: None,
        changes: Vec::new(),
        check_file: String::new(),
    };
    state.destinations.insert(id, dest);
    Ok(id)
}

pub(super) fn owner_of(state: &State, dest: &Destination) -> String {
    state.tenants.get(&dest.tenant_id).map_or_else(|| dest.tenant_id.to_string(), |t| t.name.clone())
}

/// Other attributes and keys for the same place; what they were is remembered.
pub(super) fn replace(state: &mut State, id: DestId, uri: DestUri, access: Access) -> bool {
    let now_ms = state.clock_ms;
    let Some(dest) = state.destinations.get_mut(&id) else { return false };
    if dest.uri == uri && dest.access == access {
        return false;
    }
    let old = StorageChange { at_ms: now_ms, uri: dest.uri.to_string(), access_shown: dest.access.to_string() };
    dest.changes.push(old);
    let surplus = dest.changes.len().saturating_sub(limits::STORAGE_CHANGES_KEPT_MAX);
    dest.changes.drain(..surplus);
    dest.uri = uri;
    dest.access = access;
    true
}
