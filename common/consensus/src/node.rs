//! What all Raft groups of one server share: the store of votes and marks, the gRPC channels to the other nodes, the
//! threads that flush logs, and the registry of running groups. A server opens one.

use crate::catch_up::CatchUp;
use crate::config::{GroupConfig, NodeConfig};
use crate::error::GroupError;
use crate::formation::Formation;
use crate::formed::FormedMark;
use crate::group::{Group, GroupInner};
use crate::log::EntryLog;
use crate::log_adapter::{LogAdapter, work_on};
use crate::meta_store::MetaStore;
use crate::network::Network;
use crate::peers::Peers;
use crate::pulse::Pulse;
use crate::raft::Raft;
use crate::raft_types::NO_NODE;
use crate::registry::{Member, Registry};
use crate::rooms::Rooms;
use crate::service::{Incoming, TransportService};
use crate::sm_adapter::SmAdapter;
use crate::state_machine::GroupStateMachine;
use crate::sync_pool::SyncPool;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use strandline_proto::v1::raft_transport_server::RaftTransportServer;
use strandline_types::limits;

/// This process as a member of groups.
pub struct Node {
    id: u64,
    incoming: Arc<Incoming>,
    meta: Arc<MetaStore>,
    pool: Arc<SyncPool>,
    peers: Arc<Peers>,
    registry: Arc<Registry>,
}

