//! The order in which the files of a set or piece go (docs/oceanbase.md, 4.10).
//!
//! Order rules: the end placeholder first, so that no reader lists the thing any more; at the end infos by rank, and the
//! start placeholder last: as long as it is there, a reader knows that something may be left. A deletion goes on
//! by this.

use super::archive::{ArchivePath, PIECES_DIR};
use super::backup::{BackupPath, SETS_DIR, SetName};
use strandline_types::PieceKey;

/// Ranks there are: `0..RANKS`.
pub const RANKS: u8 = 8;

/// A set or a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A backup set.
    Set(SetName),
    /// A piece.
    Piece(PieceKey),
}

impl Stored {
    /// Where its placeholders lie.
    #[must_use]
    pub const fn placeholder_dir(self) -> &'static str {
        match self {
            Self::Set(_) => SETS_DIR,
            Self::Piece(_) => PIECES_DIR,
        }
    }

    /// True for an end placeholder of it.
    #[must_use]
    pub fn is_end(self, path: &str) -> bool {
        match self {
            Self::Set(wanted) => {
                matches!(BackupPath::parse(path), Some(BackupPath::SetEnd { set, .. }) if set == wanted)
            }
            Self::Piece(wanted) => {
                matches!(ArchivePath::parse(path), Some(ArchivePath::PieceEnd { key, .. }) if key == wanted)
            }
        }
    }

    /// True for a start placeholder of it.
    #[must_use]
    pub fn is_start(self, path: &str) -> bool {
        match self {
            Self::Set(wanted) => {
                matches!(BackupPath::parse(path), Some(BackupPath::SetStart { set }) if set == wanted)
            }
            Self::Piece(wanted) => {
                matches!(ArchivePath::parse(path), Some(ArchivePath::PieceStart { key, .. }) if key == wanted)
            }
        }
    }
}

/// When a file below the directory of a set or piece goes: log streams' leftovers, then infos, then what describes the
/// whole.
#[must_use]
pub fn rank(path: &str) -> u8 {
    if let Some(archive) = ArchivePath::parse(path) {
        return match archive {
            ArchivePath::PieceFileInfo { .. } => 1,
            ArchivePath::Checkpoint { .. } | ArchivePath::CheckpointInfo { .. } => 2,
            ArchivePath::SinglePieceInfo { .. } => 3,
            ArchivePath::TenantArchivePieceInfos { .. } => 4,
            ArchivePath::PieceInner { .. } => 5,
            _ => 0,
        };
    }
    match BackupPath::parse(path) {
        Some(BackupPath::LsAttrInfo { .. } | BackupPath::LsMetaInfos { .. }) => 1,
        Some(BackupPath::TenantIndex { .. } | BackupPath::TabletLsInfo { .. }) => 2,
        Some(BackupPath::TableList { .. } | BackupPath::TableListMeta { .. }) => 3,
        Some(BackupPath::SingleSetInfo { .. }) => 5,
        Some(BackupPath::TenantSetInfos { .. }) => 6,
        Some(BackupPath::SetInner { .. }) => 7,
        _ if path.contains("/infos/") => 4,
        _ => 0,
    }
}
