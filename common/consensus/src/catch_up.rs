//! The guard around a replica that begins empty, or whose log lacks what was durable.
//!
//! A replica that lost its disk, or a part of its log, has also lost its promises: entries that it acknowledged, and with
//! the disk the votes that it gave. If it voted or stood for election before it has everything that was committed with its help, acknowledged entries could be
//! lost. So an empty replica takes entries and snapshots at once, but neither votes nor stands for election until one
//! of these is sure, and durably marked:
//!
//! - the group is fresh: this replica forms it, begins from its base, or has heard from every peer that it is empty
//!   (`forming.rs`). Where somebody else knows that a group is fresh, a candidate whose log ends with the members of the
//!   group, entry 0, shows it. A fresh group has its first leader only after a majority was marked like this, so it can
//!   always be led again;
//! - it has applied what the leader had committed when the two logs first met.
//!
//! What a candidate cannot show: one that was cut off when its group was a moment old looks like one of a fresh group.

use crate::meta_store::MetaStore;
use std::io;
use std::sync::Arc;
use tokio::sync::watch;

/// How far a replica is on its way to a full member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is known yet.
    Empty,
    /// It must apply up to this index.
    Behind(u64),
    /// It votes and stands for election.
    Done,
}

/// One replica's guard.
pub(crate) struct CatchUp {
    group: Arc<str>,
    meta: Arc<MetaStore>,
    is_formed_by_asking: bool,
    stage: watch::Sender<Stage>,
    /// What it lost, in words; `None` when it began empty, or nothing is lost.
    loss: Option<String>,
}

impl CatchUp {
    pub(crate) fn new(group: Arc<str>, meta: Arc<MetaStore>, done: bool, is_formed_by_asking: bool) -> Self {
        let stage = if done { Stage::Done } else { Stage::Empty };
        Self { group, meta, is_formed_by_asking, stage: watch::Sender::new(stage), loss: None }
    }

    /// A replica that has lost this.
    pub(crate) fn with_loss(self, loss: Option<String>) -> Self {
        Self { loss, ..self }
    }

    /// What it lost, until it has caught up.
    pub(crate) fn loss(&self) -> Option<&str> {
        self.loss.as_deref().filter(|_| !self.is_done())
    }

    pub(crate) fn is_done(&self) -> bool {
        *self.stage.borrow() == Stage::Done
    }

    /// Whether this replica may vote for a candidate whose last entry has this index. Blocks for the mark when the
    /// candidate shows that the group is fresh.
    pub(crate) fn may_vote_for(&self, candidate_last: Option<u64>) -> io::Result<bool> {
        if !self.is_done() && candidate_last == Some(0) && !self.is_formed_by_asking && self.loss.is_none() {
            self.finish()?;
        }
        Ok(self.is_done())
    }

    /// The leader's entries were taken into the log here while it had committed up to `leader_commit`. Only the first
    /// call counts: later commits are made without promises of the lost replica.
    pub(crate) fn logs_met(&self, leader_commit: Option<u64>) {
        let Some(goal) = leader_commit else { return };
        self.stage.send_if_modified(|stage| {
            let first = *stage == Stage::Empty;
            if first {
                *stage = Stage::Behind(goal);
            }
            first
        });
    }

    /// Waits until it is known how far this replica has to come; `None` when it is a full member already.
    pub(crate) async fn goal(&self) -> Option<u64> {
        match *self.stage.subscribe().wait_for(|stage| *stage != Stage::Empty).await.ok()? {
            Stage::Behind(goal) => Some(goal),
            Stage::Empty | Stage::Done => None,
        }
    }

    /// Waits until the replica is a full member.
    pub(crate) async fn done(&self) {
        // The sender lives in self: the wait cannot fail while somebody waits.
        let _ = self.stage.subscribe().wait_for(|stage| *stage == Stage::Done).await;
    }

    /// Marks the replica as a full member. Blocks until the mark is durable.
    pub(crate) fn finish(&self) -> io::Result<()> {
        if !self.is_done() {
            self.meta.set_caught_up(&self.group)?;
            self.stage.send_replace(Stage::Done);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn guard(dir: &tempfile::TempDir) -> (CatchUp, Arc<MetaStore>) {
        let meta = Arc::new(MetaStore::open(dir.path()).unwrap());
        (CatchUp::new("g".into(), meta.clone(), false, false), meta)
    }

    #[test]
    fn where_members_ask_each_other_no_candidate_makes_a_full_member() {
        let dir = tempfile::tempdir().unwrap();
        let meta = Arc::new(MetaStore::open(dir.path()).unwrap());
        let guard = CatchUp::new("g".into(), meta, false, true);
        assert!(!guard.may_vote_for(Some(0)).unwrap());
    }

    #[test]
    fn an_empty_replica_does_not_vote_in_a_group_with_history() {
        let dir = tempfile::tempdir().unwrap();
        let (guard, meta) = guard(&dir);
        assert!(!guard.may_vote_for(Some(1)).unwrap());
        assert!(!guard.may_vote_for(None).unwrap());
        assert!(!meta.is_caught_up("g").unwrap());
    }

    #[test]
    fn a_replica_of_a_fresh_group_votes_and_goes_on_voting() {
        let dir = tempfile::tempdir().unwrap();
        let (guard, meta) = guard(&dir);
        assert!(guard.may_vote_for(Some(0)).unwrap());
        assert!(guard.may_vote_for(Some(7)).unwrap());
        assert!(meta.is_caught_up("g").unwrap());
    }

    #[tokio::test]
    async fn the_goal_is_what_was_committed_when_the_logs_first_met() {
        let dir = tempfile::tempdir().unwrap();
        let (guard, _) = guard(&dir);
        guard.logs_met(None);
        guard.logs_met(Some(7));
        guard.logs_met(Some(9));
        assert_eq!(guard.goal().await, Some(7));
        guard.finish().unwrap();
        assert_eq!(guard.goal().await, None);
    }
}
