//! The blocks that lie on the medium already: those of the chain that an incremental set continues, and those that a
//! failed retry of the same task finished.
//!
//! A block is known again only by its whole identity: tablet, the engine's unique id of the file, and its length. The id
//! comes from the file itself, so it holds for the same file on the same replica and for a byte-identical one elsewhere;
//! replicas compact on their own, so another replica's blocks are simply not known. Never guesses: without an id a block
//! is copied. Blocks of this task's own set are preferred, so that a set depends on no more than it must.

use crate::backup_plan::CheckpointBlock;
use std::collections::BTreeMap;
use strandline_format::blocks::{BlockAt, BlockContent, BlockType};
use strandline_format::index::{KeyFingerprint, MacroBlockId, MacroIndexEntry, PhysicalId};
use strandline_types::{BackupSetId, LsId};

/// What is known of the medium for one log stream.
#[derive(Clone, Debug, Default)]
pub struct KnownBlocks {
    ls: Option<LsId>,
    by_id: BTreeMap<(MacroBlockId, Vec<u8>), MacroIndexEntry>,
}

impl KnownBlocks {
    /// Nothing is known yet of this log stream.
    #[must_use]
    pub fn of(ls: LsId) -> Self {
        Self { ls: Some(ls), by_id: BTreeMap::new() }
    }

    /// Learns entries of an index; those of other log streams and those without an id are passed over.
    pub fn learn(&mut self, entries: impl IntoIterator<Item = MacroIndexEntry>) {
        for entry in entries {
            if Some(entry.physical.ls_id) != self.ls || entry.unique_id.is_empty() {
                continue;
            }
            let key = (entry.logical, entry.unique_id.clone());
            let newer = |old: &MacroIndexEntry| set_of(&entry) > set_of(old);
            if self.by_id.get(&key).is_none_or(newer) {
                self.by_id.insert(key, entry);
            }
        }
    }

    /// Learns what a finished data file lists; `file` is the place of the file, offsets are filled in.
    pub fn learn_file(&mut self, file: PhysicalId, listed: impl IntoIterator<Item = (BlockAt, Option<BlockContent>)>) {
        let entries = listed.into_iter().filter_map(|(at, content)| {
            let content = content.filter(|_| at.block_type == BlockType::MacroData)?;
            Some(MacroIndexEntry {
                logical: content.logical,
                physical: PhysicalId { offset: at.offset, length: at.length, ..file },
                file_name: String::new(),
                level: 0,
                plain_bytes: content.plain_bytes,
                checksum: content.checksum,
                unique_id: content.unique_id,
                storage: content.storage,
            })
        });
        self.learn(entries);
    }

    /// Forgets blocks of this set that are sealed with another key than this: a set has one password.
    pub fn keep_sealed_by(&mut self, set: BackupSetId, key: Option<KeyFingerprint>) {
        self.by_id.retain(|_, e| e.physical.backup_set_id != set || e.storage.sealed_by == key);
    }

    /// The index entry of a block that is known; name and level are those that it has *now*.
    #[must_use]
    pub fn entry(&self, block: &CheckpointBlock, logical: MacroBlockId) -> Option<MacroIndexEntry> {
        let known = self.by_id.get(&(logical, block.unique_id.to_vec()))?;
        (known.plain_bytes == block.bytes).then(|| MacroIndexEntry {
            file_name: block.file_name.clone(),
            level: block.level,
            ..known.clone()
        })
    }

    /// How many blocks are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True when none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

fn set_of(entry: &MacroIndexEntry) -> BackupSetId {
    entry.physical.backup_set_id
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use strandline_format::index::Storage;
    use strandline_types::{DataKind, FileId, RetryId, TabletId, TurnId};

    const LS: LsId = LsId(1001);

    fn block(id: u8) -> CheckpointBlock {
        let mut unique_id = [0; 24];
        unique_id[15] = id;
        CheckpointBlock {
            tablet: TabletId(7),
            kind: DataKind::Major,
            file_name: format!("00000{id}.sst"),
            bytes: 5000,
            level: 6,
            unique_id,
        }
    }

    fn entry(set: u64, ls: u64, id: u8) -> MacroIndexEntry {
        let block = block(id);
        MacroIndexEntry {
            logical: block.logical_id(),
            physical: PhysicalId {
                backup_set_id: BackupSetId(set),
                ls_id: LsId(ls),
                kind: DataKind::Minor,
                turn: TurnId(1),
                retry: RetryId(2),
                file_id: FileId(3),
                offset: 4096,
                length: 8192,
            },
            file_name: "another name.sst".into(),
            level: 0,
            plain_bytes: 5000,
            checksum: 77,
            unique_id: block.unique_id.to_vec(),
            storage: Storage::default(),
        }
    }

    fn found(known: &KnownBlocks, block: &CheckpointBlock) -> Option<MacroIndexEntry> {
        known.entry(block, block.logical_id())
    }

    #[test]
    fn a_known_block_keeps_its_old_place_and_takes_its_new_name_and_level() {
        let mut known = KnownBlocks::of(LS);
        known.learn([entry(1, LS.0, 1), entry(1, 1002, 2)]);
        let got = found(&known, &block(1)).unwrap();
        assert_eq!((got.physical, got.checksum), (entry(1, LS.0, 1).physical, 77));
        assert_eq!((got.file_name.as_str(), got.level), ("000001.sst", 6));
        assert_eq!(found(&known, &block(2)), None, "another log stream's");
        assert_eq!(found(&known, &block(3)), None);
    }

    #[test]
    fn a_block_that_differs_in_any_part_of_its_identity_is_copied() {
        let mut known = KnownBlocks::of(LS);
        known.learn([entry(1, LS.0, 1)]);
        assert_eq!(found(&known, &CheckpointBlock { bytes: 5001, ..block(1) }), None);
        assert_eq!(found(&known, &CheckpointBlock { tablet: TabletId(8), ..block(1) }), None);
        let mut other = block(1);
        other.unique_id[23] = 1;
        assert_eq!(found(&known, &other), None, "the part of the id that is not in the logical id");
        let mut nameless = KnownBlocks::of(LS);
        nameless.learn([MacroIndexEntry { unique_id: vec![], ..entry(1, LS.0, 1) }]);
        assert!(nameless.is_empty());
    }

    #[test]
    fn the_newest_set_that_holds_a_block_is_referenced_whatever_the_order() {
        for sets in [[1, 3], [3, 1]] {
            let mut known = KnownBlocks::of(LS);
            known.learn(sets.map(|set| entry(set, LS.0, 1)));
            assert_eq!(found(&known, &block(1)).unwrap().physical.backup_set_id, BackupSetId(3));
        }
    }

    #[test]
    fn blocks_of_a_failed_retry_under_another_key_are_forgotten() {
        let mut known = KnownBlocks::of(LS);
        known.learn([entry(3, LS.0, 1), entry(1, LS.0, 2)]);
        known.keep_sealed_by(BackupSetId(3), Some([9; 8]));
        assert_eq!(known.len(), 1, "an older set of the chain keeps its own password");
    }
}
