//! What a snapshot directory says of itself.
//!
//! ```text
//! head       this record
//! db/        RocksDB checkpoint
//! log/       log blocks from the recycle point up to the last entry of the snapshot
//! ```

use crate::error::corrupt;
use crate::files;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use strandline_consensus::LogPos;
use strandline_types::PalfBase;

const FILE: &str = "head";

/// First record of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SnapshotHead {
    /// Last entry that the snapshot holds.
    pub(crate) pos: LogPos,
    /// State of the log after it.
    pub(crate) base: PalfBase,
    /// Members as of that entry, in the consensus crate's own encoding.
    pub(crate) membership: Bytes,
}

impl SnapshotHead {
    pub(crate) fn load(dir: &Path) -> io::Result<Option<Self>> {
        let Some(bytes) = files::read_checked(&dir.join(FILE))? else { return Ok(None) };
        postcard::from_bytes(&bytes).map(Some).map_err(|e| corrupt(format!("head of a snapshot: {e}")))
    }

    pub(crate) fn store(&self, dir: &Path) -> io::Result<()> {
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        files::replace_checked(&dir.join(FILE), &bytes)
    }
}
