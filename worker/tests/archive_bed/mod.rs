//! A bed for the archive driver: a log in memory, any medium behind a switchboard of faults, leaders at will.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use strandline_engine_api::*;
use strandline_format::cipher::Key;
use strandline_format::palf::{ArchiveFileHeader, Framer, GroupWalker};
use strandline_format::part::{PartPlace, decode_part};
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_media::identity::{self, DestType, Identity};
use strandline_media::{FaultPlan, Faulty, Medium, MemoryMedium};
use strandline_proto::v1;
use strandline_types::dictionary::Dictionary;
use strandline_types::{
    ClusterId, DestId, JobId, LsId, Lsn, PalfBase, PieceClock, PieceId, RoundId, Scn, TenantId, Term,
};
use strandline_worker::WallClock;
use strandline_worker::archive::{ArchiveManager, Led};
use tokio::sync::{Notify, watch};

pub const TENANT: TenantId = TenantId(1002);
pub const DEST: DestId = DestId(1001);
pub const ROUND: RoundId = RoundId(1);
pub const CLOCK: PieceClock = PieceClock { round_start: Scn(1000), base_piece: PieceId(1), interval_ns: 1000 };
pub const HEADER: usize = 4096;

/// A log whose leader and term the test holds in its hand.
pub struct FakeLog {
    pub framer: Mutex<Framer>,
    pub bytes: Mutex<Vec<u8>>,
    pub end: watch::Sender<Lsn>,
    pub leader: Mutex<(bool, Term)>,
    pub start: Mutex<Lsn>,
    pub dictionary: Mutex<Option<Dictionary>>,
}

impl FakeLog {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            framer: Mutex::new(Framer::new(PalfBase::default())),
            bytes: Mutex::default(),
            end: watch::Sender::new(Lsn(0)),
            leader: Mutex::new((true, Term(1))),
            start: Mutex::new(Lsn(0)),
            dictionary: Mutex::default(),
        })
    }

    pub fn put(&self, scn: u64, body: &[u8]) {
        let framed = self.framer.lock().unwrap().frame(Term(1), Scn(scn), true, body);
        self.bytes.lock().unwrap().extend_from_slice(&framed.bytes);
        self.end.send_replace(framed.end);
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

#[async_trait]
impl LogSource for FakeLog {
    fn log_status(&self) -> LogStatus {
        let (is_leader, term) = *self.leader.lock().unwrap();
        let base = self.framer.lock().unwrap().base();
        let log_start = *self.start.lock().unwrap();
        LogStatus { is_leader, term, log_start, end_lsn: *self.end.borrow(), max_scn: base.prev_scn }
    }

    async fn read_committed(&self, from: Lsn, max_bytes: usize) -> Result<CommittedLog, SourceError> {
        let log_start = *self.start.lock().unwrap();
        if from < log_start {
            return Err(SourceError::Recycled { from, log_start });
        }
        let bytes = self.bytes.lock().unwrap();
        let rest = bytes.get(from.0 as usize..).unwrap_or_default();
        let (mut walker, mut len) = (GroupWalker::new(rest, from, None), 0);
        while let Some(group) = walker.next_group().unwrap() {
            if len > 0 && len + group.bytes.len() > max_bytes {
                break;
            }
            len += group.bytes.len();
        }
        let end = from.advance(len as u64);
        Ok(CommittedLog { start: from, end, bytes: Bytes::copy_from_slice(&rest[..len]) })
    }

    async fn wait_for_log_after(&self, lsn: Lsn) {
        let _ = self.end.subscribe().wait_for(|end| *end > lsn).await;
    }

    fn dictionary(&self) -> Option<Dictionary> {
        self.dictionary.lock().unwrap().clone()
    }
}

#[async_trait]
impl TabletSource for FakeLog {
    async fn checkpoint(&self, _dir: &Path) -> Result<Checkpoint, SourceError> {
        Err(SourceError::NotLeader)
    }

    fn check_block(&self, _block: &CheckpointBlock, _content: &[u8]) -> Result<BlockFacts, SourceError> {
        Ok(BlockFacts::default())
    }
}

pub struct FakeEngine(pub BTreeMap<LsId, Arc<FakeLog>>);

impl Engine for FakeEngine {
    fn log_format(&self) -> &'static dyn LogFormat {
        &PALF
    }

    fn log_stream(&self, _tenant: TenantId, ls: LsId) -> Option<Arc<dyn LogStream>> {
        Some(Arc::clone(self.0.get(&ls)?) as Arc<dyn LogStream>)
    }

    fn restore_target(&self, _tenant: TenantId, _ls: LsId, _job: JobId) -> Arc<dyn RestoreTarget> {
        unreachable!("nothing is restored here")
    }
}

/// One worker's archivers over one medium.
pub struct Bed {
    pub logs: BTreeMap<LsId, Arc<FakeLog>>,
    pub medium: Arc<dyn Medium>,
    pub plan: FaultPlan,
    pub manager: ArchiveManager,
    /// Of an encrypted archive.
    pub key: Option<Key>,
}

/// A destination in memory whose log files grow, or are made of parts.
pub fn memory(name: &str, in_parts: bool) -> Arc<dyn Medium> {
    let medium = MemoryMedium::new(name);
    if in_parts { Arc::new(medium.in_parts()) } else { Arc::new(medium) }
}

