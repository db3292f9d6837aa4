//! What may be deleted: a pure function from a catalogue and a policy to (delete, keep, and why) (fact sheet 4.10).
//!
//! The promise: every SCN from the beginning of the recovery window on that could be restored before can be restored
//! after, by the same [`crate::windows`] that restores go by; and while any full set can be used, one stays that can.
//! Whatever cannot be proved to be superfluous stays, and says why.
//!
//! Order rule: deleting any part of the plan in any order breaks nothing; a cleaning that is cut off is harmless.

mod manual;
mod periods;
mod why;

pub use manual::{ManualRefusal, check_pieces, check_sets};
pub use why::{DeleteWhy, KeepWhy};

use crate::nouns::{Catalogue, PieceEntry, PlaceId, SetEntry};
use crate::window::{Window, are_kin, usable_sets, window_of, windows};
pub(crate) use periods::Periods;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use strandline_types::{BackupSetId, BackupSetKind, BackupSetStatus, FileStatus, PieceKey, PieceStatus, Scn};

/// How long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Length of the recovery window in nanoseconds; 0 = nothing expires.
    pub window_ns: u64,
    /// Full sets that can be used and are kept in any case; at least 1.
    pub redundancy: u32,
    /// Weeks, counted back over those that have a full set, of which the newest full set is kept.
    pub keep_weekly: u32,
    /// The same by months.
    pub keep_monthly: u32,
    /// The same by years.
    pub keep_yearly: u32,
    /// Only the archive is kept: pieces that end before the window go, whatever sets there are.
    pub log_only: bool,
}

/// One set or piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Object {
    /// A backup set.
    Set(BackupSetId),
    /// A piece.
    Piece(PieceKey),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(id) => write!(f, "backup set {id}"),
            Self::Piece(key) => write!(f, "piece {key}"),
        }
    }
}

/// One object and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<W> {
    /// Where it lies.
    pub place: PlaceId,
    /// What it is.
    pub object: Object,
    /// Why.
    pub why: W,
}

/// The plan: every object of the catalogue that is not gone already stands in it exactly once. Log that a set carries
/// itself is no object of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanPlan {
    /// What goes.
    pub delete: Vec<Item<DeleteWhy>>,
    /// What stays.
    pub keep: Vec<Item<KeepWhy>>,
}

