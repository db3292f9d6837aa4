//! The law of retention, as a check over two catalogues: what a deletion would take away that it must not.
//!
//! 1. The newest SCN that can be restored never goes back.
//! 2. Every SCN of the recovery window that could be restored still can.
//! 3. The newest SCN keeps its shortest way: the newest set that it can be restored with.
//!
//! The plan of a policy obeys it by construction (`needs.rs`); whatever an administrator names is asked here before
//! anything is marked. The law looks at what all destinations hold together, and at what the current ones hold alone.

use super::scope::restrict;
use super::spans::first_bare;
use super::{Item, Object, Policy};
use crate::nouns::{Catalogue, PlaceId};
use crate::window::{restorable, usable_sets, windows};
use std::collections::BTreeSet;
use std::fmt;
use strandline_types::{BackupSetId, Scn, scn_text};

/// One thing that a deletion would take away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The newest SCN that can be restored would be an earlier one, or none.
    Newest {
        /// The newest SCN now.
        was: Scn,
        /// The newest one afterwards; `None` = nothing could be restored.
        left: Option<Scn>,
    },
    /// An SCN of the recovery window could not be restored any more.
    Window {
        /// The first such SCN.
        scn: Scn,
    },
    /// The newest SCN would need an older set and more log.
    Way {
        /// The newest SCN.
        newest: Scn,
        /// The set that it is restored with now.
        set: BackupSetId,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest { was, left: Some(left) } => {
                let (was_text, left_text) = (scn_text(*was), scn_text(*left));
                write!(f, "the newest restorable SCN would go back from {was} ({was_text}) to {left} ({left_text})")
            }
            Self::Newest { was, left: None } => {
                write!(f, "nothing could be restored any more; the newest restorable SCN is {was} ({})", scn_text(*was))
            }
            Self::Window { scn } => {
                write!(f, "SCN {scn} ({}) of the recovery window could not be restored any more", scn_text(*scn))
            }
            Self::Way { newest, set } => {
                write!(
                    f,
                    "the newest restorable SCN {newest} ({}) is restored with backup set {set}",
                    scn_text(*newest)
                )
            }
        }
    }
}

/// What the deletion of `gone` would take away; empty = the law is kept. Without a policy there is no window to keep;
/// `home` are the current destinations.
#[must_use]
pub fn losses<W>(
    catalogue: &Catalogue,
    gone: &[Item<W>],
    policy: Option<&Policy>,
    now: Scn,
    home: &BTreeSet<PlaceId>,
) -> Vec<Loss> {
    let after = without(catalogue, gone);
    let here = restrict(catalogue, home);
    let mut found = of_scope(&here, &restrict(&after, home), window_floor(&here, policy, now));
    // Where the current destinations have a way of their own, a copy elsewhere may go although it is the newer one.
    let has_home = newest(&here).is_some();
    let everywhere = of_scope(catalogue, &after, window_floor(catalogue, policy, now)).into_iter();
    found.extend(everywhere.filter(|loss| !(has_home && matches!(loss, Loss::Way { .. }))));
    found.dedup();
    found
}

/// The first SCN of the recovery window: counted back from the present, or from the newest restorable SCN where that one
/// is older. [`Scn::MAX`] without a window.
fn window_floor(catalogue: &Catalogue, policy: Option<&Policy>, now: Scn) -> Scn {
    let Some(policy) = policy.filter(|p| p.window_ns > 0) else { return Scn::MAX };
    let from = newest(catalogue).map_or(now, |(newest, _)| newest.min(now));
    Scn(from.0.saturating_sub(policy.window_ns))
}

fn of_scope(before: &Catalogue, after: &Catalogue, floor: Scn) -> Vec<Loss> {
    let Some((was, way)) = newest(before) else { return Vec::new() };
    let mut found = Vec::new();
    match newest(after) {
        Some((is, _)) if is < was => found.push(Loss::Newest { was, left: Some(is) }),
        None => found.push(Loss::Newest { was, left: None }),
        Some((_, now)) if now.0 < way.0 => found.push(Loss::Way { newest: was, set: way.1 }),
        Some(_) => {}
    }
    found.extend(first_lost(before, after, floor).map(|scn| Loss::Window { scn }));
    found
}

/// The newest SCN that can be restored, and the newest set that it can be restored with.
pub(super) fn newest(catalogue: &Catalogue) -> Option<(Scn, (Scn, BackupSetId))> {
    let (sets, all) = (usable_sets(catalogue), windows(catalogue));
    let filled = sets.iter().zip(&all).filter(|(_, w)| !w.is_empty());
    let scn = filled.clone().map(|(_, w)| w.to).max()?;
    let best = filled.filter(|(_, w)| w.holds(scn)).map(|(s, _)| (s.min_restore_scn, s.set_id)).max()?;
    Some((scn, best))
}

/// The first SCN from `floor` on that can be restored before and not after.
pub(super) fn first_lost(before: &Catalogue, after: &Catalogue, floor: Scn) -> Option<Scn> {
    let left = restorable(after).intervals;
    let wanted = restorable(before).intervals.into_iter().filter(|(_, to)| *to >= floor);
    first_bare(&wanted.map(|(from, to)| (from.max(floor), to)).collect::<Vec<_>>(), &left)
}

/// The catalogue after a deletion: sets go with the log that they carry.
#[must_use]
pub fn without<W>(catalogue: &Catalogue, gone: &[Item<W>]) -> Catalogue {
    let is_gone = |place, object| gone.iter().any(|i| i.place == place && i.object == object);
    let mut left = catalogue.clone();
    left.sets.retain(|s| !is_gone(s.place, Object::Set(s.set_id)));
    let lost = |id| !left.sets.iter().any(|s| s.set_id == id) && catalogue.sets.iter().any(|s| s.set_id == id);
    let carrier = |place: PlaceId| catalogue.place(place).and_then(|p| p.of_set);
    left.pieces.retain(|p| !is_gone(p.place, Object::Piece(p.key)) && !carrier(p.place).is_some_and(&lost));
    left
}
