//! What State knows of a tenant's destinations, in the words of the catalogue crate: cleaning, drills and views decide
//! by the same functions as restores and the offline commands.

use crate::orders::MediumName;
use crate::state::{BackupSet, DestKind, PieceRow, Round, State};
use strandline_catalogue::retention::Object;
use strandline_catalogue::{Catalogue, Owner, PieceEntry, Place, PlaceId, Role, RoundEntry, SetEntry};
use strandline_types::{BackupSetStatus, DestId, FileStatus, PieceId, PieceKey, RoundState, ScnRange, TenantId};

/// A tenant's catalogue and which destination each of its places is.
#[derive(Clone, Debug, Default)]
pub struct StateCatalogue {
    /// What is there.
    pub catalogue: Catalogue,
    /// Destinations in the order of the places.
    pub dests: Vec<DestId>,
}

impl StateCatalogue {
    /// What State knows of a tenant.
    #[must_use]
    pub fn of(state: &State, tenant: TenantId) -> Self {
        let mut found = Self::default();
        let name = state.tenants.get(&tenant).map(|t| t.name.clone()).unwrap_or_default();
        for dest in state.destinations.values().filter(|d| d.tenant_id == tenant) {
            found.dests.push(dest.id);
            found.catalogue.places.push(Place {
                uri: dest.uri.to_string(),
                role: if dest.kind == DestKind::Archive { Role::Archive } else { Role::Backup },
                owner: Owner { cluster_id: state.cluster.id, tenant_id: tenant },
                cluster_name: state.cluster.name.clone(),
                tenant_name: name.clone(),
                dest_id: dest.id,
                of_set: None,
            });
        }
        let sets = || state.backup_sets.values().filter(|s| s.tenant_id == tenant);
        found.catalogue.sets = sets().filter_map(|s| Some(set_entry(state, s, found.place(s.dest_id)?))).collect();
        for round in state.rounds_of(tenant) {
            let Some(place) = found.place(round.dest_id) else { continue };
            found.catalogue.rounds.push(round_entry(round, place));
            found.catalogue.pieces.extend(round.pieces.values().map(|p| piece_entry(p, place)));
        }
        for set in sets().filter(|s| s.plus_archivelog && s.status == BackupSetStatus::Success) {
            found.add_own_log(set);
        }
        found
    }

    /// The log that a set carries, as one piece of a place of its own: it covers what the set needs to be whole.
    fn add_own_log(&mut self, set: &BackupSet) {
        let Some(home) = self.place(set.dest_id).and_then(|p| self.catalogue.place(p)).cloned() else { return };
        let Ok(place) = u32::try_from(self.catalogue.places.len()).map(PlaceId) else { return };
        self.catalogue.places.push(Place { role: Role::ComplementLog, of_set: Some(set.set_id), ..home });
        self.dests.push(set.dest_id);
        let (dest_id, round_id, piece_id) = (set.archive_dest_id, set.archive_round_id, PieceId(set.set_id.0));
        let key = PieceKey { dest_id, round_id, piece_id };
        let slice = ScnRange { start: set.start_replay_scn, end: set.min_restore_scn.next() };
        let whole = PieceEntry::available(place, key, slice, set.min_restore_scn);
        self.catalogue.pieces.push(PieceEntry { file_status: set.file_status, ..whole });
    }

    /// The place of a destination.
    #[must_use]
    pub fn place(&self, dest: DestId) -> Option<PlaceId> {
        let at = self.dests.iter().position(|d| *d == dest)?;
        u32::try_from(at).ok().map(PlaceId)
    }

    /// The destination of a place.
    #[must_use]
    pub fn dest(&self, place: PlaceId) -> Option<DestId> {
        self.dests.get(place.0 as usize).copied()
    }

    /// Takes other word of what a set's or piece's files are worth.
    pub(crate) fn set_worth(&mut self, name: MediumName, worth: FileStatus) {
        match name {
            MediumName::Set(id, _) => {
                let is_its = |p: &PieceEntry, places: &[Place]| {
                    places.get(p.place.0 as usize).is_some_and(|at| at.of_set == Some(id))
                };
                let Catalogue { sets, pieces, places, .. } = &mut self.catalogue;
                sets.iter_mut().filter(|s| s.set_id == id).for_each(|s| s.file_status = worth);
                pieces.iter_mut().filter(|p| is_its(p, places)).for_each(|p| p.file_status = worth);
            }
            MediumName::Piece(key) => {
                let own = self.catalogue.pieces.iter_mut().filter(|p| p.key == key);
                own.for_each(|p| p.file_status = worth);
            }
        }
    }

