//! Deleting by hand: which sets and pieces may go, and what stands in the way (fact sheet 4.10).
//!
//! What an administrator names is never widened: a set that others need is refused and names them.

use crate::nouns::{Catalogue, PieceEntry, PlaceId, SetEntry};
use crate::window::{usable_sets, windows};
use std::collections::BTreeSet;
use std::fmt;
use strandline_types::{BackupSetKind, BackupSetStatus, ErrorClass, Failure, FileStatus, PieceId, PieceStatus};

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

/// Whether these sets may go. `current` is the place that new sets go to, `policy` whether it has a policy.
///
/// # Errors
/// The first id that may not.
pub fn check_sets(
    catalogue: &Catalogue,
    ids: &[u64],
    current: Option<PlaceId>,
    policy: bool,
) -> Result<Vec<SetEntry>, ManualRefusal> {
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
        let is_current = current == Some(set.place);
        if set.status == BackupSetStatus::Doing {
            return Err(refuse(id, "it is being written", None));
        }
        if set.status == BackupSetStatus::Failed || set.file_status == FileStatus::Deleting {
            continue;
        }
        if is_current && policy {
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
        if is_current && !stays_usable(catalogue, &asked, set.place) {
            return Err(refuse(id, "it is the last full backup set that can be used", None));
        }
    }
    Ok(named.into_iter().cloned().collect())
}

/// True when a full set of the place that can be used is not asked for, or none could be used anyway.
fn stays_usable(catalogue: &Catalogue, asked: &BTreeSet<u64>, place: PlaceId) -> bool {
    let sets = usable_sets(catalogue);
    let windows = windows(catalogue);
    let good =
        sets.iter().zip(&windows).filter(|(s, w)| s.place == place && s.kind == BackupSetKind::Full && !w.is_empty());
    let mut good = good.map(|(s, _)| s.set_id.0).peekable();
    good.peek().is_none() || good.any(|id| !asked.contains(&id))
}

/// Whether these pieces may go: never one that is still written, on each destination only the oldest ones, and on the
/// current one none that a set needs.
///
/// # Errors
/// The first id that may not.
pub fn check_pieces(
    catalogue: &Catalogue,
    ids: &[u64],
    current: &[PlaceId],
    policy: bool,
) -> Result<Vec<PieceEntry>, ManualRefusal> {
    let refuse =
        |id: u64, reason: &str, related| ManualRefusal { id, reason: reason.to_owned(), related, is_set: false };
    let asked: BTreeSet<PieceId> = ids.iter().copied().map(PieceId).collect();
    let own = |p: &&PieceEntry| p.file_status != FileStatus::Deleted && !catalogue.is_carried(p);
    let there = || catalogue.pieces.iter().filter(own);
    let mut named: Vec<PieceEntry> = Vec::with_capacity(ids.len());
    for id in &asked {
        let before = named.len();
        named.extend(there().filter(|p| p.key.piece_id == *id));
        if named.len() == before {
            return Err(refuse(id.0, "there is no such piece", None));
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
        if !current.contains(&piece.place) {
            continue;
        }
        if policy {
            return Err(refuse(id, "a delete policy cares for the current destination", None));
        }
        if let Some(set) = oldest_need.as_ref().filter(|s| piece.end_scn > s.start_replay_scn) {
            return Err(refuse(id, "a backup set needs its log", Some(set.set_id.0)));
        }
    }
    Ok(named)
}
