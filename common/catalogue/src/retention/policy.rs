//! The words of retention: how long what is kept, and what a verdict is about.

use crate::nouns::PlaceId;
use serde::{Deserialize, Serialize};
use std::fmt;
use strandline_types::{BackupSetId, PieceKey};

/// How long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Length of the recovery window in nanoseconds; 0 = nothing expires.
    pub window_ns: u64,
    /// Full sets that can be used and are kept in any case; at least 1.
    pub redundancy: u32,
    /// Weeks, counted back over those that have a full set, of which the newest full set is kept.
    pub keep_weekly: u32,
    /// The same by months.
    pub keep_monthly: u32,
    /// The same by years.
    pub keep_yearly: u32,
    /// Only the archive is kept: pieces that end before the window go, whatever sets there are.
    pub log_only: bool,
}

/// One set or piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Object {
    /// A backup set.
    Set(BackupSetId),
    /// A piece.
    Piece(PieceKey),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(id) => write!(f, "backup set {id}"),
            Self::Piece(key) => write!(f, "piece {key}"),
        }
    }
}

/// One object and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<W> {
    /// Where it lies.
    pub place: PlaceId,
    /// What it is.
    pub object: Object,
    /// Why.
    pub why: W,
}
