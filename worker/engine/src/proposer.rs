//! The one place where entries of a log stream get their SCN and enter Raft.
//!
//! Client writes that wait together go into one entry and share its SCN; while enough entries are on their way, later
//! writes gather. Order rules: an SCN is chosen after every token of the entry is known; writes are acknowledged after
//! their entry was applied here; the queue is bounded, and full means *wait*.

use crate::machine::{Machine, Outcome};
use crate::{Clock, EngineError, Result};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use strandline_consensus::{Group, LogPos, Payload, ProposeError, Reply};
use strandline_format::entry::EntryKind;
use strandline_types::limits::{WRITE_ENTRIES_IN_FLIGHT_MAX, WRITE_MERGE_BYTES, WRITES_QUEUED_MAX};
use strandline_types::{LsId, NodeId, Scn, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Who speaks, for errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) tenant: TenantId,
    pub(crate) ls: LsId,
}

impl Identity {
    /// A consensus error in the engine's words.
    pub(crate) fn refused(self, error: ProposeError) -> EngineError {
        let Self { tenant, ls } = self;
        match error {
            ProposeError::NotLeader { leader } => EngineError::NotLeader { tenant, ls, leader: leader.map(NodeId) },
            ProposeError::Transient { what, .. } | ProposeError::Fatal { what } => self.transient(what),
        }
    }

    pub(crate) fn transient(self, what: impl Into<String>) -> EngineError {
        EngineError::Transient { what: what.into(), object: format!("log stream {}/{}", self.tenant, self.ls) }
    }
}

/// One client batch on its way.
pub(crate) struct WriteJob {
    /// An encoded `ClientBatch`: concatenating two of them makes one with the writes of both.
    pub(crate) body: Bytes,
    pub(crate) token: Scn,
    pub(crate) done: oneshot::Sender<Result<Scn>>,
    /// Given back when the write is answered.
    pub(crate) room: OwnedSemaphorePermit,
}

/// What the proposer of a log stream needs.
#[derive(Clone)]
pub(crate) struct Proposer {
    pub(crate) identity: Identity,
    pub(crate) group: Group,
    pub(crate) machine: Arc<Machine>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Proposer {
    /// Starts the task that takes client writes; it ends when the sender is dropped.
    pub(crate) fn start(&self) -> mpsc::Sender<WriteJob> {
        let (sender, jobs) = mpsc::channel(WRITES_QUEUED_MAX);
        tokio::spawn(self.clone().run(jobs));
        sender
    }

    async fn run(self, mut jobs: mpsc::Receiver<WriteJob>) {
        let room = Arc::new(Semaphore::new(WRITE_ENTRIES_IN_FLIGHT_MAX));
        // The semaphore is never closed.
        while let Ok(permit) = room.clone().acquire_owned().await {
            let Some(first) = jobs.recv().await else { return };
            let merged = gather(first, &mut jobs);
            self.submit(merged, permit).await;
        }
    }

    async fn submit(&self, merged: Merged, permit: OwnedSemaphorePermit) {
        let Merged { body, token, waiting } = merged;
        let payload = Payload { scn: self.next_scn(token).0, kind: EntryKind::ClientBatch.number(), body };
        match self.group.propose_ordered(payload).await {
            Err(e) => answer(waiting, || Err(self.identity.refused(e.clone()))),
            Ok(proposal) => {
                let identity = self.identity;
                tokio::spawn(async move {
                    let outcome = scn_of(identity, proposal.await);
                    answer(waiting, || match &outcome {
                        Ok(scn) => Ok(*scn),
                        Err(e) => Err(identity.refused(e.clone())),
                    });
                    drop(permit);
                });
            }
        }
    }

    /// The hybrid clock of the stream. Framing corrects it once more against the log, so entries that are not appended
    /// yet need not be known here.
    pub(crate) fn next_scn(&self, token: Scn) -> Scn {
        Scn::hybrid(self.clock.now().0, self.machine.log().last_scn(), token)
    }

    /// Proposes one entry that is not a client batch and waits until it is applied here.
    pub(crate) async fn propose(&self, kind: EntryKind, scn: Scn, body: Bytes) -> Result<Outcome> {
        let payload = Payload { scn: scn.0, kind: kind.number(), body };
        let (_, reply) = self.group.propose(payload).await.map_err(|e| self.identity.refused(e))?;
        Outcome::read(&reply).ok_or_else(|| self.identity.transient("an answer of a newer version"))
    }
}

/// Several client batches as one entry.
struct Merged {
    body: Bytes,
    token: Scn,
    waiting: Vec<Waiting>,
}

/// One write of an entry, and its room.
type Waiting = (oneshot::Sender<Result<Scn>>, OwnedSemaphorePermit);

fn answer(waiting: Vec<Waiting>, mut with: impl FnMut() -> Result<Scn>) {
    for (done, _room) in waiting {
        // Whoever does not wait any more does not want to know.
        let _ = done.send(with());
    }
}

/// Takes what waits already, up to the size of an entry.
fn gather(first: WriteJob, jobs: &mut mpsc::Receiver<WriteJob>) -> Merged {
    let mut merged = Merged { body: first.body, token: first.token, waiting: vec![(first.done, first.room)] };
    let mut body: Option<BytesMut> = None;
    while body.as_ref().map_or(merged.body.len(), |b| b.len()) < WRITE_MERGE_BYTES {
        let Ok(job) = jobs.try_recv() else { break };
        body.get_or_insert_with(|| BytesMut::from(merged.body.as_ref())).extend_from_slice(&job.body);
        merged.token = merged.token.max(job.token);
        merged.waiting.push((job.done, job.room));
    }
    if let Some(body) = body {
        merged.body = body.freeze();
    }
    merged
}

fn scn_of(
    identity: Identity,
    result: std::result::Result<(LogPos, Reply), ProposeError>,
) -> std::result::Result<Scn, ProposeError> {
    match Outcome::read(&result?.1) {
        Some(Outcome::Done(scn)) => Ok(scn),
        other => {
            let what = format!("log stream {}/{} answered a write with {other:?}", identity.tenant, identity.ls);
            Err(ProposeError::Transient { what, maybe_logged: true })
        }
    }
}
