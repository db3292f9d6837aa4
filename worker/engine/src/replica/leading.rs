//! Who leads, as far as the scheduler has a say in it: a worker whose clock is wrong hands over what it leads, and does not
//! stand for election while a member whose clock is right leads.
//!
//! Order rule: a replica is held back only on fresh orders. Without a scheduler every replica stands for election again,
//! so a log stream never lacks a leader because of an order that nobody takes back.

use super::Replica;
use parking_lot::MutexGuard;
use std::time::Duration;
use strandline_types::NodeId;
use strandline_types::limits::WORKER_UNKNOWN_MS;
use tokio::time::Instant;

/// A leader that still leads is asked again after this.
const HAND_OVER_AGAIN: Duration = Duration::from_secs(2);
/// For so long an order to hold back is obeyed without another one.
const HELD_BACK_FOR: Duration = Duration::from_millis(WORKER_UNKNOWN_MS);

/// What was last done.
#[derive(Debug, Default)]
pub(super) struct Leading {
    handed_over: Option<Instant>,
    held_back: Option<Instant>,
}

impl Replica {
    /// Hands over to a member, if this replica leads. It may not happen: the order is repeated.
    pub async fn hand_over(&self, to: NodeId) {
        let is_due = |at: Option<Instant>| at.is_none_or(|at| at.elapsed() >= HAND_OVER_AGAIN);
        if !self.group.role().is_leader || !is_due(self.leading().handed_over) {
            return;
        }
        self.leading().handed_over = Some(Instant::now());
        tracing::warn!(?self.identity, %to, "the clock of this worker is wrong: it hands a log stream over");
        if let Err(error) = self.group.transfer_leader(to.0).await {
            tracing::warn!(?self.identity, %to, %error, "a log stream was not handed over");
        }
    }

    /// Does not stand for election for a while from now on, or does so again.
    pub fn hold_back(&self, is_held_back: bool) {
        let before = std::mem::replace(&mut self.leading().held_back, is_held_back.then(Instant::now));
        if before.is_some() != is_held_back {
            tracing::info!(?self.identity, is_held_back, "whether this replica stands for election has changed");
            self.group.hold_back(is_held_back);
        }
    }

    /// Forgets an order to hold back that was not repeated.
    pub(super) fn release_when_late(&self) {
        let is_late = self.leading().held_back.is_some_and(|at| at.elapsed() >= HELD_BACK_FOR);
        if is_late {
            self.hold_back(false);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_held_back(&self) -> bool {
        self.leading().held_back.is_some()
    }

    fn leading(&self) -> MutexGuard<'_, Leading> {
        self.leading.lock()
    }
}
