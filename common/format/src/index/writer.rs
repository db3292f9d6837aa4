//! Writing an index file: entries in rising order in, the bytes of the file out.

use super::IndexEntry;
use crate::blocks::{BlockType, DataFileWriter};
use crate::{FormatError, pb};
use bytes::Bytes;
use prost::Message;
use strandline_types::limits::INDEX_LEAF_BYTES_MAX;

/// A repeated message costs one tag byte and its length besides itself.
const ITEM_OVERHEAD: usize = 6;

/// One index file being written.
#[derive(Debug)]
pub struct IndexWriter<E: IndexEntry> {
    file: DataFileWriter,
    out: Vec<u8>,
    leaf: Vec<E::Item>,
    leaf_bytes: usize,
    last_key: Vec<u8>,
    leaves: Vec<pb::IndexRootItem>,
}

impl<E: IndexEntry> Default for IndexWriter<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: IndexEntry> IndexWriter<E> {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        let mut file = DataFileWriter::new(E::KIND);
        let out = file.header().to_vec();
        Self { file, out, leaf: Vec::new(), leaf_bytes: 0, last_key: Vec::new(), leaves: Vec::new() }
    }

    /// Adds the next entry.
    ///
    /// # Errors
    /// When it does not sort after the one before, or is larger than a leaf.
    pub fn push(&mut self, entry: &E) -> Result<(), FormatError> {
        const WHAT: &str = "index entry";
        let key = entry.sort_key();
        if key <= self.last_key {
            let detail = "entries must be given in rising order, each once".to_owned();
            return Err(FormatError::Unwritable { what: WHAT, detail });
        }
        let item = entry.to_item();
        let bytes = item.encoded_len() + ITEM_OVERHEAD;
        if bytes > INDEX_LEAF_BYTES_MAX {
            let detail = format!("{bytes} bytes are more than a leaf may hold");
            return Err(FormatError::Unwritable { what: WHAT, detail });
        }
        if self.leaf_bytes + bytes > INDEX_LEAF_BYTES_MAX {
            self.close_leaf()?;
        }
        self.leaf_bytes += bytes;
        self.leaf.push(item);
        self.last_key = key;
        Ok(())
    }

    /// The whole file.
    ///
    /// # Errors
    /// When zstd refuses, which it has no reason to.
    pub fn finish(mut self) -> Result<Vec<u8>, FormatError> {
        if !self.leaf.is_empty() {
            self.close_leaf()?;
        }
        let root = pb::IndexRoot { leaves: std::mem::take(&mut self.leaves) }.encode_to_vec();
        let root = self.file.packed_block(BlockType::IndexRoot, &root)?;
        self.out.extend_from_slice(&root.bytes);
        self.out.extend_from_slice(&self.file.trailer(root.offset, root.length));
        Ok(self.out)
    }

    fn close_leaf(&mut self) -> Result<(), FormatError> {
        let entries = self.leaf.len() as u64;
        let payload = E::leaf(std::mem::take(&mut self.leaf));
        self.leaf_bytes = 0;
        let block = self.file.packed_block(BlockType::IndexLeaf, &payload)?;
        self.file.count_entries(entries);
        self.out.extend_from_slice(&block.bytes);
        self.leaves.push(pb::IndexRootItem {
            last_key: Bytes::copy_from_slice(&self.last_key),
            offset: block.offset,
            length: block.length,
            entries,
        });
        Ok(())
    }
}

/// The index file of entries in any order.
///
/// # Errors
/// Two entries with one key, or an entry that is larger than a leaf.
pub fn write_index<E: IndexEntry>(entries: &[E]) -> Result<Vec<u8>, FormatError> {
    let mut sorted: Vec<&E> = entries.iter().collect();
    sorted.sort_by_cached_key(|e| e.sort_key());
    let mut writer = IndexWriter::new();
    for entry in sorted {
        writer.push(entry)?;
    }
    writer.finish()
}
