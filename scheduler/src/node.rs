//! This node of the scheduler group: propose, look, know who leads.
//!
//! A node *leads* only once its own `TakeLead` of the present term is applied: before that its State may miss what the
//! leader before it has committed.

use crate::clock;
use crate::cluster_file;
use crate::config::SchedulerConfig;
use crate::data_versions::DATA_VERSIONS;
use crate::raft::machine::Machine;
use crate::raft::state_machine::StateMachine;
use crate::readiness::Seen;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use strandline_consensus::{Group, GroupConfig, Node, NodeConfig, Payload, ProposeError, RocksLog, Role, RoleWatch};
use strandline_scheduler_core::{Action, Command, Done, Outcome, State};
use strandline_types::limits::LOG_ENTRY_BODY_BYTES_MAX;
use strandline_types::{CODE_OUTCOME_UNKNOWN, ErrorClass, Failure, NodeId, Term};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

/// Name of the Raft group.
const GROUP: &str = "scheduler";
/// Kind of every payload of this group: a command of the core.
const COMMAND_KIND: u8 = 1;
/// How long a stopped group may hold its files.
const RELEASE_DEADLINE: Duration = Duration::from_secs(3);
const RELEASE_POLL: Duration = Duration::from_millis(5);
/// Raft timing of the group.
pub(crate) const TIMING: GroupConfig = GroupConfig::scheduler();

/// One node.
pub struct SchedulerNode {
    config: SchedulerConfig,
    addresses: BTreeMap<u64, String>,
    raft: Arc<Node>,
    state_machine: Arc<StateMachine>,
    /// Another one after the group has stopped by itself and was started anew.
    running: RwLock<Running>,
    /// Why the group cannot be started anew.
    trouble: Mutex<Option<Failure>>,
    /// Who of the others votes, as the leader last heard it.
    voters: Mutex<BTreeMap<u64, Option<bool>>>,
}

/// The group as it runs now.
struct Running {
    group: Group,
    held: Held,
}

/// Log and state machine of the newest start, also of one that failed: another one begins only when nothing holds them.
#[derive(Clone, Default)]
struct Held {
    log: Weak<RocksLog>,
    machine: Weak<Machine>,
}

impl Held {
    fn is_free(&self) -> bool {
        self.log.strong_count() + self.machine.strong_count() == 0
    }
}

