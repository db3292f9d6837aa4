//! Proposals on their way: the responder that openraft answers, the bound on what is in flight, and what openraft's
//! errors mean for a proposer.

use crate::convert::pos_of;
use crate::error::ProposeError;
use crate::raft_types::{ForwardToLeader, LogId, TypeConfig, WriteResult};
use crate::types::{LogPos, Payload, Reply};
use openraft::errors::{ClientWriteError, ForwardReason, RaftError};
use openraft::raft::ClientWriteResponse;
use openraft::raft::responder::Responder;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use strandline_types::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Room for proposals in flight of one group, by number and by bytes.
#[derive(Clone)]
pub(crate) struct Rooms {
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// The room of one proposal; given back when it is answered.
pub(crate) struct Room {
    _count: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Rooms {
    pub(crate) fn new() -> Self {
        Self {
            count: Arc::new(Semaphore::new(limits::PROPOSALS_IN_FLIGHT_MAX)),
            bytes: Arc::new(Semaphore::new(limits::PROPOSAL_BYTES_IN_FLIGHT_MAX)),
        }
    }

    /// Waits for room, first come first served. The semaphores are never closed, so this fails only for a body that is
    /// larger than an entry may be.
    pub(crate) async fn take(&self, payload: &Payload) -> Result<Room, ProposeError> {
        let bytes = payload.body.len();
        if bytes > limits::LOG_ENTRY_BODY_BYTES_MAX {
            return Err(ProposeError::refused(format!("a body of {bytes} bytes is larger than a log entry may be")));
        }
        let closed = |_| ProposeError::Fatal { what: "the group takes no proposals".to_owned() };
        let count = self.count.clone().acquire_owned().await.map_err(closed)?;
        // The cast is exact: the largest body is far below u32::MAX (checked above).
        let bytes = self.bytes.clone().acquire_many_owned(bytes as u32).await.map_err(closed)?;
        Ok(Room { _count: count, _bytes: bytes })
    }
}

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

/// A proposal that has its place in the queue of the log. Resolves to its position and the state machine's reply.
/// Dropping it does not take the proposal back.
#[must_use = "the outcome of a proposal is known only by awaiting it"]
pub struct Proposal {
    receiver: oneshot::Receiver<WriteResult>,
}

impl Proposal {
    pub(crate) fn new(receiver: oneshot::Receiver<WriteResult>) -> Self {
        Self { receiver }
    }

    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        Poll::Ready(match ready!(Pin::new(&mut self.receiver).poll(cx)) {
            Ok(result) => Outcome::of(result),
            Err(_) => {
                Outcome::Failed(ProposeError::Fatal { what: "it stopped before the outcome was known".to_owned() })
            }
        })
    }
}

impl Future for Proposal {
    type Output = Result<(LogPos, Reply), ProposeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_outcome(cx).map(Outcome::into_result)
    }
}

/// What became of a proposal.
pub(crate) enum Outcome {
    Applied(LogPos, Reply),
    /// A new leader before its first quorum round, or one that has lost touch: not in the log, worth a retry here.
    LeaseExpired,
    Failed(ProposeError),
}

impl Outcome {
    fn of(result: WriteResult) -> Self {
        match result {
            Ok(response) => Self::Applied(pos_of(&response.log_id), response.data),
            Err(ClientWriteError::ForwardToLeader(forward)) => match refusal(&forward) {
                Some(error) => Self::Failed(error),
                None => Self::LeaseExpired,
            },
            Err(ClientWriteError::LogEntryDiscarded(_)) => {
                Self::Failed(ProposeError::unknown("the leader changed before the entry was committed"))
            }
            Err(error) => Self::Failed(ProposeError::refused(error.to_string())),
        }
    }

    /// What became of a change of members.
    pub(crate) fn of_change(
        result: Result<ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>,
    ) -> Result<(), ProposeError> {
        match result {
            Ok(response) => Self::of(Ok(response)).into_result().map(|_| ()),
            Err(RaftError::APIError(error)) => Self::of(Err(error)).into_result().map(|_| ()),
            Err(RaftError::Fatal(fatal)) => Err(ProposeError::Fatal { what: fatal.to_string() }),
        }
    }

    pub(crate) fn into_result(self) -> Result<(LogPos, Reply), ProposeError> {
        match self {
            Self::Applied(pos, reply) => Ok((pos, reply)),
            Self::LeaseExpired => Err(ProposeError::refused("the leader does not hear a majority now")),
            Self::Failed(error) => Err(error),
        }
    }
}

/// What a refusal means; `None` = the leader's lease has expired, which passes.
pub(crate) fn refusal(forward: &ForwardToLeader) -> Option<ProposeError> {
    match forward.reason {
        ForwardReason::LeaseExpired => None,
        ForwardReason::LeadershipTransfer => Some(ProposeError::refused("the leadership is being handed over")),
        ForwardReason::NotLeader => {
            Some(ProposeError::NotLeader { leader: forward.leader_id.filter(|id| *id != crate::group::NO_NODE) })
        }
    }
}
