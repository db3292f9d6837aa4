//! What has to stay, for one part of the catalogue (`scope.rs`): sets with their reasons, and the log that they need.
//!
//! The recovery window is counted back from the present, or from the newest SCN that can be restored where that one is
//! older: an archive that stands still, a dropped tenant and a stopped cluster keep their last window for ever.

use super::periods::Periods;
use super::planted::{Planted, has};
use super::scope::{forgive, has_own_log, restrict, without_carried_log};
use super::spans::first_bare;
use super::{KeepWhy, Policy, losses};
use crate::cover::log_cover;
use crate::nouns::{Catalogue, PlaceId, SetEntry};
use crate::window::{Window, are_kin, usable_sets, window_of, windows};
use std::collections::{BTreeMap, BTreeSet};
use strandline_types::{BackupSetId, BackupSetKind, Scn};

/// A set of one place.
pub(super) type SetKey = (BackupSetId, PlaceId);

pub(super) fn key(set: &SetEntry) -> SetKey {
    (set.set_id, set.place)
}

/// What has to stay.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// The first SCN of the recovery window.
    pub(super) floor: Scn,
    /// Sets that are needed, and what for.
    pub(super) sets: BTreeMap<SetKey, KeepWhy>,
    /// Log from here on serves every SCN of the window; `None` = no set has log that it could be restored with.
    pub(super) log_from: Option<Scn>,
    /// Log that sets outside of the window need to be restored at all: first and last SCN, and the set.
    pub(super) islands: Vec<(Scn, Scn, BackupSetId)>,
    /// Sets that can be used.
    pub(super) usable: BTreeSet<SetKey>,
}

/// What has to stay for every reading of the catalogue in which something can be restored, the widest first. Empty =
/// nothing can be restored at all.
pub(super) fn readings(catalogue: &Catalogue, policy: &Policy, expire: Scn, home: &BTreeSet<PlaceId>) -> Vec<Needs> {
    let here = restrict(catalogue, home);
    let is_all = here == *catalogue || has(Planted::CopyIsHeir);
    let scopes = if is_all { vec![catalogue.clone()] } else { vec![catalogue.clone(), here] };
    let mut found = Vec::new();
    for judged in scopes {
        let forgiven = forgive(&judged);
        let newest = losses::newest(&judged).or_else(|| losses::newest(forgiven.as_ref()?));
        let Some((newest, _)) = newest else { continue };
        let of_newest = Scn(newest.0.saturating_sub(policy.window_ns));
        let floor = if has(Planted::WindowFromNow) { expire } else { expire.min(of_newest) };
        found.push(Needs::of(&judged, policy, floor));
        if let Some(forgiven) = forgiven.filter(|_| !has(Planted::BrokenIsFinal)) {
            found.push(Needs::of_doubtful(&judged, &forgiven, floor));
        }
    }
    found
}

impl Needs {
    fn of(catalogue: &Catalogue, policy: &Policy, floor: Scn) -> Self {
        let usable = usable_sets(catalogue);
        let all = windows(catalogue);
        let pairs: Vec<(&SetEntry, &Window)> = usable.iter().zip(&all).collect();
        let mut needs = Self { floor, usable: usable.iter().map(key).collect(), ..Self::default() };
        let (inside, before): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(|(s, _)| s.min_restore_scn > floor);
        let mut log_from: Vec<Scn> = Vec::new();
        for (set, window) in &inside {
            needs.sets.insert(key(set), KeepWhy::InWindow);
            // A set whose log is lost asks for none; one whose log is still to come does.
            if !window.is_empty() || window.ended_by.is_newest() {
                log_from.push(set.start_replay_scn);
            }
        }
        let mut covered: Vec<(Scn, Scn)> = spans(&inside, floor);
        // What sets inside the window do not cover, the newest older ones must: from the first bare SCN on.
        while let Some(bare) = first_bare(&spans(&before, floor), &covered) {
            let Some((set, window)) = newest_holding(&before, bare) else { break };
            needs.sets.entry(key(set)).or_insert(KeepWhy::Anchor { scn: bare.max(floor) });
            log_from.push(set.start_replay_scn);
            covered.push((window.from.max(floor), window.to));
        }
        needs.keep_counted(catalogue, &pairs, policy);
        needs.keep_chains(catalogue, &usable);
        needs.keep_carriers(catalogue, &usable);
        needs.log_from = log_from.into_iter().min();
        needs
    }

