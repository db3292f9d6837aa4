//! Destinations, archive rounds, pieces and the progress of each log stream in a round.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use strandline_types::{
    ArchiveLsState, Binding, DestId, Failure, FileStatus, LsId, Lsn, PieceClock, PieceId, PieceKey, PieceStatus,
    RoundId, RoundState, Scn, TenantId, Term, limits,
};

/// What a destination is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DestKind {
    /// Log archive.
    Archive,
    /// Data backup.
    Data,
}

impl fmt::Display for DestKind {
    /// The original's words (fact sheet 2.6).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "archive_log",
            Self::Data => "backup_data",
        })
    }
}

/// One (tenant, path, kind). Its id is never reused; the same path of the same tenant keeps its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Id.
    pub id: DestId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// What it is for.
    pub kind: DestKind,
    /// Where it is.
    pub uri: String,
    /// When it was first named: the time in `format.obbak`.
    pub created_ms: u64,
    /// True once `format.obbak` is known to be there and to name this tenant.
    pub formatted: bool,
    /// Why it could not be made ready, if so.
    pub trouble: Option<Trouble>,
}

/// Whether an archive destination is to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DestState {
    /// Written.
    #[default]
    Enable,
    /// Paused.
    Defer,
}

impl fmt::Display for DestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enable => "ENABLE",
            Self::Defer => "DEFER",
        })
    }
}

/// Where and whether a tenant's log is archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveConfig {
    /// ARCHIVELOG (true) or NOARCHIVELOG.
    pub log_mode: bool,
    /// LOG_ARCHIVE_DEST.
    pub dest: Option<DestId>,
    /// Its BINDING.
    pub binding: Binding,
    /// Its PIECE_SWITCH_INTERVAL.
    pub piece_interval_s: u64,
    /// LOG_ARCHIVE_DEST_STATE.
    pub state: DestState,
    /// Delay until log is on the medium and reported.
    pub lag_target_ms: u64,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            log_mode: false,
            dest: None,
            binding: Binding::default(),
            piece_interval_s: limits::PIECE_INTERVAL_SECONDS_DEFAULT,
            state: DestState::default(),
            lag_target_ms: limits::ARCHIVE_LAG_TARGET_MS,
        }
    }
}

/// Something that holds work up but does not end it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What.
    pub failure: Failure,
    /// Since when.
    pub since_ms: u64,
}

/// One archive round. Attributes of the destination are copied when it opens and do not change any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Destination.
    pub dest_id: DestId,
    /// Where it is.
    pub uri: String,
    /// Id.
    pub round_id: RoundId,
    /// State.
    pub state: RoundState,
    /// When the state last changed.
    pub state_since_ms: u64,
    /// Whether log recycling waits for this round.
    pub binding: Binding,
    /// Start, base piece and interval. Decided when the round opens, before anything is on the medium.
    pub clock: PieceClock,
    /// True once the start placeholder is on the medium and log streams may write.
    pub begun: bool,
    /// True once every log stream is known to have stopped: the last pieces may freeze, nobody is ordered to write into
    /// the round and nothing more is believed about it.
    pub drained: bool,
    /// Everything up to here is safe on the medium. Never below the start, never falling.
    pub checkpoint_scn: Scn,
    /// Highest SCN that any log stream has archived.
    pub max_scn: Scn,
    /// Progress of each log stream that has started.
    pub progress: BTreeMap<LsId, LsProgress>,
    /// Pieces, in order; the first is the base piece.
    pub pieces: BTreeMap<PieceId, PieceRow>,
    /// What holds the scheduler's own writes up.
    pub trouble: Option<Trouble>,
    /// Why it was interrupted, or how it stopped.
    pub comment: String,
    /// When it stopped.
    pub stopped_ms: Option<u64>,
}

/// How far one log stream has come in a round. It only moves forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LsProgress {
    /// Raft term of the leader that reported last: the fence.
    pub term: Term,
    /// What that leader says.
    pub state: ArchiveLsState,
    /// Piece of the newest archived group.
    pub piece_id: PieceId,
    /// First SCN that the round holds of this stream.
    pub start_scn: Scn,
    /// First byte that the round holds of this stream.
    pub start_lsn: Lsn,
    /// Everything below is durable on the medium.
    pub archived_lsn: Lsn,
    /// Every group with SCN up to this is durable on the medium.
    pub checkpoint_scn: Scn,
    /// Bytes written.
    pub output_bytes: u64,
    /// What holds it up.
    pub trouble: Option<Trouble>,
}

impl LsProgress {
    /// Log bytes archived.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.archived_lsn.0.saturating_sub(self.start_lsn.0)
    }
}

/// One piece of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceRow {
    /// Its name on the medium.
    pub key: PieceKey,
    /// Grows, or never grows again.
    pub status: PieceStatus,
    /// What may be expected of its files.
    pub file_status: FileStatus,
    /// First SCN of the slice.
    pub start_scn: Scn,
    /// First SCN after the slice.
    pub end_scn: Scn,
    /// Everything of the slice up to here is on the medium; the start while nothing is.
    pub checkpoint_scn: Scn,
    /// Highest SCN archived in the slice.
    pub max_scn: Scn,
    /// Log bytes in the piece.
    pub input_bytes: u64,
    /// Bytes written for it.
    pub output_bytes: u64,
    /// True once its final figures are decided: what a freeze writes is in Raft before the first byte.
    pub sealed: bool,
}

impl Round {
    /// True until it has stopped.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state != RoundState::Stop
    }

    /// True while log streams may write into it and report on it.
    #[must_use]
    pub fn takes_progress(&self) -> bool {
        self.is_open() && self.begun && !self.drained
    }

    /// The name of one of its pieces.
    #[must_use]
    pub fn piece_key(&self, piece: PieceId) -> PieceKey {
        PieceKey { dest_id: self.dest_id, round_id: self.round_id, piece_id: piece }
    }

    /// The oldest piece that is not frozen.
    #[must_use]
    pub fn active_piece(&self) -> Option<&PieceRow> {
        self.pieces.values().find(|p| p.status == PieceStatus::Active)
    }
}
