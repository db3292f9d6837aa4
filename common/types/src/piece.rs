//! Pieces: the time slices of a round, and the arithmetic that decides which slice an SCN belongs to.
//!
//! A piece is half-open in SCN, `checkpoint_scn` is inclusive; the conversion between the two lives here and nowhere
//! else (style page, trap 2).

use crate::{DestId, PieceId, RoundId, Scn, ScnRange, Transition};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One piece on one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PieceKey {
    /// Destination.
    pub dest_id: DestId,
    /// Round.
    pub round_id: RoundId,
    /// Piece.
    pub piece_id: PieceId,
}

impl fmt::Display for PieceKey {
    /// As in every path of the archive tree: `d1002r1p1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}r{}p{}", self.dest_id, self.round_id, self.piece_id)
    }
}

/// The arithmetic of one round (docs/format-reference.md): `piece(scn) = base + (scn - start) / interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceClock {
    /// Start of the round; an SCN below it counts as the start.
    pub round_start: Scn,
    /// The round's first piece.
    pub base_piece: PieceId,
    /// Length of a piece in nanoseconds, never 0.
    pub interval_ns: u64,
}

impl PieceClock {
    /// The piece that a log group with this `max_scn` belongs to.
    #[must_use]
    pub fn piece_of(&self, max_scn: Scn) -> PieceId {
        let since = max_scn.0.saturating_sub(self.round_start.0);
        PieceId(self.base_piece.0 + since / self.interval_ns.max(1))
    }

    /// The SCNs of a piece: `[start, start + interval)`.
    #[must_use]
    pub fn range(&self, piece: PieceId) -> ScnRange {
        let nth = piece.0.saturating_sub(self.base_piece.0);
        let start = self.round_start.0.saturating_add(nth.saturating_mul(self.interval_ns));
        ScnRange { start: Scn(start), end: Scn(start.saturating_add(self.interval_ns)) }
    }

    /// True when an (inclusive) checkpoint covers the whole (half-open) piece.
    #[must_use]
    pub fn is_complete(&self, piece: PieceId, checkpoint_scn: Scn) -> bool {
        checkpoint_scn.next() >= self.range(piece).end
    }

    /// The newest piece that an (inclusive) checkpoint has entered.
    #[must_use]
    pub fn piece_entered(&self, checkpoint_scn: Scn) -> PieceId {
        self.piece_of(checkpoint_scn)
    }
}

/// Life of a piece (docs/oceanbase.md, 2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PieceStatus {
    /// Grows.
    Active,
    /// Never grows again.
    Frozen,
    /// Superseded.
    Inactive,
}

impl Transition for PieceStatus {
    fn next_states(self) -> &'static [Self] {
        match self {
            Self::Active => &[Self::Frozen],
            Self::Frozen => &[Self::Inactive],
            Self::Inactive => &[],
        }
    }
}

impl fmt::Display for PieceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "ACTIVE",
            Self::Frozen => "FROZEN",
            Self::Inactive => "INACTIVE",
        })
    }
}

/// What may be expected of the files of a piece or a set (docs/oceanbase.md, 2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FileStatus {
    /// Complete up to its checkpoint.
    Available,
    /// Being copied.
    Copying,
    /// Not usable yet.
    Incomplete,
    /// Being removed.
    Deleting,
    /// Outside the recovery window.
    Expired,
    /// Known to be damaged.
    Broken,
    /// Gone.
    Deleted,
}

impl FileStatus {
    /// Every status, in the order of the original's numbers.
    pub const ALL: [Self; 7] =
        [Self::Available, Self::Copying, Self::Incomplete, Self::Deleting, Self::Expired, Self::Broken, Self::Deleted];
}

impl Transition for FileStatus {
    fn next_states(self) -> &'static [Self] {
        use FileStatus::{Available, Broken, Copying, Deleted, Deleting, Expired, Incomplete};
        match self {
            Available => &[Broken, Expired, Deleting, Incomplete],
            // A piece becomes usable in place when the checkpoint enters it (docs/oceanbase.md, 2.9).
            Incomplete => &[Copying, Deleting, Available],
            Copying => &[Available, Incomplete],
            // Repaired from a copy, and validated again.
            Broken => &[Available, Deleting],
            Expired => &[Available, Deleting],
            Deleting => &[Deleted],
            Deleted => &[],
        }
    }
}

impl fmt::Display for FileStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "AVAILABLE",
            Self::Copying => "COPYING",
            Self::Incomplete => "INCOMPLETE",
            Self::Deleting => "DELETING",
            Self::Expired => "EXPIRED",
            Self::Broken => "BROKEN",
            Self::Deleted => "DELETED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLOCK: PieceClock = PieceClock { round_start: Scn(1000), base_piece: PieceId(4), interval_ns: 100 };

    #[test]
    fn the_borders_of_a_piece() {
        assert_eq!(CLOCK.piece_of(Scn(0)), PieceId(4), "below the start counts as the start");
        assert_eq!(CLOCK.piece_of(Scn(1099)), PieceId(4));
        assert_eq!(CLOCK.piece_of(Scn(1100)), PieceId(5));
        assert_eq!(CLOCK.range(PieceId(5)), ScnRange { start: Scn(1100), end: Scn(1200) });
        assert!(!CLOCK.is_complete(PieceId(4), Scn(1098)));
        assert!(CLOCK.is_complete(PieceId(4), Scn(1099)), "the checkpoint is inclusive, the piece half-open");
    }

    #[test]
    fn a_file_status_follows_its_table_and_nothing_else() {
        use FileStatus::*;
        let legal = [
            (Available, Broken),
            (Available, Expired),
            (Available, Deleting),
            (Available, Incomplete),
            (Incomplete, Copying),
            (Incomplete, Deleting),
            (Incomplete, Available),
            (Copying, Available),
            (Copying, Incomplete),
            (Broken, Available),
            (Broken, Deleting),
            (Expired, Available),
            (Expired, Deleting),
            (Deleting, Deleted),
        ];
        for from in FileStatus::ALL {
            for to in FileStatus::ALL {
                assert_eq!(from.transition(to).is_ok(), legal.contains(&(from, to)), "{from} -> {to}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_scn_lies_in_exactly_the_piece_it_is_counted_to(scn in 1000u64..1_000_000, interval in 1u64..5000) {
            let clock = PieceClock { interval_ns: interval, ..CLOCK };
            let piece = clock.piece_of(Scn(scn));
            prop_assert!(clock.range(piece).contains(Scn(scn)));
            prop_assert_eq!(clock.range(piece).end, clock.range(piece.next()).start);
        }

        #[test]
        fn a_complete_piece_takes_no_further_group(cp in 1000u64..1_000_000, later in 1u64..5000) {
            let piece = CLOCK.piece_of(Scn(cp));
            if CLOCK.is_complete(piece, Scn(cp)) {
                prop_assert!(CLOCK.piece_of(Scn(cp + later)) > piece);
            }
        }
    }
}