impl Node {
    /// Opens the node's directory. Snapshots that were on their way in when the process ended are thrown away.
    pub fn open(config: NodeConfig) -> io::Result<Arc<Self>> {
        if config.id == NO_NODE {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "0 is not the id of a server"));
        }
        fs::create_dir_all(&config.dir)?;
        let incoming = config.dir.join("incoming");
        match fs::remove_dir_all(&incoming) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => fs::create_dir_all(&incoming)?,
        }
        Ok(Arc::new(Self {
            id: config.id,
            incoming: Arc::new(Incoming::new(incoming)),
            meta: Arc::new(MetaStore::open(&config.dir)?),
            pool: Arc::new(SyncPool::start(config.sync_threads)?),
            peers: Arc::default(),
            registry: Arc::default(),
        }))
    }

    /// Id of this server.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The gRPC service to add to the server's router. The server must set TCP_NODELAY on the connections that it
    /// accepts (`TcpIncoming::with_nodelay`): without it answers wait 40 ms for a delayed acknowledgement.
    #[must_use]
    pub fn service(&self) -> RaftTransportServer<TransportService> {
        let service = TransportService::new(self.id, self.registry.clone(), self.incoming.clone());
        RaftTransportServer::new(service)
            .max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
    }

    /// From now on server `id` is reached at `address` (`host:port`). Overrules the address in a group's members.
    pub fn set_peer(&self, id: u64, address: &str) {
        self.peers.set(id, address);
    }

    /// The files of this node's replica of a group are about to be taken away, for this reason: it forgets that it had
    /// caught up, durably, so that it neither votes nor leads before it has again. Its vote is kept. Not while it runs.
    pub fn replica_is_lost(&self, name: &str, why: &str) -> io::Result<()> {
        self.meta.log_was_lost(name, why)
    }

    /// True from a loss until the replica has caught up.
    pub fn is_lost(&self, name: &str) -> io::Result<bool> {
        Ok(self.meta.loss(name)?.is_some())
    }

    /// Starts this node's replica of a group. An empty replica waits for `initialize`, `install_base`, or a leader.
    pub async fn start_group(
        &self,
        name: &str,
        config: GroupConfig,
        log: Arc<dyn EntryLog>,
        sm: Arc<dyn GroupStateMachine>,
    ) -> Result<Group, GroupError> {
        let name: Arc<str> = name.into();
        if !self.registry.reserve(&name) {
            return Err(invalid(&name, "it already runs on this node"));
        }
        let started = self.start_reserved(&name, &config, log, sm).await;
        if started.is_err() {
            self.registry.remove(&name);
        }
        started
    }

    async fn start_reserved(
        &self,
        name: &Arc<str>,
        config: &GroupConfig,
        log: Arc<dyn EntryLog>,
        sm: Arc<dyn GroupStateMachine>,
    ) -> Result<Group, GroupError> {
        let storage = |source| GroupError::Storage { group: name.to_string(), source };
        let raft_config = config.to_raft(name).map_err(|e| invalid(name, &e.to_string()))?;
        let (meta, check_log, check_sm, check_name) = (self.meta.clone(), log.clone(), sm.clone(), name.clone());
        let caught_up = work_on(move || begin(&meta, &check_name, &*check_log, &*check_sm)).await.map_err(storage)?;

        let mark = Arc::new(FormedMark::load(name.clone(), self.meta.clone()).map_err(storage)?);
        let catch_up = CatchUp::new(name.clone(), self.meta.clone(), caught_up, config.is_formed_by_asking);
        let catch_up = Arc::new(catch_up.with_loss(self.meta.loss(name).map_err(storage)?));
        let formation = Arc::new(Formation::new(mark.clone(), catch_up.clone(), &log));
        let pulse: Arc<Pulse> = Arc::default();
        let network = Network { group: name.clone(), node_id: self.id, peers: self.peers.clone() };
        let log = LogAdapter::new(name.clone(), log, self.meta.clone(), mark, self.pool.clone());
        let raft = Raft::build(self.id, Arc::new(raft_config), network.clone(), log, SmAdapter::new(sm))
            .await
            .map_err(|f| GroupError::Storage { group: name.to_string(), source: io::Error::other(f.to_string()) })?;
        let group = Group {
            inner: Arc::new(GroupInner {
                name: name.clone(),
                raft: raft.clone(),
                rooms: Rooms::new(),
                catch_up: catch_up.clone(),
                formation: formation.clone(),
                pulse: pulse.clone(),
                network,
                meta: self.meta.clone(),
                registry: self.registry.clone(),
                is_held_back: AtomicBool::new(false),
            }),
        };
        raft.runtime_config().elect(caught_up);
        raft.run();
        // One round through the core, so that the role is told from the start.
        raft.is_initialized()
            .await
            .map_err(|f| GroupError::Storage { group: name.to_string(), source: io::Error::other(f.to_string()) })?;
        self.registry.open(name, Member { raft: raft.clone(), catch_up, formation, pulse });
        if !caught_up {
            tokio::spawn(group.clone().follow_catch_up());
        }
        if caught_up && group.role().members.iter().eq([&self.id]) {
            // Alone: no other node can lead, so there is no point in waiting for a leader.
            group.elect().await?;
        }
        Ok(group)
    }
}

/// Whether the replica is known to have caught up. One that is empty now and once had entries has lost its files, and one
/// whose log says so has lost a part of them: it has not, whatever is remembered of it. Its vote is kept all the same. One
/// that never had any keeps its mark: it has broken no promise.
fn begin(meta: &MetaStore, name: &str, log: &dyn EntryLog, sm: &dyn GroupStateMachine) -> io::Result<bool> {
    let state = log.state()?;
    let is_empty = state.last.is_none() && state.purged.is_none() && sm.applied()?.last.is_none();
    let is_formed = meta.is_formed(name)?;
    let is_gone = is_empty && is_formed;
    let gone = if is_gone { Some(meta.loss(name)?.unwrap_or_else(|| "its log is gone".to_owned())) } else { None };
    if let Some(why) = log.loss().or(gone) {
        tracing::warn!(group = name, why, "this replica lost log: it neither votes nor leads before it has caught up");
        meta.log_was_lost(name, &why)?;
        log.loss_is_known()?;
    } else if !is_empty && !is_formed {
        meta.set_formed(name)?;
    }
    meta.is_caught_up(name)
}

fn invalid(group: &str, what: &str) -> GroupError {
    GroupError::Invalid { group: group.to_owned(), what: what.to_owned() }
}
