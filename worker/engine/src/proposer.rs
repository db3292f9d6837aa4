//! The one place where entries of a log stream get their SCN and enter Raft.
//!
//! Client writes that wait together go into one entry and share its SCN; while enough entries are on their way, later
//! writes gather. Order rules: an SCN is chosen after every token of the entry is known; writes are acknowledged after
//! their entry was applied here; the queue is bounded, and full means *wait*; a request that was done, or is on its way,
//! never enters the log again (ADR 29): it is looked up after everything of earlier leaders is applied, and proposed in
//! that term only.

use crate::machine::{Machine, Outcome};
use crate::on_its_way::OnItsWay;
use crate::sessions::{Known, WriteId, WriteIdentity};
use crate::{Clock, EngineError, Result};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use strandline_consensus::{Group, LogPos, Payload, ProposeError, Reply};
use strandline_format::entry::EntryKind;
use strandline_types::limits::{WRITE_ENTRIES_IN_FLIGHT_MAX, WRITE_MERGE_BYTES, WRITES_QUEUED_MAX};
use strandline_types::{CODE_OUTCOME_UNKNOWN, ErrorClass, Failure, LsId, NodeId, Scn, TenantId};
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
            ProposeError::Transient { what, maybe_logged: false } => self.transient(what),
            ProposeError::Transient { what, maybe_logged: true } => self.unknown(what),
            ProposeError::Fatal { what } => self.unknown(format!("the group has stopped on this worker: {what}")),
        }
    }

    /// The same where nothing was proposed.
    pub(crate) fn not_confirmed(self, error: ProposeError) -> EngineError {
        match error {
            ProposeError::NotLeader { .. } => self.refused(error),
            ProposeError::Transient { what, .. } => self.transient(what),
            ProposeError::Fatal { what } => self.transient(format!("the group has stopped on this worker: {what}")),
        }
    }

    pub(crate) fn unknown(self, what: impl Into<String>) -> EngineError {
        EngineError::Unknown { what: what.into(), object: format!("log stream {}/{}", self.tenant, self.ls) }
    }

    pub(crate) fn transient(self, what: impl Into<String>) -> EngineError {
        EngineError::Transient { what: what.into(), object: format!("log stream {}/{}", self.tenant, self.ls) }
    }
}

/// One request of a client on its way.
pub(crate) struct WriteJob {
    /// An encoded `ClientBatch`: concatenating two of them makes one with the writes of both.
    pub(crate) body: Bytes,
    /// Which request it is; `None` = it cannot be sent again.
    pub(crate) identity: Option<WriteIdentity>,
    pub(crate) token: Scn,
    pub(crate) waiting: Waiting,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) done: oneshot::Sender<Result<Scn>>,
    /// Given back when the request is answered.
    pub(crate) _room: OwnedSemaphorePermit,
}

impl Waiting {
    fn answer(self, with: Result<Scn>) {
        // A caller that gave up gets no answer.
        let _ = self.done.send(with);
    }
}

