//! One replica of a log stream: its place in the Raft group, its log, its tablets.
//!
//! Reads of clients are linearizable or refused. What only a leader may do says `NotLeader` elsewhere.

mod check;
mod housekeeping;
mod leading;
mod logs;
mod start;

pub(crate) use start::{Context, Parts, wait_released};

use crate::dirs::ReplicaDir;
use crate::machine::{Machine, Seen};
use crate::proposer::{Identity, Proposer, Waiting, WriteJob};
use crate::sessions::WriteIdentity;
use crate::spec::StoredSpec;
use crate::{Access, EngineError, KvWrite, Replayed, ReplicaSpec, ReplicaStatus, Result, ScanPage, TabletCheckpoint};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use prost::Message;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use strandline_consensus::{Group, Health};
use strandline_engine_api::StopSignal;
use strandline_format::pb;
use strandline_proto::v1::Dictionary;
use strandline_types::limits::{KV_SCAN_BYTES_MAX, MAX_CLOCK_OFFSET_MS};
use strandline_types::{
    CODE_SCN_PASSED, CausalityToken, ErrorClass, Failure, Fingerprint, LsId, NodeId, Scn, TabletId, TenantId, Term,
};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a client's write may take from queue to apply.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// A leader that has not heard a majority for so long is one no more: the others have elected by then.
const MAJORITY_SILENCE_MAX: Duration = Duration::from_secs(2);
/// How often a write that waits looks for that.
const LOOK_FOR_MAJORITY: Duration = Duration::from_millis(500);

/// One running replica.
pub struct Replica {
    identity: Identity,
    dir: ReplicaDir,
    pub(crate) group: Group,
    pub(crate) machine: Arc<Machine>,
    proposer: Proposer,
    writes: RwLock<Option<mpsc::Sender<WriteJob>>>,
    stored: RwLock<StoredSpec>,
    dictionary_on_its_way: AtomicBool,
    tablets_on_their_way: AtomicBool,
    keep_alive_on_its_way: AtomicBool,
    write_room: Arc<Semaphore>,
    /// Clients' writes are refused once the committed log ends after this position; `u64::MAX` = no bound.
    log_end_max: watch::Sender<u64>,
    /// Bytes of client writes that wait for that, over all replicas.
    spool_waits: Arc<Semaphore>,
    leading: Mutex<leading::Leading>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Replica {
    /// Its tenant.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.identity.tenant
    }

    /// Its log stream.
    #[must_use]
    pub fn ls(&self) -> LsId {
        self.identity.ls
    }

