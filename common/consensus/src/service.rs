//! The server side of the transport: finds the group, decodes, asks openraft, encodes.
//!
//! A message for another node is refused: an address may have come to a new owner. A frame that cannot be read ends its
//! call; nothing is ever skipped. What a replica that is still catching up must not do is refused here.

use crate::convert::{decode, encode};
use crate::raft_types::{Fatal, Snapshot, SnapshotMeta, TypeConfig, Vote};
use crate::registry::{Member, Registry};
use crate::snapshot_files::SnapshotFiles;
use crate::snapshot_receive::Receiving;
use openraft::errors::RaftError;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest};
use serde::Serialize;
use std::fmt::Display;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use strandline_proto::bounds::Bounded;
use strandline_proto::v1::raft_transport_server::RaftTransport;
use strandline_proto::v1::snapshot_frame::Part;
use strandline_proto::v1::{RaftCall, RaftKind, RaftReply, SnapshotFrame, SnapshotHead};
use strandline_types::limits;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};

/// A sender that says nothing for this long has gone.
const FRAME_IDLE_MAX: Duration = Duration::from_secs(30);

/// Serves the Raft traffic of all groups of a node.
pub struct TransportService {
    node_id: u64,
    registry: Arc<Registry>,
    incoming: Arc<Incoming>,
}

/// Where snapshots come in: a directory of its own for each, not too many at once.
pub(crate) struct Incoming {
    root: PathBuf,
    next: AtomicU64,
    permits: Semaphore,
}

impl Incoming {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, next: AtomicU64::new(0), permits: Semaphore::new(limits::SNAPSHOTS_RECEIVED_AT_ONCE_MAX) }
    }

    async fn receive(&self, stream: &mut Streaming<SnapshotFrame>) -> Result<SnapshotFiles, Status> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await.map_err(|e| Status::unavailable(e.to_string()))?;
        let dir = self.root.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let mut receiving = blocking(move || Receiving::begin(dir)).await?;
        while !receiving.is_complete() {
            let part = next_part(stream).await?;
            receiving = blocking(move || receiving.accept(part).map(|()| receiving)).await?;
        }
        receiving.finish().map_err(|e| Status::data_loss(e.to_string()))
    }
}

impl TransportService {
    pub(crate) fn new(node_id: u64, registry: Arc<Registry>, incoming: Arc<Incoming>) -> Self {
        Self { node_id, registry, incoming }
    }

    fn member(&self, target: u64, group: &str) -> Result<Member, Status> {
        if target != self.node_id {
            return Err(Status::failed_precondition(format!("this is node {}, not {target}", self.node_id)));
        }
        self.registry.get(group).ok_or_else(|| Status::not_found(format!("no group {group} on this node")))
    }
}

#[tonic::async_trait]
impl RaftTransport for TransportService {
    async fn call(&self, request: Request<RaftCall>) -> Result<Response<RaftReply>, Status> {
        let call = request.into_inner();
        call.check().map_err(|e| Status::invalid_argument(e.to_string()))?;
        let member = self.member(call.target_node, &call.group)?;
        let payload = match call.kind() {
            RaftKind::Append => append(&member, &call.payload).await?,
            RaftKind::Vote => {
                let request = ballot(&member, &call.payload).await?;
                reply(&member.raft.vote(request).await.map_err(stopped)?)?
            }
            RaftKind::PreVote => {
                let request = ballot(&member, &call.payload).await?;
                reply(&member.raft.pre_vote(request).await.map_err(stopped)?)?
            }
            RaftKind::TransferLeader => transfer(&member, self.node_id, &call.payload).await?,
            RaftKind::Standing => crate::formation::answer(&member.formation)?,
            RaftKind::Unspecified => return Err(Status::invalid_argument("a call of an unknown kind")),
        };
        Ok(Response::new(RaftReply { payload: payload.into() }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<SnapshotFrame>>,
    ) -> Result<Response<RaftReply>, Status> {
        let mut stream = request.into_inner();
        let Some(Part::Head(head)) = next_part(&mut stream).await? else {
            return Err(Status::invalid_argument("a snapshot begins with its head"));
        };
        let SnapshotHead { target_node, group, vote, meta } = head;
        let member = self.member(target_node, &group)?;
        let vote: Vote = read(&vote)?;
        let meta: SnapshotMeta = read(&meta)?;
        let snapshot = Snapshot { meta, snapshot: self.incoming.receive(&mut stream).await? };
        let response = member.raft.install_full_snapshot(vote, snapshot).await.map_err(|e: Fatal| stopped(e))?;
        if response.vote == vote {
            member.pulse.heard(None);
        }
        Ok(Response::new(RaftReply { payload: reply(&response)?.into() }))
    }
}

async fn append(member: &Member, payload: &[u8]) -> Result<Vec<u8>, Status> {
    let request: AppendEntriesRequest<TypeConfig> = read(payload)?;
    let touches_log = request.prev_log_id.is_some() || !request.entries.is_empty();
    let committed = request.leader_commit.as_ref().map(|id| id.index);
    let response = member.raft.append_entries(request).await.map_err(stopped)?;
    if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
        member.pulse.heard(committed);
    }
    if touches_log && response.is_success() {
        member.catch_up.logs_met(committed);
    }
    reply(&response)
}

async fn ballot(member: &Member, payload: &[u8]) -> Result<VoteRequest<TypeConfig>, Status> {
    let request: VoteRequest<TypeConfig> = read(payload)?;
    let last = request.last_log_id.as_ref().map(|id| id.index);
    let catch_up = member.catch_up.clone();
    if catch_up.is_done() || blocking(move || catch_up.may_vote_for(last)).await? {
        Ok(request)
    } else {
        Err(Status::failed_precondition(
            "this replica began empty or lost log, and has not caught up: it does not vote",
        ))
    }
}

async fn transfer(member: &Member, node_id: u64, payload: &[u8]) -> Result<Vec<u8>, Status> {
    let request: TransferLeaderRequest<TypeConfig> = read(payload)?;
    if *request.to_node_id() == node_id && !member.catch_up.is_done() {
        return Err(Status::failed_precondition(
            "this replica began empty or lost log, and has not caught up: it does not lead",
        ));
    }
    reply(&member.raft.handle_transfer_leader(request).await.map_err(|e: Fatal| stopped(e))?)
}

async fn next_part(stream: &mut Streaming<SnapshotFrame>) -> Result<Option<Part>, Status> {
    match tokio::time::timeout(FRAME_IDLE_MAX, stream.message()).await {
        Ok(Ok(Some(frame))) => {
            frame.check().map_err(|e| Status::invalid_argument(e.to_string()))?;
            Ok(frame.part)
        }
        Ok(Ok(None)) => Err(Status::data_loss("the stream ended before the snapshot")),
        Ok(Err(status)) => Err(status),
        Err(_) => Err(Status::deadline_exceeded("the sender of the snapshot went silent")),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Status> {
    crate::log_adapter::work_on(work).await.map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData => Status::data_loss(e.to_string()),
        _ => Status::internal(e.to_string()),
    })
}

fn read<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Result<T, Status> {
    decode(payload).map_err(|e| Status::invalid_argument(e.to_string()))
}

fn reply<T: Serialize>(response: &T) -> Result<Vec<u8>, Status> {
    encode(response).map_err(|e| Status::internal(e.to_string()))
}

/// The group has stopped on this node: for the caller, no server is there.
fn stopped(e: impl Display) -> Status {
    Status::unavailable(e.to_string())
}

// Votes and appends can only fail fatally; the type says so.
const _: fn(RaftError<TypeConfig>) -> Fatal = RaftError::unwrap_fatal;
