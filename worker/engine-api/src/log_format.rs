//! The bytes of an engine's log: groups that are verified, and what is in them.
//!
//! A group is the smallest piece of log that is committed, archived and replayed as one. Groups lie one behind the other
//! without a hole; their SCNs never fall; a group never crosses the end of a block ([`Lsn::block_end`]).
//!
//! Order rules: nothing is skipped, and a group that is not whole yet is no error. Speed: the worker calls a format once
//! for a stretch of log, never once for an entry. The loop over groups is a provided method, so it is compiled for each
//! format and calls [`LogFormat::group`] directly.

use crate::{LogBase, ReplayItem};
use bytes::Bytes;
use std::fmt::Debug;
use strandline_types::dictionary::Dictionary;
use strandline_types::{Lsn, Scn};

/// A verified group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogGroup {
    /// Where it begins.
    pub start: Lsn,
    /// The log behind it: its end, its SCN, and what verifies the next group.
    pub after: LogBase,
}

impl LogGroup {
    /// First position behind it.
    #[must_use]
    pub const fn end(&self) -> Lsn {
        self.after.lsn
    }

    /// The largest SCN in it.
    #[must_use]
    pub const fn scn(&self) -> Scn {
        self.after.scn
    }
}

/// Where a walk has to report a group again. Both ends are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A group that begins here or later is outside.
    pub lsn: Lsn,
    /// A group with this SCN or a larger one is outside.
    pub scn: Scn,
}

impl Bounds {
    /// No group is outside; [`Scn::MAX`] is the SCN of none.
    pub const NONE: Self = Self { lsn: Lsn(u64::MAX), scn: Scn::MAX };

    /// True for a group inside.
    #[must_use]
    pub fn hold(&self, group: &LogGroup) -> bool {
        group.start < self.lsn && group.scn() < self.scn
    }
}

/// Log that is not right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log group at lsn {lsn}: {what}")]
pub struct LogDamage {
    /// Where the group begins.
    pub lsn: Lsn,
    /// What is wrong with it.
    pub what: String,
}

/// An entry that cannot be replayed: passing over it could lose data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log group at {at} has {what}")]
pub struct EntryError {
    /// Where its group begins.
    pub at: Lsn,
    /// What the entry is.
    pub what: String,
}

/// How an engine writes its log. Pure: no state, no I/O.
pub trait LogFormat: Debug + Send + Sync {
    /// The group at the beginning of `log`, which is the log from `at` on; `None` when it is not whole. With `before` it
    /// is also verified that the group follows.
    ///
    /// # Errors
    /// Anything that is neither a right group nor the beginning of one.
    fn group(&self, log: &[u8], at: Lsn, before: Option<&LogBase>) -> Result<Option<LogGroup>, LogDamage>;

    /// Walks the whole groups of `log`, which is the log from `at` on, and verifies each of them once. `report` gets the
    /// first group, and then every group that is outside the bounds that it gave last, with the log before the group as
    /// far as that is known. The answer is the log behind the last whole group: `before` when there is none.
    ///
    /// # Errors
    /// The first group that is not right.
    fn walk(
        &self,
        log: &[u8],
        at: Lsn,
        before: Option<LogBase>,
        report: &mut dyn FnMut(Option<LogBase>, &LogGroup) -> Bounds,
    ) -> Result<Option<LogBase>, LogDamage> {
        let (mut rest, mut at, mut before, mut bounds) = (log, at, before, None::<Bounds>);
        while let Some(group) = self.group(rest, at, before.as_ref())? {
            if !bounds.is_some_and(|b| b.hold(&group)) {
                bounds = Some(report(before, &group));
            }
            let bytes = (group.end().0 - at.0) as usize;
            (rest, at, before) = (rest.get(bytes..).unwrap_or_default(), group.end(), Some(group.after));
        }
        Ok(before)
    }

    /// The data dictionaries that were logged in whole groups of `log`, which is verified log from `start` on, in order.
    /// An engine whose dictionary is not in the log has none here.
    fn dictionaries(&self, _log: &[u8], _start: Lsn) -> Vec<Dictionary> {
        Vec::new()
    }

    /// Adds to `items` what has to be applied again of the entries (SCN, body) of the group at `at`. Entries that change
    /// no data are passed over.
    ///
    /// # Errors
    /// An entry that is not known; what was added to `items` before is undefined then.
    fn replay_items(&self, at: Lsn, entries: &[(Scn, Bytes)], items: &mut Vec<ReplayItem>) -> Result<(), EntryError>;
}
