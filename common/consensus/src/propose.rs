//! Proposals on their way, and what openraft's errors mean for a proposer.

use crate::convert::pos_of;
use crate::error::ProposeError;
use crate::raft_types::{ForwardToLeader, NO_NODE, TypeConfig, WriteResult};
use crate::types::{LogPos, Reply};
use openraft::errors::{ClientWriteError, ForwardReason, RaftError};
use openraft::raft::ClientWriteResponse;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;

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
            Some(ProposeError::NotLeader { leader: forward.leader_id.filter(|id| *id != NO_NODE) })
        }
    }
}
