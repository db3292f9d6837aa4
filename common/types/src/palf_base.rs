//! The point at which a log goes on: what a replica, a backup or a restore must know to frame the next group.

use crate::{Lsn, Scn};
use serde::{Deserialize, Serialize};

/// State of the framing *before* the group at `lsn`: every writer that has it writes the same bytes.
/// (The original's `palf_base_info`, docs/oceanbase.md, 3.5.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PalfBase {
    /// Where the next group begins.
    pub lsn: Lsn,
    /// `log_id` of the group before it, 0 at the start of a log.
    pub prev_log_id: u64,
    /// Accumulated checksum up to `lsn`, 0 at the start of a log.
    pub prev_accumulated_checksum: u64,
    /// `max_scn` of the group before it, 0 at the start of a log.
    pub prev_scn: Scn,
}
