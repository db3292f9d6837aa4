//! Reading an index: the whole file at once, or root first and then only the leaf that a key lies in.

use super::IndexEntry;
use crate::blocks::{BlockAt, BlockType, read_file};
use crate::{FormatError, pb};
use bytes::Bytes;
use prost::Message;
use std::marker::PhantomData;
use strandline_types::limits::INDEX_LEAF_BYTES_MAX;

/// Where a leaf lies, as the root says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafAt {
    /// Key of its last entry.
    pub last_key: Vec<u8>,
    /// Offset in the file.
    pub offset: u64,
    /// Length, header and padding included.
    pub length: u64,
    /// Entries in it.
    pub entries: u64,
}

/// Reads whole index files.
#[derive(Debug)]
pub struct IndexReader<E>(PhantomData<E>);

impl<E: IndexEntry> IndexReader<E> {
    /// Every entry of an index file, in order; everything about the file is verified.
    ///
    /// # Errors
    /// Anything that is not a whole, finished, intact index file of this kind.
    pub fn parse(file: &Bytes) -> Result<Vec<E>, FormatError> {
        const WHAT: &str = "index file";
        let (mut entries, mut leaves, mut root) = (Vec::new(), Vec::new(), Vec::new());
        let check = read_file(file, |at, block| {
            match block.block_type {
                BlockType::IndexLeaf => {
                    let leaf = read_leaf::<E>(block.payload)?;
                    leaves.push(leaf_at(at, &leaf));
                    entries.extend(leaf);
                }
                BlockType::IndexRoot => root = read_root(block.payload)?,
                other => {
                    return Err(FormatError::WrongType { expected: "index block".into(), found: other.to_string() });
                }
            }
            Ok(())
        })?;
        if check.kind != E::KIND {
            return Err(FormatError::WrongType { expected: E::KIND.to_string(), found: check.kind.to_string() });
        }
        let rising = leaves.windows(2).all(|w| w[0].last_key < w[1].last_key) && is_rising(&entries);
        if root != leaves || check.trailer.index_entry_count != entries.len() as u64 || !rising {
            let detail = "root, leaves and trailer do not match".to_owned();
            return Err(FormatError::Structure { what: WHAT, at: check.trailer.list_offset, detail });
        }
        Ok(entries)
    }
}

/// The leaves that a root block's payload lists.
///
/// # Errors
/// When the payload is no root.
pub fn read_root(payload: Bytes) -> Result<Vec<LeafAt>, FormatError> {
    let root = pb::IndexRoot::decode(payload).map_err(|e| bad("index root", e.to_string()))?;
    let leaf = |item: pb::IndexRootItem| LeafAt {
        last_key: item.last_key.into(),
        offset: item.offset,
        length: item.length,
        entries: item.entries,
    };
    Ok(root.leaves.into_iter().map(leaf).collect())
}

/// The entries of a leaf block's payload.
///
/// # Errors
/// When the payload is no leaf of this kind, or not sorted.
pub fn read_leaf<E: IndexEntry>(payload: Bytes) -> Result<Vec<E>, FormatError> {
    const WHAT: &str = "index leaf";
    if payload.len() > INDEX_LEAF_BYTES_MAX {
        return Err(bad(WHAT, format!("{} bytes are more than a leaf may hold", payload.len())));
    }
    let items = E::items(payload).map_err(|e| bad(WHAT, e.to_string()))?;
    let entries = items.into_iter().map(E::from_item).collect::<Result<Vec<E>, _>>()?;
    if entries.is_empty() || !is_rising(&entries) {
        return Err(bad(WHAT, "its entries do not rise".to_owned()));
    }
    Ok(entries)
}

fn leaf_at<E: IndexEntry>(at: BlockAt, leaf: &[E]) -> LeafAt {
    let last_key = leaf.last().map(E::sort_key).unwrap_or_default();
    LeafAt { last_key, offset: at.offset, length: at.length, entries: leaf.len() as u64 }
}

fn is_rising<E: IndexEntry>(entries: &[E]) -> bool {
    entries.windows(2).all(|w| w[0].sort_key() < w[1].sort_key())
}

fn bad(what: &'static str, detail: String) -> FormatError {
    FormatError::Payload { what, at: 0, detail }
}
