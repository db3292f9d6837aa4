//! The tablets of one replica: one RocksDB, one column family per tablet, one for the replica's own records.
//!
//! Its WAL is off, the Raft log is the WAL. Order rules: effects and the applied record are written in one batch and
//! flushed atomically over all column families, so a store that is opened after a crash is exactly the state after the
//! entry that its own record names.

mod batch;
mod blocks;
mod fingerprint;
mod inner;
mod list;
mod options;
mod store;

pub(crate) use batch::Effects;
pub(crate) use blocks::{engine_files, list_blocks};
pub(crate) use fingerprint::View;
pub(crate) use inner::{AppliedRecord, InnerState};
pub(crate) use list::TabletList;
pub(crate) use options::SharedMemory;
pub(crate) use store::TabletStore;

use crate::error::corrupt;
use std::io;
use strandline_types::TabletId;

/// The column family of the replica's own records: *sys* data.
pub(crate) const INNER: &str = "inner";
/// RocksDB insists on it; it stays empty.
const DEFAULT: &str = "default";

/// Column family of a tablet.
fn name_of(tablet: TabletId) -> String {
    if tablet == TabletId::INNER { INNER.to_owned() } else { format!("t{tablet}") }
}

/// Tablet of a column family; the inner one for `inner`, `None` for what belongs to no tablet.
fn tablet_of(name: &str) -> Option<TabletId> {
    if name == INNER {
        return Some(TabletId::INNER);
    }
    name.strip_prefix('t').and_then(|n| n.parse().ok()).map(TabletId)
}

/// A RocksDB error as an `io::Error`, corruption kept apart.
fn rocks(error: rocksdb::Error) -> io::Error {
    use rocksdb::ErrorKind;
    match error.kind() {
        ErrorKind::Corruption => corrupt(error.into_string()),
        ErrorKind::NotFound => io::Error::new(io::ErrorKind::NotFound, error),
        _ if error.as_ref().contains("No space left") => io::Error::new(io::ErrorKind::StorageFull, error),
        _ => io::Error::other(error),
    }
}
