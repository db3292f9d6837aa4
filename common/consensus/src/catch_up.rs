//! The guard around a replica that begins empty.
//!
//! A replica that lost its disk has also lost its promises: entries that it acknowledged and votes that it gave. If it
//! voted or stood for election before it has everything that was committed with its help, acknowledged entries could be
//! lost. So an empty replica takes entries and snapshots at once, but does not vote for a candidate that has more log
//! than a group that was just formed, and does not stand for election, until it has applied what the leader had
//! committed when the two logs first met. Then it is marked as caught up, durably and for good.
//!
//! What this cannot know: a group that was formed a moment ago, whose first leader died before this replica heard of
//! it, needs that leader (or the third replica) back.

use crate::meta_store::MetaStore;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// One replica's guard.
pub(crate) struct CatchUp {
    group: Arc<str>,
    meta: Arc<MetaStore>,
    done: AtomicBool,
    goal: watch::Sender<Option<u64>>,
}

impl CatchUp {
    pub(crate) fn new(group: Arc<str>, meta: Arc<MetaStore>, done: bool) -> Self {
        Self { group, meta, done: AtomicBool::new(done), goal: watch::Sender::new(None) }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Whether this replica may vote for a candidate whose last entry has this index. A group that was just formed has
    /// one entry, its members, at index 0.
    pub(crate) fn may_vote_for(&self, candidate_last: Option<u64>) -> bool {
        self.is_done() || candidate_last.unwrap_or(0) == 0
    }

    /// The leader's entries were taken into the log here while it had committed up to `leader_commit`. Only the first
    /// call counts: later commits are made without promises of the lost replica.
    pub(crate) fn logs_met(&self, leader_commit: Option<u64>) {
        if !self.is_done() {
            self.goal.send_if_modified(|goal| {
                let first = goal.is_none() && leader_commit.is_some();
                if first {
                    *goal = leader_commit;
                }
                first
            });
        }
    }

    /// Waits until it is known how far this replica has to come.
    pub(crate) async fn goal(&self) -> u64 {
        let mut receiver = self.goal.subscribe();
        loop {
            if let Some(goal) = *receiver.borrow_and_update() {
                return goal;
            }
            // The sender lives in self, so a change always comes or the wait is given up with the task.
            if receiver.changed().await.is_err() {
                return u64::MAX;
            }
        }
    }

    /// Marks the replica as caught up.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.meta.set_caught_up(&self.group)?;
        self.done.store(true, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_replica_votes_only_in_a_group_without_history() {
        let dir = tempfile::tempdir().unwrap();
        let meta = Arc::new(MetaStore::open(dir.path()).unwrap());
        let guard = CatchUp::new("g".into(), meta.clone(), false);
        assert!(guard.may_vote_for(None) && guard.may_vote_for(Some(0)));
        assert!(!guard.may_vote_for(Some(1)));
        guard.finish().unwrap();
        assert!(guard.may_vote_for(Some(1)) && meta.is_caught_up("g").unwrap());
    }

    #[tokio::test]
    async fn the_goal_is_what_was_committed_when_the_logs_first_met() {
        let dir = tempfile::tempdir().unwrap();
        let guard = CatchUp::new("g".into(), Arc::new(MetaStore::open(dir.path()).unwrap()), false);
        guard.logs_met(None);
        guard.logs_met(Some(7));
        guard.logs_met(Some(9));
        assert_eq!(guard.goal().await, 7);
    }
}
