//! Restore plan: which files one replica needs, where each lies on the medium, and which are here already.
//!
//! Input is what the indexes say; nothing in it is trusted as a path. A file that is here is kept only when its length
//! and checksum are those of the index (`Present` asks for that check); everything else is fetched.

use crate::backup_plan::is_plain_name;
use std::collections::BTreeMap;
use strandline_format::index::MacroIndexEntry;
use strandline_types::LsId;
use strandline_types::limits::MACROBLOCK_BYTES_MAX;

/// One block file to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedBlock {
    /// What the index says of it: name, length and checksum of the file, and where it lies.
    pub entry: MacroIndexEntry,
    /// True when a file of this name and length is here: it is kept if its checksum is right.
    pub is_present: bool,
}

/// An index that cannot be restored from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestorePlanError {
    /// A name that could leave the directory.
    #[error("the index names a file '{0}', which is not a plain name")]
    BadName(String),
    /// One name for two blocks.
    #[error("the index has two blocks for the file '{0}'")]
    NameTwice(String),
    /// A length that no block has.
    #[error("the index says that block '{name}' has {bytes} bytes")]
    BadLength {
        /// The file.
        name: String,
        /// Its length.
        bytes: u64,
    },
}

/// The files of one log stream out of indexes that may hold others too, sorted by place so that reads are in order.
///
/// `present` are the files (name, length) that an earlier attempt left; `engine_files` are names that blocks must not
/// have.
///
/// # Errors
/// [`RestorePlanError`] for an index that a backup cannot have written.
pub fn plan_restore<'a>(
    ls: LsId,
    entries: impl IntoIterator<Item = MacroIndexEntry>,
    engine_files: impl IntoIterator<Item = &'a str>,
    present: &BTreeMap<String, u64>,
) -> Result<Vec<WantedBlock>, RestorePlanError> {
    let mut by_name = BTreeMap::new();
    for name in engine_files {
        if !is_plain_name(name) {
            return Err(RestorePlanError::BadName(name.to_owned()));
        }
        by_name.insert(name.to_owned(), None);
    }
    for entry in entries.into_iter().filter(|e| e.physical.ls_id == ls) {
        let name = entry.file_name.clone();
        if !is_plain_name(&name) {
            return Err(RestorePlanError::BadName(name));
        }
        if entry.plain_bytes > MACROBLOCK_BYTES_MAX {
            return Err(RestorePlanError::BadLength { name, bytes: entry.plain_bytes });
        }
        let wanted = WantedBlock { is_present: present.get(&name) == Some(&entry.plain_bytes), entry };
        if by_name.insert(name.clone(), Some(wanted)).is_some() {
            return Err(RestorePlanError::NameTwice(name));
        }
    }
    let mut wanted: Vec<_> = by_name.into_values().flatten().collect();
    wanted.sort_by_key(|w| {
        let p = &w.entry.physical;
        (p.backup_set_id, p.kind, p.turn, p.retry, p.file_id, p.offset)
    });
    Ok(wanted)
}

/// Blocks that lie side by side in one file of the medium: one read. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRun(Vec<WantedBlock>);

impl BlockRun {
    /// The blocks, in the order in which they lie.
    #[must_use]
    pub fn blocks(&self) -> &[WantedBlock] {
        &self.0
    }

    /// First byte in the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.0.first().map_or(0, |b| b.entry.physical.offset)
    }

    /// First byte after the last block.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |b| b.entry.physical.offset.saturating_add(b.entry.physical.length))
    }

    /// Length on the medium.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.end().saturating_sub(self.offset())
    }

    /// True when `next` lies right behind and both together are no more than `bytes_max`.
    fn takes(&self, next: &WantedBlock, bytes_max: u64) -> bool {
        let place = |b: &WantedBlock| {
            let p = b.entry.physical;
            (p.backup_set_id, p.ls_id, p.kind, p.turn, p.retry, p.file_id)
        };
        self.0.last().is_some_and(|last| place(last) == place(next))
            && self.end() == next.entry.physical.offset
            && self.bytes().saturating_add(next.entry.physical.length) <= bytes_max
    }
}

