//! What the scheduler's Raft log is made of.

use super::Action;
use serde::{Deserialize, Serialize};

/// One entry of the scheduler's Raft log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The proposer's clock. `apply` clamps it to never fall.
    pub proposed_at_ms: u64,
    /// What happens.
    pub action: Action,
}
