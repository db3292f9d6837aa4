//! What of an archive a walk through its log is about.

use strandline_types::{PieceKey, ScnRange};

/// A piece as the walk needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PieceScope {
    pub(super) key: PieceKey,
    pub(super) is_frozen: bool,
    /// Its SCNs, where its round says them.
    pub(super) range: Option<ScnRange>,
    /// True for the first piece of the round: everything before its start counts to it, and the log begins in it.
    pub(super) is_base: bool,
    /// The newest log of the stream is in this piece, and no list says where it ends.
    pub(super) ends_log: bool,
}
