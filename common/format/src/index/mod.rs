//! Index files: where every macroblock and every tablet meta of a log stream or a tenant lies.
//!
//! Leaves hold entries sorted by key and at most 16 KiB plain; the root lists the last key, offset and length of each
//! leaf. The tenant-level index of an incremental set resolves every block of its chain in one look-up, so physical
//! ids carry the set.

mod entry;
mod ids;
mod reader;
mod storage;
mod writer;

pub use entry::{IndexEntry, MacroIndexEntry, MetaIndexEntry, MetaType, SecMetaIndexEntry};
pub use ids::{MacroBlockId, PhysicalId};
pub use reader::{IndexReader, LeafAt, read_leaf, read_root};
pub use storage::{KeyFingerprint, Storage};
pub use writer::{IndexWriter, write_index};
