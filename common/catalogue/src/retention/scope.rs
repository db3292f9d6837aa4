//! What retention looks at: all destinations or only the current ones, as they were judged or as if every BROKEN verdict
//! were taken back.
//!
//! A copy in another place is worth something only while that place is there; so what the current destinations can
//! restore is kept by itself. A validation may find a BROKEN object whole again (ADR 0010); so what would be restorable
//! then is kept as well.

use crate::nouns::{Catalogue, PieceEntry, PlaceId};
use std::collections::BTreeSet;
use strandline_types::FileStatus;

/// The part of a catalogue that lies in some places, with the log that sets there carry. Places keep their numbers.
pub(super) fn restrict(catalogue: &Catalogue, places: &BTreeSet<PlaceId>) -> Catalogue {
    let sets: Vec<_> = catalogue.sets.iter().filter(|s| places.contains(&s.place)).cloned().collect();
    let carries_here = |piece: &PieceEntry| {
        let carrier = catalogue.place(piece.place).and_then(|p| p.of_set);
        carrier.is_some_and(|id| sets.iter().any(|s| s.set_id == id))
    };
    let is_here = |p: &&PieceEntry| places.contains(&p.place) || carries_here(p);
    Catalogue {
        places: catalogue.places.clone(),
        pieces: catalogue.pieces.iter().filter(is_here).copied().collect(),
        rounds: catalogue.rounds.iter().filter(|r| places.contains(&r.place)).copied().collect(),
        short: catalogue.short.iter().filter(|s| places.contains(&s.place)).copied().collect(),
        sets,
    }
}

/// The catalogue as if every BROKEN set and piece were whole; `None` when nothing is BROKEN.
pub(super) fn forgive(catalogue: &Catalogue) -> Option<Catalogue> {
    let broken = FileStatus::Broken;
    let is_any = catalogue.sets.iter().any(|s| s.file_status == broken)
        || catalogue.pieces.iter().any(|p| p.file_status == broken);
    is_any.then(|| {
        let mut forgiven = catalogue.clone();
        for set in forgiven.sets.iter_mut().filter(|s| s.file_status == broken) {
            set.file_status = FileStatus::Available;
        }
        for piece in forgiven.pieces.iter_mut().filter(|p| p.file_status == broken) {
            piece.file_status = FileStatus::Available;
        }
        forgiven
    })
}

/// True when a set carries log of its own that makes it whole: it needs none of the archive.
pub(super) fn has_own_log(catalogue: &Catalogue, set: &crate::SetEntry) -> bool {
    catalogue.pieces.iter().any(|p| {
        let is_its = catalogue.place(p.place).is_some_and(|place| place.of_set == Some(set.set_id));
        is_its && p.is_readable() && p.start_scn <= set.start_replay_scn && p.checkpoint_scn >= set.min_restore_scn
    })
}

/// The catalogue without the log that other sets carry.
pub(super) fn without_carried_log(catalogue: &Catalogue, set: &crate::SetEntry) -> Catalogue {
    let is_foreign = |p: &PieceEntry| {
        let carrier = catalogue.place(p.place).and_then(|place| place.of_set);
        carrier.is_some_and(|id| id != set.set_id)
    };
    Catalogue { pieces: catalogue.pieces.iter().filter(|p| !is_foreign(p)).copied().collect(), ..catalogue.clone() }
}
