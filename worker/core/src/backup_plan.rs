//! Backup plan: which blocks of a consistent point go into which directory, in which order, and which of them lie on the
//! medium already.
//!
//! A pure function of the block list and of what is known of the medium: the same point always gives the same plan.
//! Blocks are ordered by logical id, so that the index entries come out sorted and a tablet's blocks lie together.
//! Refuses a list that a reader could not undo: a name twice, an id twice, a name that is a path, a block beyond the
//! bound. A block is referenced only when its whole identity is that of the block on the medium; anything less is copied.

use crate::known::KnownBlocks;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use strandline_format::index::{MacroBlockId, MacroIndexEntry};
use strandline_format::pb;
use strandline_types::limits::MACROBLOCK_BYTES_MAX;
use strandline_types::{DataKind, Scn, TabletId};

pub use strandline_engine_api::CheckpointBlock;

/// One block and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBlock {
    /// The block.
    pub block: CheckpointBlock,
    /// Its logical id.
    pub logical: MacroBlockId,
    /// Its index entry when it lies on the medium already; `None` = it is copied.
    pub known: Option<MacroIndexEntry>,
}

/// The meta of one tablet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMeta {
    /// The tablet.
    pub tablet: TabletId,
    /// A `TabletMeta` message.
    pub payload: Vec<u8>,
}

/// What one directory of a set will hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirPlan {
    /// Sys, minor or major.
    pub kind: DataKind,
    /// Blocks in logical order, which is their order in the data files.
    pub blocks: Vec<PlannedBlock>,
    /// Metas of the tablets that have blocks here, after the blocks.
    pub metas: Vec<PlannedMeta>,
}

impl DirPlan {
    /// Plain bytes of all blocks.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blocks.iter().map(|b| b.block.bytes).sum()
    }

    /// Number and plain bytes of the blocks that lie on the medium already.
    #[must_use]
    pub fn known(&self) -> (u64, u64) {
        let known = self.blocks.iter().filter(|b| b.known.is_some());
        known.fold((0, 0), |(n, bytes), b| (n + 1, bytes + b.block.bytes))
    }
}

/// A block list that cannot be backed up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two files have one name, so one of them would be lost at restore.
    #[error("two blocks are named '{0}'")]
    NameTwice(String),
    /// Two files of one directory have one id.
    #[error("two blocks of tablet {tablet} have one id: '{first}' and '{second}'")]
    IdTwice {
        /// The tablet.
        tablet: TabletId,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// A name that could leave the directory.
    #[error("'{0}' is not a plain file name")]
    BadName(String),
    /// No reader would take a block of this length.
    #[error("block '{name}' has {bytes} bytes, more than {MACROBLOCK_BYTES_MAX}")]
    TooLarge {
        /// The file.
        name: String,
        /// Its length.
        bytes: u64,
    },
}

/// Plans the three directories of a log stream, in the order of [`DataKind::ALL`].
///
/// # Errors
/// [`PlanError`] for a list that a restore could not undo.
pub fn plan_backup(blocks: &[CheckpointBlock], scn: Scn, known: &KnownBlocks) -> Result<Vec<DirPlan>, PlanError> {
    let mut names = BTreeSet::new();
    for block in blocks {
        if !is_plain_name(&block.file_name) {
            return Err(PlanError::BadName(block.file_name.clone()));
        }
        if block.bytes > MACROBLOCK_BYTES_MAX {
            return Err(PlanError::TooLarge { name: block.file_name.clone(), bytes: block.bytes });
        }
        if !names.insert(block.file_name.as_str()) {
            return Err(PlanError::NameTwice(block.file_name.clone()));
        }
    }
    DataKind::ALL
        .into_iter()
        .map(|kind| plan_dir(kind, blocks.iter().filter(|b| b.kind == kind).cloned(), scn, known))
        .collect()
}

fn plan_dir(
    kind: DataKind,
    blocks: impl Iterator<Item = CheckpointBlock>,
    scn: Scn,
    known: &KnownBlocks,
) -> Result<DirPlan, PlanError> {
    let mut blocks: Vec<_> = blocks.map(|block| (block.logical_id(), block)).collect();
    blocks.sort_by_key(|(logical, _)| *logical);
    if let Some(twice) = blocks.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(PlanError::IdTwice {
            tablet: twice[0].1.tablet,
            first: twice[0].1.file_name.clone(),
            second: twice[1].1.file_name.clone(),
        });
    }
    let blocks: Vec<_> = blocks
        .into_iter()
        .map(|(logical, block)| PlannedBlock { known: known.entry(&block, logical), block, logical })
        .collect();
    let metas = tablet_metas(blocks.iter().map(|b| &b.block), scn)
        .into_iter()
        .map(|meta| PlannedMeta { tablet: TabletId(meta.tablet_id), payload: meta.encode_to_vec() })
        .collect();
    Ok(DirPlan { kind, blocks, metas })
}

