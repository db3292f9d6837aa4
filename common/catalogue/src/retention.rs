//! What may be deleted, by the law of retention (ADR 25): a pure function from a catalogue and a policy to (delete, keep,
//! and why) (docs/oceanbase.md, 4.10).
//!
//! The promise is the law of `losses.rs`, by the same [`crate::windows`] that restores go by; and while any full set can be
//! used, one stays that can. Whatever cannot be proved to be superfluous stays, and says why.
//!
//! Order rule: deleting any part of the plan in any order breaks nothing; a cleaning that is cut off is harmless.

mod losses;
mod manual;
mod needs;
mod periods;
mod planted;
mod policy;
mod scope;
mod spans;
mod why;

pub use losses::{Loss, losses, without};
pub use manual::{ManualRefusal, Rules, check_pieces, check_sets};
pub use policy::{Item, Object, Policy};
pub use why::{DeleteWhy, KeepWhy};

use crate::nouns::{Catalogue, PieceEntry, PlaceId, SetEntry};
use crate::window::{usable_sets, windows};
use needs::{Needs, key};
use std::collections::BTreeSet;
use strandline_types::{BackupSetId, BackupSetStatus, FileStatus, PieceStatus, Scn};

/// The plan: every object of the catalogue that is not gone already stands in it exactly once. Log that a set carries
/// itself is no object of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanPlan {
    /// What goes.
    pub delete: Vec<Item<DeleteWhy>>,
    /// What stays.
    pub keep: Vec<Item<KeepWhy>>,
}

/// Plans. `now` is the present as an SCN; `home` are the current destinations: only there a policy deletes.
#[must_use]
pub fn plan(catalogue: &Catalogue, policy: &Policy, now: Scn, home: &BTreeSet<PlaceId>) -> CleanPlan {
    let planner = Planner::new(catalogue, policy, now, home);
    let mut plan = CleanPlan::default();
    for set in catalogue.sets.iter().filter(|s| s.file_status != FileStatus::Deleted) {
        plan.note((set.place, Object::Set(set.set_id)), planner.set(set));
    }
    let own = |p: &&PieceEntry| p.file_status != FileStatus::Deleted && !catalogue.is_carried(p);
    for piece in catalogue.pieces.iter().filter(own) {
        plan.note((piece.place, Object::Piece(piece.key)), planner.piece(piece));
    }
    plan
}

impl CleanPlan {
    fn note(&mut self, (place, object): (PlaceId, Object), verdict: Result<DeleteWhy, KeepWhy>) {
        match verdict {
            Ok(why) => self.delete.push(Item { place, object, why }),
            Err(why) => self.keep.push(Item { place, object, why }),
        }
    }
}

/// Gives each object its verdict.
struct Planner<'a> {
    catalogue: &'a Catalogue,
    policy: &'a Policy,
    home: &'a BTreeSet<PlaceId>,
    /// What the present and the window alone make the first SCN that is kept.
    expire: Scn,
    readings: Vec<Needs>,
}

impl<'a> Planner<'a> {
    fn new(catalogue: &'a Catalogue, policy: &'a Policy, now: Scn, home: &'a BTreeSet<PlaceId>) -> Self {
        let expire = Scn(if policy.window_ns == 0 { 0 } else { now.0.saturating_sub(policy.window_ns) });
        Self { catalogue, policy, home, expire, readings: needs::readings(catalogue, policy, expire, home) }
    }

    fn set(&self, set: &SetEntry) -> Result<DeleteWhy, KeepWhy> {
        if set.file_status == FileStatus::Deleting {
            return Ok(DeleteWhy::Deleting);
        }
        if !self.home.contains(&set.place) {
            return Err(KeepWhy::Elsewhere);
        }
        match set.status {
            BackupSetStatus::Doing => return Err(KeepWhy::BeingWritten),
            BackupSetStatus::Failed => return Ok(DeleteWhy::Failed),
            BackupSetStatus::Success => {}
        }
        if self.policy.log_only {
            return Err(KeepWhy::LogOnly);
        }
        if self.policy.window_ns == 0 {
            return Err(KeepWhy::NoWindow);
        }
        if let Some(why) = self.readings.iter().find_map(|needs| needs.sets.get(&key(set))) {
            return Err(why.clone());
        }
        if self.readings.is_empty() {
            return Err(KeepWhy::NothingElse);
        }
        if self.readings.iter().any(|needs| set.min_restore_scn > needs.floor) {
            return Err(KeepWhy::InWindow);
        }
        if !self.readings.iter().any(|needs| needs.usable.contains(&key(set))) {
            return Ok(DeleteWhy::Unusable);
        }
        Ok(DeleteWhy::Expired { heir: self.heir() })
    }

    /// The newest set that stays and can be restored to the very beginning of the window.
    fn heir(&self) -> Option<BackupSetId> {
        let needs = self.readings.first()?;
        let (sets, all) = (usable_sets(self.catalogue), windows(self.catalogue));
        let holds = sets.iter().zip(&all).filter(|(s, w)| needs.sets.contains_key(&key(s)) && w.holds(needs.floor));
        holds.max_by_key(|(s, _)| (s.min_restore_scn, s.set_id)).map(|(s, _)| s.set_id)
    }

    fn piece(&self, piece: &PieceEntry) -> Result<DeleteWhy, KeepWhy> {
        if piece.file_status == FileStatus::Deleting {
            return Ok(DeleteWhy::Deleting);
        }
        if !self.home.contains(&piece.place) {
            return Err(KeepWhy::Elsewhere);
        }
        if piece.status == PieceStatus::Active {
            return Err(KeepWhy::BeingWritten);
        }
        if self.policy.window_ns == 0 {
            return Err(KeepWhy::NoWindow);
        }
        if self.policy.log_only && piece.end_scn > self.expire {
            return Err(KeepWhy::InWindow);
        }
        for needs in &self.readings {
            let Some(from) = needs.log_from else { return Err(KeepWhy::NothingRestorable) };
            if piece.end_scn > from {
                return Err(KeepWhy::LogFrom { scn: from });
            }
            if let Some((_, _, set)) = needs.islands.iter().find(|island| serves(piece, island)) {
                return Err(KeepWhy::LogOf { set: *set });
            }
        }
        let is_unused = self.policy.log_only && self.catalogue.sets.iter().all(|s| s.status == BackupSetStatus::Failed);
        match self.readings.iter().filter_map(|needs| needs.log_from).min() {
            Some(before) => Ok(DeleteWhy::LogExpired { before }),
            None if is_unused => Ok(DeleteWhy::LogExpired { before: self.expire }),
            None => Err(KeepWhy::NothingElse),
        }
    }
}

/// A group is filed by its largest SCN: the last ones that a set needs may lie in the piece after.
fn serves(piece: &PieceEntry, (first, last, _): &(Scn, Scn, BackupSetId)) -> bool {
    let is_next = piece.start_scn.0.saturating_sub(last.0) <= piece.end_scn.0 - piece.start_scn.0;
    piece.end_scn > *first && (piece.start_scn <= *last || is_next)
}

#[cfg(test)]
mod tests;
