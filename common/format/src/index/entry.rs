//! The three kinds of index entries and how their leaves are stored.

use super::{MacroBlockId, PhysicalId, Storage};
use crate::blocks::FileKind;
use crate::{FormatError, pb};
use bytes::Bytes;
use prost::Message;
use serde::Serialize;
use strandline_types::TabletId;

/// An entry of an index file.
pub trait IndexEntry: Sized + Clone {
    /// The file that holds such entries.
    const KIND: FileKind;
    /// Its message.
    type Item: Message + Default;

    /// Bytes by which entries are sorted; no two entries of a file have the same.
    fn sort_key(&self) -> Vec<u8>;

    /// As a message.
    fn to_item(&self) -> Self::Item;

    /// From a message.
    ///
    /// # Errors
    /// A part is missing or unknown.
    fn from_item(item: Self::Item) -> Result<Self, FormatError>;

    /// A leaf's payload.
    fn leaf(items: Vec<Self::Item>) -> Vec<u8>;

    /// The items of a leaf's payload.
    ///
    /// # Errors
    /// What the decoder says.
    fn items(leaf: Bytes) -> Result<Vec<Self::Item>, prost::DecodeError>;
}

/// One macroblock: what it is, where it lies, and what the engine needs to take it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MacroIndexEntry {
    /// What it is.
    pub logical: MacroBlockId,
    /// Where it lies.
    pub physical: PhysicalId,
    /// Name of the engine's file.
    pub file_name: String,
    /// Level of the file in its tablet.
    pub level: u32,
    /// Bytes of the file.
    pub plain_bytes: u64,
    /// Raw CRC32C of the file.
    pub checksum: u32,
    /// The engine's own id of the file, by which an incremental set knows it again; may be empty.
    #[serde(serialize_with = "crate::describe::hex::bytes")]
    pub unique_id: Vec<u8>,
    /// How its bytes are stored.
    pub storage: Storage,
}

/// What a tablet meta block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum MetaType {
    /// Meta of the tablet's files.
    Sstable,
    /// Meta of the tablet.
    Tablet,
    /// Logical to physical ids.
    MacroIdMapping,
}

impl MetaType {
    const ALL: [Self; 3] = [Self::Sstable, Self::Tablet, Self::MacroIdMapping];

    /// The original's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Sstable => 0,
            Self::Tablet => 1,
            Self::MacroIdMapping => 2,
        }
    }
}

/// Where a tablet's meta lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetaIndexEntry {
    /// The tablet.
    pub tablet_id: TabletId,
    /// What the block holds.
    pub meta_type: MetaType,
    /// Where it lies.
    pub physical: PhysicalId,
}

/// Where a logical block lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecMetaIndexEntry {
    /// What it is.
    pub logical: MacroBlockId,
    /// Where it lies.
    pub physical: PhysicalId,
}

impl IndexEntry for MacroIndexEntry {
    const KIND: FileKind = FileKind::RangeIndex;
    type Item = pb::MacroIndexItem;

    fn sort_key(&self) -> Vec<u8> {
        self.logical.sort_key()
    }

    fn to_item(&self) -> Self::Item {
        let (compressor, cipher, key_fingerprint) = self.storage.to_pb();
        pb::MacroIndexItem {
            logical: Some(self.logical.to_pb()),
            physical: Some(self.physical.to_pb()),
            file_name: self.file_name.clone(),
            level: self.level,
            plain_bytes: self.plain_bytes,
            checksum: self.checksum,
            unique_id: Bytes::copy_from_slice(&self.unique_id),
            compressor,
            cipher,
            key_fingerprint,
        }
    }

    fn from_item(item: Self::Item) -> Result<Self, FormatError> {
        Ok(Self {
            logical: MacroBlockId::from_pb(item.logical)?,
            physical: PhysicalId::from_pb(item.physical)?,
            file_name: item.file_name,
            level: item.level,
            plain_bytes: item.plain_bytes,
            checksum: item.checksum,
            storage: Storage::from_pb(item.compressor, item.cipher, &item.key_fingerprint)?,
            unique_id: item.unique_id.into(),
        })
    }

    fn leaf(entries: Vec<Self::Item>) -> Vec<u8> {
        pb::MacroIndexLeaf { entries }.encode_to_vec()
    }

    fn items(leaf: Bytes) -> Result<Vec<Self::Item>, prost::DecodeError> {
        Ok(pb::MacroIndexLeaf::decode(leaf)?.entries)
    }
}

impl IndexEntry for MetaIndexEntry {
    const KIND: FileKind = FileKind::MetaIndex;
    type Item = pb::MetaIndexItem;

    fn sort_key(&self) -> Vec<u8> {
        let mut key = self.tablet_id.0.to_be_bytes().to_vec();
        key.extend_from_slice(&self.meta_type.number().to_be_bytes());
        key
    }

    fn to_item(&self) -> Self::Item {
        pb::MetaIndexItem {
            tablet_id: self.tablet_id.0,
            meta_type: self.meta_type.number(),
            physical: Some(self.physical.to_pb()),
        }
    }

    fn from_item(item: Self::Item) -> Result<Self, FormatError> {
        let found = u64::from(item.meta_type);
        let meta_type = MetaType::ALL.into_iter().find(|t| t.number() == item.meta_type);
        Ok(Self {
            tablet_id: TabletId(item.tablet_id),
            meta_type: meta_type.ok_or(FormatError::UnknownType { what: "tablet meta type", at: 0, found })?,
            physical: PhysicalId::from_pb(item.physical)?,
        })
    }

    fn leaf(entries: Vec<Self::Item>) -> Vec<u8> {
        pb::MetaIndexLeaf { entries }.encode_to_vec()
    }

    fn items(leaf: Bytes) -> Result<Vec<Self::Item>, prost::DecodeError> {
        Ok(pb::MetaIndexLeaf::decode(leaf)?.entries)
    }
}

impl IndexEntry for SecMetaIndexEntry {
    const KIND: FileKind = FileKind::SecMetaIndex;
    type Item = pb::SecMetaIndexItem;

    fn sort_key(&self) -> Vec<u8> {
        self.logical.sort_key()
    }

    fn to_item(&self) -> Self::Item {
        pb::SecMetaIndexItem { logical: Some(self.logical.to_pb()), physical: Some(self.physical.to_pb()) }
    }

    fn from_item(item: Self::Item) -> Result<Self, FormatError> {
        Ok(Self { logical: MacroBlockId::from_pb(item.logical)?, physical: PhysicalId::from_pb(item.physical)? })
    }

    fn leaf(entries: Vec<Self::Item>) -> Vec<u8> {
        pb::SecMetaIndexLeaf { entries }.encode_to_vec()
    }

    fn items(leaf: Bytes) -> Result<Vec<Self::Item>, prost::DecodeError> {
        Ok(pb::SecMetaIndexLeaf::decode(leaf)?.entries)
    }
}
