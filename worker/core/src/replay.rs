//! Replay core: source log groups in, batches to propose out.
//!
//! Groups come in LSN order, verified. Groups that end at or below the start are passed over, groups with
//! `max_scn <= target` are replayed, the first one beyond the target ends the replay. The log format says which entries are
//! applied again; groups without any are never proposed but move the position. Never reorders, never splits a group over two batches,
//! never lets a batch cover a group beyond the target, never makes a batch of several groups larger than the bound: it
//! has to fit one log entry.

use bytes::Bytes;
use std::collections::VecDeque;
use strandline_engine_api::{EntryError, LogFormat};
use strandline_types::limits::REPLAY_BATCH_BYTES;
use strandline_types::{Lsn, LsnRange, Scn};

pub use strandline_engine_api::{ReplayBatch, ReplayItem};

/// A verified source group as the core needs it.
#[derive(Clone, Debug)]
pub struct SourceGroup {
    /// Where it lies.
    pub range: LsnRange,
    /// Its `max_scn`.
    pub scn: Scn,
    /// Its entries (SCN, body); none for padding.
    pub entries: Vec<(Scn, Bytes)>,
}

/// What became of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// Below the start: known already.
    Known,
    /// Part of the pending batch now.
    Taken,
    /// Beyond the target: nothing more is needed.
    Beyond,
}

/// Source log that does not fit the replay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The group does not begin where the one before it ended.
    #[error("log group at {found} where {expected} has to come next")]
    Gap {
        /// Where the replay stands.
        expected: Lsn,
        /// What came.
        found: Lsn,
    },
    /// An entry that is not known here.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

/// Collects groups into batches.
#[derive(Debug)]
pub struct ReplayCore {
    format: &'static dyn LogFormat,
    target: Scn,
    at: Lsn,
    scn: Scn,
    batch_start: Lsn,
    items: Vec<ReplayItem>,
    item_bytes: usize,
    /// Batches that are closed because the next group did not fit.
    closed: VecDeque<ReplayBatch>,
    has_reached_target: bool,
}

impl ReplayCore {
    /// A replay that has everything below `start` (whose last group had `start_scn`) and ends with `target`. `format` is
    /// that of the source log.
    #[must_use]
    pub const fn new(format: &'static dyn LogFormat, start: Lsn, start_scn: Scn, target: Scn) -> Self {
        Self {
            format,
            target,
            at: start,
            scn: start_scn,
            batch_start: start,
            items: Vec::new(),
            item_bytes: 0,
            closed: VecDeque::new(),
            has_reached_target: start_scn.0 >= target.0,
        }
    }

    /// Takes the next group. Full batches wait in memory until they are taken.
    ///
    /// # Errors
    /// [`ReplayError`] when the group does not follow on what was taken; the core is unchanged.
    pub fn feed(&mut self, group: &SourceGroup) -> Result<Fed, ReplayError> {
        if group.range.end <= self.at {
            return Ok(Fed::Known);
        }
        if group.range.start != self.at {
            return Err(ReplayError::Gap { expected: self.at, found: group.range.start });
        }
        if group.scn > self.target {
            self.has_reached_target = true;
            return Ok(Fed::Beyond);
        }
        let before = self.items.len();
        if let Err(error) = self.format.replay_items(group.range.start, &group.entries, &mut self.items) {
            self.items.truncate(before);
            return Err(error.into());
        }
        let bytes = self.items[before..].iter().map(size).sum::<usize>();
        if bytes > 0 && self.item_bytes + bytes > REPLAY_BATCH_BYTES {
            let fresh = self.items.split_off(before);
            let full = self.cut();
            self.closed.extend(full);
            self.items = fresh;
        }
        self.item_bytes += bytes;
        (self.at, self.scn) = (group.range.end, group.scn);
        self.has_reached_target |= group.scn == self.target;
        Ok(Fed::Taken)
    }

    /// A batch that is as large as it may be.
    pub fn take_full_batch(&mut self) -> Option<ReplayBatch> {
        self.closed.pop_front()
    }

    /// Full batches first, then the pending one whatever its size; `None` when nothing is left.
    pub fn take_rest(&mut self) -> Option<ReplayBatch> {
        self.closed.pop_front().or_else(|| self.cut())
    }

    fn cut(&mut self) -> Option<ReplayBatch> {
        if self.at == self.batch_start {
            return None;
        }
        self.item_bytes = 0;
        let start = std::mem::replace(&mut self.batch_start, self.at);
        Some(ReplayBatch { start, end: self.at, scn: self.scn, items: std::mem::take(&mut self.items) })
    }

    /// True once a group at or beyond the target was seen: the log covers the target.
    #[must_use]
    pub const fn has_reached_target(&self) -> bool {
        self.has_reached_target
    }

    /// End of the last group that was taken.
    #[must_use]
    pub const fn position(&self) -> Lsn {
        self.at
    }

    /// SCN of the last group that was taken.
    #[must_use]
    pub const fn scn(&self) -> Scn {
        self.scn
    }
}

