//! The handle of one group on this node: propose, read, follow the role, and what administers the group.
//!
//! A handle may be cloned freely. The group runs until `shutdown` or `remove`, not until the last handle is dropped.

use crate::catch_up::CatchUp;
use crate::convert::{log_id_of, membership_at, nodes_of};
use crate::error::{GroupError, ProposeError};
use crate::formation::Formation;
use crate::log_adapter::work_on;
use crate::meta_store::MetaStore;
use crate::network::Network;
use crate::propose::{Outcome, Proposal, refusal};
use crate::pulse::Pulse;
use crate::raft::Raft;
use crate::raft_types::{Answer, Fatal, NO_NODE, Snapshot, SnapshotMeta, Vote};
use crate::registry::Registry;
use crate::role::{Role, RoleWatch};
use crate::rooms::Rooms;
use crate::snapshot_files::SnapshotFiles;
use crate::types::{LogPos, Payload, Reply};
use openraft::ReadPolicy;
use openraft::errors::{InitializeError, LinearizableReadError, RaftError};
use openraft::raft::TransferLeaderRequest;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a proposal or a read may take when the caller does not say.
const PROPOSE_DEADLINE: Duration = Duration::from_secs(5);
/// Pause before a refusal that passes by itself is tried again.
const LEASE_RETRY: Duration = Duration::from_millis(20);
/// How long a snapshot, or a change of members with its catching up, may take.
const LONG_DEADLINE: Duration = Duration::from_secs(600);
/// A request for a snapshot is repeated this often: openraft forgets one that comes while it is busy.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(1);

/// One group's replica on this node.
#[derive(Clone)]
pub struct Group {
    pub(crate) inner: Arc<GroupInner>,
}

pub(crate) struct GroupInner {
    pub(crate) name: Arc<str>,
    pub(crate) raft: Raft,
    pub(crate) rooms: Rooms,
    pub(crate) catch_up: Arc<CatchUp>,
    pub(crate) formation: Arc<Formation>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) network: Network,
    pub(crate) meta: Arc<MetaStore>,
    pub(crate) registry: Arc<Registry>,
    /// It does not stand for election although it may.
    pub(crate) is_held_back: AtomicBool,
}

impl Group {
    /// Name of the group.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// State of this replica now.
    #[must_use]
    pub fn role(&self) -> Role {
        self.watch().role()
    }

    /// Whether it votes and may lead: `false` while a replica that began empty has not caught up.
    #[must_use]
    pub fn is_full_member(&self) -> bool {
        self.inner.catch_up.is_done()
    }

    /// Follows the state of this replica.
    #[must_use]
    pub fn watch(&self) -> RoleWatch {
        RoleWatch::new(self.inner.raft.metrics())
    }

    /// Proposes and waits until this replica has applied it, 5 s at most.
    pub async fn propose(&self, payload: Payload) -> Result<(LogPos, Reply), ProposeError> {
        self.propose_within(payload, PROPOSE_DEADLINE).await
    }

    /// Proposes and waits until this replica has applied it, `limit` at most. The refusals of a leader that has not
    /// heard a majority yet are tried again meanwhile.
    pub async fn propose_within(&self, payload: Payload, limit: Duration) -> Result<(LogPos, Reply), ProposeError> {
        let deadline = Instant::now() + limit;
        loop {
            let mut proposal = timeout_at(deadline, self.enqueue(payload.clone(), None))
                .await
                .map_err(|_| ProposeError::refused("too many proposals wait"))??;
            let outcome = timeout_at(deadline, poll_fn(|cx| proposal.poll_outcome(cx)))
                .await
                .map_err(|_| ProposeError::unknown("the proposal was not committed in time"))?;
            if !matches!(outcome, Outcome::LeaseExpired) || Instant::now() + LEASE_RETRY >= deadline {
                return outcome.into_result();
            }
            sleep(LEASE_RETRY).await;
        }
    }

