//! Restorable windows: which SCNs can be restored, set by set and as a union, and the cause of every gap.
//!
//! The window of a set is `[min_restore_scn, end of the log that is continuous from its start_replay_scn]` (docs/oceanbase.md,
//! 4.8). A set without its whole chain has none. Everything else in this crate builds on these two sentences.

use crate::cover::{LogCover, LogEnd, log_cover};
use crate::nouns::{Catalogue, PlaceId, SetEntry};
use serde::Serialize;
use std::collections::BTreeMap;
use strandline_types::{BackupSetId, BackupSetKind, BackupSetStatus, FileStatus, Scn};

/// One set and how far its log goes: every SCN in `[from, to]` can be restored with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Where the set lies.
    pub place: PlaceId,
    /// The set.
    pub set_id: BackupSetId,
    /// First SCN, inclusive.
    pub from: Scn,
    /// Last SCN, inclusive. Before `from` when the log that the set needs is not there.
    pub to: Scn,
    /// What ends the window.
    pub ended_by: LogEnd,
}

impl Window {
    /// True when `target` can be restored with this set.
    #[must_use]
    pub fn holds(&self, target: Scn) -> bool {
        self.from <= target && target <= self.to
    }

    /// True when nothing can.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.to < self.from
    }
}

/// What a set is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SetVerdict {
    /// It and its whole chain are there.
    Usable,
    /// It is not, and why.
    Unusable(String),
}

/// SCNs between two intervals that cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// First SCN that cannot be restored; [`Scn::MIN`] before the first interval.
    pub from: Scn,
    /// Last SCN that cannot be restored; [`Scn::MAX`] after the last interval.
    pub to: Scn,
    /// Why: what ends the log before it, and which sets cannot be used in it.
    pub causes: Vec<String>,
}

/// The union of all windows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Restorable {
    /// Closed intervals `[from, to]`, rising, not touching.
    pub intervals: Vec<(Scn, Scn)>,
    /// What lies before, between and after them.
    pub gaps: Vec<Gap>,
}

impl Restorable {
    /// True when `scn` can be restored.
    #[must_use]
    pub fn holds(&self, scn: Scn) -> bool {
        self.intervals.iter().any(|(from, to)| *from <= scn && scn <= *to)
    }
}

/// The windows of all usable sets, by set id, the empty ones too.
#[must_use]
pub fn windows(catalogue: &Catalogue) -> Vec<Window> {
    usable_sets(catalogue).iter().map(|set| window_of(catalogue, set).0).collect()
}

/// The window of one set, and the log that makes it.
pub(crate) fn window_of(catalogue: &Catalogue, set: &SetEntry) -> (Window, LogCover) {
    let cover = log_cover(catalogue, catalogue.owner(set.place), set.start_replay_scn);
    let (place, set_id, from) = (set.place, set.set_id, set.min_restore_scn);
    (Window { place, set_id, from, to: cover.reach, ended_by: cover.ended_by.clone() }, cover)
}

/// Sets that are whole, with their chain whole, by id.
#[must_use]
pub fn usable_sets(catalogue: &Catalogue) -> Vec<SetEntry> {
    let verdicts = verdicts(catalogue);
    verdicts.into_iter().filter(|(_, v)| *v == SetVerdict::Usable).map(|(s, _)| s.clone()).collect()
}

/// Every set with what it is good for, by id.
pub(crate) fn verdicts(catalogue: &Catalogue) -> Vec<(&SetEntry, SetVerdict)> {
    let mut sets: Vec<&SetEntry> = catalogue.sets.iter().collect();
    sets.sort_by_key(|s| (s.set_id, s.place));
    let mut usable: BTreeMap<(BackupSetId, PlaceId), &SetEntry> = BTreeMap::new();
    let mut found = Vec::with_capacity(sets.len());
    for set in sets {
        let has = |id| usable.values().any(|s| s.set_id == id && id < set.set_id && are_kin(catalogue, s, set));
        let missing = match set.kind {
            BackupSetKind::Full => None,
            BackupSetKind::Inc => [set.prev_full, set.prev_inc].into_iter().find(|id| !has(*id)),
        };
        let verdict = match (is_whole(set), missing) {
            (true, None) => SetVerdict::Usable,
            (true, Some(id)) => SetVerdict::Unusable(format!("it needs backup set {id}, which cannot be used")),
            (false, _) => SetVerdict::Unusable(format!("it is {} and {}", set.status, set.file_status)),
        };
        if verdict == SetVerdict::Usable {
            usable.insert((set.set_id, set.place), set);
        }
        found.push((set, verdict));
    }
    found
}

/// Sets of one owner may make a chain.
pub(crate) fn are_kin(catalogue: &Catalogue, a: &SetEntry, b: &SetEntry) -> bool {
    a.place == b.place || catalogue.owner(a.place) == catalogue.owner(b.place)
}

fn is_whole(set: &SetEntry) -> bool {
    set.status == BackupSetStatus::Success && set.file_status == FileStatus::Available
}

/// The union of all windows, with the cause of every gap.
#[must_use]
pub fn restorable(catalogue: &Catalogue) -> Restorable {
    let all = windows(catalogue);
    let mut filled: Vec<&Window> = all.iter().filter(|w| !w.is_empty()).collect();
    filled.sort_by_key(|w| (w.from, w.to));
    let mut intervals: Vec<(Scn, Scn)> = Vec::new();
    for w in &filled {
        match intervals.last_mut() {
            Some((_, to)) if w.from <= to.next() => *to = w.to.max(*to),
            _ => intervals.push((w.from, w.to)),
        }
    }
    let starts = intervals.iter().map(|(from, _)| from.prev()).chain([Scn::MAX]);
    let ends = [None].into_iter().chain(intervals.iter().map(|(_, to)| Some(*to)));
    let gaps = ends.zip(starts).map(|(end, to)| {
        let from = end.map_or(Scn::MIN, Scn::next);
        Gap { from, to, causes: causes(catalogue, &all, end, from, to) }
    });
    Restorable { gaps: gaps.collect(), intervals }
}

/// Why `[from, to]` cannot be restored; `end` is the end of the interval before it.
fn causes(catalogue: &Catalogue, all: &[Window], end: Option<Scn>, from: Scn, to: Scn) -> Vec<String> {
    let mut causes = Vec::new();
    match end {
        None if all.is_empty() => causes.push("no backup set can be used".to_owned()),
        None => causes.push("no usable backup set is that old".to_owned()),
        Some(end) => causes.extend(all.iter().filter(|w| w.to == end).map(|w| w.ended_by.to_string())),
    }
    let inside = |scn: Scn| from <= scn && scn <= to;
    let without_log = all.iter().filter(|w| w.is_empty() && inside(w.from));
    causes.extend(without_log.map(|w| format!("backup set {}: {}", w.set_id, w.ended_by)));
    for (set, verdict) in verdicts(catalogue) {
        if let SetVerdict::Unusable(why) = verdict
            && inside(set.min_restore_scn)
        {
            causes.push(format!("backup set {} cannot be used: {why}", set.set_id));
        }
    }
    causes.sort();
    causes.dedup();
    causes
}
