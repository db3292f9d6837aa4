//! The nouns of the archiver core: what it is ordered, what it asks for, what it says.

#[cfg(doc)]
use super::Archiver;
use super::{Cut, PieceSpan};
use std::collections::BTreeMap;
use strandline_types::{ArchiveLsState, Failure, FileId, Lsn, PieceClock, PieceId, Scn};

/// What the scheduler wants of the stream in this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Archive what is committed, and go on.
    Write,
    /// Archive what is committed now, then stop.
    Stop,
    /// Archive what is committed now, then pause.
    Suspend,
}

/// The scheduler's order for one stream in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveOrder {
    /// What to do.
    pub goal: Goal,
    /// Piece arithmetic of the round.
    pub clock: PieceClock,
    /// Log must be on the medium and reported this soon.
    pub lag_target_ms: u64,
    /// Last progress in the scheduler's state; `None` = nothing reported yet.
    pub known: Option<KnownProgress>,
}

/// Progress that an earlier leader reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownProgress {
    /// Piece of the newest group.
    pub piece: PieceId,
    /// First position of the stream in that piece.
    pub piece_start: Lsn,
    /// First position that the round holds.
    pub start: Lsn,
    /// Everything below was durable.
    pub archived: Lsn,
    /// Every group up to this SCN was durable.
    pub checkpoint: Scn,
}

/// What the local log holds at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogView {
    /// First position that is still there.
    pub start: Lsn,
    /// End of the committed log.
    pub end: Lsn,
}

/// The one thing to do next. It is given again until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// List this stream's log files in this round, from this piece on. Answer: [`Archiver::on_listed`].
    List {
        /// First piece of interest.
        from: PieceId,
    },
    /// Read a part of a log file. Answer: [`Archiver::on_file`].
    ReadFile {
        /// Piece.
        piece: PieceId,
        /// File.
        file_id: FileId,
        /// Bytes `[start, end)` of the file.
        range: (u64, u64),
    },
    /// Read whole committed groups of the local log. Answer: [`Archiver::on_log`].
    ReadLog {
        /// Start of a group.
        from: Lsn,
        /// Up to so many bytes, but at least one group.
        max_bytes: usize,
    },
    /// Append, durably; without bytes it only makes durable what is there. Answer: [`Archiver::on_appended`].
    Append(Cut),
    /// Make every log file of these pieces one that never grows again. Answer: [`Archiver::on_sealed`].
    Seal {
        /// The last of these pieces.
        through: PieceId,
    },
    /// Nothing to do before this time, unless more is committed or the order changes.
    Wait {
        /// `None` = only more log or another order can help.
        until_ms: Option<u64>,
    },
    /// The stream's part in the round is over.
    Done,
}

/// What the stream says of its part in the round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// State.
    pub state: ArchiveLsState,
    /// Piece of the newest archived group.
    pub piece: PieceId,
    /// First position that the round holds of this stream.
    pub start: Lsn,
    /// Everything below is durable on the medium.
    pub archived: Lsn,
    /// Every group with an SCN up to this is durable on the medium; [`Scn::MIN`] before the first.
    pub checkpoint: Scn,
    /// What the medium has of it, per piece: from the newest piece on that the scheduler knows.
    pub pieces: BTreeMap<PieceId, PieceSpan>,
    /// What holds it up, and since when.
    pub trouble: Option<(Failure, u64)>,
    /// The log that never reached the medium, once the stream is interrupted.
    pub gap: Option<Gap>,
}

/// Log that was recycled before it was archived: `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// First position that is missing.
    pub start: Lsn,
    /// First position that is still there.
    pub end: Lsn,
    /// Every group up to this SCN is on the medium.
    pub start_scn: Scn,
    /// SCN of the first group that is still there, if it is known.
    pub end_scn: Option<Scn>,
}
