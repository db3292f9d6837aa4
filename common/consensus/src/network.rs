//! openraft's network over tonic, client side.
//!
//! Every call has a deadline. A peer that cannot be reached is `Unreachable` (openraft backs off), a pre-vote without an
//! answer is an error and never a grant. Appends that carry entries get longer than openraft's heartbeat interval: a
//! repeated large append helps no follower, and heartbeats go their own way.

use crate::convert::{decode, encode};
use crate::peers::{Peers, Traffic};
use crate::raft_types::{Snapshot, TypeConfig, Vote};
use crate::rpc_error::{RpcError, rpc_error};
use crate::snapshot_files::SnapshotFiles;
use crate::snapshot_send;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use strandline_proto::bounds::Bounded;
use strandline_proto::v1::raft_transport_client::RaftTransportClient;
use strandline_proto::v1::{RaftCall, RaftKind};
use strandline_types::limits;
use tonic::transport::Channel;

/// Deadline of an append that carries entries.
const APPEND_DEADLINE: Duration = Duration::from_secs(5);

/// Makes the clients of one group.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) group: Arc<str>,
    pub(crate) node_id: u64,
    pub(crate) peers: Arc<Peers>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Client {
        Client { network: self.clone(), target, fallback: node.addr.clone() }
    }
}

/// One group's way to one other node.
pub(crate) struct Client {
    network: Network,
    target: u64,
    fallback: String,
}

impl Client {
    pub(crate) fn transport(&self, traffic: Traffic) -> Result<RaftTransportClient<Channel>, Unreachable<TypeConfig>> {
        let channel =
            self.network.peers.channel(self.target, &self.fallback, traffic).map_err(|e| Unreachable::new(&e))?;
        Ok(RaftTransportClient::new(channel)
            .max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX))
    }

    async fn call<Q, A>(&self, kind: RaftKind, action: RPCTypes, request: &Q, deadline: Duration) -> Result<A, RpcError>
    where
        Q: Serialize,
        A: DeserializeOwned,
    {
        let payload = encode(request).map_err(|e| NetworkError::new(&e))?.into();
        let call =
            RaftCall { target_node: self.target, group: self.network.group.to_string(), kind: kind.into(), payload };
        call.check().map_err(|e| NetworkError::new(&e))?;
        let mut transport = self.transport(Traffic::Messages)?;
        let reply = match tokio::time::timeout(deadline, transport.call(call)).await {
            Ok(reply) => reply.map_err(|status| rpc_error(&status))?.into_inner(),
            Err(_) => {
                let (id, target) = (self.network.node_id, self.target);
                return Err(RPCError::Timeout(Timeout { action, id, target, timeout: deadline }));
            }
        };
        Ok(decode(&reply.payload).map_err(|e| NetworkError::new(&e))?)
    }
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = SnapshotFiles;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        let deadline = if rpc.entries.is_empty() { option.soft_ttl() } else { option.soft_ttl().max(APPEND_DEADLINE) };
        self.call(RaftKind::Append, RPCTypes::AppendEntries, &rpc, deadline).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.call(RaftKind::Vote, RPCTypes::Vote, &rpc, option.soft_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        self.call(RaftKind::PreVote, RPCTypes::Vote, &rpc, option.soft_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let transport = self.transport(Traffic::Snapshots)?;
        let address = snapshot_send::Address { target: self.target, group: self.network.group.to_string() };
        let sending = snapshot_send::send(transport, address, vote, snapshot);
        tokio::select! {
            sent = tokio::time::timeout(option.soft_ttl(), sending) => match sent {
                Ok(sent) => Ok(sent?),
                Err(_) => Err(StreamingError::Timeout(Timeout {
                    action: RPCTypes::InstallSnapshot,
                    id: self.network.node_id,
                    target: self.target,
                    timeout: option.soft_ttl(),
                })),
            },
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        self.call(RaftKind::TransferLeader, RPCTypes::TransferLeader, &req, option.soft_ttl()).await
    }
}
