//! Getting a request to the leader of its log stream: follow hints, go round the members, ask the schedulers again,
//! give up at the deadline with the last reason.

use super::Inner;
use crate::{EngineError, Result};
use std::future::Future;
use std::time::Duration;
use strandline_proto::bounds::Bounded;
use strandline_proto::v1;
use strandline_proto::v1::kv_client::KvClient as KvGrpc;
use strandline_types::{CODE_OUTCOME_UNKNOWN, Failure, LsId};
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;
use tonic::transport::Channel;

/// How long a request may look for its leader.
const DEADLINE: Duration = Duration::from_secs(30);
/// One attempt: longer than the server's own deadline for a write.
const ATTEMPT: Duration = Duration::from_secs(12);
const BACKOFF_FIRST: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// The schedulers are asked again after this many attempts that led nowhere.
const REFRESH_EVERY: u32 = 4;

/// One reply, whatever its message.
pub(super) struct Answer<T> {
    pub(super) not_leader: Option<v1::NotLeader>,
    pub(super) failure: Option<v1::Failure>,
    pub(super) value: T,
}

/// What an attempt came to.
enum Attempt<T> {
    Done(T),
    /// Go to this address at once.
    Hint(String),
    /// Try again somewhere, later.
    Again(EngineError),
    /// The worker did not answer at all: it may be dead, or stand still with open connections.
    Silent(EngineError),
}

impl Inner {
    /// Sends a question to the leader of `ls`; what is beyond its bounds is refused before anything is sent.
    pub(super) async fn call<R, T, F, Fut>(&self, ls: LsId, request: R, send: F) -> Result<T>
    where
        R: Clone + Bounded,
        F: Fn(KvGrpc<Channel>, R) -> Fut,
        Fut: Future<Output = std::result::Result<Answer<T>, Status>>,
    {
        self.attempts(ls, &|_| request.clone(), send, &mut None).await
    }

    /// Sends a request that is done once to the leader of `ls`. `request` makes it; it is told for how many milliseconds
    /// it is unknown whether it was done.
    ///
    /// # Errors
    /// `Unknown` when an attempt before the last one may have done it, whatever the last one says.
    pub(super) async fn call_once<R, T, F, Fut>(&self, ls: LsId, request: impl Fn(u64) -> R, send: F) -> Result<T>
    where
        R: Bounded,
        F: Fn(KvGrpc<Channel>, R) -> Fut,
        Fut: Future<Output = std::result::Result<Answer<T>, Status>>,
    {
        let mut uncertain = None;
        let done = self.attempts(ls, &request, send, &mut uncertain).await;
        done.map_err(|last| match uncertain {
            Some(_) if !last.is_unknown() => {
                let what = format!("the outcome of a write is unknown; the last attempt: {last}");
                EngineError::Unknown { what, object: format!("log stream {ls}") }
            }
            _ => last,
        })
    }

    /// Attempts until there is an answer; `uncertain` is when the first one was sent that may have been done.
    async fn attempts<R, T, F, Fut>(
        &self,
        ls: LsId,
        request: &impl Fn(u64) -> R,
        send: F,
        uncertain: &mut Option<Instant>,
    ) -> Result<T>
    where
        R: Bounded,
        F: Fn(KvGrpc<Channel>, R) -> Fut,
        Fut: Future<Output = std::result::Result<Answer<T>, Status>>,
    {
        request(0).check()?;
        let deadline = Instant::now() + DEADLINE;
        let mut hint: Option<String> = self.dictionary.leader(ls);
        let mut backoff = BACKOFF_FIRST;
        // Workers that gave no answer at all: as long as there are others, they are asked.
        let mut silent: Vec<String> = Vec::new();
        for n in 0_u32.. {
            let mut members = self.topology.members(ls);
            if members.iter().any(|member| !silent.contains(member)) {
                members.retain(|member| !silent.contains(member));
            }
            let round_robin = || members.get(n as usize % members.len().max(1)).cloned();
            let target = hint.take().or_else(round_robin);
            let last = match target {
                None => nowhere(ls),
                Some(address) => match self.attempt(&address, request, &send, uncertain).await? {
                    Attempt::Done(value) => {
                        self.dictionary.set_leader(ls, &address);
                        return Ok(value);
                    }
                    Attempt::Hint(leader) if leader != address => {
                        hint = Some(leader);
                        nowhere(ls)
                    }
                    Attempt::Hint(_) => nowhere(ls),
                    Attempt::Again(error) => error,
                    Attempt::Silent(error) => {
                        self.dictionary.forget_leader(&address);
                        silent.push(address);
                        self.topology.refresh().await;
                        error
                    }
                },
            };
            if Instant::now() + backoff >= deadline {
                return Err(last);
            }
            if n % REFRESH_EVERY == REFRESH_EVERY - 1 {
                self.topology.refresh().await;
            }
            // A hint may be wrong for a while after an election: even then no tight loop.
            sleep(if hint.is_some() { BACKOFF_FIRST } else { backoff }).await;
            backoff = if hint.is_some() { backoff } else { (backoff * 2).min(BACKOFF_MAX) };
        }
        Err(nowhere(ls))
    }

    /// One attempt; an error is final.
    async fn attempt<R, T, F, Fut>(
        &self,
        address: &str,
        request: &impl Fn(u64) -> R,
        send: &F,
        uncertain: &mut Option<Instant>,
    ) -> Result<Attempt<T>>
    where
        F: Fn(KvGrpc<Channel>, R) -> Fut,
        Fut: Future<Output = std::result::Result<Answer<T>, Status>>,
    {
        let kv = self.channels.kv(address)?;
        let began = Instant::now();
        let answer = match timeout(ATTEMPT, send(kv, request(uncertain_ms(*uncertain)))).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(status)) => {
                if !was_never_sent(&status) {
                    uncertain.get_or_insert(began);
                }
                return Ok(Attempt::Silent(no_answer(address, status.message())));
            }
            Err(_) => {
                uncertain.get_or_insert(began);
                return Ok(Attempt::Silent(no_answer(address, "it did not answer in time")));
            }
        };
        if let Some(not_leader) = answer.not_leader {
            return Ok(match not_leader.leader_address {
                address if !address.is_empty() => Attempt::Hint(address),
                _ => Attempt::Again(no_answer(address, "it does not lead, and knows nobody who does")),
            });
        }
        match answer.failure.map(Failure::from) {
            None => Ok(Attempt::Done(answer.value)),
            Some(f) if f.class.is_retryable() => {
                if f.code == CODE_OUTCOME_UNKNOWN {
                    uncertain.get_or_insert(began);
                }
                Ok(Attempt::Again(f.into()))
            }
            Some(f) => Err(f.into()),
        }
    }
}

/// At least 1 once it is uncertain.
fn uncertain_ms(since: Option<Instant>) -> u64 {
    since.map_or(0, |at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX).max(1))
}

/// No connection could be made: the request has not left.
fn was_never_sent(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn nowhere(ls: LsId) -> EngineError {
    EngineError::Transient { what: "no leader was found".to_owned(), object: format!("log stream {ls}") }
}

fn no_answer(address: &str, why: &str) -> EngineError {
    EngineError::Transient { what: format!("a worker could not serve: {why}"), object: address.to_owned() }
}
