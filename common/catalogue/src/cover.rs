//! How far the archived log goes from one SCN on: over pieces, rounds and destinations.
//!
//! A group is filed by its *largest* SCN, so a piece covers `[start, checkpoint]` and two pieces make one log when the
//! second starts at most one SCN after the first one's checkpoint, whatever their round. Inside a round consecutive
//! pieces must touch (`end == start`, docs/oceanbase.md, 4.1). What a damaged or missing piece would hold is never assumed.

use crate::nouns::{Catalogue, Owner, PieceEntry};
use serde::Serialize;
use std::fmt;
use strandline_types::{FileStatus, PieceKey, Scn, scn_text};

/// Why the log goes no further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum LogEnd {
    /// No readable piece holds the SCN at which log is needed.
    NoPiece {
        /// That SCN.
        scn: Scn,
    },
    /// An unreadable piece holds the SCN at which log is needed.
    Unusable {
        /// The piece.
        piece: PieceKey,
        /// What is wrong with it.
        file_status: FileStatus,
    },
    /// The archive ends here so far.
    Newest {
        /// The last piece.
        piece: PieceKey,
        /// Its checkpoint.
        checkpoint_scn: Scn,
    },
    /// The round was stopped.
    RoundStopped {
        /// The last piece.
        piece: PieceKey,
        /// Its checkpoint.
        checkpoint_scn: Scn,
    },
    /// A newer round began without the log between them.
    RoundInterrupted {
        /// The last piece.
        piece: PieceKey,
        /// Its checkpoint.
        checkpoint_scn: Scn,
    },
    /// The piece after this one is missing.
    MissingPiece {
        /// The last piece that is there.
        after: PieceKey,
    },
    /// Less log is there than was archived.
    Short {
        /// The last piece.
        piece: PieceKey,
        /// The last SCN up to which its log is there.
        checkpoint_scn: Scn,
        /// The checkpoint that was published.
        published_scn: Scn,
    },
}

impl LogEnd {
    /// True when the log may go on later: nothing is lost.
    #[must_use]
    pub const fn is_newest(&self) -> bool {
        matches!(self, Self::Newest { .. })
    }

    /// True when log that comes later does not go on from here, as far as the catalogue shows. A piece that is not there yet
    /// while nothing newer is there either may still come.
    #[must_use]
    pub fn is_final(&self, catalogue: &Catalogue) -> bool {
        match self {
            Self::Newest { .. } => false,
            Self::NoPiece { .. } | Self::Unusable { .. } | Self::Short { .. } => true,
            Self::RoundStopped { .. } | Self::RoundInterrupted { .. } => true,
            Self::MissingPiece { after } => {
                let is_later = |key: &PieceKey| {
                    key.dest_id == after.dest_id && (key.round_id, key.piece_id) > (after.round_id, after.piece_id)
                };
                catalogue.pieces.iter().any(|p| is_later(&p.key))
            }
        }
    }

    /// The piece that it is about.
    #[must_use]
    pub const fn piece(&self) -> Option<PieceKey> {
        match self {
            Self::NoPiece { .. } => None,
            Self::Unusable { piece, .. }
            | Self::Newest { piece, .. }
            | Self::RoundStopped { piece, .. }
            | Self::RoundInterrupted { piece, .. }
            | Self::Short { piece, .. } => Some(*piece),
            Self::MissingPiece { after } => Some(PieceKey { piece_id: after.piece_id.next(), ..*after }),
        }
    }

    /// True when log that was archived cannot be read: damage, and not an archive that ends here.
    #[must_use]
    pub fn is_loss(&self, catalogue: &Catalogue) -> bool {
        match self {
            Self::Unusable { file_status, .. } => !matches!(file_status, FileStatus::Deleting | FileStatus::Deleted),
            Self::Short { .. } => true,
            // A piece that was not begun yet is missing, too; one before a later one is lost.
            Self::MissingPiece { after } => catalogue.pieces.iter().any(|p| {
                let is_later = (p.key.dest_id, p.key.round_id) == (after.dest_id, after.round_id) && p.key > *after;
                is_later && matches!(p.file_status, FileStatus::Available | FileStatus::Broken)
            }),
            Self::NoPiece { .. } | Self::Newest { .. } | Self::RoundStopped { .. } | Self::RoundInterrupted { .. } => {
                false
            }
        }
    }
}

impl fmt::Display for LogEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPiece { scn } => {
                write!(f, "no piece holds SCN {scn} ({}), from which log is needed", scn_text(*scn))
            }
            Self::Unusable { piece, file_status } => write!(f, "piece {piece} is {file_status}"),
            Self::Newest { piece, checkpoint_scn } => {
                write!(f, "the archive ends in piece {piece} at SCN {checkpoint_scn}")
            }
            Self::RoundStopped { piece, checkpoint_scn } => {
                write!(f, "round {} was stopped in piece {piece} at SCN {checkpoint_scn}", piece.round_id)
            }
            Self::RoundInterrupted { piece, checkpoint_scn } => {
                write!(f, "round {} was interrupted in piece {piece} at SCN {checkpoint_scn}", piece.round_id)
            }
            Self::MissingPiece { after } => write!(f, "the piece after {after} is not there"),
            Self::Short { piece, checkpoint_scn, published_scn } => write!(
                f,
                "the log in piece {piece} ends at SCN {checkpoint_scn}, its published checkpoint is SCN {published_scn}"
            ),
        }
    }
}

