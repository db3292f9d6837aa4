//! Whose files cleaning may delete, and whether there are any.

use crate::apply::normal::normal;
use crate::refuse;
use crate::state::{State, Tenant};
use strandline_types::{DestId, Failure, FileStatus, TenantId};

/// A tenant whose files may be deleted: one that is open, or an imported one that was released for it.
pub(super) fn cleanable(state: &State, id: TenantId) -> Result<&Tenant, Failure> {
    may_delete(state, id)?;
    let tenant = state.tenant(id)?;
    if tenant.imported.is_some() { Ok(tenant) } else { normal(state, id) }
}

/// What is asked of an imported tenant's files, whether it may be done.
fn may_delete(state: &State, id: TenantId) -> Result<(), Failure> {
    let tenant = state.tenant(id)?;
    match &tenant.imported {
        Some(from) if !from.allow_delete => Err(refuse::import_is_read_only(&tenant.name)),
        _ => Ok(()),
    }
}

/// True while State knows files in a destination.
pub(super) fn has_objects(state: &State, dest: DestId) -> bool {
    let sets = state.backup_sets.values().filter(|s| s.dest_id == dest).map(|s| s.file_status);
    let rounds = state.rounds.values().filter(|r| r.dest_id == dest);
    let pieces = rounds.flat_map(|r| r.pieces.values()).map(|p| p.file_status);
    sets.chain(pieces).any(|s| s != FileStatus::Deleted)
}
