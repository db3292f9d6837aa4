//! Invariant 9, the law of retention (ADR 25): the newest restorable SCN never goes back and keeps its shortest way, and no
//! SCN inside the recovery window is lost.
//!
//! What a cleaning has to leave is noted when it is decided: the newest SCN that could be restored then and the newest set
//! that restores it, the SCNs that the policy promises, and how many full sets stay. It is compared with what can be
//! restored when the cleaning has ended, however it ended.

use super::Broken;
use std::collections::BTreeMap;
use strandline_types::{BackupSetId, JobId, Scn};

/// What can be restored, or has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// Closed intervals, in any order; they may overlap.
    pub intervals: Vec<(Scn, Scn)>,
    /// Full sets that can be restored.
    pub fulls: usize,
    /// The newest SCN, and the newest set that restores it.
    pub newest: Option<(Scn, Age)>,
}

/// How new a set is.
pub type Age = (Scn, BackupSetId);

/// The checker.
#[derive(Debug, Default)]
pub struct CleaningKeepsTheWindow {
    open: BTreeMap<JobId, Promise>,
}

impl CleaningKeepsTheWindow {
    /// A cleaning was decided.
    pub fn decided(&mut self, job: JobId, promise: Promise) {
        self.open.insert(job, promise);
    }

    /// Cleanings that have not ended.
    #[must_use]
    pub fn open(&self) -> Vec<JobId> {
        self.open.keys().copied().collect()
    }

    /// A cleaning has ended; gives what it had to leave.
    ///
    /// # Errors
    /// What it took away.
    pub fn ended(&mut self, job: JobId, left: &Promise) -> Result<Promise, Broken> {
        let promise = self.open.remove(&job).unwrap_or_default();
        if let Some(lost) = first_bare(&promise.intervals, &left.intervals) {
            let left = &left.intervals;
            return Err(format!("cleaning job {job} took SCN {lost} out of the window; restorable is {left:?}"));
        }
        if let Some((was, way)) = promise.newest {
            match left.newest {
                Some((is, by)) if is > was || (is == was && by >= way) => {}
                found => {
                    return Err(format!("cleaning job {job}: the newest SCN was {was} by set {way:?}, now {found:?}"));
                }
            }
        }
        if left.fulls < promise.fulls {
            return Err(format!("cleaning job {job} left {} full sets of {}", left.fulls, promise.fulls));
        }
        Ok(promise)
    }
}

/// The first SCN of `wanted` that no interval of `covered` holds.
#[must_use]
pub fn first_bare(wanted: &[(Scn, Scn)], covered: &[(Scn, Scn)]) -> Option<Scn> {
    let bare = |&(from, to): &(Scn, Scn)| {
        let mut scn = from;
        while let Some((_, end)) = covered.iter().find(|(a, b)| *a <= scn && scn <= *b) {
            scn = end.next();
        }
        (scn <= to).then_some(scn)
    };
    wanted.iter().filter_map(bare).min()
}
