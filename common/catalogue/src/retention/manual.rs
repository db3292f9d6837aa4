//! Deleting by hand: which sets and pieces may go, and what stands in the way (docs/oceanbase.md, 4.10).
//!
//! What an administrator names is never widened: a set that others need is refused and names them; and what the law of
//! retention (`losses.rs`) forbids is refused wherever it lies.

use super::{DeleteWhy, Item, Loss, Object, Policy, losses};
use crate::nouns::{Catalogue, PieceEntry, PlaceId, SetEntry};
use crate::window::usable_sets;
use std::collections::BTreeSet;
use std::fmt;
use strandline_types::{BackupSetKind, BackupSetStatus, ErrorClass, Failure, FileStatus, PieceId, PieceStatus, Scn};

/// One id that may not go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManualRefusal {
    /// The id that was named.
    pub id: u64,
    /// What stands in the way.
    pub reason: String,
    /// The object that does, if it is one.
    pub related: Option<u64>,
    /// True for a set, false for a piece.
    pub is_set: bool,
}

impl fmt::Display for ManualRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id={}, {}", self.id, self.reason)?;
        self.related.map_or(Ok(()), |related| write!(f, " (related id={related})"))
    }
}

impl From<ManualRefusal> for Failure {
    fn from(refusal: ManualRefusal) -> Self {
        let (name, object) = if refusal.is_set { ("SET", "backup set") } else { ("PIECE", "backup piece") };
        let what = format!("{refusal} (OB_BACKUP_DELETE_BACKUP_{name}_NOT_ALLOWED)");
        let todo = "look at DELETE OBSOLETE BACKUP … PREVIEW, or name the related objects as well";
        Self::new(ErrorClass::Invalid, what, format!("{object} {}", refusal.id), todo)
    }
}

/// What an administrator's deletion is held against.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What is there.
    pub catalogue: &'a Catalogue,
    /// The current destinations.
    pub home: &'a BTreeSet<PlaceId>,
    /// The policy, if there is one: it cares for the current destinations.
    pub policy: Option<&'a Policy>,
    /// The present.
    pub now: Scn,
}

/// Whether these sets may go.
///
/// # Errors
/// The first id that may not.
pub fn check_sets(rules: &Rules, ids: &[u64]) -> Result<Vec<SetEntry>, ManualRefusal> {
    let catalogue = rules.catalogue;
    let refuse =
        |id: u64, reason: &str, related| ManualRefusal { id, reason: reason.to_owned(), related, is_set: true };
    let asked: BTreeSet<u64> = ids.iter().copied().collect();
    let mut named: Vec<&SetEntry> = Vec::with_capacity(ids.len());
    for &id in &asked {
        let found = catalogue.sets.iter().find(|s| s.set_id.0 == id && s.file_status != FileStatus::Deleted);
        named.push(found.ok_or_else(|| refuse(id, "there is no such backup set", None))?);
    }
    for set in &named {
        let id = set.set_id.0;
        if set.status == BackupSetStatus::Doing {
            return Err(refuse(id, "it is being written", None));
        }
        if set.status == BackupSetStatus::Failed || set.file_status == FileStatus::Deleting {
            continue;
        }
        if rules.home.contains(&set.place) && rules.policy.is_some() {
            return Err(refuse(id, "a delete policy cares for the current destination", None));
        }
        let needs_it = |s: &&SetEntry| {
            s.kind == BackupSetKind::Inc
                && [s.prev_full, s.prev_inc].contains(&set.set_id)
                && s.status != BackupSetStatus::Failed
                && !matches!(s.file_status, FileStatus::Deleting | FileStatus::Deleted)
                && !asked.contains(&s.set_id.0)
        };
        if let Some(dependent) = catalogue.sets.iter().find(needs_it) {
            return Err(refuse(id, "an incremental backup set is nothing without it", Some(dependent.set_id.0)));
        }
    }
    let items: Vec<_> = named.iter().map(|s| asked_for(s.place, Object::Set(s.set_id))).collect();
    rules.check_law(&items).map_err(|loss| refuse(named[0].set_id.0, &loss.to_string(), None))?;
    Ok(named.into_iter().cloned().collect())
}

