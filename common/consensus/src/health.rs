//! The state of one Raft group's replica on this node, as facts without a judgement. The readiness and liveness
//! checks of a server, the check of a leader's quorum and the rebuild of replicas use it. Reading it does no I/O.

use crate::convert::pos_of;
use crate::forming::FormWait;
use crate::group::Group;
use crate::raft_types::Metrics;
use openraft::async_runtime::watch::WatchReceiver;
use std::time::Duration;

/// Whether this replica has applied what was committed when it started: on a follower by what it first heard of a leader, on
/// a leader by its own log. A follower that falls behind later is still `Done`; being a full member is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaughtUp {
    /// No leader has reported yet how far the group is.
    Unknown,
    /// It has to apply up to `goal`.
    Behind {
        /// Last entry that is applied here.
        applied: Option<u64>,
        /// On a follower: what the first leader that was heard since the start had committed then. On a leader: the last
        /// index of its log.
        goal: u64,
    },
    /// It has applied that.
    Done,
}

/// How a group is on this node at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Why the group has stopped here; `None` while it runs.
    pub stopped: Option<String>,
    /// What its forming waits for.
    pub forming: Option<FormWait>,
    /// It leads.
    pub is_leader: bool,
    /// The leader that it knows. It may have died since: see `silence`.
    pub leader: Option<u64>,
    /// Current term.
    pub term: u64,
    /// For how long the leader was not heard; on the leader, a majority. `None`: never since the start.
    pub silence: Option<Duration>,
    /// It votes and may lead.
    pub is_full_member: bool,
    /// What its log lost, while it is no full member for that.
    pub loss: Option<String>,
    /// How far it has come.
    pub caught_up: CaughtUp,
}

impl Group {
    /// How the group is here now; cheap.
    #[must_use]
    pub fn health(&self) -> Health {
        let watch = self.watch();
        let stopped = watch.stopped();
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let is_leader = metrics.state.is_leader() && stopped.is_none();
        Health {
            stopped,
            forming: self.inner.formation.waits(),
            is_leader,
            leader: metrics.current_leader.filter(|id| *id != crate::raft_types::NO_NODE),
            term: metrics.current_term,
            silence: if is_leader { quorum_silence(&metrics) } else { self.inner.pulse.silence() },
            is_full_member: self.inner.catch_up.is_done(),
            loss: self.inner.catch_up.loss().map(str::to_owned),
            caught_up: if is_leader { led(&metrics) } else { self.followed(&metrics) },
        }
    }

    /// A follower is measured by its first leader.
    fn followed(&self, metrics: &Metrics) -> CaughtUp {
        let applied = metrics.last_applied.as_ref().map(|id| id.index);
        match self.inner.pulse.goal() {
            None => CaughtUp::Unknown,
            Some(goal) if applied < Some(goal) => CaughtUp::Behind { applied, goal },
            Some(_) => CaughtUp::Done,
        }
    }
}

/// A new leader has caught up once it has applied an entry of its own term: all that was committed before lies below.
fn led(metrics: &Metrics) -> CaughtUp {
    let applied = metrics.last_applied.as_ref();
    if applied.is_some_and(|id| pos_of(id).term == metrics.current_term) {
        return CaughtUp::Done;
    }
    let goal = metrics.last_log_index.unwrap_or(0);
    CaughtUp::Behind { applied: applied.map(|id| id.index), goal }
}

/// For how long a leader has not heard a majority; one that is alone needs to hear no other member.
fn quorum_silence(metrics: &Metrics) -> Option<Duration> {
    let is_alone = metrics.membership_config.voter_ids().nth(1).is_none();
    if is_alone {
        return Some(Duration::ZERO);
    }
    metrics.last_quorum_acked.as_ref().map(|heard| openraft::Instant::elapsed(&**heard))
}
