//! What is known of a log before a position: enough to verify that the next group follows.

use strandline_types::{Lsn, PalfBase, Scn};

/// The log before a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogBase {
    /// Where the next group begins.
    pub lsn: Lsn,
    /// SCN of the group before it, [`Scn::MIN`] at the start of a log.
    pub scn: Scn,
    /// What the format needs besides.
    pub link: LogLink,
}

/// Two words by which a [`crate::LogFormat`] recognizes the group that follows. Only the format that made them reads
/// them; they are stored and sent unchanged. All zero at the start of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogLink([u64; 2]);

impl LogLink {
    /// For a format that has just verified a group.
    #[must_use]
    pub const fn new(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// For the format that made them.
    #[must_use]
    pub const fn words(self) -> [u64; 2] {
        self.0
    }
}

/// The stored form. Sets and messages keep the two words in the fields that are named for PALF.
impl From<LogBase> for PalfBase {
    fn from(base: LogBase) -> Self {
        let [prev_log_id, prev_accumulated_checksum] = base.link.0;
        Self { lsn: base.lsn, prev_log_id, prev_accumulated_checksum, prev_scn: base.scn }
    }
}

impl From<PalfBase> for LogBase {
    fn from(base: PalfBase) -> Self {
        let link = LogLink([base.prev_log_id, base.prev_accumulated_checksum]);
        Self { lsn: base.lsn, scn: base.prev_scn, link }
    }
}
