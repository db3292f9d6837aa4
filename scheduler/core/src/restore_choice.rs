//! Which set and which pieces a restore needs: a pure function of what the medium holds and the target (fact sheet 4.8).
//!
//! A log group is filed by its *largest* SCN: an entry at the target may lie in the piece after the one that covers the
//! target, so a piece that begins after the target is still taken when it is there and continues the chain.

use strandline_types::{BackupSetId, BackupSetKind, BackupSetStatus, Failure, FileStatus, PieceKey, PieceStatus, Scn};

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

/// Chooses, or refuses with the nearest restorable bounds.
///
/// # Errors
/// A failure that names the object that is missing and the nearest restorable bounds.
pub fn choose(catalogue: &Catalogue, target: Target) -> Result<Choice, Failure> {
    let _ = (catalogue, target);
    Err(crate::refuse::no_such_tenant(""))
}
