//! What of the destinations is in use: cleaning leaves what jobs read, and nothing starts to read what is being deleted.
//!
//! Order rule: cleaning and the start of a job are commands of one log, so of the two the later one sees the earlier one.

use crate::catalogue::{StateCatalogue, file_status};
use crate::orders::MediumName;
use crate::reads::Read;
use crate::refuse;
use crate::state::{Destination, Job, State};
use std::collections::BTreeMap;
use strandline_catalogue::retention::Object;
use strandline_catalogue::{Refusal, Target, choose};
use strandline_types::{BackupSetId, DestId, Failure, FileStatus, TenantId};

/// What would be restored of a tenant now.
pub(crate) fn newest(state: &State, tenant: TenantId) -> Vec<Read> {
    let data = state.tenants.get(&tenant).and_then(|t| t.data_dest);
    let archive = state.open_round(tenant).map(|r| r.dest_id);
    let mut known = StateCatalogue::of(state, tenant);
    let is_meant = |dest: Option<DestId>| dest.is_some() && (dest == data || dest == archive);
    let dests = known.dests.clone();
    let is_there = |place: strandline_catalogue::PlaceId| is_meant(dests.get(place.0 as usize).copied());
    known.catalogue.sets.retain(|s| is_there(s.place));
    known.catalogue.pieces.retain(|p| is_there(p.place));
    let choice = match choose(&known.catalogue, Target::Newest) {
        // Its SCN lies before the loss, or its restore is refused.
        Err(Refusal::Lost { reach, .. }) => choose(&known.catalogue, Target::Scn(reach)),
        choice => choice,
    };
    let Ok(choice) = choice else { return Vec::new() };
    let at = |place| known.dest(place).and_then(|d| state.destinations.get(&d)).map(|d| d.uri.place().clone());
    let sets = choice.sets.iter().filter_map(|s| Some(Read::Set(at(s.place)?, s.set_id)));
    // Log that a set carries goes with the set.
    let of_archive =
        choice.pieces.iter().filter(|p| known.catalogue.place(p.place).is_some_and(|p| p.of_set.is_none()));
    sets.chain(of_archive.filter_map(|p| Some(Read::Piece(at(p.place)?, p.key)))).collect()
}

/// What running jobs read of a tenant's destinations, and who: nothing of it may go.
#[must_use]
pub(crate) fn in_use(state: &State, tenant: TenantId) -> BTreeMap<Object, String> {
    let mut used = BTreeMap::new();
    for job in state.jobs_by_kind().into_iter().map(Job::logic) {
        for read in job.reads(state) {
            for object in objects_of(state, &read).into_iter().filter(|(of, _)| *of == tenant).map(|(_, o)| o) {
                used.entry(object).or_insert_with(|| format!("{job} reads it"));
            }
        }
    }
    used
}

/// Whether all of this may be read from now on: nothing of it is being deleted.
///
/// # Errors
/// `Transient` names what is.
pub(crate) fn check_stays(state: &State, reads: &[Read]) -> Result<(), Failure> {
    for (tenant, object) in reads.iter().flat_map(|read| objects_of(state, read)) {
        let status = match object {
            Object::Set(id) => state.backup_sets.get(&(tenant, id)).map(|s| s.file_status),
            Object::Piece(key) => file_status(state, tenant, MediumName::Piece(key)),
        };
        if status == Some(FileStatus::Deleting) {
            return Err(refuse::is_being_deleted(&object.to_string()));
        }
    }
    Ok(())
}

/// The rows of State that stand for it, and whose they are; none for what lies in a destination that State does not
/// know.
fn objects_of(state: &State, read: &Read) -> Vec<(TenantId, Object)> {
    let mut found = Vec::new();
    for dest in state.destinations.values() {
        match read {
            Read::Set(at, id) if at == dest.uri.place() => add_chain(state, dest, *id, &mut found),
            Read::Piece(at, key) if at == dest.uri.place() => found.push((dest.tenant_id, Object::Piece(*key))),
            Read::Piece(at, _) => {
                if let Some(carrier) = at.path_below(dest.uri.place()).and_then(|path| carrier(state, dest, path)) {
                    add_chain(state, dest, carrier, &mut found);
                }
            }
            Read::Set(..) => {}
        }
    }
    found
}

/// The set whose own log lies at a path of its destination.
fn carrier(state: &State, dest: &Destination, path: &str) -> Option<BackupSetId> {
    let mut sets = state.backup_sets.values().filter(|s| s.dest_id == dest.id);
    sets.find(|s| MediumName::Set(s.set_id, s.kind).part(None) == path).map(|s| s.set_id)
}

/// A set and everything that it is built on.
fn add_chain(state: &State, dest: &Destination, set: BackupSetId, found: &mut Vec<(TenantId, Object)>) {
    let mut next = Some(set);
    while let Some(row) = next.and_then(|id| state.backup_sets.get(&(dest.tenant_id, id))) {
        found.push((dest.tenant_id, Object::Set(row.set_id)));
        next = Some(row.prev_inc).filter(|id| *id < row.set_id && id.0 > 0);
    }
}