/// What the proposer of a log stream needs.
#[derive(Clone)]
pub(crate) struct Proposer {
    pub(crate) identity: Identity,
    pub(crate) group: Group,
    pub(crate) machine: Arc<Machine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) on_its_way: Arc<OnItsWay>,
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
        let mut known = None;
        // The semaphore is never closed.
        while let Ok(permit) = room.clone().acquire_owned().await {
            let Some(first) = jobs.recv().await else { return };
            match self.term(&mut known).await {
                Err(error) => {
                    let queued = std::iter::from_fn(|| jobs.try_recv().ok());
                    for job in std::iter::once(first).chain(queued) {
                        job.waiting.answer(Err(self.identity.not_confirmed(error.clone())));
                    }
                }
                Ok(term) => {
                    if let Some(merged) = self.gather(first, &mut jobs) {
                        self.submit(merged, term, permit).await;
                    }
                }
            }
        }
    }

    /// The term in which this replica leads and has applied everything that the leaders before it have put into the log:
    /// only then the state knows every request that was done.
    async fn term(&self, known: &mut Option<u64>) -> std::result::Result<u64, ProposeError> {
        let role = self.group.role();
        if !role.is_leader {
            return Err(ProposeError::NotLeader { leader: role.leader });
        }
        if *known != Some(role.term) {
            self.group.read_index().await?;
            let now = self.group.role();
            if !now.is_leader || now.term != role.term {
                return Err(ProposeError::NotLeader { leader: now.leader });
            }
            *known = Some(role.term);
        }
        Ok(role.term)
    }

    /// Takes what waits already, up to the size of an entry; `None` when nothing of it has to be done.
    fn gather(&self, first: WriteJob, jobs: &mut mpsc::Receiver<WriteJob>) -> Option<Merged> {
        let mut merged = Merged::default();
        let mut next = Some(first);
        while let Some(job) = next {
            if let Some(job) = self.admit(job) {
                merged.add(job);
            }
            next = if merged.bytes() < WRITE_MERGE_BYTES { jobs.try_recv().ok() } else { None };
        }
        (!merged.waiting.is_empty()).then_some(merged)
    }

    /// Gives the request back that has to be done; one that comes again is answered, or waits with the first.
    fn admit(&self, job: WriteJob) -> Option<WriteJob> {
        let Some(identity) = job.identity else { return Some(job) };
        let WriteJob { body, token, waiting, .. } = job;
        // First what is on its way: it is in the applied state before it is taken from there.
        let waiting = self.on_its_way.join(identity.id, waiting)?;
        let known = self.machine.sessions().look(&identity, self.clock.now());
        match known {
            Known::New => {
                self.on_its_way.begin(identity.id);
                Some(WriteJob { body, identity: Some(identity), token, waiting })
            }
            Known::Done(scn) => {
                waiting.answer(Ok(scn));
                None
            }
            Known::Settled => {
                let todo = "no client waits for it any more: nothing has to be done";
                waiting.answer(Err(self.known("the client has settled this request", ErrorClass::Invalid, todo)));
                None
            }
            Known::Forgotten => {
                let what = "the write may have been done already: its session was forgotten, because too many others \
                            have written since";
                waiting.answer(Err(self.known(
                    what,
                    ErrorClass::Exhausted,
                    "read the keys before you write them again",
                )));
                None
            }
        }
    }

    fn known(&self, what: &str, class: ErrorClass, todo: &str) -> EngineError {
        let Identity { tenant, ls } = self.identity;
        Failure::new(class, what, format!("log stream {tenant}/{ls}"), todo).with_code(CODE_OUTCOME_UNKNOWN).into()
    }

    async fn submit(&self, merged: Merged, term: u64, permit: OwnedSemaphorePermit) {
        let Merged { body, token, ids, waiting } = merged;
        let payload =
            Payload { scn: self.next_scn(token).0, kind: EntryKind::ClientBatch.number(), body: body.freeze() };
        match self.group.propose_in_term(payload, term).await {
            Err(e) => self.end(&ids, waiting, &Err(e)),
            Ok(proposal) => {
                let proposer = self.clone();
                tokio::spawn(async move {
                    let outcome = scn_of(proposer.identity, proposal.await);
                    proposer.end(&ids, waiting, &outcome);
                    drop(permit);
                });
            }
        }
    }

    /// Answers everybody who waits for these requests.
    fn end(&self, ids: &[WriteId], mut waiting: Vec<Waiting>, outcome: &std::result::Result<Scn, ProposeError>) {
        waiting.extend(self.on_its_way.end(ids));
        for waiting in waiting {
            waiting.answer(match outcome {
                Ok(scn) => Ok(*scn),
                Err(e) => Err(self.identity.refused(e.clone())),
            });
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

/// Several requests as one entry.
#[derive(Default)]
struct Merged {
    body: BytesMut,
    token: Scn,
    ids: Vec<WriteId>,
    waiting: Vec<Waiting>,
}

impl Merged {
    fn bytes(&self) -> usize {
        self.body.len()
    }

    fn add(&mut self, job: WriteJob) {
        if self.waiting.is_empty() {
            // The usual case, one request: its bytes are taken as they are when nothing else holds them.
            self.body = job.body.try_into_mut().unwrap_or_else(|shared| BytesMut::from(shared.as_ref()));
        } else {
            self.body.extend_from_slice(&job.body);
        }
        self.token = self.token.max(job.token);
        self.ids.extend(job.identity.map(|identity| identity.id));
        self.waiting.push(job.waiting);
    }
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
