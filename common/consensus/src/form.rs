//! Forming a group: this replica asks its peers, round after round, and does what [`decide`] says.

use crate::convert::decode;
use crate::error::GroupError;
use crate::forming::{Answer, FormWait, Standing, Step, decide};
use crate::group::Group;
use crate::peers::Traffic;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;
use strandline_proto::v1::raft_transport_client::RaftTransportClient;
use strandline_proto::v1::{RaftCall, RaftKind};
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

/// A peer that is there answers at once.
const ANSWER_DEADLINE: Duration = Duration::from_secs(1);
/// Pause between two rounds of questions, at first and later.
const ASK_PAUSE: (Duration, Duration) = (Duration::from_millis(40), Duration::from_millis(250));
/// For so long a start counts as one in which everybody is about to answer.
const START: Duration = Duration::from_secs(5);
/// What is waited for is logged this often.
const TELL_EVERY: Duration = Duration::from_secs(5);

impl Group {
    /// Forms the group of these members (id → address), or finds out that it is formed already; on every member. It comes
    /// back when one of these is sure. `cluster` has to be the same everywhere. [`Group::health`] tells what it waits for.
    pub async fn form(&self, members: BTreeMap<u64, String>, cluster: u64) -> Result<(), GroupError> {
        self.inner.formation.tell(members.clone(), cluster);
        let (begun, mut told) = (Instant::now(), None);
        loop {
            let own = self.inner.formation.standing().map_err(|e| self.storage(e))?;
            if own.is_formed {
                return self.formed("the directory belongs to a formed group");
            }
            let answers = self.ask(&members).await;
            match decide(self.inner.network.node_id, &own, &answers) {
                Step::Join => {
                    return self.formed("a peer belongs to a formed group: this replica waits for its leader");
                }
                Step::BecomeFull => self.lift_guard().await?,
                Step::Form => {
                    self.initialize(members).await?;
                    return self.formed("every peer is empty: the group is formed");
                }
                Step::Wait(wait) => {
                    self.tell_wait(&wait, begun, &mut told);
                    self.inner.formation.wait_for(Some(wait));
                    sleep(if begun.elapsed() < START { ASK_PAUSE.0 } else { ASK_PAUSE.1 }).await;
                }
            }
            if let Some(what) = self.watch().stopped() {
                return Err(GroupError::Stopped { group: self.name().to_owned(), what });
            }
        }
    }

    /// Who of the others votes, by their own word; `None` = no answer. Takes a second at most.
    pub async fn voters(&self, members: &BTreeMap<u64, String>) -> BTreeMap<u64, Option<bool>> {
        let vote = |answer| match answer {
            Answer::Standing(standing) => Some(standing.is_full),
            Answer::Silent(_) => None,
        };
        self.ask(members).await.into_iter().map(|(id, answer)| (id, vote(answer))).collect()
    }

    fn formed(&self, how: &str) -> Result<(), GroupError> {
        self.inner.formation.wait_for(None);
        tracing::info!(group = self.name(), "{how}");
        Ok(())
    }

    /// A start alone is not logged; what lasts is logged again and again.
    fn tell_wait(&self, wait: &FormWait, begun: Instant, told: &mut Option<Instant>) {
        if begun.elapsed() >= ANSWER_DEADLINE && told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(
                group = self.name(),
                seconds = begun.elapsed().as_secs(),
                "the group is not formed yet: {wait}"
            );
        }
    }

    /// One round of questions.
    async fn ask(&self, members: &BTreeMap<u64, String>) -> BTreeMap<u64, Answer> {
        let others = members.iter().filter(|(id, _)| **id != self.inner.network.node_id);
        let asked = others.map(|(id, address)| async move {
            let answer = match timeout(ANSWER_DEADLINE, self.ask_one(*id, address)).await {
                Ok(Ok(standing)) => Answer::Standing(standing),
                Ok(Err(why)) => Answer::Silent(why),
                Err(_) => Answer::Silent(format!("nothing within {ANSWER_DEADLINE:?}")),
            };
            (*id, answer)
        });
        join_all(asked).await.into_iter().collect()
    }

    async fn ask_one(&self, id: u64, address: &str) -> Result<Standing, String> {
        let channel = self.inner.network.peers.channel(id, address, Traffic::Messages).map_err(|e| e.to_string())?;
        let group = self.name().to_owned();
        let call = RaftCall { target_node: id, group, kind: RaftKind::Standing.into(), payload: bytes::Bytes::new() };
        let reply = RaftTransportClient::new(channel).call(call).await.map_err(|status| words(address, &status))?;
        decode(&reply.into_inner().payload).map_err(|e| format!("{address}: {e}"))
    }
}

/// Why there was no answer, with the innermost cause: the outer ones say only "transport error".
fn words(address: &str, status: &Status) -> String {
    let mut cause: &dyn Error = status;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let why = if status.source().is_some() { cause.to_string() } else { status.message().to_owned() };
    format!("{address}: {why}")
}