/// Plans. `now` is the present as an SCN.
#[must_use]
pub fn plan(catalogue: &Catalogue, policy: &Policy, now: Scn) -> CleanPlan {
    let mut plan = CleanPlan::default();
    let expire = Scn(if policy.window_ns == 0 { 0 } else { now.0.saturating_sub(policy.window_ns) });
    let needs = if policy.log_only { Needs::default() } else { Needs::of(catalogue, policy, expire) };
    for set in catalogue.sets.iter().filter(|s| s.file_status != FileStatus::Deleted) {
        let verdict = if policy.log_only { Err(KeepWhy::LogOnly) } else { needs.set(catalogue, set, expire) };
        plan.note((set.place, Object::Set(set.set_id)), verdict);
    }
    let own = |p: &&PieceEntry| p.file_status != FileStatus::Deleted && !catalogue.is_carried(p);
    for piece in catalogue.pieces.iter().filter(own) {
        let verdict = needs.piece(piece, policy, expire);
        plan.note((piece.place, Object::Piece(piece.key)), verdict);
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

/// A set of one place.
type SetKey = (BackupSetId, PlaceId);

/// What has to stay.
#[derive(Default)]
struct Needs {
    /// Sets that are needed, and what for.
    sets: BTreeMap<SetKey, KeepWhy>,
    /// Log from here on serves every SCN of the window; `None` = none of them can be restored, so all log may still be
    /// wanted.
    log_from: Option<Scn>,
    /// Log that sets outside of the window need to be restored at all: first and last SCN, and the set.
    islands: Vec<(Scn, Scn, BackupSetId)>,
    /// Sets that can be used.
    usable: BTreeSet<SetKey>,
}

impl Needs {
    fn of(catalogue: &Catalogue, policy: &Policy, expire: Scn) -> Self {
        let usable = usable_sets(catalogue);
        let all = windows(catalogue);
        let pairs: Vec<(&SetEntry, &Window)> = usable.iter().zip(&all).collect();
        let mut needs = Self { usable: usable.iter().map(key).collect(), ..Self::default() };
        let (inside, before): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(|(s, _)| s.min_restore_scn > expire);
        let mut log_from: Vec<Scn> = Vec::new();
        for (set, _) in &inside {
            needs.sets.insert(key(set), KeepWhy::InWindow);
            log_from.push(set.start_replay_scn);
        }
        let mut covered: Vec<(Scn, Scn)> = spans(&inside, expire);
        // What sets inside the window do not cover, the newest older ones must: from the first bare SCN on.
        while let Some(bare) = first_bare(&spans(&before, expire), &covered) {
            let Some((set, window)) = newest_holding(&before, bare) else { break };
            needs.sets.entry(key(set)).or_insert(KeepWhy::Anchor { scn: bare.max(expire) });
            log_from.push(set.start_replay_scn);
            covered.push((window.from.max(expire), window.to));
        }
        needs.keep_counted(&pairs, policy);
        needs.keep_chains(catalogue, &usable);
        needs.keep_carriers(catalogue, &usable);
        needs.log_from = log_from.into_iter().min();
        needs
    }

    /// Redundancy and the periods: full sets that stay whatever the window says, with the log that makes them whole.
    fn keep_counted(&mut self, pairs: &[(&SetEntry, &Window)], policy: &Policy) {
        let is_good = |(s, w): &&(&SetEntry, &Window)| s.kind == BackupSetKind::Full && !w.is_empty();
        let mut fulls: Vec<&SetEntry> = pairs.iter().filter(is_good).map(|(s, _)| *s).collect();
        fulls.sort_by_key(|s| std::cmp::Reverse((s.min_restore_scn, s.set_id, s.place)));
        let mut keep: Vec<(&SetEntry, KeepWhy)> = Vec::new();
        let redundancy = policy.redundancy.max(1);
        keep.extend(fulls.iter().take(redundancy as usize).map(|s| (*s, KeepWhy::Redundancy { copies: redundancy })));
        for (period, count) in [
            (Periods::Week, policy.keep_weekly),
            (Periods::Month, policy.keep_monthly),
            (Periods::Year, policy.keep_yearly),
        ] {
            let mut seen = BTreeSet::new();
            let newest = fulls.iter().filter(|s| seen.insert(period.of(s.min_restore_scn)));
            keep.extend(newest.take(count as usize).map(|s| (*s, KeepWhy::Period { period: period.name() })));
        }
        for (set, why) in keep {
            self.sets.entry(key(set)).or_insert(why);
            self.islands.push((set.start_replay_scn, set.min_restore_scn, set.set_id));
        }
    }

    /// An increment is nothing without its chain.
    fn keep_chains(&mut self, catalogue: &Catalogue, usable: &[SetEntry]) {
        for set in usable.iter().rev().filter(|s| s.kind == BackupSetKind::Inc) {
            if !self.sets.contains_key(&key(set)) {
                continue;
            }
            for base in usable.iter().filter(|b| [set.prev_full, set.prev_inc].contains(&b.set_id)) {
                if are_kin(catalogue, base, set) && base.set_id < set.set_id {
                    self.sets.entry(key(base)).or_insert(KeepWhy::ChainOf { set: set.set_id });
                }
            }
        }
    }

    /// What is needed may be restored with log that another set carries: that one stays too, with its chain. A set that
    /// serves the window needs all of its log, one that is kept by count only what makes it whole, a chain none.
    fn keep_carriers(&mut self, catalogue: &Catalogue, usable: &[SetEntry]) {
        loop {
            let before = self.sets.len();
            for set in usable {
                let needs_all = match self.sets.get(&key(set)) {
                    Some(KeepWhy::InWindow | KeepWhy::Anchor { .. }) => true,
                    Some(KeepWhy::Redundancy { .. } | KeepWhy::Period { .. }) => false,
                    _ => continue,
                };
                let (_, cover) = window_of(catalogue, set);
                let needed = cover.pieces.iter().filter(|p| needs_all || p.start_scn <= set.min_restore_scn);
                for place in needed.filter_map(|p| catalogue.place(p.place)) {
                    let carrier = catalogue.sets.iter().find(|s| place.of_set == Some(s.set_id));
                    if let Some(carrier) = carrier {
                        self.sets.entry(key(carrier)).or_insert(KeepWhy::LogFor { set: set.set_id });
                    }
                }
            }
            if self.sets.len() == before {
                return;
            }
            self.keep_chains(catalogue, usable);
        }
    }

    fn set(&self, catalogue: &Catalogue, set: &SetEntry, expire: Scn) -> Result<DeleteWhy, KeepWhy> {
        if set.file_status == FileStatus::Deleting {
            return Ok(DeleteWhy::Deleting);
        }
        match set.status {
            BackupSetStatus::Doing => return Err(KeepWhy::BeingWritten),
            BackupSetStatus::Failed => return Ok(DeleteWhy::Failed),
            BackupSetStatus::Success => {}
        }
        if expire == Scn::MIN {
            return Err(KeepWhy::NoWindow);
        }
        if let Some(why) = self.sets.get(&key(set)) {
            return Err(why.clone());
        }
        if self.sets.is_empty() {
            return Err(KeepWhy::NothingElse);
        }
        if set.min_restore_scn > expire {
            return Err(KeepWhy::InWindow);
        }
        if !self.usable.contains(&key(set)) {
            return Ok(DeleteWhy::Unusable);
        }
        let heir = catalogue.sets.iter().filter(|s| self.sets.contains_key(&key(s)) && s.min_restore_scn <= expire);
        let heir = heir.max_by_key(|s| s.min_restore_scn).map(|s| s.set_id);
        Ok(DeleteWhy::Expired { heir })
    }

    fn piece(&self, piece: &PieceEntry, policy: &Policy, expire: Scn) -> Result<DeleteWhy, KeepWhy> {
        if piece.file_status == FileStatus::Deleting {
            return Ok(DeleteWhy::Deleting);
        }
        if piece.status == PieceStatus::Active {
            return Err(KeepWhy::BeingWritten);
        }
        if policy.window_ns == 0 {
            return Err(KeepWhy::NoWindow);
        }
        if policy.log_only {
            return if piece.end_scn > expire {
                Err(KeepWhy::InWindow)
            } else {
                Ok(DeleteWhy::LogExpired { before: expire })
            };
        }
        let Some(from) = self.log_from else {
            return Err(if self.sets.is_empty() { KeepWhy::NothingElse } else { KeepWhy::NothingInWindow });
        };
        if piece.end_scn > from {
            return Err(KeepWhy::LogFrom { scn: from });
        }
        // A group is filed by its largest SCN: the last ones that a set needs may lie in the piece after.
        let serves = |(first, last, _): &&(Scn, Scn, BackupSetId)| {
            let is_next = piece.start_scn.0.saturating_sub(last.0) <= piece.end_scn.0 - piece.start_scn.0;
            piece.end_scn > *first && (piece.start_scn <= *last || is_next)
        };
        match self.islands.iter().find(serves) {
            Some((_, _, set)) => Err(KeepWhy::LogOf { set: *set }),
            None => Ok(DeleteWhy::LogExpired { before: from }),
        }
    }
}

fn key(set: &SetEntry) -> SetKey {
    (set.set_id, set.place)
}

/// The windows, cut off at the beginning of the recovery window.
fn spans(pairs: &[(&SetEntry, &Window)], expire: Scn) -> Vec<(Scn, Scn)> {
    let filled = pairs.iter().filter(|(_, w)| !w.is_empty() && w.to >= expire);
    filled.map(|(_, w)| (w.from.max(expire), w.to)).collect()
}

/// The first SCN that is in `wanted` and not in `covered`.
fn first_bare(wanted: &[(Scn, Scn)], covered: &[(Scn, Scn)]) -> Option<Scn> {
    let bare = |&(from, to): &(Scn, Scn)| {
        let mut scn = from;
        while let Some((_, end)) = covered.iter().find(|(a, b)| *a <= scn && scn <= *b) {
            if *end == Scn::MAX {
                return None;
            }
            scn = end.next();
        }
        (scn <= to).then_some(scn)
    };
    wanted.iter().filter_map(bare).min()
}

/// The newest set whose window holds an SCN.
fn newest_holding<'a>(pairs: &[(&'a SetEntry, &'a Window)], scn: Scn) -> Option<(&'a SetEntry, &'a Window)> {
    pairs.iter().copied().filter(|(_, w)| w.holds(scn)).max_by_key(|(s, w)| (s.min_restore_scn, w.to, s.set_id))
}

#[cfg(test)]
mod tests;