    /// The name on the medium of an object of the catalogue.
    #[must_use]
    pub fn name(&self, object: Object) -> Option<MediumName> {
        match object {
            Object::Piece(key) => Some(MediumName::Piece(key)),
            Object::Set(id) => self.catalogue.sets.iter().find(|s| s.set_id == id).map(|s| MediumName::Set(id, s.kind)),
        }
    }
}

fn set_entry(state: &State, set: &BackupSet, place: PlaceId) -> SetEntry {
    // The end of a failed set may still have to be written.
    let is_open = state.backup_job(set.job_id).is_some_and(crate::state::BackupJob::is_open);
    SetEntry {
        place,
        kind: set.kind,
        status: if is_open { BackupSetStatus::Doing } else { set.status },
        file_status: set.file_status,
        prev_full: set.prev_full,
        prev_inc: set.prev_inc,
        consistent_scn: set.consistent_scn,
        plus_archivelog: set.plus_archivelog,
        data_turn: set.data_turn,
        index_retry: set.index_retry,
        output_bytes: set.output_bytes,
        end_ms: set.end_ms,
        ..SetEntry::full(set.set_id, set.start_replay_scn, set.min_restore_scn)
    }
}

fn piece_entry(piece: &PieceRow, place: PlaceId) -> PieceEntry {
    let PieceRow { key, status, file_status, output_bytes, .. } = *piece;
    let slice = ScnRange { start: piece.start_scn, end: piece.end_scn };
    let available = PieceEntry::available(place, key, slice, piece.checkpoint_scn);
    PieceEntry { status, file_status, output_bytes, ..available }
}

fn round_entry(round: &Round, place: PlaceId) -> RoundEntry {
    RoundEntry {
        place,
        // As in the names of its pieces: an imported one has the id of its own cluster there.
        dest_id: round.pieces.values().next().map_or(round.dest_id, |p| p.key.dest_id),
        round_id: round.round_id,
        start_scn: round.clock.round_start,
        ended_at: (round.state == RoundState::Stop).then_some(round.checkpoint_scn),
    }
}

/// True when new sets or log of a tenant go to a destination.
#[must_use]
pub(crate) fn is_current(state: &State, tenant: TenantId, dest: DestId) -> bool {
    let Some(tenant_row) = state.tenants.get(&tenant) else { return false };
    tenant_row.data_dest == Some(dest)
        || tenant_row.archive.dests.values().any(|d| d.dest_id == dest)
        || state.open_rounds(tenant).any(|r| r.dest_id == dest)
        || state.open_backup_job(tenant).is_some_and(|j| j.dest_id == dest)
}

/// The worth of a set's or piece's files.
pub(crate) fn file_status(state: &State, tenant: TenantId, name: MediumName) -> Option<FileStatus> {
    match name {
        MediumName::Set(id, _) => state.backup_sets.get(&(tenant, id)).map(|s| s.file_status),
        MediumName::Piece(key) => {
            let piece = state.rounds.get(&(tenant, key.round_id))?.pieces.get(&key.piece_id)?;
            Some(piece.file_status).filter(|_| piece.key == key)
        }
    }
}

/// The same, to be changed.
pub(crate) fn file_status_mut(state: &mut State, tenant: TenantId, name: MediumName) -> Option<&mut FileStatus> {
    match name {
        MediumName::Set(id, _) => state.backup_sets.get_mut(&(tenant, id)).map(|s| &mut s.file_status),
        MediumName::Piece(key) => {
            let round = state.rounds.get_mut(&(tenant, key.round_id))?;
            // An imported piece keeps the destination id of its own cluster in its name.
            round.pieces.get_mut(&key.piece_id).filter(|p| p.key == key).map(|p| &mut p.file_status)
        }
    }
}
