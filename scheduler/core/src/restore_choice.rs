//! Which set and which pieces a restore needs: a pure function of what the medium holds and the target (fact sheet
//! 4.8).
//!
//! A log group is filed by its *largest* SCN: an entry at the target may lie in the piece after the one that covers the
//! target, so a piece that begins after the target is still taken when it is there and continues the chain.

use crate::refuse;
use std::collections::BTreeMap;
use strandline_types::{
    BackupSetId, BackupSetKind, BackupSetStatus, Failure, FileStatus, PieceKey, PieceStatus, Scn, scn_text,
};

/// One set with its `end_success` placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueSet {
    /// Id.
    pub set_id: BackupSetId,
    /// Kind.
    pub kind: BackupSetKind,
    /// What it is worth.
    pub status: BackupSetStatus,
    /// What may be expected of its files.
    pub file_status: FileStatus,
    /// The full set that its chain begins with; 0 = none.
    pub prev_full: BackupSetId,
    /// The set directly before it; 0 = none.
    pub prev_inc: BackupSetId,
    /// Log is needed from here.
    pub start_replay_scn: Scn,
    /// The earliest SCN that it can be restored to.
    pub min_restore_scn: Scn,
}

/// One piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CataloguePiece {
    /// Its name.
    pub key: PieceKey,
    /// Frozen or active.
    pub status: PieceStatus,
    /// What may be expected of its files.
    pub file_status: FileStatus,
    /// First SCN of the slice.
    pub start_scn: Scn,
    /// First SCN after the slice.
    pub end_scn: Scn,
    /// Everything of it up to here is on the medium.
    pub checkpoint_scn: Scn,
}

/// What a medium holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Sets.
    pub sets: Vec<CatalogueSet>,
    /// Pieces.
    pub pieces: Vec<CataloguePiece>,
}

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// As far as the log goes.
    Newest,
    /// This SCN, inclusive. (A time is an SCN: `types::parse_time_text`.)
    Scn(Scn),
}

/// What a restore needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The chain: a full set, then increments. The last one is what is restored.
    pub sets: Vec<CatalogueSet>,
    /// Pieces, in order, touching each other.
    pub pieces: Vec<CataloguePiece>,
    /// Where to, resolved.
    pub target_scn: Scn,
}

/// One set and how far its log goes: every SCN in `[from, to]` can be restored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The set.
    pub set_id: BackupSetId,
    /// First SCN, inclusive.
    pub from: Scn,
    /// Last SCN, inclusive. Before `from` when the log that the set needs is not there.
    pub to: Scn,
    /// What ends the window.
    pub ended_by: String,
}

impl Window {
    fn holds(&self, target: Scn) -> bool {
        self.from <= target && target <= self.to
    }

    fn is_empty(&self) -> bool {
        self.to < self.from
    }
}

/// The windows of all usable sets, by set id.
#[must_use]
pub fn windows(catalogue: &Catalogue) -> Vec<Window> {
    usable_sets(catalogue).iter().map(|set| window(catalogue, set)).collect()
}

/// Chooses, or refuses with the nearest restorable bounds. Of several sets the newest one that can do it is taken: it
/// needs the least log.
///
/// # Errors
/// A failure that names what is missing and the nearest restorable bounds.
pub fn choose(catalogue: &Catalogue, target: Target) -> Result<Choice, Failure> {
    let sets = usable_sets(catalogue);
    if sets.is_empty() {
        return Err(no_usable_set(catalogue));
    }
    let windows: Vec<Window> = sets.iter().map(|set| window(catalogue, set)).collect();
    let newest = windows.iter().filter(|w| !w.is_empty()).map(|w| w.to).max();
    let target_scn = match target {
        Target::Scn(scn) => scn,
        Target::Newest => newest.unwrap_or_default(),
    };
    let chosen = sets.iter().zip(&windows).rev().find(|(_, w)| w.holds(target_scn));
    let Some((set, _)) = chosen else { return Err(out_of_reach(&windows, target_scn)) };
    let pieces = pieces_up_to(&log_chain(catalogue, set.start_replay_scn).pieces, target_scn);
    Ok(Choice { sets: chain_of(catalogue, set), pieces, target_scn })
}

/// Sets that are whole, with their chain whole, by id.
fn usable_sets(catalogue: &Catalogue) -> Vec<CatalogueSet> {
    let mut sets: Vec<&CatalogueSet> = catalogue.sets.iter().filter(|s| is_whole(s)).collect();
    sets.sort_unstable_by_key(|s| s.set_id);
    let mut usable: BTreeMap<BackupSetId, CatalogueSet> = BTreeMap::new();
    for set in sets {
        let is_usable = match set.kind {
            BackupSetKind::Full => true,
            BackupSetKind::Inc => usable.contains_key(&set.prev_full) && usable.contains_key(&set.prev_inc),
        };
        if is_usable {
            usable.insert(set.set_id, set.clone());
        }
    }
    usable.into_values().collect()
}

fn is_whole(set: &CatalogueSet) -> bool {
    set.status == BackupSetStatus::Success && set.file_status == FileStatus::Available
}

