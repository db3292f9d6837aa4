//! This node of the scheduler group: propose, look, know who leads.
//!
//! A node *leads* only once its own `TakeLead` of the present term is applied: before that its State may miss what the
//! leader before it has committed.

use crate::clock;
use crate::config::SchedulerConfig;
use crate::raft::mind::Mind;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use strandline_consensus::{Group, GroupConfig, Node, NodeConfig, Payload, ProposeError, RocksLog, Role, RoleWatch};
use strandline_scheduler_core::{Action, Command, Done, Outcome, State};
use strandline_types::limits::LOG_ENTRY_BODY_BYTES_MAX;
use strandline_types::{ErrorClass, Failure, NodeId, Term};
use tokio::sync::watch;

/// Name of the Raft group.
const GROUP: &str = "scheduler";
/// Kind of every payload of this group: a command of the core.
const COMMAND_KIND: u8 = 1;
/// The original's OB_TIMEOUT. On the answer to a statement it says: it may have been done, so nobody repeats it unasked.
pub const OUTCOME_UNKNOWN_CODE: i32 = -4012;
/// A fresh node waits this long for a leader of an older cluster before it forms a new one.
const FRESH_WAIT: Duration = Duration::from_millis(300);

/// One node.
pub struct SchedulerNode {
    config: SchedulerConfig,
    addresses: BTreeMap<u64, String>,
    mind: Arc<Mind>,
    group: Group,
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
        let disk = |e: io::Error| {
            let todo = "check the directory, its disk and its owner";
            Failure::new(
                ErrorClass::Transient,
                format!("cannot open the data directory: {e}"),
                dir.display().to_string(),
                todo,
            )
        };
        let (id, path) = (config.node_id, dir.clone());
        let opened = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&path)?;
            let node = Node::open(NodeConfig::new(id, path.join("raft")))?;
            Ok::<_, io::Error>((node, RocksLog::open(&path.join("log"))?, Mind::open(path.join("state"))?))
        });
        let (node, log, mind) = opened.await.map_err(io::Error::other).and_then(|r| r).map_err(disk)?;
        for (peer, address) in &addresses {
            node.set_peer(*peer, address);
        }
        let mind = Arc::new(mind);
        let group = node.start_group(GROUP, GroupConfig::scheduler(), Arc::new(log), Arc::clone(&mind) as _).await;
        let group = group.map_err(strandline_consensus::GroupError::into_failure)?;
        Ok((Arc::new(Self { config, addresses, mind, group }), node))
    }

    /// Forms the group when it is fresh. Only the node with the lowest id does, and only when no leader speaks up.
    ///
    /// # Errors
    /// The group's.
    pub async fn form(&self) -> Result<(), Failure> {
        let lowest = self.addresses.keys().next().copied();
        if lowest != Some(self.config.node_id) || self.role().last_log.is_some() {
            return Ok(());
        }
        if self.addresses.len() > 1 {
            let mut watch = self.group.watch();
            let heard = watch.until(|role| role.leader.is_some() || role.last_log.is_some());
            if tokio::time::timeout(FRESH_WAIT, heard).await.is_ok() {
                return Ok(());
            }
        }
        self.group.initialize(self.addresses.clone()).await.map_err(strandline_consensus::GroupError::into_failure)
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
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Its State machine.
    pub fn mind(&self) -> &Mind {
        &self.mind
    }

    /// Looks at the State. Keep it short.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.mind.read(look)
    }

    /// Wakes after every batch of applied commands.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.mind.changes()
    }

    /// Wakes after applied commands that may have changed what workers have to do.
    pub fn order_changes(&self) -> watch::Receiver<u64> {
        self.mind.order_changes()
    }

    /// Its part in the group now.
    pub fn role(&self) -> Role {
        self.group.role()
    }

    /// Follows its part in the group.
    pub fn role_watch(&self) -> RoleWatch {
        self.group.watch()
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

    /// Address of the leader's gRPC door, unless it is this node or not known.
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
        let body: Bytes = postcard::to_stdvec(&command)
            .map_err(|e| Failure::new(ErrorClass::Invalid, format!("a command cannot be encoded: {e}"), GROUP, ""))?
            .into();
        if body.len() > LOG_ENTRY_BODY_BYTES_MAX {
            let what = format!("a change of {} bytes, at most {LOG_ENTRY_BODY_BYTES_MAX} go into one", body.len());
            let todo = "name fewer things in one statement";
            return Err(Failure::new(ErrorClass::Exhausted, what, "scheduler group", todo));
        }
        let proposed = self.group.propose(Payload { scn: 0, kind: COMMAND_KIND, body }).await;
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
        self.group.read_index().await.map_err(|e| e.into_failure("scheduler group"))
    }
}

/// Whoever sent the command must know whether it may have happened all the same.
fn not_proposed(error: ProposeError) -> Failure {
    let surely_not =
        matches!(error, ProposeError::NotLeader { .. } | ProposeError::Transient { maybe_logged: false, .. });
    let failure = error.into_failure("scheduler group");
    if surely_not { failure } else { failure.with_code(OUTCOME_UNKNOWN_CODE) }
}