    /// Where it stands; cheap.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        let role = self.group.role();
        let inner = self.machine.inner();
        let base = inner.applied.map(|a| a.base).unwrap_or_default();
        ReplicaStatus {
            is_leader: role.is_leader && role.running,
            term: Term(role.term),
            leader: role.leader.map(NodeId),
            log_start: self.machine.log().start(),
            end_lsn: base.lsn,
            max_scn: base.prev_scn,
            dictionary_version: inner.dictionary.as_ref().map_or(0, |d| d.version),
            tablets_version: inner.tablets.as_ref().map_or(0, |t| t.version()),
            replayed: self.replayed(),
            access: self.access(),
        }
    }

    /// How its group is here.
    #[must_use]
    pub fn health(&self) -> Health {
        self.group.health()
    }

    /// A log stream of one replica that began empty although its group has history: its disk was lost, and nobody can
    /// give it back.
    pub(crate) fn check_not_lost(&self) -> Result<()> {
        let is_alone = || self.stored.read().spec.members.len() == 1;
        if self.group.is_full_member() || !is_alone() {
            return Ok(());
        }
        let Identity { tenant, ls } = self.identity;
        let what = "the only replica of the log stream was lost with the disk of its worker";
        let todo =
            "bring the old disk back, or DROP TENANT and RESTORE it from a backup; CDB_STRANDLINE_WAITING says it too";
        Err(Failure::new(ErrorClass::NotFound, what, format!("log stream {tenant}/{ls}"), todo).into())
    }

    /// False once the group has stopped here by itself: its disk failed.
    pub(crate) fn is_running(&self) -> bool {
        self.group.role().running
    }

    /// Address of a member.
    #[must_use]
    pub fn address_of(&self, node: NodeId) -> Option<String> {
        self.stored.read().spec.members.get(&node).cloned()
    }

    pub(crate) fn spec(&self) -> ReplicaSpec {
        self.stored.read().spec.clone()
    }

    pub(crate) fn set_spec(&self, spec: ReplicaSpec) -> Result<()> {
        let mut stored = self.stored.write();
        stored.spec = spec;
        stored.store(&self.dir)
    }

    /// Says what clients may do; remembered over restarts.
    pub fn set_access(&self, access: Access) {
        let mut stored = self.stored.write();
        if std::mem::replace(&mut stored.access, access) != access
            && let Err(error) = stored.store(&self.dir)
        {
            tracing::warn!(?self.identity, %error, ?access, "the access of clients to a replica changed, but a restart may not know");
        }
    }

    /// What clients may do.
    #[must_use]
    pub fn access(&self) -> Access {
        self.stored.read().access
    }

    fn check_readable(&self) -> Result<()> {
        self.check_not_lost()?;
        match self.access() {
            Access::Open | Access::ReadOnly => Ok(()),
            Access::Closed => Err(EngineError::NotOpen { tenant: self.identity.tenant }),
        }
    }

    fn check_writable(&self) -> Result<()> {
        if self.access() != Access::ReadOnly {
            return self.check_readable();
        }
        let what = "the tenant is a standby: it follows an archive, and clients may only read";
        let object = format!("tenant {}", self.identity.tenant);
        let todo = "write to the tenant that it follows, or ACTIVATE STANDBY first";
        Err(Failure::new(ErrorClass::Invalid, what, object, todo).into())
    }

    fn check_leader(&self) -> Result<()> {
        let role = self.group.role();
        if role.is_leader {
            return Ok(());
        }
        let Identity { tenant, ls } = self.identity;
        Err(EngineError::NotLeader { tenant, ls, leader: role.leader.map(NodeId) })
    }

    /// Writes an atomic batch that cannot be sent again; returns its SCN once it is applied here.
    pub async fn write(&self, writes: Vec<KvWrite>, token: CausalityToken) -> Result<Scn> {
        self.write_once(writes, token, None).await
    }

    /// Writes an atomic batch; returns its SCN once it is applied here. One with an identity is done once, however often
    /// it comes: the answer is that of the first time.
    ///
    /// # Errors
    /// `Unknown` when it may have been done.
    pub async fn write_once(
        &self,
        writes: Vec<KvWrite>,
        token: CausalityToken,
        identity: Option<WriteIdentity>,
    ) -> Result<Scn> {
        let deadline = Instant::now() + WRITE_DEADLINE;
        self.check_writable()?;
        self.check_leader()?;
        self.check_token(token)?;
        check::writes(&writes, &self.machine.store(), &self.machine.inner())?;
        self.spool_room(&writes).await?;
        // What waits here is older when it is looked at than its client knew.
        let identity = identity.map(|identity| identity.waited(WRITE_DEADLINE));
        let writes = writes.into_iter().map(|w| pb::Write {
            tablet_id: w.tablet.0,
            key: w.key,
            delete: w.value.is_none(),
            value: w.value.unwrap_or_default(),
        });
        let mut batch = pb::ClientBatch { writes: writes.collect(), identities: Vec::new() };
        check::batch_bytes(batch.encoded_len())?;
        batch.identities.extend(identity.map(|identity| pb::WriteIdentity {
            session: identity.id.session.0.to_be_bytes().to_vec().into(),
            number: identity.id.number,
            settled: identity.settled,
        }));
        let body = Bytes::from(batch.encode_to_vec());
        let (done, answer) = oneshot::channel();
        let queue = self.writes.read().clone();
        let Some(queue) = queue else { return Err(self.identity.transient("the replica is stopping")) };
        let write = async {
            // The cast is exact: a batch is far below u32::MAX (checked above). The semaphore is never closed.
            let room = self.write_room.clone().acquire_many_owned(body.len() as u32).await;
            let room = room.map_err(|_| self.identity.transient("the worker takes no writes"))?;
            let job = WriteJob { body, identity, token: token.0, waiting: Waiting { done, _room: room } };
            queue.send(job).await.map_err(|_| self.identity.transient("the replica is stopping"))?;
            answer.await.map_err(|_| self.identity.unknown("the replica stopped before the outcome was known"))?
        };
        tokio::select! {
            done = tokio::time::timeout_at(deadline, write) => match done {
                Ok(done) => done,
                Err(_) => Err(self.identity.unknown("the write was not committed in time; it may still be")),
            },
            () = self.majority_lost() => {
                let what = "this worker led and has lost touch with the majority; the write may still be committed";
                Err(self.identity.unknown(what))
            }
        }
    }

    /// Comes back once this replica leads a group whose majority is silent: clients had better ask another one.
    async fn majority_lost(&self) {
        loop {
            tokio::time::sleep(LOOK_FOR_MAJORITY).await;
            if self.group.quorum_silence().is_some_and(|silence| silence > MAJORITY_SILENCE_MAX) {
                return;
            }
        }
    }

    /// A token from a clock that is far ahead would drag this stream's clock along.
    fn check_token(&self, token: CausalityToken) -> Result<()> {
        let now = self.proposer.clock.now();
        let ahead = Scn(now.0.saturating_add(Scn::from_ms(MAX_CLOCK_OFFSET_MS).0));
        if token.0 <= ahead || token.0 <= self.machine.log().last_scn() {
            return Ok(());
        }
        Err(Failure::new(
            ErrorClass::Invalid,
            format!("the causality token is more than {MAX_CLOCK_OFFSET_MS} ms ahead of this worker's clock"),
            format!("token {}", token.0),
            "compare the clocks of the servers",
        )
        .into())
    }

    /// Linearizable read: the value and the SCN up to which the answer is true.
    pub async fn get(&self, tablet: TabletId, key: &[u8]) -> Result<(Option<Bytes>, Scn)> {
        self.check_readable()?;
        check::tablet(tablet)?;
        check::key(key)?;
        self.group.read_index().await.map_err(|e| self.identity.not_confirmed(e))?;
        check::not_dropped(tablet, &self.machine.inner())?;
        let (store, key) = (self.machine.store(), key.to_vec());
        self.blocking("reading a key", move || store.get(tablet, &key)).await
    }

    /// Linearizable scan of `[start, end)`; an empty `end` is the end of the tablet, `limit` 0 is "as many as fit".
    pub async fn scan(&self, tablet: TabletId, start: &[u8], end: &[u8], limit: usize) -> Result<ScanPage> {
        self.check_readable()?;
        check::tablet(tablet)?;
        self.group.read_index().await.map_err(|e| self.identity.not_confirmed(e))?;
        check::not_dropped(tablet, &self.machine.inner())?;
        let (store, start, end) = (self.machine.store(), start.to_vec(), end.to_vec());
        let limit = if limit == 0 { usize::MAX } else { limit };
        self.blocking("scanning a tablet", move || store.scan(tablet, &start, &end, limit, KV_SCAN_BYTES_MAX)).await
    }

    /// The stored data dictionary (log stream 1 only).
    #[must_use]
    pub fn dictionary(&self) -> Option<Dictionary> {
        self.machine.inner().dictionary.clone()
    }

    /// How far source log is applied here; `None` when this is no restored tenant.
    #[must_use]
    pub fn replayed(&self) -> Option<Replayed> {
        self.machine.inner().replayed.first().copied()
    }

    /// A consistent point into `dir`, which must not exist yet.
    pub async fn checkpoint(&self, dir: &Path) -> Result<TabletCheckpoint> {
        let (machine, dir) = (self.machine.clone(), dir.to_owned());
        self.blocking("taking a consistent point", move || machine.checkpoint(&dir)).await
    }

    /// Digest of the tablets as of `scn` (`None` = now), and the SCN that it is of. An SCN that is not applied yet is
    /// waited for; one that has passed is refused when anything changed since. `bytes` counts what was read.
    ///
    /// # Errors
    /// `Invalid` when the content has moved on; `Transient` when another look is under way or the moment was missed.
    pub async fn fingerprint(
        &self,
        scn: Option<Scn>,
        stop: StopSignal,
        bytes: Arc<AtomicU64>,
    ) -> Result<(Scn, Fingerprint)> {
        let machine = self.machine.clone();
        let look = move || machine.fingerprint(scn, &stop, &bytes);
        match self.blocking("reading every tablet", look).await? {
            Seen::At(scn, print) => Ok((scn, print)),
            Seen::Passed(changed) => {
                let what = format!("the content has changed at scn {changed}, after the scn that was asked for");
                let object = format!("log stream {}/{}", self.identity.tenant, self.identity.ls);
                let passed = Failure::new(ErrorClass::Invalid, what, object, "ask for an SCN that is still to come");
                Err(passed.with_code(CODE_SCN_PASSED).into())
            }
            Seen::Busy => Err(self.identity.transient("another look at the content is under way, or it came too late")),
            Seen::Cancelled => Err(self.identity.transient("the digest is not needed any more")),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        op: &'static str,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other);
        let done = done.and_then(|r| r).inspect_err(|e| self.machine.note_damage(e));
        done.map_err(|e| EngineError::io(op, self.dir.root(), e))
    }

    /// What is damaged in its files, as far as anybody has met it since it was started.
    pub(crate) fn damage(&self) -> Option<EngineError> {
        let what = self.machine.damage()?.to_owned();
        Some(EngineError::Corrupt { what, path: self.dir.root().to_owned() })
    }
}