/// A full set and the increments up to `last`, in order.
fn chain_of(catalogue: &Catalogue, last: &CatalogueSet) -> Vec<CatalogueSet> {
    let mut chain = vec![last.clone()];
    while let Some(inc) = chain.last().filter(|s| s.kind == BackupSetKind::Inc) {
        let prev = inc.prev_inc;
        match catalogue.sets.iter().find(|s| s.set_id == prev && s.set_id < inc.set_id) {
            Some(set) => chain.push(set.clone()),
            None => break,
        }
    }
    chain.reverse();
    chain
}

fn window(catalogue: &Catalogue, set: &CatalogueSet) -> Window {
    let chain = log_chain(catalogue, set.start_replay_scn);
    Window { set_id: set.set_id, from: set.min_restore_scn, to: chain.reach, ended_by: chain.ended_by }
}

/// The log from one SCN on, as far as it goes without a gap.
struct LogChain {
    pieces: Vec<CataloguePiece>,
    reach: Scn,
    ended_by: String,
}

fn log_chain(catalogue: &Catalogue, from: Scn) -> LogChain {
    let mut all: Vec<CataloguePiece> = catalogue.pieces.clone();
    all.sort_unstable_by_key(|p| p.key);
    // The newest destination that holds the start: a path that was left is not written any more.
    let starts_here = |p: &&CataloguePiece| is_readable(p) && p.start_scn <= from && from < p.end_scn;
    let Some(first) = all.iter().rev().find(starts_here).copied() else {
        let ended_by = format!("no piece holds SCN {from} ({}), from which log is needed", scn_text(from));
        return LogChain { pieces: Vec::new(), reach: Scn::MIN, ended_by };
    };
    let mut chain = LogChain { pieces: vec![first], reach: first.checkpoint_scn, ended_by: String::new() };
    loop {
        let last = chain.pieces[chain.pieces.len() - 1];
        if last.checkpoint_scn.next() < last.end_scn {
            chain.ended_by = format!("the archive ends in piece {} at SCN {}", last.key, last.checkpoint_scn);
            // What was filed after its checkpoint may hold the target's last groups.
            chain.pieces.extend(next_piece(&all, &last));
            return chain;
        }
        let Some(next) = next_piece(&all, &last) else {
            chain.ended_by = format!("the piece after {} is not there", last.key);
            return chain;
        };
        chain.pieces.push(next);
        if !is_readable(&next) {
            chain.ended_by = format!("piece {} is {}", next.key, next.file_status);
            return chain;
        }
        chain.reach = next.checkpoint_scn;
    }
}

/// The piece that touches `last`, in the same round.
fn next_piece(all: &[CataloguePiece], last: &CataloguePiece) -> Option<CataloguePiece> {
    let key = PieceKey { piece_id: last.key.piece_id.next(), ..last.key };
    let usable = |p: &&CataloguePiece| matches!(p.file_status, FileStatus::Available | FileStatus::Incomplete);
    all.iter().find(|p| p.key == key && p.start_scn == last.end_scn).filter(usable).copied()
}

fn is_readable(piece: &CataloguePiece) -> bool {
    piece.file_status == FileStatus::Available
}

/// Pieces up to the one that holds the target, and one more.
fn pieces_up_to(chain: &[CataloguePiece], target: Scn) -> Vec<CataloguePiece> {
    let needed = chain.iter().position(|p| target < p.end_scn).map_or(chain.len(), |at| at + 2);
    chain.iter().take(needed).copied().collect()
}

fn no_usable_set(catalogue: &Catalogue) -> Failure {
    match catalogue.sets.iter().map(|s| s.set_id).max() {
        None => refuse::no_set("no full backup set exists", "data backup destination", "ALTER SYSTEM BACKUP DATABASE"),
        Some(newest) => {
            let todo = "use a destination with a set that is SUCCESS and AVAILABLE, its chain included";
            refuse::no_set("no backup set is available", format!("backup set {newest} and all before it"), todo)
        }
    }
}

/// Says why a target cannot be reached and what is the nearest that can.
fn out_of_reach(windows: &[Window], target: Scn) -> Failure {
    let usable = || windows.iter().filter(|w| !w.is_empty());
    let below = usable().filter(|w| w.to < target).map(|w| w.to).max();
    let above = usable().filter(|w| w.from > target).map(|w| w.from).min();
    let bound = |scn: Scn| format!("{scn} ({})", scn_text(scn));
    let todo = match (below, above) {
        (Some(b), Some(a)) => format!("restore to at most {} or at least {}", bound(b), bound(a)),
        (Some(b), None) => format!("maximum restorable time is {}", bound(b)),
        (None, Some(a)) => format!("minimum restorable time is {}", bound(a)),
        (None, None) => "archive the log from before the backup on".to_owned(),
    };
    // The newest set that begins before the target is the one that lacks log.
    match windows.iter().rev().find(|w| w.from <= target || w.is_empty()) {
        Some(w) => refuse::not_enough_log(target, &format!("backup set {}: {}", w.set_id, w.ended_by), &todo),
        None => refuse::no_set("no full backup set can be used: all are newer", bound(target), todo),
    }
}

#[cfg(test)]
mod tests;