    /// Gives a proposal its place in the queue of the log and returns without waiting for its commit. Proposals that
    /// one task makes one after the other land in the log in that order, if they land.
    pub async fn propose_ordered(&self, payload: Payload) -> Result<Proposal, ProposeError> {
        self.quorum_heard().await;
        self.enqueue(payload, None).await
    }

    /// The same, in this term only: once this replica leads in a later one, the proposal is refused as by somebody who
    /// does not lead. What was looked up in the state machine after [`Group::read_index`] in that term is still true of
    /// everything in the log before the proposal, but for what this leader has proposed itself.
    pub async fn propose_in_term(&self, payload: Payload, term: u64) -> Result<Proposal, ProposeError> {
        self.quorum_heard().await;
        self.enqueue(payload, Some(term)).await
    }

    /// Waits until a linearizable read of the state machine may happen on this leader: a majority has confirmed it,
    /// and everything that was committed before the call is applied. 5 s at most.
    pub async fn read_index(&self) -> Result<(), ProposeError> {
        let deadline = Instant::now() + PROPOSE_DEADLINE;
        loop {
            let confirmed = timeout_at(deadline, self.inner.raft.ensure_linearizable(ReadPolicy::ReadIndex)).await;
            let last = match confirmed {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(RaftError::Fatal(fatal))) => return Err(ProposeError::Fatal { what: fatal.to_string() }),
                Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)))) => {
                    match refusal(&forward) {
                        Some(error) => return Err(error),
                        None => "the leader does not hear a majority now".to_owned(),
                    }
                }
                Ok(Err(RaftError::APIError(error))) => error.to_string(),
                Err(_) => "the read was not confirmed in time".to_owned(),
            };
            if Instant::now() + LEASE_RETRY >= deadline {
                return Err(ProposeError::refused(last));
            }
            sleep(LEASE_RETRY).await;
        }
    }

    /// Forms a fresh group of these members (id → address). On one of them, and never for a group that may have history;
    /// it changes nothing where the directory ever belonged to a formed group. A caller that cannot be sure that the group is
    /// fresh asks the others: [`Group::form`].
    pub async fn initialize(&self, members: BTreeMap<u64, String>) -> Result<(), GroupError> {
        if self.inner.raft.is_initialized().await.map_err(|f| self.stopped(&f))? {
            return Ok(());
        }
        if self.inner.formation.is_formed() {
            tracing::warn!(group = self.name(), "the log of this replica was lost: it waits for its leader");
            return Ok(());
        }
        self.lift_guard().await?;
        match self.inner.raft.initialize(nodes_of(&members)).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(error)) => Err(self.invalid(error.to_string())),
            Err(RaftError::Fatal(fatal)) => Err(self.stopped(&fatal)),
        }
    }

    /// Begins an empty replica of a restored group from a snapshot directory, whose last entry is `pos`, with these
    /// members. On every member, then `elect` on one. The log goes on after `pos`. Repeating it changes nothing.
    pub async fn install_base(
        &self,
        dir: &Path,
        pos: LogPos,
        members: BTreeMap<u64, String>,
    ) -> Result<(), GroupError> {
        let role = self.role();
        if role.last_applied >= Some(pos) {
            return Ok(());
        }
        if role.last_applied.is_some() || role.last_log.is_some() || self.inner.formation.is_formed() {
            return Err(self.invalid("only an empty replica can begin from a base".to_owned()));
        }
        let meta = SnapshotMeta {
            last_log_id: Some(log_id_of(pos)),
            last_membership: membership_at(pos, &members).map_err(|e| self.storage(e))?,
        };
        self.lift_guard().await?;
        let vote = Vote::new_committed(pos.term, NO_NODE);
        let snapshot = Snapshot { meta, snapshot: SnapshotFiles::lent(dir.to_path_buf()) };
        let answer = self.inner.raft.install_full_snapshot(vote, snapshot).await.map_err(|f| self.stopped(&f))?;
        if answer.vote != vote {
            return Err(self.invalid("the group has begun without this base".to_owned()));
        }
        // The leader that the base came from is no node: its lease, which the first election would wait for, is given up.
        let hand_over = TransferLeaderRequest::new(vote, NO_NODE, None);
        let _ = self.inner.raft.handle_transfer_leader(hand_over).await.map_err(|f| self.stopped(&f))?;
        // What a repetition looks at follows the installation by a moment: without this wait it would find a log that
        // is not applied, and take its own base for another history.
        let mut watch = self.watch();
        let seen = watch.until(|role| role.last_applied >= Some(pos));
        // Late or stopped: the repetition is refused then, and is repeated in its turn.
        let _ = tokio::time::timeout(PROPOSE_DEADLINE, seen).await;
        Ok(())
    }

    /// Stands for election now.
    pub async fn elect(&self) -> Result<(), GroupError> {
        if !self.inner.catch_up.is_done() {
            return Err(self.invalid("a replica that is catching up does not stand for election".to_owned()));
        }
        self.inner.raft.trigger().elect(false).await.map_err(|f| self.stopped(&f))
    }

    /// Asks this leader to hand over to `to`. It may not happen; follow the role.
    pub async fn transfer_leader(&self, to: u64) -> Result<(), GroupError> {
        self.inner.raft.trigger().transfer_leader(to).await.map_err(|f| self.stopped(&f))
    }

    /// From now on it does not stand for election when it hears no leader, or does so again. It votes all the same, and
    /// leads when a leader hands over to it.
    pub fn hold_back(&self, is_held_back: bool) {
        self.inner.is_held_back.store(is_held_back, Ordering::SeqCst);
        self.stand_when_allowed();
    }

    fn stand_when_allowed(&self) {
        let may_stand = self.inner.catch_up.is_done() && !self.inner.is_held_back.load(Ordering::SeqCst);
        self.inner.raft.runtime_config().elect(may_stand);
    }

    /// Makes these (id → address) the members that vote, on the leader. New ones first take the log as learners.
    pub async fn change_members(&self, members: BTreeMap<u64, String>) -> Result<(), ProposeError> {
        let voters: BTreeSet<u64> = members.keys().copied().collect();
        let known = self.role().members;
        let change = async {
            for (id, node) in nodes_of(&members) {
                if !known.contains(&id) {
                    Outcome::of_change(self.inner.raft.add_learner(id, node, true).await)?;
                }
            }
            Outcome::of_change(self.inner.raft.change_membership(voters, false).await)
        };
        match tokio::time::timeout(LONG_DEADLINE, change).await {
            Ok(changed) => changed,
            Err(_) => Err(ProposeError::unknown("the members were not changed in time")),
        }
    }

    /// Makes sure that a snapshot holds everything that is applied here now, and gives its last entry.
    pub async fn snapshot_now(&self) -> Result<LogPos, GroupError> {
        let Some(wanted) = self.role().last_applied else {
            return Err(self.invalid("nothing to make a snapshot of".to_owned()));
        };
        let deadline = Instant::now() + LONG_DEADLINE;
        let mut watch = self.watch();
        loop {
            if watch.role().snapshot < Some(wanted) {
                self.inner.raft.trigger().snapshot().await.map_err(|f| self.stopped(&f))?;
            }
            let built = watch.until(|role| role.snapshot >= Some(wanted));
            match tokio::time::timeout(SNAPSHOT_RETRY, built).await {
                Ok(Some(role)) => return Ok(role.snapshot.unwrap_or(wanted)),
                Ok(None) => return Err(self.stopped(&Fatal::Stopped)),
                Err(_) if Instant::now() >= deadline => return Err(self.late("no snapshot was built in time")),
                Err(_) => {}
            }
        }
    }

    /// Lets the log drop its entries up to `upto`, as far as the newest snapshot holds them. It happens a little later:
    /// a leader waits for what it is sending just now.
    pub async fn purge(&self, upto: u64) -> Result<(), GroupError> {
        self.inner.raft.trigger().purge_log(upto).await.map_err(|f| self.stopped(&f))
    }

    /// Stops the replica; its files stay.
    pub async fn shutdown(&self) -> Result<(), GroupError> {
        self.inner.registry.remove(&self.inner.name);
        self.inner.raft.shutdown().await.map_err(|e| self.storage(io::Error::other(e)))
    }

    /// Stops the replica for good and forgets its vote. Its log and state machine are the owner's to remove.
    pub async fn remove(&self) -> Result<(), GroupError> {
        let stopped = self.shutdown().await;
        let (meta, name) = (self.inner.meta.clone(), self.inner.name.clone());
        work_on(move || meta.forget(&name)).await.map_err(|e| self.storage(e))?;
        stopped
    }

    async fn enqueue(&self, payload: Payload, only_in: Option<u64>) -> Result<Proposal, ProposeError> {
        let room = self.inner.rooms.take(&payload).await?;
        let (answer, receiver) = Answer::new(room);
        let mut request = self.inner.raft.write(payload).responder(answer);
        if let Some(term) = only_in {
            request = request.with_leader(term);
        }
        request.await.map_err(|fatal| ProposeError::Fatal { what: fatal.to_string() })?;
        Ok(Proposal::new(receiver))
    }

    /// A new leader refuses proposals until its first round of heartbeats came back: wait for that. A caller that does not
    /// lead is refused by the queue itself.
    async fn quorum_heard(&self) {
        use openraft::async_runtime::watch::WatchReceiver;
        let mut metrics = self.inner.raft.metrics();
        let heard = metrics.wait_until(|m| !m.state.is_leader() || m.last_quorum_acked.is_some());
        // Late or stopped: the queue knows what to answer.
        let _ = tokio::time::timeout(PROPOSE_DEADLINE, heard).await;
    }

    /// For how long this leader has not heard a majority; `None` where it does not lead, has never heard one, or is alone
    /// and needs to hear no other member.
    #[must_use]
    pub fn quorum_silence(&self) -> Option<Duration> {
        let health = self.health();
        health.silence.filter(|_| health.is_leader && self.role().members.len() > 1)
    }

    /// Before the first entry: a crash in between leaves an empty replica, whose mark does not count.
    pub(crate) async fn lift_guard(&self) -> Result<(), GroupError> {
        let catch_up = self.inner.catch_up.clone();
        work_on(move || catch_up.finish()).await.map_err(|e| self.storage(e))
    }

    /// Runs beside a replica that began empty until it may stand for election.
    pub(crate) async fn follow_catch_up(self) {
        let catch_up = self.inner.catch_up.clone();
        let caught_up = async {
            if let Some(goal) = catch_up.goal().await
                && self.watch().until(|role| role.last_applied.is_some_and(|p| p.index >= goal)).await.is_some()
                && let Err(e) = self.lift_guard().await
            {
                tracing::error!(group = %self.inner.name, error = %e, "cannot mark a replica as caught up");
            }
        };
        let stopped = async {
            let mut watch = self.watch();
            while watch.changed().await {}
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(caught_up, catch_up.done()) } => {}
            () = stopped => return,
        }
        self.stand_when_allowed();
        tracing::info!(group = %self.inner.name, "the replica is a full member");
    }

    pub(crate) fn invalid(&self, what: String) -> GroupError {
        GroupError::Invalid { group: self.inner.name.to_string(), what }
    }

    pub(crate) fn storage(&self, source: io::Error) -> GroupError {
        GroupError::Storage { group: self.inner.name.to_string(), source }
    }

    fn late(&self, what: &str) -> GroupError {
        GroupError::Timeout { group: self.inner.name.to_string(), what: what.to_owned() }
    }

    fn stopped(&self, fatal: &Fatal) -> GroupError {
        GroupError::Stopped { group: self.inner.name.to_string(), what: fatal.to_string() }
    }
}