/// Whether these pieces may go: never one that is still written, on each destination only the oldest ones, and on the
/// current one none that a set needs. An id that pieces of several destinations have names none of them, unless `within`
/// says which destination is meant.
///
/// # Errors
/// The first id that may not.
pub fn check_pieces(rules: &Rules, ids: &[u64], within: Option<PlaceId>) -> Result<Vec<PieceEntry>, ManualRefusal> {
    let catalogue = rules.catalogue;
    let refuse =
        |id: u64, reason: &str, related| ManualRefusal { id, reason: reason.to_owned(), related, is_set: false };
    let asked: BTreeSet<PieceId> = ids.iter().copied().map(PieceId).collect();
    let own = |p: &&PieceEntry| p.file_status != FileStatus::Deleted && !catalogue.is_carried(p);
    let there = || catalogue.pieces.iter().filter(own).filter(|p| within.is_none_or(|place| p.place == place));
    let mut named: Vec<PieceEntry> = Vec::with_capacity(ids.len());
    for id in &asked {
        let found: Vec<&PieceEntry> = there().filter(|p| p.key.piece_id == *id).collect();
        match found[..] {
            [] => return Err(refuse(id.0, "there is no such piece", None)),
            [piece] => named.push(*piece),
            [first, second, ..] => {
                let uri = |p: &PieceEntry| catalogue.place(p.place).map(|p| p.uri.clone()).unwrap_or_default();
                let reason = format!(
                    "piece {} in {} and piece {} in {} have this id: say which destination is meant",
                    first.key,
                    uri(first),
                    second.key,
                    uri(second)
                );
                return Err(refuse(id.0, &reason, None));
            }
        }
    }
    let oldest_need = usable_sets(catalogue).into_iter().min_by_key(|s| s.start_replay_scn);
    for piece in &named {
        let id = piece.key.piece_id.0;
        if piece.status == PieceStatus::Active {
            return Err(refuse(id, "it is still being written", None));
        }
        if piece.file_status == FileStatus::Deleting {
            continue;
        }
        let is_older =
            |p: &&PieceEntry| p.place == piece.place && p.key < piece.key && !asked.contains(&p.key.piece_id);
        if let Some(older) = there().find(is_older) {
            return Err(refuse(id, "an older piece would stay, with a gap after it", Some(older.key.piece_id.0)));
        }
        if !rules.home.contains(&piece.place) {
            continue;
        }
        if rules.policy.is_some() {
            return Err(refuse(id, "a delete policy cares for the current destination", None));
        }
        if let Some(set) = oldest_need.as_ref().filter(|s| piece.end_scn > s.start_replay_scn) {
            return Err(refuse(id, "a backup set needs its log", Some(set.set_id.0)));
        }
    }
    let items: Vec<_> = named.iter().map(|p| asked_for(p.place, Object::Piece(p.key))).collect();
    rules.check_law(&items).map_err(|loss| refuse(named[0].key.piece_id.0, &loss.to_string(), None))?;
    Ok(named)
}

fn asked_for(place: PlaceId, object: Object) -> Item<DeleteWhy> {
    Item { place, object, why: DeleteWhy::Asked }
}

impl Rules<'_> {
    /// Everything in one destination, to be deleted at once.
    ///
    /// # Errors
    /// What would be lost.
    pub fn check_all_of(&self, place: PlaceId) -> Result<Vec<Item<DeleteWhy>>, Loss> {
        let alive = |s: FileStatus| s != FileStatus::Deleted;
        let sets = self.catalogue.sets.iter().filter(|s| s.place == place && alive(s.file_status));
        let pieces = self.catalogue.pieces.iter().filter(|p| p.place == place && alive(p.file_status));
        let sets = sets.map(|s| asked_for(place, Object::Set(s.set_id)));
        let items: Vec<_> = sets.chain(pieces.map(|p| asked_for(place, Object::Piece(p.key)))).collect();
        self.check_law(&items)?;
        Ok(items)
    }

    fn check_law(&self, items: &[Item<DeleteWhy>]) -> Result<(), Loss> {
        losses(self.catalogue, items, self.policy, self.now, self.home).into_iter().next().map_or(Ok(()), Err)
    }
}
