//! A stand-in for an engine, behind the same border as a real one: blocks are files with made-up content, replayed log
//! is kept in a list. It checks the rules of the border as an engine does.

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub mod real;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use strandline_engine_api::*;
use strandline_proto::TaskKey;
use strandline_types::dictionary::Dictionary;
use strandline_types::{
    DataKind, ErrorClass, Failure, Fingerprint, JobId, LsId, Lsn, RetryId, Scn, TabletId, TenantId, Term, TurnId,
};
use strandline_worker::task_ctx::TaskCtx;
use tokio::sync::watch;

pub const TENANT: TenantId = TenantId(1002);
pub const RESTORED: TenantId = TenantId(1003);
pub const LS: LsId = LsId(1001);
pub const JOB: JobId = JobId(7);

/// Blocks, streams and targets of one worker.
#[derive(Default)]
pub struct FakeEngine {
    pub streams: Mutex<BTreeMap<(TenantId, LsId), Arc<FakeStream>>>,
    pub targets: Mutex<BTreeMap<(TenantId, LsId), Arc<FakeTarget>>>,
}

impl Engine for FakeEngine {
    fn log_format(&self) -> &'static dyn LogFormat {
        &PALF
    }

    fn log_stream(&self, tenant: TenantId, ls: LsId) -> Option<Arc<dyn LogStream>> {
        Some(Arc::clone(self.streams.lock().unwrap().get(&(tenant, ls))?) as Arc<dyn LogStream>)
    }

    fn restore_target(&self, tenant: TenantId, ls: LsId, _job: JobId) -> Arc<dyn RestoreTarget> {
        Arc::clone(self.targets.lock().unwrap().get(&(tenant, ls)).expect("a target")) as Arc<dyn RestoreTarget>
    }
}

/// A replica whose blocks lie in `dir`.
pub struct FakeStream {
    pub dir: PathBuf,
    pub blocks: Vec<CheckpointBlock>,
    pub base: LogBase,
    pub scn: watch::Sender<Scn>,
    /// What `check_block` says of every block.
    pub compressed: AtomicBool,
}

pub struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

impl FakeStream {
    pub fn new(dir: &Path) -> Self {
        let base = LogBase { lsn: Lsn(500), scn: Scn(100), link: LogLink::new([3, 9]) };
        Self {
            dir: dir.to_owned(),
            blocks: Vec::new(),
            base,
            scn: watch::Sender::new(Scn(100)),
            compressed: AtomicBool::new(false),
        }
    }

    /// Adds a block of pseudo-random bytes that ends like an SST file.
    pub fn add_block(&mut self, tablet: u64, kind: DataKind, bytes: usize) {
        let n = self.blocks.len() as u64 + 1;
        let mut seed = n;
        let mut content: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed.to_le_bytes()
        })
        .take(bytes.div_ceil(8))
        .flatten()
        .collect();
        content.truncate(bytes);
        let file_name = format!("{n:06}.sst");
        std::fs::write(self.dir.join(&file_name), &content).unwrap();
        let mut unique_id = [0; 24];
        unique_id[8..16].copy_from_slice(&n.to_be_bytes());
        let (tablet, bytes) = (TabletId(tablet), bytes as u64);
        self.blocks.push(CheckpointBlock { tablet, kind, file_name, bytes, level: 6, unique_id });
    }
}

#[async_trait]
impl LogSource for FakeStream {
    fn log_status(&self) -> LogStatus {
        let max_scn = *self.scn.borrow();
        LogStatus { is_leader: false, term: Term(1), log_start: Lsn(0), end_lsn: Lsn(max_scn.0), max_scn }
    }

    async fn read_committed(&self, from: Lsn, _max_bytes: usize) -> Result<CommittedLog, SourceError> {
        Ok(CommittedLog { start: from, end: from, bytes: Bytes::new() })
    }

    async fn wait_for_log_after(&self, lsn: Lsn) {
        let _ = self.scn.subscribe().wait_for(|scn| scn.0 > lsn.0).await;
    }

    fn dictionary(&self) -> Option<Dictionary> {
        Some(Dictionary { version: 4, scn: Some(Scn(60)), ..Dictionary::default() })
    }
}

