//! Some tablets of a backup as a store of their own: what table recovery reads.

use crate::{ReplayBatch, Replayed, SourceError};
use bytes::Bytes;
use strandline_types::TabletId;

/// Some tablets of a backup as a store of their own. Every call blocks the thread.
pub trait TabletExtract: Send {
    /// How far log is applied.
    fn replayed(&self) -> Replayed;

    /// Applies the next batch of source log; what it does to other tablets is passed over.
    ///
    /// # Errors
    /// `Corrupt` for a batch that leaves a hole.
    fn replay(&mut self, batch: ReplayBatch) -> Result<(), SourceError>;

    /// Pairs of a tablet from `start` on, up to `max_bytes` but at least one.
    ///
    /// # Errors
    /// What the disk says.
    fn page(&self, tablet: TabletId, start: &[u8], max_bytes: usize) -> Result<Pairs, SourceError>;
}

/// Some pairs of a tablet, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Keys with values.
    pub pairs: Vec<(Bytes, Bytes)>,
    /// True when the tablet goes on after the last key.
    pub more: bool,
}
