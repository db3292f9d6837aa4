//! The oracle of what can be restored: found from checkpoints that were published and from what was ever deleted, without
//! a function of production.

use super::world::World;
use std::collections::BTreeSet;
use strandline_catalogue::{Catalogue, SetEntry};
use strandline_scheduler_core::MediumName;
use strandline_types::{BackupSetId, BackupSetKind, BackupSetStatus, FileStatus, PieceKey, Scn};

/// What is left out of account.
pub(super) type Without = BTreeSet<MediumName>;

impl World {
    /// What can be restored, set by set.
    pub(super) fn restorable(&self, catalogue: &Catalogue) -> Vec<(Scn, Scn)> {
        self.windows(catalogue, &Without::new()).into_iter().map(|(_, window)| window).collect()
    }

    /// Each set that can be restored and its window, with some things taken away.
    pub(super) fn windows<'a>(&self, all: &'a Catalogue, without: &Without) -> Vec<(&'a SetEntry, (Scn, Scn))> {
        let log = self.archived(without);
        let is_there = |s: &&SetEntry| is_whole(s) && !without.contains(&MediumName::Set(s.set_id, s.kind));
        let there: Vec<&SetEntry> = all.sets.iter().filter(is_there).collect();
        let usable = there.iter().copied().filter(|s| chain_is_there(&there, s));
        let window = |s: &'a SetEntry| Some((s, (s.min_restore_scn, reach(&log, s.start_replay_scn)?)));
        usable.filter_map(window).filter(|(_, (from, to))| from <= to).collect()
    }

    /// Full sets that can be restored.
    pub(super) fn fulls(&self, all: &Catalogue, without: &Without) -> usize {
        self.windows(all, without).iter().filter(|(s, _)| s.kind == BackupSetKind::Full).count()
    }

    /// SCNs whose log is archived, piece by piece.
    fn archived(&self, without: &Without) -> Vec<(Scn, Scn)> {
        let mut spans = Vec::new();
        for round in self.group.state().rounds.values() {
            let Some(published) = self.published(round.dest_id, round.round_id) else { continue };
            let is_there = |key: &PieceKey| self.is_whole(*key) && !without.contains(&MediumName::Piece(*key));
            for key in self.piece_keys(round).filter(is_there) {
                let range = round.clock.range(key.piece_id);
                if range.start <= published {
                    spans.push((range.start, published.min(range.end.prev())));
                }
            }
        }
        spans
    }
}

/// How far log goes from an SCN on, over all archivers.
fn reach(log: &[(Scn, Scn)], from: Scn) -> Option<Scn> {
    let mut reach = log.iter().filter(|(a, b)| *a <= from && from <= *b).map(|(_, b)| *b).max()?;
    while let Some(further) = log.iter().filter(|(a, b)| *a <= reach.next() && *b > reach).map(|(_, b)| *b).max() {
        reach = further;
    }
    Some(reach)
}

fn is_whole(set: &SetEntry) -> bool {
    set.status == BackupSetStatus::Success && set.file_status == FileStatus::Available
}

fn chain_is_there(there: &[&SetEntry], set: &SetEntry) -> bool {
    let find = |id: BackupSetId| there.iter().find(|s| s.set_id == id);
    let mut at = set;
    while at.prev_inc.0 != 0 || at.prev_full.0 != 0 {
        let Some(prev) = find(at.prev_inc).filter(|_| at.prev_full.0 == 0 || find(at.prev_full).is_some()) else {
            return false;
        };
        at = prev;
    }
    true
}