/// What an item takes in a log entry, about: its body and what frames it.
fn size(item: &ReplayItem) -> usize {
    const FRAME_BYTES: usize = 32;
    item.entry.len() + FRAME_BYTES
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use strandline_engine_api::PALF;

    fn group(start: u64, end: u64, scn: u64, bodies: &[&'static [u8]]) -> SourceGroup {
        SourceGroup {
            range: LsnRange { start: Lsn(start), end: Lsn(end) },
            scn: Scn(scn),
            entries: bodies.iter().map(|b| (Scn(scn), Bytes::from_static(b))).collect(),
        }
    }

    #[test]
    fn groups_up_to_the_target_are_taken_and_the_first_beyond_ends_the_replay() {
        let mut core = ReplayCore::new(&PALF, Lsn(100), Scn(5), Scn(20));
        assert_eq!(core.feed(&group(0, 100, 5, &[b"\x02old"])), Ok(Fed::Known));
        assert_eq!(core.feed(&group(100, 200, 10, &[b"\x02a"])), Ok(Fed::Taken));
        assert_eq!(core.feed(&group(200, 300, 20, &[b"\x04d"])), Ok(Fed::Taken), "the target is inclusive");
        assert!(core.has_reached_target());
        assert_eq!(core.feed(&group(300, 400, 21, &[b"\x02b"])), Ok(Fed::Beyond));
        let batch = core.take_rest().unwrap();
        assert_eq!((batch.start, batch.end, batch.scn), (Lsn(100), Lsn(300), Scn(20)));
        let items: Vec<_> = batch.items.iter().map(|i| (i.scn.0, &i.entry[..])).collect();
        assert_eq!(items, [(10, &b"\x02a"[..]), (20, &b"\x04d"[..])]);
        assert!(core.take_rest().is_none());
    }

    #[test]
    fn padding_blank_membership_and_keep_alive_only_move_the_position() {
        let mut core = ReplayCore::new(&PALF, Lsn(0), Scn(0), Scn(100));
        core.feed(&group(0, 10, 1, &[])).unwrap();
        core.feed(&group(10, 20, 1, &[b"\x00"])).unwrap();
        core.feed(&group(20, 30, 1, &[b"\x01m"])).unwrap();
        core.feed(&group(30, 40, 7, &[b"\x03"])).unwrap();
        let batch = core.take_rest().unwrap();
        assert_eq!((batch.end, batch.scn, batch.items.len()), (Lsn(40), Scn(7), 0));
        assert!(!core.has_reached_target());
    }

    #[test]
    fn a_hole_in_the_log_is_refused() {
        let mut core = ReplayCore::new(&PALF, Lsn(10), Scn(1), Scn(100));
        assert_eq!(core.feed(&group(20, 30, 2, &[])), Err(ReplayError::Gap { expected: Lsn(10), found: Lsn(20) }));
        assert_eq!(
            core.feed(&group(5, 30, 2, &[])),
            Err(ReplayError::Gap { expected: Lsn(10), found: Lsn(5) }),
            "a start inside a group is no start"
        );
        let unknown_entries: [&[&'static [u8]]; 2] = [&[b""], &[b"\x02a", b"\x09"]];
        for unknown in unknown_entries {
            assert!(matches!(core.feed(&group(10, 20, 2, unknown)), Err(ReplayError::Entry(e)) if e.at == Lsn(10)));
        }
        assert!(core.take_rest().is_none());
        assert_eq!(core.position(), Lsn(10), "a refused group changes nothing");
    }

    #[test]
    fn a_replay_that_starts_at_its_target_needs_no_log() {
        assert!(ReplayCore::new(&PALF, Lsn(10), Scn(9), Scn(9)).has_reached_target());
        assert!(!ReplayCore::new(&PALF, Lsn(10), Scn(8), Scn(9)).has_reached_target());
    }

    proptest! {
        #[test]
        fn batches_tile_the_log_and_keep_every_item_in_order(
            kinds in prop::collection::vec((0u8..7, 0usize..3_000_000), 1..25),
        ) {
            let mut core = ReplayCore::new(&PALF, Lsn(0), Scn(0), Scn::MAX);
            let (mut batches, mut expected) = (Vec::new(), Vec::new());
            for (n, (kind, len)) in kinds.iter().enumerate() {
                let mut body = vec![0; len + 1];
                body[0] = *kind;
                let n = n as u64;
                let range = LsnRange { start: Lsn(n * 10), end: Lsn(n * 10 + 10) };
                let group = SourceGroup { range, scn: Scn(n + 1), entries: vec![(Scn(n + 1), Bytes::from(body))] };
                prop_assert_eq!(core.feed(&group), Ok(Fed::Taken));
                batches.extend(core.take_full_batch());
                // Client batch, dictionary, replayed log, tablet list.
                if matches!(kind, 2 | 4 | 5 | 6) {
                    expected.push(n + 1);
                }
            }
            batches.extend(std::iter::from_fn(|| core.take_rest()));
            let mut at = Lsn(0);
            for batch in &batches {
                prop_assert_eq!(batch.start, at);
                let bytes = batch.items.iter().map(|i| i.entry.len()).sum::<usize>();
                prop_assert!(bytes <= REPLAY_BATCH_BYTES || batch.items.len() == 1, "{} bytes", bytes);
                at = batch.end;
            }
            prop_assert_eq!(at, Lsn(kinds.len() as u64 * 10));
            let got: Vec<_> = batches.iter().flat_map(|b| b.items.iter().map(|i| i.scn.0)).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
