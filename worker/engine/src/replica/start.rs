//! Starting and stopping a replica.

use super::{Replica, housekeeping};
use crate::dirs::ReplicaDir;
use crate::log::LogId;
use crate::machine::Machine;
use crate::proposer::{Identity, Proposer};
use crate::restore::BASE_POS;
use crate::spec::StoredSpec;
use crate::tablet::SharedMemory;
use crate::{Clock, EngineError, Result};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;
use strandline_consensus::{Group, GroupConfig, GroupError, Node};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a stopped replica may hold its files.
const RELEASE_DEADLINE: Duration = Duration::from_secs(3);
const RELEASE_POLL: Duration = Duration::from_millis(5);
/// The first election of a restored group is repeated after this, then after twice as long each time.
const ELECT_AGAIN_FIRST: Duration = Duration::from_millis(40);
const ELECT_AGAIN_LAST: Duration = Duration::from_millis(640);

/// What every replica of an engine shares.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) node: Arc<Node>,
    pub(crate) memory: Arc<SharedMemory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) group: GroupConfig,
    /// Bytes of client writes that wait for their commit, over all replicas.
    pub(crate) write_room: Arc<Semaphore>,
    /// Bytes of client writes that wait for their archive to make room, over all replicas.
    pub(crate) spool_waits: Arc<Semaphore>,
    /// Notified when a replica begins or ceases to lead.
    pub(crate) leadership_changed: Arc<Notify>,
}

/// One replica that is to be started.
pub(crate) struct Parts {
    pub(crate) dir: ReplicaDir,
    pub(crate) stored: StoredSpec,
}

impl Replica {
    /// Opens the files, joins the group, and begins the group where the spec says so.
    pub(crate) async fn start(context: &Context, parts: Parts) -> Result<Arc<Self>> {
        let Parts { dir, stored } = parts;
        let (tenant, ls) = (stored.spec.tenant, stored.spec.ls);
        let identity = Identity { tenant, ls };
        let (open_dir, memory, root) = (dir.clone(), context.memory.clone(), dir.root().to_owned());
        let machine = tokio::task::spawn_blocking(move || Machine::open(open_dir, LogId { tenant, ls }, &memory))
            .await
            .map_err(std::io::Error::other)
            .and_then(|r| r)
            .map_err(|e| EngineError::io("opening a replica", &root, e))?;
        let name = format!("{tenant}/{ls}");
        let group = context
            .node
            .start_group(&name, context.group.clone(), machine.log().clone(), machine.clone())
            .await
            .map_err(GroupError::into_failure)?;
        let proposer = Proposer {
            identity,
            group: group.clone(),
            machine: machine.clone(),
            clock: context.clock.clone(),
            on_its_way: Arc::default(),
        };
        let replica = Arc::new(Self {
            identity,
            dir,
            group,
            machine,
            writes: RwLock::new(Some(proposer.start())),
            proposer,
            stored: RwLock::new(stored),
            dictionary_on_its_way: AtomicBool::new(false),
            tablets_on_their_way: AtomicBool::new(false),
            keep_alive_on_its_way: AtomicBool::new(false),
            write_room: context.write_room.clone(),
            log_end_max: watch::Sender::new(u64::MAX),
            spool_waits: context.spool_waits.clone(),
            leading: Mutex::default(),
            stop: CancellationToken::new(),
        });
        tokio::spawn(housekeeping::tell_leadership(replica.group.watch(), Arc::clone(&context.leadership_changed)));
        if let Err(error) = replica.begin().await {
            replica.stop().await;
            return Err(error);
        }
        tokio::spawn(housekeeping::run(Arc::downgrade(&replica)));
        Ok(replica)
    }

    /// A fresh group is formed by its bootstrap member; a restored one begins from its base on every member.
    async fn begin(&self) -> Result<()> {
        let spec = self.spec();
        let members: BTreeMap<u64, String> = spec.members.iter().map(|(id, a)| (id.0, a.clone())).collect();
        let begun = self.machine.inner().applied.is_some();
        if let Some(restore) = spec.restore {
            let base = self.dir.restore(restore.job);
            if !begun {
                self.begin_from(&base, members, spec.bootstrap).await?;
            }
            if self.machine.inner().applied.is_none() {
                return Ok(());
            }
            let remove = move || crate::files::remove_tree_if_there(&base);
            return self.blocking("removing the files of a restore", remove).await;
        }
        if spec.bootstrap && !begun {
            self.group.initialize(members).await.map_err(GroupError::into_failure)?;
        }
        Ok(())
    }

    /// Begins from a rebuilt store. When the other members were faster, their leader has spoken here already, and sends
    /// the base itself.
    async fn begin_from(&self, base: &Path, members: BTreeMap<u64, String>, elect: bool) -> Result<()> {
        match self.group.install_base(base, BASE_POS, members).await {
            Ok(()) => {}
            Err(GroupError::Invalid { what, .. }) => {
                tracing::info!(?self.identity, what, "a restored replica takes its base from its leader");
                return Ok(());
            }
            Err(error) => return Err(error.into_failure().into()),
        }
        if elect {
            tokio::spawn(elect_first_leader(self.group.clone()));
        }
        Ok(())
    }

    /// Stops the replica; its files stay, and are free once [`wait_released`] returns.
    pub(crate) async fn stop(self: &Arc<Self>) {
        self.close_queue();
        if let Err(error) = self.group.shutdown().await {
            tracing::warn!(?self.identity, %error, "a replica did not stop cleanly");
        }
        self.flush_last().await;
    }

    /// Stops the replica for good and forgets its vote.
    pub(crate) async fn remove(self: &Arc<Self>) -> Result<()> {
        self.close_queue();
        self.group.remove().await.map_err(GroupError::into_failure)?;
        Ok(())
    }

    fn close_queue(&self) {
        self.stop.cancel();
        *self.writes.write() = None;
    }

    /// The Raft log could do it again, but a clean stop should not leave work for the next start.
    async fn flush_last(&self) {
        let machine = self.machine.clone();
        if let Err(error) = self.blocking("flushing the tablets", move || machine.flush()).await {
            tracing::warn!(?self.identity, %error, "the tablets were not flushed");
        }
    }

    /// For [`wait_released`].
    pub(crate) fn machine_handle(&self) -> Weak<Machine> {
        Arc::downgrade(&self.machine)
    }
}

/// Stands for election until there is a leader: a member that has not begun yet gives no vote. Only a short cut: after a
/// while it is left to the members, which elect one when their patience ends.
async fn elect_first_leader(group: Group) {
    let (mut role, mut pause) = (group.watch(), ELECT_AGAIN_FIRST);
    while pause <= ELECT_AGAIN_LAST {
        if let Err(error) = group.elect().await {
            tracing::debug!(%error, "a restored group elects later");
        }
        let led = role.until(|role| role.leader.is_some());
        if tokio::time::timeout(pause, led).await.is_ok() {
            return;
        }
        pause *= 2;
    }
}

/// Waits until a stopped replica's files are free.
pub(crate) async fn wait_released(machine: Weak<Machine>) {
    let deadline = Instant::now() + RELEASE_DEADLINE;
    while machine.strong_count() > 0 && Instant::now() < deadline {
        tokio::time::sleep(RELEASE_POLL).await;
    }
}
