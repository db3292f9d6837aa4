//! Which set and which pieces a restore needs: a pure function of what the media hold and the target (docs/oceanbase.md, 4.8).
//!
//! A log group is filed by its *largest* SCN: an entry at the target may lie in the piece after the one that covers the
//! target, so a piece that begins after the target is still taken when it is there and continues the chain.

use crate::cover::LogCover;
use crate::nouns::{Catalogue, PieceEntry, SetEntry};
use crate::refusal::Refusal;
use crate::window::{Window, are_kin, usable_sets, window_of};
use strandline_types::{BackupSetKind, Scn};

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// As far as the log goes. Refused where it ends before what was archived: a user must not find out later that he has an
    /// earlier moment than he asked for.
    Newest,
    /// This SCN, inclusive. (A time is an SCN: `types::parse_time_text`.)
    Scn(Scn),
}

/// What a restore needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The chain: a full set, then increments. The last one is what is restored.
    pub sets: Vec<SetEntry>,
    /// Pieces, in the order in which they are read.
    pub pieces: Vec<PieceEntry>,
    /// Where to, resolved.
    pub target_scn: Scn,
}

/// Chooses, or refuses with the nearest restorable bounds. Of several sets the newest one that can do it is taken: it
/// needs the least log.
///
/// # Errors
/// What is missing and the nearest restorable bounds.
pub fn choose(catalogue: &Catalogue, target: Target) -> Result<Choice, Refusal> {
    let sets = usable_sets(catalogue);
    if sets.is_empty() {
        return Err(Refusal::NoSet { newest: catalogue.sets.iter().map(|s| s.set_id).max() });
    }
    let covered: Vec<_> = sets.iter().map(|set| (set, window_of(catalogue, set))).collect();
    let newest = covered.iter().map(|(_, (w, _))| w).filter(|w| !w.is_empty()).map(|w| w.to).max();
    let target_scn = match (target, newest) {
        (Target::Scn(scn), _) => scn,
        (Target::Newest, None) => return Err(no_log(catalogue, &covered)),
        (Target::Newest, Some(newest)) => {
            let mut ends = covered.iter().map(|(_, (w, _))| w).filter(|w| !w.is_empty() && w.to == newest);
            match ends.clone().all(|w| w.ended_by.is_loss(catalogue)).then(|| ends.next()).flatten() {
                Some(window) => return Err(Refusal::Lost { reach: newest, ended_by: window.ended_by.clone() }),
                None => newest,
            }
        }
    };
    let Some((set, (_, cover))) = covered.iter().rev().find(|(_, (w, _))| w.holds(target_scn)) else {
        let windows: Vec<Window> = covered.into_iter().map(|(_, (w, _))| w).collect();
        return Err(Refusal::out_of_reach(&windows, target_scn));
    };
    Ok(Choice { sets: chain_of(catalogue, set), pieces: cover.pieces_up_to(target_scn), target_scn })
}

/// Why the newest set has no window.
fn no_log(catalogue: &Catalogue, covered: &[(&SetEntry, (Window, LogCover))]) -> Refusal {
    let newest = covered.iter().max_by_key(|(set, _)| set.set_id);
    newest.map_or(Refusal::NoSet { newest: None }, |(set, (window, _))| {
        let (ended_by, is_loss) = (window.ended_by.clone(), window.ended_by.is_loss(catalogue));
        Refusal::NoLog { set: set.set_id, ended_by, is_loss }
    })
}

/// A full set and the increments up to `last`, in order; each one from the place of the one after it where it can be.
fn chain_of(catalogue: &Catalogue, last: &SetEntry) -> Vec<SetEntry> {
    let mut chain = vec![last.clone()];
    while let Some(inc) = chain.last().filter(|s| s.kind == BackupSetKind::Inc) {
        let is_previous = |s: &&SetEntry| s.set_id == inc.prev_inc && s.set_id < inc.set_id;
        let candidates = catalogue.sets.iter().filter(|s| is_previous(s) && are_kin(catalogue, s, inc));
        match candidates.max_by_key(|s| s.place == inc.place) {
            Some(set) => chain.push(set.clone()),
            None => break,
        }
    }
    chain.reverse();
    chain
}
