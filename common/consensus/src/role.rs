//! Who leads a group and how far this replica is, cheaply and as it changes.

use crate::convert::pos_of;
use crate::raft_types::NO_NODE;
use crate::raft_types::{Metrics, MetricsReceiver};
use crate::types::LogPos;
use futures::FutureExt;
use openraft::async_runtime::watch::WatchReceiver;
use std::collections::BTreeSet;

/// The state of one replica at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Role {
    /// This replica leads the group.
    pub is_leader: bool,
    /// Current term.
    pub term: u64,
    /// Leader of the term, when known.
    pub leader: Option<u64>,
    /// Last entry that was applied here.
    pub last_applied: Option<LogPos>,
    /// Index of the last entry of the log here; it may not be committed.
    pub last_log: Option<u64>,
    /// Last entry of the newest snapshot here.
    pub snapshot: Option<LogPos>,
    /// Last entry that was purged from the log here.
    pub purged: Option<LogPos>,
    /// Members that vote.
    pub members: BTreeSet<u64>,
    /// False once the group has stopped here: shut down, or its disk failed.
    pub running: bool,
}

impl Role {
    pub(crate) fn of(metrics: &Metrics) -> Self {
        Self {
            is_leader: metrics.state.is_leader(),
            term: metrics.current_term,
            leader: metrics.current_leader.filter(|id| *id != NO_NODE),
            last_applied: metrics.last_applied.as_ref().map(pos_of),
            last_log: metrics.last_log_index,
            snapshot: metrics.snapshot.as_ref().map(pos_of),
            purged: metrics.purged.as_ref().map(pos_of),
            members: metrics.membership_config.voter_ids().collect(),
            running: metrics.running_state.is_ok(),
        }
    }
}

/// Tells when the state of a replica changes.
#[derive(Clone)]
pub struct RoleWatch {
    receiver: MetricsReceiver,
}

impl RoleWatch {
    pub(crate) fn new(receiver: MetricsReceiver) -> Self {
        Self { receiver }
    }

    /// The state now.
    #[must_use]
    pub fn role(&self) -> Role {
        let mut role = Role::of(&self.receiver.borrow_watched());
        role.running &= !self.is_abandoned();
        role.is_leader &= role.running;
        role
    }

    /// Why the group has stopped here; `None` while it runs.
    pub(crate) fn stopped(&self) -> Option<String> {
        // Two looks, one after the other: a caller that holds one must not ask for another.
        let answered = self.receiver.borrow_watched().running_state.as_ref().err().map(ToString::to_string);
        answered
            .or_else(|| self.is_abandoned().then(|| "its task ended without a word (a panic: read the log)".to_owned()))
    }

    /// A task that panics does not say that it has stopped: it is found out by what it no longer holds.
    fn is_abandoned(&self) -> bool {
        let mut receiver = self.receiver.clone();
        drop(receiver.borrow_and_update());
        matches!(receiver.changed().now_or_never(), Some(Err(_)))
    }

    /// Waits until anything has changed since the last call; `false` once the group has stopped.
    pub async fn changed(&mut self) -> bool {
        self.receiver.changed().await.is_ok()
    }

    /// Waits until `wanted` holds and gives that state; `None` once the group has stopped.
    pub async fn until(&mut self, mut wanted: impl FnMut(&Role) -> bool) -> Option<Role> {
        loop {
            let role = self.role();
            if wanted(&role) {
                return Some(role);
            }
            if !role.running || !self.changed().await {
                return None;
            }
        }
    }

    /// Waits until leader or term are others than in `known`; `None` once the group has stopped.
    pub async fn leadership_changed(&mut self, known: &Role) -> Option<Role> {
        self.until(|now| (now.is_leader, now.term, now.leader) != (known.is_leader, known.term, known.leader)).await
    }
}
