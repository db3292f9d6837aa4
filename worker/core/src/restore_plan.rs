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
