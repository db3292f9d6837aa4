//! Archive rounds, pieces and the progress of each log stream in a round.

use super::DestOptions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use strandline_types::{
    ArchiveLsState, DestId, DestNo, Failure, FileStatus, LsId, Lsn, PieceClock, PieceId, PieceKey, PieceStatus,
    RoundId, RoundState, Scn, TenantId, Term,
};

/// Something that holds work up but does not end it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What.
    pub failure: Failure,
    /// Since when.
    pub since_ms: u64,
}

impl Trouble {
    /// What holds the work up now. It has been held up since the trouble before it, which nothing has ended: every end
    /// takes the trouble away.
    #[must_use]
    pub fn again(before: Option<&Self>, failure: Failure, now_ms: u64) -> Self {
        Self { failure, since_ms: before.map_or(now_ms, |t| t.since_ms) }
    }
}

/// One archive round. Attributes of the destination are copied when it opens and do not change any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Destination.
    pub dest_id: DestId,
    /// Which of the tenant's archive destinations it was when the round opened.
    pub dest_no: DestNo,
    /// Where it is, without keys.
    pub uri: String,
    /// Id.
    pub round_id: RoundId,
    /// State.
    pub state: RoundState,
    /// When the state last changed.
    pub state_since_ms: u64,
    /// How it is written, and what happens when it cannot be.
    pub options: DestOptions,
    /// Start, base piece and interval. Decided when the round opens, before anything is on the medium.
    pub clock: PieceClock,
    /// True once the start placeholder is on the medium and log streams may write.
    pub begun: bool,
    /// True once every log stream is known to have stopped: the last pieces may freeze, nobody is ordered to write into
    /// the round and nothing more is believed about it.
    pub drained: bool,
    /// Everything up to here is safe on the medium. Never below the start, never falling.
    pub checkpoint_scn: Scn,
    /// Since when some write has not been covered by the checkpoint without a break; `None` while all are.
    pub uncovered_since_ms: Option<u64>,
    /// Highest SCN that any log stream has archived.
    pub max_scn: Scn,
    /// Where the log of each stream ended when the round opened: older log is not needed.
    pub floor: BTreeMap<LsId, Lsn>,
    /// Progress of each log stream that has started.
    pub progress: BTreeMap<LsId, LsProgress>,
    /// What holds up log streams that have not started, as their leaders say.
    pub waiting: BTreeMap<LsId, Trouble>,
    /// When the checkpoint was published last.
    pub published_ms: u64,
    /// Pieces, in order; the first is the base piece.
    pub pieces: BTreeMap<PieceId, PieceRow>,
    /// What holds the scheduler's own writes up.
    pub trouble: Option<Trouble>,
    /// Why it was interrupted, or how it stopped.
    pub comment: String,
    /// When it stopped.
    pub stopped_ms: Option<u64>,
    /// What AUTO_RESTART has left to do for it.
    pub restart: Restart,
    /// Its lag over time, oldest first; the last [`strandline_types::limits::LAG_SAMPLES_MAX`].
    pub lag_history: Vec<LagSample>,
}

/// What AUTO_RESTART has left to do for a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// Nothing.
    #[default]
    None,
    /// Once it has stopped, a new round opens.
    NewRound,
    /// It follows an interrupted round: once it is DOING, a full backup starts.
    FullBackup,
}

impl fmt::Display for LogGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LSN {} up to {}, after SCN {}", self.start_lsn, self.end_lsn, self.start_scn)?;
        if self.end_scn == Scn::MIN { Ok(()) } else { write!(f, " and before SCN {}", self.end_scn) }
    }
}

/// One look at how far a round is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagSample {
    /// When.
    pub at_ms: u64,
    /// The published checkpoint.
    pub checkpoint_scn: Scn,
    /// Highest SCN that any log stream had applied.
    pub applied_scn: Scn,
    /// Age of the oldest write that the checkpoint did not cover.
    pub lag_ms: u64,
    /// Log of all streams together, from their beginning.
    pub log_bytes: u64,
    /// Log of all streams that waited locally.
    pub spool_bytes: u64,
}

/// Log that never reached the medium: it was recycled before it was archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGap {
    /// First byte that is missing.
    pub start_lsn: Lsn,
    /// First byte that is there again.
    pub end_lsn: Lsn,
    /// Everything up to here is on the medium.
    pub start_scn: Scn,
    /// SCN of the first group that is there again; 0 = not known.
    pub end_scn: Scn,
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
    /// What the medium has of it per piece; decided pieces beyond the newest
    /// [`strandline_types::limits::LS_PIECES_KEPT_MAX`] are only in `output_before`.
    pub pieces: BTreeMap<PieceId, LsPiece>,
    /// Bytes on the medium of the pieces that are not kept any more.
    pub output_before: u64,
    /// Since when some of its log has waited without a break; `None` while everything is archived.
    pub behind_since_ms: Option<u64>,
    /// Requests to the medium since the leader took over.
    pub requests: u64,
    /// What holds it up.
    pub trouble: Option<Trouble>,
    /// The log that is missing, once the stream is interrupted.
    pub gap: Option<LogGap>,
}

impl LsProgress {
    /// Log bytes archived.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.archived_lsn.0.saturating_sub(self.start_lsn.0)
    }

    /// Bytes on the medium, after compression.
    #[must_use]
    pub fn output_bytes(&self) -> u64 {
        self.output_before + self.pieces.values().map(|p| p.output_bytes).sum::<u64>()
    }
}

/// What the medium has of one log stream in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LsPiece {
    /// First byte of the stream in the piece.
    pub start_lsn: Lsn,
    /// Everything of the piece below is durable.
    pub end_lsn: Lsn,
    /// Every group of the piece with SCN up to this is durable.
    pub checkpoint_scn: Scn,
    /// Bytes on the medium, after compression.
    pub output_bytes: u64,
}

impl LsPiece {
    /// Log bytes in it.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        self.end_lsn.0.saturating_sub(self.start_lsn.0)
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

    /// What holds its log streams up, whether they have started or not.
    pub fn troubles(&self) -> impl Iterator<Item = (LsId, &Trouble)> {
        let started = self.progress.iter().filter_map(|(ls, p)| Some((*ls, p.trouble.as_ref()?)));
        started.chain(self.waiting.iter().map(|(ls, trouble)| (*ls, trouble)))
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