impl Bed {
    pub async fn new(medium: Arc<dyn Medium>, streams: &[u64]) -> Self {
        let us = Identity {
            cluster_name: "c".into(),
            tenant_name: "t".into(),
            cluster_id: ClusterId(1),
            tenant_id: TENANT,
            dest_id: DEST,
            dest_type: DestType::Archive,
        };
        identity::claim(&*medium, &us, Scn(1)).await.unwrap();
        let logs = streams.iter().map(|ls| (LsId(*ls), FakeLog::new())).collect();
        Self::over(medium, logs)
    }

    pub fn over(medium: Arc<dyn Medium>, logs: BTreeMap<LsId, Arc<FakeLog>>) -> Self {
        let plan = FaultPlan::new(1);
        let faulty: Arc<dyn Medium> = Arc::new(Faulty::new(Arc::clone(&medium), plan.clone()));
        let open = Arc::new(move |_: &str, _: &str, _| Ok(Arc::clone(&faulty)));
        let engine = Arc::new(FakeEngine(logs.clone()));
        let manager = ArchiveManager::new(engine, open, WallClock::start(), Arc::new(Notify::new()));
        Self { logs, medium, plan, manager, key: None }
    }

    pub fn log(&self, ls: u64) -> &FakeLog {
        &self.logs[&LsId(ls)]
    }

    /// The order of the round; `work` is the number of a `v1::RoundWork`.
    pub fn order(&self, work: i32) -> v1::RoundOrder {
        v1::RoundOrder {
            tenant_id: TENANT.0,
            dest_id: DEST.0,
            round_id: ROUND.0,
            work,
            compression: v1::Compression::None.into(),
            cipher: v1::Cipher::None.into(),
            dest_uri: self.medium.uri(),
            start_scn: CLOCK.round_start.0,
            base_piece_id: CLOCK.base_piece.0,
            piece_interval_ns: CLOCK.interval_ns,
            lag_target_ms: 0,
            log_streams: Vec::new(),
            ..Default::default()
        }
    }

    /// What the scheduler would tell the next leader of what this one reported.
    pub fn resume(report: &v1::ArchiveProgress) -> v1::LsResume {
        let newest = report.pieces.iter().find(|p| p.piece_id == report.piece_id);
        v1::LsResume {
            ls_id: report.ls_id,
            piece_id: report.piece_id,
            piece_start_lsn: newest.map_or(report.start_lsn, |p| p.start_lsn),
            start_lsn: report.start_lsn,
            archived_lsn: report.archived_lsn,
            checkpoint_scn: report.checkpoint_scn,
            stopped: false,
        }
    }

    pub fn reconcile(&self, rounds: &[v1::RoundOrder]) {
        let led = self.logs.iter().filter_map(|(ls, log)| {
            let (is_leader, term) = *log.leader.lock().unwrap();
            is_leader.then_some(Led { tenant: TENANT, ls: *ls, term })
        });
        self.manager.reconcile(rounds, &led.collect::<Vec<_>>());
    }

    pub fn reported(&self, ls: u64) -> Option<v1::ArchiveProgress> {
        self.manager.progress().into_iter().find(|p| p.ls_id == ls)
    }

    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}: {:#?}", self.manager.progress());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn until_archived(&self, ls: u64) {
        let end = *self.log(ls).end.borrow();
        self.until("archived", || self.reported(ls).is_some_and(|p| p.archived_lsn == end.0)).await;
    }

    /// Every log byte of a stream on the medium, in order of pieces and files, whatever their form.
    pub async fn on_medium(&self, ls: u64) -> Vec<u8> {
        let mut files: BTreeMap<_, Vec<u8>> = BTreeMap::new();
        let mut parts: BTreeMap<_, Vec<PartPlace>> = BTreeMap::new();
        for object in self.medium.list("").await.unwrap() {
            match ArchivePath::parse(&object.path) {
                Some(ArchivePath::Log { key, ls: of, file_id }) if of == LsId(ls) => {
                    files.insert((key.piece_id, file_id), self.medium.get(&object.path).await.unwrap().to_vec());
                }
                Some(ArchivePath::LogPart { key, ls: of, file_id, part: LogPart::Data { .. } }) if of == LsId(ls) => {
                    let place = PartPlace::parse(&object.path).unwrap();
                    parts.entry((key.piece_id, file_id)).or_default().push(place);
                }
                _ => {}
            }
        }
        for (file, mut places) in parts {
            places.sort_unstable_by_key(|p| (p.start, p.end));
            let whole = files.entry(file).or_default();
            for place in places {
                let stored = self.medium.get(&place.path()).await.unwrap();
                let plain = decode_part(&place, &stored, self.key.as_ref()).unwrap();
                assert!(place.start <= whole.len() as u64, "a hole before {}", place.path());
                let there = whole.len().min(place.end as usize) - place.start as usize;
                assert!(whole[place.start as usize..][..there] == plain[..there], "{} disagrees", place.path());
                whole.extend_from_slice(&plain[there..]);
            }
        }
        let mut log = Vec::new();
        for file in files.values() {
            assert_eq!(ArchiveFileHeader::decode(file).unwrap().start_lsn.0 as usize, log.len());
            log.extend_from_slice(&file[HEADER..]);
        }
        log
    }

    /// Names below the destination that contain a text.
    pub async fn names(&self, part: &str) -> Vec<String> {
        let all = self.medium.list("").await.unwrap();
        all.into_iter().map(|o| o.path).filter(|p| p.contains(part)).collect()
    }
}
