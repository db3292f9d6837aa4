//! Merging the indexes of log streams into one of the tenant.
//!
//! The entries of every log stream come sorted. For one logical id the newest (turn, retry) wins; the same id twice in
//! one retry, or in two log streams, is refused: an index that resolves an id to two places is worse than none.

use std::collections::BTreeMap;
use strandline_format::index::{IndexEntry, MacroIndexEntry, MetaIndexEntry, PhysicalId, SecMetaIndexEntry};
use strandline_types::{LsId, RetryId, TabletId, TurnId};

/// An index entry that can be merged by age.
pub trait Mergeable: IndexEntry {
    /// Where it points.
    fn physical(&self) -> &PhysicalId;

    /// The tablet that it is about.
    fn tablet(&self) -> TabletId;
}

impl Mergeable for MacroIndexEntry {
    fn physical(&self) -> &PhysicalId {
        &self.physical
    }

    fn tablet(&self) -> TabletId {
        self.logical.tablet_id
    }
}

impl Mergeable for SecMetaIndexEntry {
    fn physical(&self) -> &PhysicalId {
        &self.physical
    }

    fn tablet(&self) -> TabletId {
        self.logical.tablet_id
    }
}

impl Mergeable for MetaIndexEntry {
    fn physical(&self) -> &PhysicalId {
        &self.physical
    }

    fn tablet(&self) -> TabletId {
        self.tablet_id
    }
}

/// Indexes that cannot be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// One id, two places of equal age.
    #[error("a block or meta of tablet {tablet} is indexed twice in log stream {ls}, turn {turn}, retry {retry}")]
    Twice {
        /// The tablet.
        tablet: TabletId,
        /// The log stream.
        ls: LsId,
        /// Turn of both entries.
        turn: TurnId,
        /// Retry of both entries.
        retry: RetryId,
    },
    /// One id, two log streams.
    #[error("tablet {tablet} is indexed in log stream {first} and in log stream {second}")]
    TwoLogStreams {
        /// The tablet.
        tablet: TabletId,
        /// One log stream.
        first: LsId,
        /// The other.
        second: LsId,
    },
}

/// The merged index, sorted by key.
///
/// # Errors
/// [`MergeError`] for a key with two places that neither is newer.
pub fn merge<E: Mergeable>(parts: impl IntoIterator<Item = Vec<E>>) -> Result<Vec<E>, MergeError> {
    let mut merged: BTreeMap<Vec<u8>, E> = BTreeMap::new();
    for entry in parts.into_iter().flatten() {
        let key = entry.sort_key();
        let Some(known) = merged.get(&key) else {
            merged.insert(key, entry);
            continue;
        };
        let (old, new) = (known.physical(), entry.physical());
        if old.ls_id != new.ls_id {
            return Err(MergeError::TwoLogStreams { tablet: entry.tablet(), first: old.ls_id, second: new.ls_id });
        }
        let (old_age, new_age) = ((old.turn, old.retry), (new.turn, new.retry));
        if old_age == new_age {
            let (ls, turn, retry) = (new.ls_id, new.turn, new.retry);
            return Err(MergeError::Twice { tablet: entry.tablet(), ls, turn, retry });
        }
        if new_age > old_age {
            merged.insert(key, entry);
        }
    }
    Ok(merged.into_values().collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use strandline_format::index::MacroBlockId;
    use strandline_types::{BackupSetId, DataKind, FileId};

    fn entry(tablet: u64, seq: u64, ls: u64, turn: u32, retry: u32) -> SecMetaIndexEntry {
        SecMetaIndexEntry {
            logical: MacroBlockId { tablet_id: TabletId(tablet), logic_version: 1, data_seq: seq },
            physical: PhysicalId {
                backup_set_id: BackupSetId(1),
                ls_id: LsId(ls),
                kind: DataKind::Major,
                turn: TurnId(turn),
                retry: RetryId(retry),
                file_id: FileId(0),
                offset: 4096,
                length: 4096,
            },
        }
    }

    #[test]
    fn the_merged_index_is_sorted_over_log_streams() {
        let merged =
            merge([vec![entry(5, 1, 1001, 1, 0), entry(5, 2, 1001, 1, 0)], vec![entry(3, 9, 1002, 1, 3)]]).unwrap();
        let keys: Vec<_> = merged.iter().map(|e| (e.logical.tablet_id.0, e.logical.data_seq)).collect();
        assert_eq!(keys, [(3, 9), (5, 1), (5, 2)]);
    }

    #[test]
    fn the_newest_turn_then_the_newest_retry_wins() {
        let parts = [vec![entry(5, 1, 1001, 1, 7)], vec![entry(5, 1, 1001, 2, 0)], vec![entry(5, 1, 1001, 1, 9)]];
        assert_eq!(merge(parts).unwrap(), [entry(5, 1, 1001, 2, 0)]);
    }

    #[test]
    fn an_id_with_two_places_is_refused() {
        let twice = [vec![entry(5, 1, 1001, 1, 0)], vec![entry(5, 1, 1001, 1, 0)]];
        assert!(matches!(merge(twice), Err(MergeError::Twice { tablet: TabletId(5), .. })));
        let moved = [vec![entry(5, 1, 1001, 1, 0)], vec![entry(5, 1, 1002, 2, 0)]];
        assert!(matches!(merge(moved), Err(MergeError::TwoLogStreams { .. })));
    }
}
