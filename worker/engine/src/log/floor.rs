//! Where the log begins for Raft: what was purged, and how the next group is framed. Stored in `floor`, replaced whole.

use crate::error::corrupt;
use crate::files;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use strandline_consensus::LogPos;
use strandline_types::PalfBase;

const FILE: &str = "floor";

/// The first entry that Raft still sees begins here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// Last purged entry; `None` when nothing was ever purged.
    pub(crate) purged: Option<LogPos>,
    /// State of the log after it.
    pub(crate) base: PalfBase,
}

impl Floor {
    /// Index of the first entry that Raft still sees.
    pub(crate) fn first_index(&self) -> u64 {
        self.purged.map_or(0, |p| p.index + 1)
    }

    pub(super) fn load(dir: &Path) -> io::Result<Option<Self>> {
        let Some(bytes) = files::read_checked(&dir.join(FILE))? else { return Ok(None) };
        postcard::from_bytes(&bytes).map(Some).map_err(|e| corrupt(format!("floor of the log: {e}")))
    }

    pub(super) fn store(&self, dir: &Path) -> io::Result<()> {
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        files::replace_checked(&dir.join(FILE), &bytes)
    }
}
