//! Logical and physical ids of macroblocks (docs/format-reference.md).

use crate::{FormatError, pb};
use serde::Serialize;
use strandline_types::{BackupSetId, DataKind, FileId, LsId, RetryId, TabletId, TurnId};

/// Logical id of a macroblock: the same block has the same id in every backup set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct MacroBlockId {
    /// The tablet that it belongs to.
    pub tablet_id: TabletId,
    /// Version of the tablet's data.
    pub logic_version: u64,
    /// Number of the block within the version.
    pub data_seq: u64,
}

/// Where a block lies on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PhysicalId {
    /// The set that holds it: this one or an earlier one of its chain.
    pub backup_set_id: BackupSetId,
    /// The log stream.
    pub ls_id: LsId,
    /// The kind of data.
    pub kind: DataKind,
    /// The turn.
    pub turn: TurnId,
    /// The retry.
    pub retry: RetryId,
    /// Number of the `macro_block_data` file, from 0.
    pub file_id: FileId,
    /// Offset of the block in the file.
    pub offset: u64,
    /// Length of the block, header and padding included.
    pub length: u64,
}

impl MacroBlockId {
    pub(crate) const fn to_pb(self) -> pb::LogicalId {
        let Self { tablet_id, logic_version, data_seq } = self;
        pb::LogicalId { tablet_id: tablet_id.0, logic_version, data_seq }
    }

    pub(crate) fn from_pb(id: Option<pb::LogicalId>) -> Result<Self, FormatError> {
        let id = id.ok_or_else(|| missing("logical id"))?;
        Ok(Self { tablet_id: TabletId(id.tablet_id), logic_version: id.logic_version, data_seq: id.data_seq })
    }

    /// Bytes that sort as the ids do.
    pub(crate) fn sort_key(self) -> Vec<u8> {
        [self.tablet_id.0, self.logic_version, self.data_seq].iter().flat_map(|n| n.to_be_bytes()).collect()
    }
}

impl PhysicalId {
    pub(super) const fn to_pb(self) -> pb::PhysicalLocation {
        pb::PhysicalLocation {
            backup_set_id: self.backup_set_id.0,
            ls_id: self.ls_id.0,
            data_kind: self.kind.number(),
            turn: self.turn.0,
            retry: self.retry.0,
            file_id: self.file_id.0,
            offset: self.offset,
            length: self.length,
        }
    }

    pub(super) fn from_pb(id: Option<pb::PhysicalLocation>) -> Result<Self, FormatError> {
        let id = id.ok_or_else(|| missing("physical id"))?;
        let found = u64::from(id.data_kind);
        let kind = DataKind::from_number(id.data_kind);
        Ok(Self {
            backup_set_id: BackupSetId(id.backup_set_id),
            ls_id: LsId(id.ls_id),
            kind: kind.ok_or(FormatError::UnknownType { what: "data kind of a block", at: 0, found })?,
            turn: TurnId(id.turn),
            retry: RetryId(id.retry),
            file_id: FileId(id.file_id),
            offset: id.offset,
            length: id.length,
        })
    }
}

fn missing(part: &str) -> FormatError {
    FormatError::Payload { what: "index entry", at: 0, detail: format!("has no {part}") }
}
