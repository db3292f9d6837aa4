//! What the cleanings and restores of a run came to, in figures.

use std::ops::AddAssign;

/// What cleanings came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Jobs that ended, however.
    pub jobs: usize,
    /// Those that were begun by a policy and completed.
    pub by_policy: usize,
    /// Those that an administrator began and that completed.
    pub by_hand: usize,
    /// Sets that were deleted.
    pub sets: usize,
    /// Pieces that were deleted.
    pub pieces: usize,
    /// Something was written late, after it was deleted.
    pub came_back: usize,
}

impl AddAssign for Cleaned {
    fn add_assign(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.by_policy += other.by_policy;
        self.by_hand += other.by_hand;
        self.sets += other.sets;
        self.pieces += other.pieces;
        self.came_back += other.came_back;
    }
}

/// What the restores of a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restores {
    /// Log streams that were restored and compared.
    pub streams: usize,
    /// Rows in them.
    pub rows: usize,
    /// Those of them whose set is incremental.
    pub of_chains: usize,
    /// Those of them that were restored after something had been deleted.
    pub after_deletions: usize,
    /// Those of them that had dropped tablets.
    pub after_drops: usize,
    /// Targets that were refused, rightly.
    pub refused: usize,
}

impl AddAssign for Restores {
    fn add_assign(&mut self, other: Self) {
        self.streams += other.streams;
        self.rows += other.rows;
        self.of_chains += other.of_chains;
        self.after_deletions += other.after_deletions;
        self.after_drops += other.after_drops;
        self.refused += other.refused;
    }
}