/// The log from one SCN on, as far as it goes without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCover {
    /// Pieces in the order in which they are read. The last one may be the follower of the piece that holds `reach`: it
    /// adds nothing to the reach, but groups of the last SCNs may be filed there.
    pub pieces: Vec<PieceEntry>,
    /// Last SCN that is covered, inclusive; [`Scn::MIN`] when nothing is.
    pub reach: Scn,
    /// Why it goes no further.
    pub ended_by: LogEnd,
}

/// The log of `owner` (`None` = any) from `from` on, as far as it goes without a gap.
#[must_use]
pub fn log_cover(catalogue: &Catalogue, owner: Option<Owner>, from: Scn) -> LogCover {
    let mut all: Vec<PieceEntry> =
        catalogue.pieces.iter().filter(|p| owner.is_none() || catalogue.owner(p.place) == owner).copied().collect();
    all.sort_unstable_by_key(|p| (p.key, p.place));
    let starts_here = |p: &&PieceEntry| p.is_readable() && p.start_scn <= from && from < p.end_scn;
    // Of several, the one that goes furthest; of equals the newest: a path that was left is not written any more.
    let covers = all.iter().filter(starts_here).map(|first| cover_from(catalogue, &all, *first));
    covers.max_by_key(|cover| cover.reach).unwrap_or_else(|| nothing(&all, from))
}

impl LogCover {
    /// The pieces that a restore up to `target` reads: up to the first one that covers it, and one more.
    #[must_use]
    pub fn pieces_up_to(&self, target: Scn) -> Vec<PieceEntry> {
        let holder = self.pieces.iter().position(|p| p.is_readable() && target <= p.checkpoint_scn);
        let needed = holder.map_or(self.pieces.len(), |at| at + 2);
        self.pieces.iter().take(needed).copied().collect()
    }
}

fn nothing(all: &[PieceEntry], from: Scn) -> LogCover {
    let holder = all.iter().rev().find(|p| p.start_scn <= from && from < p.end_scn);
    let ended_by =
        holder.map_or(LogEnd::NoPiece { scn: from }, |p| LogEnd::Unusable { piece: p.key, file_status: p.file_status });
    LogCover { pieces: Vec::new(), reach: Scn::MIN, ended_by }
}

fn cover_from(catalogue: &Catalogue, all: &[PieceEntry], first: PieceEntry) -> LogCover {
    let mut pieces = vec![first];
    loop {
        let last = pieces[pieces.len() - 1];
        let follower = follower(all, &last);
        // A checkpoint never falls along a round; where it does the piece is no continuation.
        let goes_on = |next: &PieceEntry| next.is_readable() && next.checkpoint_scn >= last.checkpoint_scn;
        let touching = follower.filter(|next| last.is_complete() && goes_on(next));
        if let Some(next) = touching.or_else(|| elsewhere(all, &last)) {
            pieces.push(next);
            continue;
        }
        let ended_by = end_after(catalogue, &last, follower);
        // What was filed after its checkpoint may hold the target's last groups.
        pieces.extend(follower.filter(|next| next.file_status != FileStatus::Broken));
        return LogCover { pieces, reach: last.checkpoint_scn, ended_by };
    }
}

/// The next piece of the same round, in the same place.
fn follower(all: &[PieceEntry], last: &PieceEntry) -> Option<PieceEntry> {
    let key = PieceKey { piece_id: last.key.piece_id.next(), ..last.key };
    let there = |p: &&PieceEntry| !matches!(p.file_status, FileStatus::Deleting | FileStatus::Deleted);
    all.iter().find(|p| p.key == key && p.place == last.place && p.start_scn == last.end_scn).filter(there).copied()
}

/// A piece of another round or place that goes on where this one ends; the one that goes furthest.
fn elsewhere(all: &[PieceEntry], last: &PieceEntry) -> Option<PieceEntry> {
    let reach = last.checkpoint_scn;
    all.iter()
        .filter(|p| p.is_readable() && p.start_scn <= reach.next() && reach < p.checkpoint_scn)
        .max_by_key(|p| (p.checkpoint_scn, p.key))
        .copied()
}

fn end_after(catalogue: &Catalogue, last: &PieceEntry, follower: Option<PieceEntry>) -> LogEnd {
    let (piece, checkpoint_scn) = (last.key, last.checkpoint_scn);
    if let Some(next) = follower.filter(|next| last.is_complete() && next.file_status != FileStatus::Incomplete) {
        return LogEnd::Unusable { piece: next.key, file_status: next.file_status };
    }
    if let Some(published_scn) = catalogue.published(last) {
        return LogEnd::Short { piece, checkpoint_scn, published_scn };
    }
    let mine = |r: &&crate::RoundEntry| r.place == last.place && r.dest_id == piece.dest_id;
    let mut rounds = catalogue.rounds.iter().filter(mine);
    let own = rounds.clone().find(|r| r.round_id == piece.round_id);
    if own.is_some_and(|r| r.ended_at.is_some_and(|end| end <= checkpoint_scn)) {
        return LogEnd::RoundStopped { piece, checkpoint_scn };
    }
    if let Some(published_scn) = own.and_then(|r| r.ended_at).filter(|_| !last.is_complete()) {
        return LogEnd::Short { piece, checkpoint_scn, published_scn };
    }
    if !last.is_complete() && rounds.any(|r| r.round_id > piece.round_id) {
        return LogEnd::RoundInterrupted { piece, checkpoint_scn };
    }
    if last.is_complete() && follower.is_none() {
        return LogEnd::MissingPiece { after: piece };
    }
    LogEnd::Newest { piece, checkpoint_scn }
}
