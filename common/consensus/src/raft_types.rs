//! openraft's types as this crate fixes them, once for all groups.
//!
//! A log id is (term, index): at most one leader per term. Everything here is private to the crate.

use crate::rooms::Room;
use crate::snapshot_files::SnapshotFiles;
use crate::types::{Payload, Reply};
use openraft::impls::{BoxedErrorSource, Entry, EntryPayload, InlineBatch, TokioRuntime, leader_id_std};
use openraft::raft::responder::Responder;
use openraft::{BasicNode, alias};
use tokio::sync::oneshot;

/// The leader of the term in which a restored group begins: no server has this id.
pub(crate) const NO_NODE: u64 = 0;

/// The one type config of all groups.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct TypeConfig {}

impl openraft::RaftTypeConfig for TypeConfig {
    type D = Payload;
    type R = Reply;
    type NodeId = u64;
    type Node = BasicNode;
    type Term = u64;
    type LeaderId = leader_id_std::LeaderId<u64, u64>;
    type Vote = openraft::impls::Vote<Self::LeaderId>;
    type Payload = EntryPayload<Self::D, Self::NodeId, Self::Node>;
    type Entry = Entry<<Self::LeaderId as openraft::vote::RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = TokioRuntime;
    type Responder<T>
        = Answer<T>
    where
        T: Send + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: Send + 'static;
    type ErrorSource = BoxedErrorSource;
}

pub(crate) type RaftEntry = alias::EntryOf<TypeConfig>;
pub(crate) type LogId = alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = alias::VoteOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
pub(crate) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Snapshot = alias::SnapshotOf<TypeConfig, SnapshotFiles>;
pub(crate) type Metrics = openraft::RaftMetrics<TypeConfig>;
pub(crate) type MetricsReceiver = alias::WatchReceiverOf<TypeConfig, Metrics>;
pub(crate) type Fatal = openraft::errors::Fatal<TypeConfig>;
pub(crate) type IoFlushed = openraft::storage::IOFlushed<TypeConfig>;
pub(crate) type WriteResult = openraft::raft::ClientWriteResult<TypeConfig>;
pub(crate) type ForwardToLeader = openraft::errors::ForwardToLeader<TypeConfig>;

/// openraft's way to answer a proposal. Holds the proposal's room until then, whether or not anybody still waits.
pub(crate) struct Answer<T> {
    sender: oneshot::Sender<T>,
    _room: Room,
}

impl<T> Answer<T> {
    pub(crate) fn new(room: Room) -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender, _room: room }, receiver)
    }
}

impl<T: Send + 'static> Responder<TypeConfig, T> for Answer<T> {
    fn on_commit(&mut self, _log_id: LogId) {}

    fn on_complete(self, result: T) {
        // No caller waits for a reply.
        let _ = self.sender.send(result);
    }
}
