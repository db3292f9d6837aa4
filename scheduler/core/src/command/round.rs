//! What happens to an archive round.

use crate::round_machine::RoundEvent;
use serde::{Deserialize, Serialize};
use strandline_types::{PieceId, RoundState, Scn};

/// What happens to an archive round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoundAction {
    /// The round's start placeholder is written.
    Begun,
    /// Something happens to a round, if it still is in `from`.
    Move {
        /// State that the decision was made in.
        from: RoundState,
        /// What happens.
        event: RoundEvent,
        /// Why, for users.
        comment: String,
    },
    /// AUTO_RESTART: the interrupted round stops, and another one follows it.
    Restart,
    /// AUTO_RESTART: the interrupted round has stopped, and its destination is usable: the next one opens.
    Reopen,
    /// AUTO_RESTART: the new round is DOING: a full backup starts.
    BackupAfter {
        /// The proposer's version, for the set.
        version: String,
    },
    /// Start placeholders up to this piece are written.
    PiecesStarted {
        /// Newest piece with a placeholder.
        upto: PieceId,
    },
    /// A checkpoint is visible on the medium.
    CheckpointPublished {
        /// Piece that it lies in.
        piece: PieceId,
        /// The checkpoint.
        checkpoint_scn: Scn,
    },
    /// The final figures of a piece are to be decided.
    SealPiece {
        /// Piece.
        piece: PieceId,
    },
    /// The files of a frozen piece are written.
    PieceFrozen {
        /// Piece.
        piece: PieceId,
    },
    /// The round is over: its end placeholder is written, or the stop was forced.
    Stopped {
        /// True when the medium was given up.
        forced: bool,
    },
}