impl SchedulerNode {
    /// Opens the node's files and starts its replica of the group. The Raft transport has to be served by the caller.
    ///
    /// # Errors
    /// The disk's, with the directory.
    pub async fn start(
        config: SchedulerConfig,
        addresses: BTreeMap<u64, String>,
    ) -> Result<(Arc<Self>, Arc<Node>), Failure> {
        let dir = config.data_dir.clone();
        DATA_VERSIONS.bring_up(&dir)?;
        cluster_file::check(&dir, config.cluster_id)?;
        let (id, path) = (config.node_id, dir.clone());
        let opened = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&path)?;
            let node = Node::open(NodeConfig::new(id, path.join("raft")))?;
            Ok::<_, io::Error>((node, StateMachine::open(path.join("state"))?))
        });
        let opened = opened.await.map_err(io::Error::other).and_then(|r| r);
        let (raft, state_machine) = opened.map_err(|e| cannot_open(&dir, &e))?;
        for (peer, address) in &addresses {
            raft.set_peer(*peer, address);
        }
        let state_machine = Arc::new(state_machine);
        let mut held = Held::default();
        let group = start_group(&raft, &dir, &state_machine, &mut held).await?;
        let running = RwLock::new(Running { group, held });
        let (trouble, voters) = (Mutex::default(), Mutex::default());
        let node = Self { config, addresses, raft: Arc::clone(&raft), state_machine, running, trouble, voters };
        Ok((Arc::new(node), raft))
    }

    /// Forms the group when every node is empty, or finds out that it is formed. Comes back when one is sure, or when the
    /// group has stopped here.
    pub async fn form(&self) {
        let formed = self.group().form(self.addresses.clone(), self.config.cluster_id).await;
        if let Err(error) = formed {
            warn!(%error, "the scheduler group is not formed by this node");
        }
    }

    /// Starts the group anew from its files, as a new process would: it had stopped by itself.
    ///
    /// # Errors
    /// The disk's, and that somebody still holds the files.
    pub(crate) async fn revive(&self) -> Result<(), Failure> {
        let (old, mut held) = {
            let running = self.running.read();
            (running.group.clone(), running.held.clone())
        };
        // It has stopped: what it says to that is no news.
        let _ = old.shutdown().await;
        let deadline = Instant::now() + RELEASE_DEADLINE;
        while !held.is_free() {
            if Instant::now() >= deadline {
                let what = "the group that has stopped still holds its files";
                return Err(Failure::new(ErrorClass::Transient, what, GROUP, "wait; restart this server if it lasts"));
            }
            tokio::time::sleep(RELEASE_POLL).await;
        }
        let (state_machine, dir) = (Arc::clone(&self.state_machine), self.config.data_dir.clone());
        let reloaded = tokio::task::spawn_blocking(move || state_machine.reload()).await;
        reloaded.map_err(io::Error::other).and_then(|r| r).map_err(|e| cannot_open(&dir, &e))?;
        let started = start_group(&self.raft, &dir, &self.state_machine, &mut held).await;
        let mut running = self.running.write();
        running.held = held;
        running.group = started?;
        Ok(())
    }

    /// Notes why the group cannot be started anew, or that it was.
    pub(crate) fn note_trouble(&self, trouble: Option<Failure>) {
        *self.trouble.lock() = trouble;
    }

    /// Asks the other nodes whether they vote.
    pub(crate) async fn look_at_peers(&self) {
        let voters = self.group().voters(&self.addresses).await;
        *self.voters.lock() = voters;
    }

    /// Who of the others votes, as this node last heard it while it led; `None` = no answer.
    pub(crate) fn voters(&self) -> BTreeMap<u64, Option<bool>> {
        self.voters.lock().clone()
    }

    /// What readiness is judged by.
    pub(crate) fn seen(&self) -> Seen {
        let health = self.group().health();
        Seen {
            has_taken_lead: self.has_taken_lead(health.term),
            health,
            trouble: self.trouble.lock().clone(),
            configured_cluster: self.config.cluster_id,
            cluster: self.read(|s| s.cluster.id.0),
        }
    }

    /// Its configuration.
    pub fn config(&self) -> &SchedulerConfig {
        &self.config
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        NodeId(self.config.node_id)
    }

    /// Its Raft group.
    pub fn group(&self) -> Group {
        self.running.read().group.clone()
    }

    /// Its State machine.
    pub fn state_machine(&self) -> &StateMachine {
        &self.state_machine
    }

    /// Looks at the State. Keep it short.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.state_machine.read(look)
    }

    /// Wakes after every batch of applied commands.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.state_machine.changes()
    }

    /// Wakes after applied commands that may have changed what workers have to do.
    pub fn order_changes(&self) -> watch::Receiver<u64> {
        self.state_machine.order_changes()
    }

    /// Its part in the group now.
    pub fn role(&self) -> Role {
        self.group().role()
    }

    /// Follows its part in the group.
    pub fn role_watch(&self) -> RoleWatch {
        self.group().watch()
    }

    /// True once it leads *and* has taken the lead in the State.
    pub fn leads(&self) -> bool {
        let role = self.role();
        role.is_leader && self.has_taken_lead(role.term)
    }

    /// True when the State knows this node as the leader of `term`.
    pub fn has_taken_lead(&self, term: u64) -> bool {
        self.read(|s| s.schedulers.leader == self.id() && s.schedulers.term == Term(term))
    }

    /// Address of the leader's gRPC server, unless it is this node or not known.
    pub fn leader_address(&self) -> Option<String> {
        let leader = self.role().leader.filter(|id| *id != self.config.node_id)?;
        self.addresses.get(&leader).cloned()
    }

    /// Every scheduler node and its address.
    pub fn addresses(&self) -> &BTreeMap<u64, String> {
        &self.addresses
    }

    /// Proposes an action and waits until it is applied here.
    ///
    /// # Errors
    /// The core's refusal, or why it could not be proposed.
    pub async fn act(&self, action: Action) -> Outcome {
        let command = Command { proposed_at_ms: clock::now().as_ms(), action };
        let body: Bytes = strandline_stored::encode(&command).map_err(|e| e.into_failure(GROUP))?.into();
        if body.len() > LOG_ENTRY_BODY_BYTES_MAX {
            let what = format!("a change of {} bytes, at most {LOG_ENTRY_BODY_BYTES_MAX} go into one", body.len());
            let todo = "name fewer things in one statement";
            return Err(Failure::new(ErrorClass::Exhausted, what, "scheduler group", todo));
        }
        let proposed = self.group().propose(Payload { scn: 0, kind: COMMAND_KIND, body }).await;
        let (_, reply) = proposed.map_err(not_proposed)?;
        postcard::from_bytes::<Result<Done, Failure>>(&reply.0).map_err(|e| {
            let todo = "upgrade every scheduler node to the same version";
            Failure::new(ErrorClass::Corrupt, format!("an answer cannot be read: {e}"), "scheduler group", todo)
        })?
    }

    /// Waits until everything that was committed before is applied here; only on the leader.
    ///
    /// # Errors
    /// When this node does not lead or no majority answers.
    pub async fn barrier(&self) -> Result<(), Failure> {
        self.group().read_index().await.map_err(|e| e.into_failure("scheduler group"))
    }
}

/// Opens the log and starts the group on it; `held` then tells of what was opened, also when it fails.
async fn start_group(
    raft: &Node,
    dir: &Path,
    state_machine: &Arc<StateMachine>,
    held: &mut Held,
) -> Result<Group, Failure> {
    let path = dir.join("log");
    let opened = tokio::task::spawn_blocking(move || RocksLog::open(&path)).await;
    let log = opened.map_err(io::Error::other).and_then(|r| r).map_err(|e| cannot_open(dir, &e))?;
    let (log, machine) = (Arc::new(log), Arc::new(Machine(Arc::clone(state_machine))));
    *held = Held { log: Arc::downgrade(&log), machine: Arc::downgrade(&machine) };
    let group = raft.start_group(GROUP, TIMING, log, machine).await;
    group.map_err(strandline_consensus::GroupError::into_failure)
}

fn cannot_open(dir: &Path, error: &io::Error) -> Failure {
    let todo = "check the directory, its disk and its owner";
    let what = format!("cannot open the data directory: {error}");
    Failure::new(ErrorClass::Transient, what, dir.display().to_string(), todo)
}

/// The sender of the command must know that it may have happened all the same.
fn not_proposed(error: ProposeError) -> Failure {
    let surely_not =
        matches!(error, ProposeError::NotLeader { .. } | ProposeError::Transient { maybe_logged: false, .. });
    let failure = error.into_failure("scheduler group");
    if surely_not { failure } else { failure.with_code(CODE_OUTCOME_UNKNOWN) }
}
