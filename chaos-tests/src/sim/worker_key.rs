//! What a worker archives: one log stream in one round.

use strandline_types::{LsId, RoundId};

/// Round and log stream.
pub(super) type WorkerKey = (RoundId, LsId);