    /// What would be restorable if every BROKEN verdict were taken back, and is not now; and what would be a shorter way
    /// to the newest SCN. Which verdicts will be taken back is not known, so every set stays that could serve, not only
    /// the newest one.
    fn of_doubtful(judged: &Catalogue, forgiven: &Catalogue, floor: Scn) -> Self {
        let usable = usable_sets(forgiven);
        let all = windows(forgiven);
        let pairs: Vec<(&SetEntry, &Window)> = usable.iter().zip(&all).collect();
        let mut needs = Self { floor, usable: usable.iter().map(key).collect(), ..Self::default() };
        let certain = spans(&usable_sets(judged).iter().zip(&windows(judged)).collect::<Vec<_>>(), floor);
        let newest = losses::newest(judged);
        let is_shorter = |set: &SetEntry, window: &Window| {
            newest.is_some_and(|(scn, way)| window.holds(scn) && (set.min_restore_scn, set.set_id) > way)
        };
        let mut log_from: Vec<Scn> = Vec::new();
        for (set, window) in &pairs {
            let is_bare = first_bare(&spans(&[(*set, *window)], floor), &certain).is_some();
            if is_bare || is_shorter(set, window) {
                needs.sets.insert(key(set), KeepWhy::Doubtful);
                log_from.push(set.start_replay_scn);
            }
        }
        needs.keep_chains(forgiven, &usable);
        needs.keep_carriers(forgiven, &usable);
        // Without such an SCN nothing is wanted, and the other readings decide.
        needs.log_from = Some(log_from.into_iter().min().unwrap_or(Scn::MAX));
        needs
    }

    /// Redundancy and the periods: sets that stay whatever the window says, with the log that makes them whole.
    fn keep_counted(&mut self, catalogue: &Catalogue, pairs: &[(&SetEntry, &Window)], policy: &Policy) {
        let mut good: Vec<&SetEntry> = pairs.iter().filter(|(_, w)| !w.is_empty()).map(|(s, _)| *s).collect();
        good.sort_by_key(|s| std::cmp::Reverse((s.min_restore_scn, s.set_id, s.place)));
        let is_full = |s: &&&SetEntry| s.kind == BackupSetKind::Full;
        let mut keep: Vec<(&SetEntry, KeepWhy)> = Vec::new();
        let copies = policy.redundancy.max(1);
        let newest_fulls = good.iter().filter(is_full).take(copies as usize);
        keep.extend(newest_fulls.map(|s| (*s, KeepWhy::Redundancy { copies })));
        for (period, count) in [
            (Periods::Week, policy.keep_weekly),
            (Periods::Month, policy.keep_monthly),
            (Periods::Year, policy.keep_yearly),
        ] {
            // The newest full set of a period; the newest increment with its chain where it has increments only.
            let mut of_period: BTreeMap<u64, &SetEntry> = BTreeMap::new();
            for set in good.iter().filter(is_full).chain(good.iter().filter(|s| !is_full(s))) {
                of_period.entry(period.of(set.min_restore_scn)).or_insert(set);
            }
            let newest = of_period.into_values().rev().take(count as usize);
            keep.extend(newest.map(|s| (s, KeepWhy::Period { period: period.name() })));
        }
        for (set, why) in keep {
            self.sets.entry(key(set)).or_insert(why);
            if !has_own_log(catalogue, set) {
                self.islands.push((set.start_replay_scn, set.min_restore_scn, set.set_id));
            }
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

    /// What is needed may be restored with log that another set carries: that one stays too, with its chain, where the
    /// archive has not the same log. A set that serves the window needs all of its log, one that is kept by count only
    /// what makes it whole, a chain none.
    fn keep_carriers(&mut self, catalogue: &Catalogue, usable: &[SetEntry]) {
        loop {
            let before = self.sets.len();
            for set in usable {
                let needs_all = match self.sets.get(&key(set)) {
                    Some(KeepWhy::InWindow | KeepWhy::Anchor { .. } | KeepWhy::Doubtful) => true,
                    Some(KeepWhy::Redundancy { .. } | KeepWhy::Period { .. }) => false,
                    _ => continue,
                };
                for carrier in carriers_of(catalogue, set, needs_all) {
                    self.sets.entry(carrier).or_insert(KeepWhy::LogFor { set: set.set_id });
                }
            }
            if self.sets.len() == before {
                return;
            }
            self.keep_chains(catalogue, usable);
        }
    }
}

/// The sets whose carried log a set cannot do without.
fn carriers_of(catalogue: &Catalogue, set: &SetEntry, needs_all: bool) -> Vec<SetKey> {
    let (_, cover) = window_of(catalogue, set);
    let wanted = if needs_all { cover.reach } else { cover.reach.min(set.min_restore_scn) };
    let own = without_carried_log(catalogue, set);
    if log_cover(&own, own.owner(set.place), set.start_replay_scn).reach >= wanted {
        return Vec::new();
    }
    let needed = cover.pieces.iter().filter(|p| needs_all || p.start_scn <= set.min_restore_scn);
    let carriers = needed.filter_map(|p| catalogue.place(p.place)?.of_set).filter(|id| *id != set.set_id);
    carriers.filter_map(|id| catalogue.sets.iter().find(|s| s.set_id == id).map(key)).collect()
}

/// The windows, cut off at the beginning of the recovery window.
fn spans(pairs: &[(&SetEntry, &Window)], floor: Scn) -> Vec<(Scn, Scn)> {
    let filled = pairs.iter().filter(|(_, w)| !w.is_empty() && w.to >= floor);
    filled.map(|(_, w)| (w.from.max(floor), w.to)).collect()
}

/// The newest set whose window holds an SCN.
fn newest_holding<'a>(pairs: &[(&'a SetEntry, &'a Window)], scn: Scn) -> Option<(&'a SetEntry, &'a Window)> {
    pairs.iter().copied().filter(|(_, w)| w.holds(scn)).max_by_key(|(s, w)| (s.min_restore_scn, w.to, s.set_id))
}