#[async_trait]
impl TabletSource for FakeStream {
    async fn checkpoint(&self, dir: &Path) -> Result<Checkpoint, SourceError> {
        std::fs::create_dir(dir).unwrap();
        for block in &self.blocks {
            std::fs::hard_link(self.dir.join(&block.file_name), dir.join(&block.file_name)).unwrap();
        }
        Ok(Checkpoint {
            dir: dir.to_owned(),
            base: self.base,
            scn: *self.scn.borrow(),
            mark: EngineMark { index: 12, epoch: 1 },
            blocks: self.blocks.clone(),
            engine_files: vec![("CURRENT".into(), "MANIFEST-1\n".into()), ("MANIFEST-1".into(), "edits".into())],
            dictionary: Some(Dictionary { version: 3, scn: Some(Scn(50)), ..Dictionary::default() }),
            pin: Box::new(RemoveOnDrop(dir.to_owned())),
        })
    }

    async fn fingerprint(
        &self,
        scn: Option<Scn>,
        _stop: StopSignal,
        _bytes: Arc<AtomicU64>,
    ) -> Result<(Scn, Fingerprint), SourceError> {
        Ok((scn.unwrap_or(*self.scn.borrow()), Fingerprint { keys: self.blocks.len() as u64, sum: 7 }))
    }

    fn check_block(&self, block: &CheckpointBlock, content: &[u8]) -> Result<BlockFacts, SourceError> {
        if content.starts_with(b"rotten") {
            return Err(Failure::new(ErrorClass::Corrupt, "rotten", &block.file_name, "").into());
        }
        Ok(BlockFacts { compressed: self.compressed.load(Ordering::SeqCst) })
    }
}

/// A replica that is restored into `dir`.
pub struct FakeTarget {
    pub dir: PathBuf,
    pub finished: Mutex<Option<RestoredBase>>,
    pub replayed: Mutex<Replayed>,
    pub items: Mutex<Vec<ReplayItem>>,
    /// Batches that may still be taken before leadership is lost.
    pub batches_left: AtomicUsize,
    pub waiting: Arc<AtomicUsize>,
    pub waiting_max: AtomicUsize,
    pub open: AtomicBool,
}

impl FakeTarget {
    pub fn new(dir: &Path, base: LogBase) -> Arc<Self> {
        Arc::new(Self {
            dir: dir.to_owned(),
            finished: Mutex::new(None),
            replayed: Mutex::new(Replayed { lsn: base.lsn, scn: base.scn }),
            items: Mutex::default(),
            batches_left: AtomicUsize::new(usize::MAX),
            waiting: Arc::default(),
            waiting_max: AtomicUsize::new(0),
            open: AtomicBool::new(false),
        })
    }
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl RestoreTarget for FakeTarget {
    async fn prepare(&self) -> Result<PathBuf, SourceError> {
        std::fs::create_dir_all(&self.dir).unwrap();
        Ok(self.dir.clone())
    }

    async fn is_finished(&self) -> Result<bool, SourceError> {
        Ok(self.finished.lock().unwrap().is_some())
    }

    async fn finish_restored(&self, base: RestoredBase) -> Result<(), SourceError> {
        assert!(self.dir.join("CURRENT").exists());
        *self.finished.lock().unwrap() = Some(base);
        Ok(())
    }

    async fn replayed(&self) -> Result<Option<Replayed>, SourceError> {
        Ok(Some(*self.replayed.lock().unwrap()))
    }

    async fn append_replayed(
        &self,
        batch: ReplayBatch,
    ) -> Result<BoxFuture<'static, Result<(), SourceError>>, SourceError> {
        if self.batches_left.load(Ordering::SeqCst) == 0 {
            return Err(SourceError::NotLeader);
        }
        self.batches_left.fetch_sub(1, Ordering::SeqCst);
        let mut replayed = self.replayed.lock().unwrap();
        assert_eq!(replayed.lsn, batch.start, "batches come in order and touch");
        assert!(batch.scn >= replayed.scn);
        *replayed = Replayed { lsn: batch.end, scn: batch.scn };
        self.items.lock().unwrap().extend(batch.items);
        let waiting = Waiting(Arc::clone(&self.waiting));
        self.waiting_max.fetch_max(waiting.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Ok(async move {
            tokio::task::yield_now().await;
            drop(waiting);
            Ok(())
        }
        .boxed())
    }

    fn leads(&self) -> bool {
        self.batches_left.load(Ordering::SeqCst) > 0
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }
}

/// What a task runner hands to a task.
pub fn task_ctx(engine: &Arc<FakeEngine>, scratch: &Path) -> TaskCtx {
    let open = Arc::new(|uri: &str, _: &str, _| Ok(strandline_media::open(uri)?));
    TaskCtx::new(Arc::clone(engine) as Arc<dyn Engine>, open, scratch.to_owned())
}

pub fn task_key(tenant: TenantId, ls: LsId, retry: u32) -> TaskKey {
    TaskKey { job_id: JOB, tenant_id: tenant, ls_id: ls, kind: 0, turn: TurnId(1), retry: RetryId(retry) }
}
