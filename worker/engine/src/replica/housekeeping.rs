//! What a replica does by itself: keep an idle tenant's SCN moving, bound what a restart has to apply again, bound the
//! log that Raft keeps.
//!
//! Every step is idempotent and may fail: the next tick tries again.

use super::Replica;
use std::sync::{Arc, Weak};
use std::time::Duration;
use strandline_consensus::RoleWatch;
use strandline_types::limits::{KEEP_ALIVE_IDLE_MS, RAFT_LOG_BYTES_KEPT, RAFT_LOG_BYTES_MAX, TABLET_FLUSH_LOG_BYTES};
use strandline_types::{Lsn, Scn};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

const TICK: Duration = Duration::from_secs(1);
/// Time after which the tablets are flushed when anything was applied.
const FLUSH_AFTER: Duration = Duration::from_secs(60);
/// What was done last.
struct Done {
    flushed: Lsn,
    flushed_at: Instant,
}

/// Runs until the replica stops or is dropped.
pub(super) async fn run(replica: Weak<Replica>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut done = Done { flushed: Lsn::ZERO, flushed_at: Instant::now() };
    loop {
        tick.tick().await;
        let Some(replica) = replica.upgrade() else { return };
        let stop = replica.stop.clone();
        tokio::select! {
            () = stop.cancelled() => return,
            () = replica.tend(&mut done) => {}
        }
    }
}

/// Tells when the replica begins or ceases to lead, until its group stops.
pub(super) async fn tell_leadership(mut role: RoleWatch, leadership_changed: Arc<Notify>) {
    let mut is_leader = false;
    while let Some(now) = role.until(|now| now.is_leader != is_leader).await {
        is_leader = now.is_leader;
        leadership_changed.notify_one();
    }
}

impl Replica {
    async fn tend(self: &Arc<Self>, done: &mut Done) {
        let end = *self.machine.committed().borrow();
        self.machine.log().mark_durable();
        self.release_when_late();
        let idle_since = self.machine.log().last_scn().as_ms();
        let now = self.proposer.clock.now();
        // Log stream 1 begins and the scheduler tells the others how far to follow: if each began, all would follow all.
        if self.identity.ls.is_sys()
            && now.as_ms() >= idle_since.saturating_add(KEEP_ALIVE_IDLE_MS)
            && let Err(error) = self.keep_alive_to(self.proposer.next_scn(Scn::MIN)).await
        {
            tracing::debug!(?self.identity, %error, "no keep-alive");
        }
        let unflushed = end.0.saturating_sub(done.flushed.0);
        if unflushed >= TABLET_FLUSH_LOG_BYTES || (unflushed > 0 && done.flushed_at.elapsed() >= FLUSH_AFTER) {
            let machine = self.machine.clone();
            match self.blocking("flushing the tablets", move || machine.flush()).await {
                Ok(()) => *done = Done { flushed: end, flushed_at: Instant::now() },
                Err(error) => tracing::warn!(?self.identity, %error, "the tablets were not flushed"),
            }
        }
        if end.0.saturating_sub(self.machine.log().floor_lsn().0) >= RAFT_LOG_BYTES_MAX {
            self.purge_behind(Lsn(end.0 - RAFT_LOG_BYTES_KEPT)).await;
        }
    }

    async fn purge_behind(&self, below: Lsn) {
        let purged = async {
            self.group.snapshot_now().await?;
            match self.machine.log().last_index_before(below) {
                Some(index) => self.group.purge(index).await,
                None => Ok(()),
            }
        };
        if let Err(error) = purged.await {
            tracing::warn!(?self.identity, %error, "the log was not purged");
        }
    }
}
