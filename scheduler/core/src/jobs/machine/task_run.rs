//! One task from its choice of executor to its end, over all its retries.

use crate::state::Trouble;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use strandline_types::{Failure, LsTaskStatus, NodeId, RetryId, TurnId};

/// A task and its present attempt. Reports of earlier attempts are ignored: `turn` and `retry` are the fence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRun {
    /// Tenant-level repetition.
    pub turn: TurnId,
    /// Present attempt.
    pub retry: RetryId,
    /// Where the attempt stands.
    pub status: LsTaskStatus,
    /// Who does it.
    pub executor: Option<NodeId>,
    /// The executor's boot when it got the task: a restarted process has forgotten what it wrote.
    pub boot_id: u64,
    /// When the executor was chosen.
    pub assigned_ms: u64,
    /// Workers that failed it.
    pub black_list: BTreeSet<NodeId>,
    /// No new attempt before this.
    pub not_before_ms: u64,
    /// The attempt counts as lost when it has not moved until then.
    pub deadline_ms: u64,
    /// Bytes to move.
    pub bytes_total: u64,
    /// Bytes moved.
    pub bytes_done: u64,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
    /// Attempts that failed for a reason which trying again does not cure.
    pub hard_failures: u32,
    /// What holds it up, over all attempts until one comes further.
    pub trouble: Option<Trouble>,
}

impl Default for TaskRun {
    fn default() -> Self {
        Self {
            turn: TurnId(1),
            retry: RetryId(0),
            status: LsTaskStatus::Init,
            executor: None,
            boot_id: 0,
            assigned_ms: 0,
            black_list: BTreeSet::new(),
            not_before_ms: 0,
            deadline_ms: 0,
            bytes_total: 0,
            bytes_done: 0,
            failure: None,
            hard_failures: 0,
            trouble: None,
        }
    }
}

impl TaskRun {
    /// True while an executor should be working on it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.status, LsTaskStatus::Pending | LsTaskStatus::Doing)
    }

    /// What holds it up after its running attempt has said what it waits for. `moved`: it has come further meanwhile.
    ///
    /// A wait of this attempt is over when the medium has answered. Why the attempt before failed holds until bytes move:
    /// what fails again at the same place was never over.
    #[must_use]
    pub fn trouble_after(&self, waiting: Option<Trouble>, answered: bool, moved: bool) -> Option<Trouble> {
        let before = self.trouble.as_ref();
        if let Some(waiting) = waiting {
            return Some(Trouble::again(before, waiting.failure, waiting.since_ms));
        }
        let is_of_attempt_before = before.is_some_and(|t| self.failure.as_ref() == Some(&t.failure));
        let is_over = moved || (answered && !is_of_attempt_before);
        self.trouble.clone().filter(|_| !is_over)
    }

    /// True once it ended well.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.status == LsTaskStatus::Finish
    }
}
