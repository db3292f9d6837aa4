//! The log of a replica as the backup plane and the scheduler's orders use it.

use super::Replica;
use crate::machine::Outcome;
use crate::proposer::Identity;
use crate::{Access, Committed, EngineError, KvWrite, ReplayBatch, Result};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use prost::Message;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strandline_consensus::Payload;
use strandline_format::entry::EntryKind;
use strandline_format::pb;
use strandline_proto::v1;
use strandline_proto::v1::Dictionary;
use strandline_types::limits::{LOG_ENTRY_BODY_BYTES_MAX, SPOOL_WAIT_MS};
use strandline_types::{ErrorClass, Failure, Lsn, Scn};
use tokio::sync::watch;

/// How long a write waits for the archive to make room.
const SPOOL_WAIT: Duration = Duration::from_millis(SPOOL_WAIT_MS);

/// One proposal of a kind at a time: orders are repeated faster than a slow group commits. Dropping it, also with a
/// cancelled caller, lets the next one through.
struct OnItsWay<'a>(&'a AtomicBool);

impl<'a> OnItsWay<'a> {
    fn begin(flag: &'a AtomicBool) -> Option<Self> {
        (!flag.swap(true, Ordering::AcqRel)).then_some(Self(flag))
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Replica {
    /// Whole committed groups from `from` (the start of a group): up to `max_bytes`, but at least one if one is there;
    /// never over the end of a block.
    pub async fn read_committed(&self, from: Lsn, max_bytes: usize) -> Result<Committed> {
        let (log, committed) = (self.machine.log().clone(), self.committed_lsn());
        let read = move || log.groups(from, committed, max_bytes);
        match self.blocking("reading committed log", read).await? {
            Some(groups) => Ok(Committed { bytes: groups.bytes, start: from, end: groups.end }),
            None => Err(EngineError::Recycled { from, log_start: self.log_start() }),
        }
    }

    fn committed_lsn(&self) -> Lsn {
        *self.machine.committed().borrow()
    }

    /// End of the committed (applied) log; changes wake its watchers.
    #[must_use]
    pub fn committed_end(&self) -> watch::Receiver<Lsn> {
        self.machine.committed()
    }

    /// First position that is still in the local log.
    #[must_use]
    pub fn log_start(&self) -> Lsn {
        self.machine.log().start()
    }

    /// Local log below may be dropped as far as the archive is concerned. The newest word counts, also a lower one: a
    /// round that begins needs log that was not needed before.
    pub fn recycle(&self, below: Lsn) {
        if let Err(error) = self.machine.log().recycle(below) {
            tracing::warn!(?self.identity, %below, %error, "log blocks could not be recycled");
        }
    }

    /// Clients' writes are refused while the log holds more than `bytes_max` above `kept_from`, which the archive still
    /// needs; `None` = no bound. What keeps the group itself alive is always logged.
    pub fn bound_log(&self, kept_from: Lsn, bytes_max: Option<u64>) {
        let end = bytes_max.map_or(u64::MAX, |bytes| kept_from.0.saturating_add(bytes));
        self.log_end_max.send_replace(end);
    }

    /// Waits while the archive holds log back and the disk has no room for more of it; for a while, then the write is
    /// refused. What waits is bounded over all replicas of the worker.
    pub(super) async fn spool_room(&self, writes: &[KvWrite]) -> Result<()> {
        let mut end_max = self.log_end_max.subscribe();
        if self.committed_lsn().0 <= *end_max.borrow_and_update() {
            return Ok(());
        }
        let bytes: usize = writes.iter().map(|w| w.key.len() + w.value.as_ref().map_or(0, Bytes::len)).sum();
        // What does not fit into the number is far beyond the bound.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(_waits) = self.spool_waits.try_acquire_many(bytes) else { return Err(self.spool_full()) };
        let has_room = end_max.wait_for(|max| self.committed_lsn().0 <= *max);
        tokio::select! {
            _ = tokio::time::timeout(SPOOL_WAIT, has_room) => {}
            () = self.stop.cancelled() => return Err(self.identity.transient("the replica is stopping")),
        }
        if self.committed_lsn().0 <= *self.log_end_max.borrow() { Ok(()) } else { Err(self.spool_full()) }
    }

    #[cfg(test)]
    pub(crate) fn writes_that_wait(&self) -> bool {
        self.spool_waits.available_permits() < strandline_types::limits::SPOOL_WAIT_BYTES_MAX
    }

    fn spool_full(&self) -> EngineError {
        let (end, max) = (self.committed_lsn().0, *self.log_end_max.borrow());
        let Identity { tenant, ls } = self.identity;
        let what = format!(
            "writes are refused: the log waits for its archive and has {} bytes more than the local disk may hold",
            end.saturating_sub(max)
        );
        let todo = "repair the archive destination (CDB_OB_ARCHIVELOG says what is wrong with it), give the log more room, \
                    or set BINDING = OPTIONAL";
        Failure::new(ErrorClass::Exhausted, what, format!("log stream {tenant}/{ls}"), todo).into()
    }

    /// Appends a keep-alive group with exactly `scn` when this replica leads, clients may write, and its stream is below
    /// `scn`. A stream that is replayed into has the SCNs of its source and no others.
    pub async fn keep_alive_to(&self, scn: Scn) -> Result<()> {
        let below = self.machine.log().last_scn() < scn;
        if !below || self.access() != Access::Open || !self.group.role().is_leader {
            return Ok(());
        }
        let Some(_alone) = OnItsWay::begin(&self.keep_alive_on_its_way) else { return Ok(()) };
        self.proposer.propose(EntryKind::KeepAlive, scn, Bytes::new()).await.map(drop)
    }

    /// Logs the dictionary when this replica leads log stream 1 and the version is newer than the stored one.
    pub async fn set_dictionary(&self, dictionary: &Dictionary) -> Result<()> {
        let stored = self.machine.inner().dictionary.as_ref().map_or(0, |d| d.version);
        let closed = self.access() == Access::ReadOnly;
        if !self.identity.ls.is_sys() || closed || dictionary.version <= stored || !self.group.role().is_leader {
            return Ok(());
        }
        let body = Bytes::from(dictionary.encode_to_vec());
        if body.len() >= LOG_ENTRY_BODY_BYTES_MAX {
            let what = format!("the data dictionary has {} bytes, more than a log entry may have", body.len());
            let todo = "drop tables, or create them with fewer tablets";
            let object = format!("tenant {}", self.identity.tenant);
            return Err(Failure::new(ErrorClass::Exhausted, what, object, todo).into());
        }
        let Some(_alone) = OnItsWay::begin(&self.dictionary_on_its_way) else { return Ok(()) };
        let scn = self.proposer.next_scn(Scn::MIN);
        self.proposer.propose(EntryKind::Dictionary, scn, body).await.map(drop)
    }

    /// Logs which tablets are left when this replica leads and the list is newer than the applied one. It gets a higher
    /// SCN than `after`, which is not before that of the dictionary: an SCN that still has the table has its rows.
    pub async fn set_tablets(&self, list: &v1::TabletList, after: Scn) -> Result<()> {
        let applied = self.machine.inner().tablets.as_ref().map_or(0, |t| t.version());
        if self.access() != Access::Open || list.version <= applied || !self.group.role().is_leader {
            return Ok(());
        }
        let Some(_alone) = OnItsWay::begin(&self.tablets_on_their_way) else { return Ok(()) };
        let tablet_ids = list.tablet_ids.clone();
        let entry = pb::TabletList { version: list.version, next_tablet_id: list.next_tablet_id, tablet_ids };
        let scn = self.proposer.next_scn(after);
        self.proposer.propose(EntryKind::Tablets, scn, entry.encode_to_vec().into()).await.map(drop)
    }

    /// Puts replayed source log into the log, in the order of the calls; the future completes when it is applied. A
    /// batch that is already applied is success without effect; one that does not start where this replica stands is
    /// refused.
    pub async fn append_replayed(&self, batch: ReplayBatch) -> Result<BoxFuture<'static, Result<()>>> {
        self.check_leader()?;
        let Identity { tenant, ls } = self.identity;
        let Some(stands) = self.replayed().filter(|_| self.access() != Access::Open) else {
            let what = "replay is over, or was never begun";
            let object = format!("log stream {tenant}/{ls}");
            return Err(Failure::new(ErrorClass::Fenced, what, object, "nothing has to be replayed here").into());
        };
        if batch.end <= stands.lsn {
            return Ok(futures::future::ready(Ok(())).boxed());
        }
        let payload = self.replay_payload(batch)?;
        let proposal = self.group.propose_ordered(payload).await.map_err(|e| self.identity.refused(e))?;
        let identity = self.identity;
        let applied = async move {
            let (_, reply) = proposal.await.map_err(|e| identity.refused(e))?;
            match Outcome::read(&reply) {
                Some(Outcome::Done(_)) => Ok(()),
                Some(Outcome::Gap(at)) => {
                    Err(identity.transient(format!("an earlier batch was lost: replay goes on at lsn {at}")))
                }
                None => Err(identity.transient("an answer of a newer version")),
            }
        };
        Ok(applied.boxed())
    }

    fn replay_payload(&self, batch: ReplayBatch) -> Result<Payload> {
        let items = batch.items.into_iter();
        let body = pb::ReplayedBatch {
            source_start_lsn: batch.start.0,
            source_end_lsn: batch.end.0,
            source_scn: batch.scn.0,
            items: items.map(|i| pb::ReplayedItem { scn: i.scn.0, kind: i.kind.into(), body: i.body }).collect(),
        };
        let body = Bytes::from(body.encode_to_vec());
        if body.len() >= LOG_ENTRY_BODY_BYTES_MAX {
            let what = format!("a replayed batch of {} bytes", body.len());
            let object = format!("log stream {}/{}", self.identity.tenant, self.identity.ls);
            return Err(Failure::new(ErrorClass::Invalid, what, object, "replay in smaller batches").into());
        }
        Ok(Payload { scn: batch.scn.0, kind: EntryKind::Replayed.number(), body })
    }
}