/// The metas of the tablets that these blocks belong to, by tablet id.
#[must_use]
pub fn tablet_metas<'a>(blocks: impl IntoIterator<Item = &'a CheckpointBlock>, scn: Scn) -> Vec<pb::TabletMeta> {
    let mut metas: BTreeMap<TabletId, pb::TabletMeta> = BTreeMap::new();
    for block in blocks {
        let meta = metas.entry(block.tablet).or_insert_with(|| pb::TabletMeta {
            tablet_id: block.tablet.0,
            checkpoint_scn: scn.0,
            ..pb::TabletMeta::default()
        });
        if block.kind == DataKind::Major {
            meta.major_blocks += 1;
            meta.major_bytes += block.bytes;
        } else {
            meta.minor_blocks += 1;
            meta.minor_bytes += block.bytes;
        }
    }
    metas.into_values().collect()
}

/// True for a name that names a file of its directory and nothing else.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name != "."
        && name != ".."
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn block(tablet: u64, kind: DataKind, name: &str, id: u8) -> CheckpointBlock {
        let mut unique_id = [0; 24];
        unique_id[15] = id;
        CheckpointBlock { tablet: TabletId(tablet), kind, file_name: name.to_owned(), bytes: 5000, level: 6, unique_id }
    }

    #[test]
    fn blocks_are_sorted_into_their_kind_and_by_logical_id() {
        let blocks = vec![
            block(9, DataKind::Major, "000012.sst", 1),
            block(7, DataKind::Major, "000011.sst", 2),
            block(7, DataKind::Major, "000010.sst", 1),
            block(1, DataKind::Sys, "000009.sst", 1),
        ];
        let mut shuffled = blocks.clone();
        shuffled.reverse();
        let none = KnownBlocks::default();
        let dirs = plan_backup(&blocks, Scn(7), &none).unwrap();
        assert_eq!(dirs, plan_backup(&shuffled, Scn(7), &none).unwrap(), "the order of the list does not matter");
        assert_eq!(dirs.iter().map(|d| d.kind).collect::<Vec<_>>(), DataKind::ALL);
        assert_eq!((dirs[0].blocks.len(), dirs[1].blocks.len()), (1, 0));
        let names: Vec<_> = dirs[2].blocks.iter().map(|b| b.block.file_name.as_str()).collect();
        assert_eq!(names, ["000010.sst", "000011.sst", "000012.sst"]);
        assert_eq!(dirs[2].metas.iter().map(|m| m.tablet.0).collect::<Vec<_>>(), [7, 9]);
        assert_eq!((dirs[2].bytes(), dirs[2].known()), (15_000, (0, 0)));
        let meta = pb::TabletMeta::decode(&dirs[2].metas[0].payload[..]).unwrap();
        assert_eq!((meta.checkpoint_scn, meta.major_blocks, meta.major_bytes, meta.minor_blocks), (7, 2, 10_000, 0));
    }

    #[test]
    fn a_list_that_a_restore_could_not_undo_is_refused() {
        let sys = |name, id| block(1, DataKind::Sys, name, id);
        let refused = |blocks: Vec<_>| plan_backup(&blocks, Scn(7), &KnownBlocks::default()).unwrap_err();
        assert_eq!(refused(vec![sys("a", 1), sys("a", 2)]), PlanError::NameTwice("a".into()));
        assert!(matches!(refused(vec![sys("a", 1), sys("b", 1)]), PlanError::IdTwice { .. }));
        for bad in ["", "..", "a/b", "/etc/passwd", "a b"] {
            assert_eq!(refused(vec![sys(bad, 1)]), PlanError::BadName(bad.into()));
        }
        let large = CheckpointBlock { bytes: MACROBLOCK_BYTES_MAX + 1, ..sys("a", 1) };
        assert!(matches!(refused(vec![large]), PlanError::TooLarge { .. }));
    }
}
