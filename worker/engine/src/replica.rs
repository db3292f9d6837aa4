//! One replica of a log stream: its log, its tablets, its place in the Raft group.

use crate::{Committed, KvWrite, ReplayBatch, Replayed, ReplicaStatus, Result, ScanPage, TabletCheckpoint};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::path::Path;
use strandline_proto::v1::Dictionary;
use strandline_types::{CausalityToken, LsId, Lsn, PalfBase, Scn, TabletId, TenantId};
use tokio::sync::watch;

/// One running replica.
#[derive(Debug)]
pub struct Replica {}

impl Replica {
    /// Its tenant.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        unimplemented!()
    }

    /// Its log stream.
    #[must_use]
    pub fn ls(&self) -> LsId {
        unimplemented!()
    }

    /// Where it stands; cheap.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        unimplemented!()
    }

    /// Writes an atomic batch; returns its SCN once it is applied here.
    pub async fn write(&self, _writes: Vec<KvWrite>, _token: CausalityToken) -> Result<Scn> {
        unimplemented!()
    }

    /// Linearizable read: the value and the SCN up to which the answer is true.
    pub async fn get(&self, _tablet: TabletId, _key: &[u8]) -> Result<(Option<Bytes>, Scn)> {
        unimplemented!()
    }

    /// Linearizable scan of `[start, end)`; an empty `end` is the end of the tablet, `limit` 0 is "as many as fit".
    pub async fn scan(&self, _tablet: TabletId, _start: &[u8], _end: &[u8], _limit: usize) -> Result<ScanPage> {
        unimplemented!()
    }

    /// Whole committed groups from `from` (the start of a group): up to `max_bytes`, but at least one if one is there.
    pub async fn read_committed(&self, _from: Lsn, _max_bytes: usize) -> Result<Committed> {
        unimplemented!()
    }

    /// The framing state before the group at `lsn`, which must be the start of a committed group or the committed end.
    pub async fn base_at(&self, _lsn: Lsn) -> Result<PalfBase> {
        unimplemented!()
    }

    /// End of the committed (applied) log; changes wake its watchers.
    #[must_use]
    pub fn committed_end(&self) -> watch::Receiver<Lsn> {
        unimplemented!()
    }

    /// First position that is still in the local log.
    #[must_use]
    pub fn log_start(&self) -> Lsn {
        unimplemented!()
    }

    /// Local log below may be dropped as far as the archive is concerned; never falls.
    pub fn recycle(&self, _below: Lsn) {
        unimplemented!()
    }

    /// Appends a keep-alive group when this replica leads and its stream is below `scn`.
    pub async fn keep_alive_to(&self, _scn: Scn) -> Result<()> {
        unimplemented!()
    }

    /// Logs the dictionary when this replica leads log stream 1 and the version is newer than the stored one.
    pub async fn set_dictionary(&self, _dictionary: &Dictionary) -> Result<()> {
        unimplemented!()
    }

    /// The stored data dictionary (log stream 1 only).
    #[must_use]
    pub fn dictionary(&self) -> Option<Dictionary> {
        unimplemented!()
    }

    /// Opens or closes the door for clients.
    pub fn set_open(&self, _open: bool) {
        unimplemented!()
    }

    /// True when clients may read and write.
    #[must_use]
    pub fn is_open(&self) -> bool {
        unimplemented!()
    }

    /// A consistent point into `dir`, which must not exist yet.
    pub async fn checkpoint(&self, _dir: &Path) -> Result<TabletCheckpoint> {
        unimplemented!()
    }

    /// Puts replayed source log into the log, in the order of the calls; the future completes when it is applied.
    pub async fn append_replayed(&self, _batch: ReplayBatch) -> Result<BoxFuture<'static, Result<()>>> {
        unimplemented!()
    }

    /// How far source log is applied here; `None` when this is no restored tenant.
    #[must_use]
    pub fn replayed(&self) -> Option<Replayed> {
        unimplemented!()
    }
}