/// Cuts sorted blocks into reads of at most `bytes_max`, but at least one block.
#[must_use]
pub fn runs(sorted: Vec<WantedBlock>, bytes_max: u64) -> Vec<BlockRun> {
    let mut runs: Vec<BlockRun> = Vec::new();
    for block in sorted {
        match runs.last_mut().filter(|run| run.takes(&block, bytes_max)) {
            Some(run) => run.0.push(block),
            None => runs.push(BlockRun(vec![block])),
        }
    }
    runs
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use strandline_format::index::{MacroBlockId, PhysicalId};
    use strandline_types::{BackupSetId, DataKind, FileId, RetryId, TabletId, TurnId};

    fn entry(name: &str, ls: u64, offset: u64) -> MacroIndexEntry {
        MacroIndexEntry {
            logical: MacroBlockId { tablet_id: TabletId(7), logic_version: 1, data_seq: offset },
            physical: PhysicalId {
                backup_set_id: BackupSetId(1),
                ls_id: LsId(ls),
                kind: DataKind::Major,
                turn: TurnId(1),
                retry: RetryId(0),
                file_id: FileId(0),
                offset,
                length: 8192,
            },
            file_name: name.to_owned(),
            level: 6,
            plain_bytes: 5000,
            checksum: 1,
            unique_id: Vec::new(),
            storage: Default::default(),
        }
    }

    #[test]
    fn blocks_that_touch_are_one_read_up_to_a_bound() {
        let at = |n: u64, file: u32| {
            let mut e = entry(&format!("{file}-{n}.sst"), 1001, 4096 + n * 8192);
            e.physical.file_id = FileId(file.into());
            e
        };
        let entries = [at(0, 0), at(1, 0), at(2, 0), at(4, 0), at(5, 0), at(6, 1), at(7, 1)];
        let wanted = plan_restore(LsId(1001), entries, [], &BTreeMap::new()).unwrap();
        let got: Vec<_> =
            runs(wanted.clone(), 2 * 8192).iter().map(|r| (r.blocks().len(), r.offset(), r.bytes())).collect();
        let place = |n: u64| 4096 + n * 8192;
        assert_eq!(got, [(2, place(0), 16384), (1, place(2), 8192), (2, place(4), 16384), (2, place(6), 16384)]);
        assert_eq!(runs(wanted, 1).len(), 7, "a block that is larger than the bound is alone");
    }

    #[test]
    fn only_the_log_streams_own_blocks_are_wanted_in_the_order_of_their_places() {
        let entries = [entry("b.sst", 1001, 4096), entry("x.sst", 1002, 0), entry("a.sst", 1001, 12288)];
        let present = BTreeMap::from([("a.sst".to_owned(), 5000), ("b.sst".to_owned(), 4999)]);
        let wanted = plan_restore(LsId(1001), entries, ["CURRENT"], &present).unwrap();
        let got: Vec<_> = wanted.iter().map(|w| (w.entry.file_name.as_str(), w.is_present)).collect();
        assert_eq!(got, [("b.sst", false), ("a.sst", true)], "a file of another length is not present");
    }

    #[test]
    fn an_index_that_would_write_elsewhere_or_twice_is_refused() {
        let none = BTreeMap::new();
        let refused = |entries: Vec<_>, files: &[&'static str]| {
            plan_restore(LsId(1001), entries, files.iter().copied(), &none).unwrap_err()
        };
        assert_eq!(refused(vec![entry("../x", 1001, 0)], &[]), RestorePlanError::BadName("../x".into()));
        assert_eq!(refused(vec![], &["a/CURRENT"]), RestorePlanError::BadName("a/CURRENT".into()));
        let twice = vec![entry("a.sst", 1001, 0), entry("a.sst", 1001, 1)];
        assert_eq!(refused(twice, &[]), RestorePlanError::NameTwice("a.sst".into()));
        assert_eq!(
            refused(vec![entry("CURRENT", 1001, 0)], &["CURRENT"]),
            RestorePlanError::NameTwice("CURRENT".into())
        );
        let large = MacroIndexEntry { plain_bytes: MACROBLOCK_BYTES_MAX + 1, ..entry("a.sst", 1001, 0) };
        assert!(matches!(refused(vec![large], &[]), RestorePlanError::BadLength { .. }));
    }
}
