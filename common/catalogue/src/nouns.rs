//! The nouns: destinations (places), sets, pieces and rounds as a medium shows them. Plain data; nothing here decides.

use serde::Serialize;
use strandline_types::{
    BackupSetId, BackupSetKind, BackupSetStatus, ClusterId, DestId, FileStatus, PieceKey, PieceStatus, RetryId,
    RoundId, Scn, ScnRange, TenantId, TurnId,
};

/// One destination of a catalogue: its index in [`Catalogue::places`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PlaceId(pub u32);

/// What a destination is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Archived log.
    Archive,
    /// Backup sets.
    Backup,
    /// The archive that a set carries in its own `complement_log/`.
    ComplementLog,
}

/// Whose data it is. Nothing of one owner ever restores another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Owner {
    /// The cluster that wrote it.
    pub cluster_id: ClusterId,
    /// The tenant.
    pub tenant_id: TenantId,
}

/// One destination, as its `format.obbak` describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its URI without secrets.
    pub uri: String,
    /// What it is for.
    pub role: Role,
    /// Whose it is.
    pub owner: Owner,
    /// For people.
    pub cluster_name: String,
    /// For people.
    pub tenant_name: String,
    /// The id under which the tenant knew the path.
    pub dest_id: DestId,
    /// The set that carries it (complement log only).
    pub of_set: Option<BackupSetId>,
}

/// One backup set that has its `end_success` placeholder, or that ended without success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetEntry {
    /// Where it lies.
    pub place: PlaceId,
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
    /// SCN of its consistent point.
    pub consistent_scn: Scn,
    /// Whose log covers `[start_replay_scn, min_restore_scn]`, where the set says so.
    pub archive: Option<(DestId, RoundId)>,
    /// True when it carries its own log in `complement_log/`.
    pub plus_archivelog: bool,
    /// `NONE`, or how its blocks are encrypted.
    pub encryption_mode: String,
    /// Turn of its data.
    pub data_turn: TurnId,
    /// Retry of its tenant-level indexes.
    pub index_retry: RetryId,
    /// Bytes that it holds on the medium.
    pub output_bytes: u64,
    /// When it ended, milliseconds since 1970; 0 = unknown.
    pub end_ms: u64,
}

impl SetEntry {
    /// A whole full set with nothing known of it but its SCNs.
    #[must_use]
    pub fn full(set_id: BackupSetId, start_replay_scn: Scn, min_restore_scn: Scn) -> Self {
        Self {
            place: PlaceId::default(),
            set_id,
            kind: BackupSetKind::Full,
            status: BackupSetStatus::Success,
            file_status: FileStatus::Available,
            prev_full: BackupSetId(0),
            prev_inc: BackupSetId(0),
            start_replay_scn,
            min_restore_scn,
            consistent_scn: min_restore_scn,
            archive: None,
            plus_archivelog: false,
            encryption_mode: "NONE".to_owned(),
            data_turn: TurnId(1),
            index_retry: RetryId(0),
            output_bytes: 0,
            end_ms: 0,
        }
    }

    /// True when its blocks need a key.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        !self.encryption_mode.is_empty() && self.encryption_mode != "NONE"
    }
}

/// One piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PieceEntry {
    /// Where it lies.
    pub place: PlaceId,
    /// Its name.
    pub key: PieceKey,
    /// Frozen or active.
    pub status: PieceStatus,
    /// What may be expected of its files. `Incomplete`: the checkpoint has not entered it, yet it may hold log.
    pub file_status: FileStatus,
    /// First SCN of the slice.
    pub start_scn: Scn,
    /// First SCN after the slice.
    pub end_scn: Scn,
    /// Everything of it up to here is on the medium, inclusive.
    pub checkpoint_scn: Scn,
    /// Log bytes of it on the medium, where its files say so.
    pub output_bytes: u64,
}

impl PieceEntry {
    /// A piece whose log is there up to the checkpoint: frozen when that is all of its slice.
    #[must_use]
    pub fn available(place: PlaceId, key: PieceKey, slice: ScnRange, checkpoint_scn: Scn) -> Self {
        let is_complete = checkpoint_scn.next() >= slice.end;
        Self {
            place,
            key,
            status: if is_complete { PieceStatus::Frozen } else { PieceStatus::Active },
            file_status: FileStatus::Available,
            start_scn: slice.start,
            end_scn: slice.end,
            checkpoint_scn,
            output_bytes: 0,
        }
    }

    /// True when its log up to the checkpoint can be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.file_status == FileStatus::Available
    }

    /// True when everything that belongs into it is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.checkpoint_scn.next() >= self.end_scn
    }
}

/// One round of archiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RoundEntry {
    /// Where it lies.
    pub place: PlaceId,
    /// The destination's id.
    pub dest_id: DestId,
    /// Its id.
    pub round_id: RoundId,
    /// Where it started.
    pub start_scn: Scn,
    /// Its checkpoint when it ended; `None` while it has no end placeholder.
    pub ended_at: Option<Scn>,
}

/// A piece with less log than its published checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ShortPiece {
    /// Where it lies.
    pub place: PlaceId,
    /// The piece; its entry says how far its log really goes.
    pub key: PieceKey,
    /// The checkpoint that was published.
    pub published_scn: Scn,
}

/// What one or several destinations hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Catalogue {
    /// The destinations.
    pub places: Vec<Place>,
    /// Sets.
    pub sets: Vec<SetEntry>,
    /// Pieces.
    pub pieces: Vec<PieceEntry>,
    /// Rounds.
    pub rounds: Vec<RoundEntry>,
    /// Pieces with less log than was published.
    pub short: Vec<ShortPiece>,
}

impl Catalogue {
    /// The published checkpoint of a piece that does not hold all the log up to it.
    pub(crate) fn published(&self, piece: &PieceEntry) -> Option<Scn> {
        let is_it = |s: &&ShortPiece| (s.place, s.key) == (piece.place, piece.key);
        self.short.iter().find(is_it).map(|s| s.published_scn)
    }

    /// A destination.
    #[must_use]
    pub fn place(&self, id: PlaceId) -> Option<&Place> {
        self.places.get(id.0 as usize)
    }

    /// Whose a destination is; `None` when the catalogue does not say.
    #[must_use]
    pub fn owner(&self, id: PlaceId) -> Option<Owner> {
        self.place(id).map(|p| p.owner)
    }

    /// True for a piece of the log that a set carries itself: it comes and goes with its set.
    #[must_use]
    pub fn is_carried(&self, piece: &PieceEntry) -> bool {
        self.place(piece.place).is_some_and(|p| p.role == Role::ComplementLog)
    }

    /// Adds what another catalogue holds; its places get new numbers here.
    pub fn absorb(&mut self, other: Self) {
        let base = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let moved = |place: PlaceId| PlaceId(place.0 + base);
        self.places.extend(other.places);
        self.sets.extend(other.sets.into_iter().map(|s| SetEntry { place: moved(s.place), ..s }));
        self.pieces.extend(other.pieces.into_iter().map(|p| PieceEntry { place: moved(p.place), ..p }));
        self.rounds.extend(other.rounds.into_iter().map(|r| RoundEntry { place: moved(r.place), ..r }));
        self.short.extend(other.short.into_iter().map(|s| ShortPiece { place: moved(s.place), ..s }));
    }
}
