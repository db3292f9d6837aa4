//! The archive driver over a log in memory: real media, faults on the way, leaders that come and go.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use strandline_format::palf::{ArchiveFileHeader, Framer, GroupWalker};
use strandline_format::paths::archive::ArchivePath;
use strandline_format::{DataType, pb, small};
use strandline_media::identity::{self, DestType, Identity};
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium, MemoryMedium, Op};
use strandline_proto::v1;
use strandline_types::{
    ClusterId, DestId, ErrorClass, JobId, LsId, Lsn, PalfBase, PieceClock, PieceId, RoundId, Scn, TenantId, Term,
};
use strandline_worker::WallClock;
use strandline_worker::archive::{ArchiveManager, Led};
use strandline_worker::source::*;
use tokio::sync::{Notify, watch};

const TENANT: TenantId = TenantId(1002);
const DEST: DestId = DestId(1001);
const ROUND: RoundId = RoundId(1);
const CLOCK: PieceClock = PieceClock { round_start: Scn(1000), base_piece: PieceId(1), interval_ns: 1000 };
const HEADER: usize = 4096;

/// A log whose leader and term the test holds in its hand.
struct FakeLog {
    framer: Mutex<Framer>,
    bytes: Mutex<Vec<u8>>,
    end: watch::Sender<Lsn>,
    leader: Mutex<(bool, Term)>,
    start: Mutex<Lsn>,
    dictionary: Mutex<Option<v1::Dictionary>>,
}

impl FakeLog {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            framer: Mutex::new(Framer::new(PalfBase::default())),
            bytes: Mutex::default(),
            end: watch::Sender::new(Lsn(0)),
            leader: Mutex::new((true, Term(1))),
            start: Mutex::new(Lsn(0)),
            dictionary: Mutex::default(),
        })
    }

    fn put(&self, scn: u64, body: &[u8]) {
        let framed = self.framer.lock().unwrap().frame(Term(1), Scn(scn), true, body);
        self.bytes.lock().unwrap().extend_from_slice(&framed.bytes);
        self.end.send_replace(framed.end);
    }

    fn bytes(&self) -> Vec<u8> {
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
        let rest = &bytes[from.0 as usize..];
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

    async fn base_at(&self, _lsn: Lsn) -> Result<PalfBase, SourceError> {
        Err(SourceError::NotLeader)
    }

    async fn wait_for_log_after(&self, lsn: Lsn) {
        let _ = self.end.subscribe().wait_for(|end| *end > lsn).await;
    }

    fn dictionary(&self) -> Option<v1::Dictionary> {
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

struct FakeEngine(BTreeMap<LsId, Arc<FakeLog>>);

impl Engine for FakeEngine {
    fn log_stream(&self, _tenant: TenantId, ls: LsId) -> Option<Arc<dyn LogStream>> {
        Some(Arc::clone(self.0.get(&ls)?) as Arc<dyn LogStream>)
    }

    fn restore_target(&self, _tenant: TenantId, _ls: LsId, _job: JobId) -> Arc<dyn RestoreTarget> {
        unreachable!("nothing is restored here")
    }
}

/// One worker's archivers over one medium.
struct Bed {
    logs: BTreeMap<LsId, Arc<FakeLog>>,
    medium: Arc<dyn Medium>,
    plan: FaultPlan,
    manager: ArchiveManager,
}

impl Bed {
    async fn new(medium: Arc<dyn Medium>, streams: &[u64]) -> Self {
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

    fn over(medium: Arc<dyn Medium>, logs: BTreeMap<LsId, Arc<FakeLog>>) -> Self {
        let plan = FaultPlan::new(1);
        let faulty: Arc<dyn Medium> = Arc::new(Faulty::new(Arc::clone(&medium), plan.clone()));
        let open = Arc::new(move |_: &str, _: &str| Ok(Arc::clone(&faulty)));
        let engine = Arc::new(FakeEngine(logs.clone()));
        let manager = ArchiveManager::new(engine, open, WallClock::start(), Arc::new(Notify::new()));
        Self { logs, medium, plan, manager }
    }

    fn log(&self, ls: u64) -> &FakeLog {
        &self.logs[&LsId(ls)]
    }

    fn order(&self, state: u32) -> v1::RoundOrder {
        v1::RoundOrder {
            tenant_id: TENANT.0,
            dest_id: DEST.0,
            round_id: ROUND.0,
            state,
            dest_uri: self.medium.uri(),
            start_scn: CLOCK.round_start.0,
            base_piece_id: CLOCK.base_piece.0,
            piece_interval_ns: CLOCK.interval_ns,
            lag_target_ms: 0,
            log_streams: Vec::new(),
            ..Default::default()
        }
    }

    fn reconcile(&self, rounds: &[v1::RoundOrder]) {
        let led = self.logs.iter().filter_map(|(ls, log)| {
            let (is_leader, term) = *log.leader.lock().unwrap();
            is_leader.then_some(Led { tenant: TENANT, ls: *ls, term })
        });
        self.manager.reconcile(rounds, &led.collect::<Vec<_>>());
    }

    fn said(&self, ls: u64) -> Option<v1::ArchiveProgress> {
        self.manager.progress().into_iter().find(|p| p.ls_id == ls)
    }

    async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}: {:#?}", self.manager.progress());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_archived(&self, ls: u64) {
        let end = *self.log(ls).end.borrow();
        self.until("archived", || self.said(ls).is_some_and(|p| p.archived_lsn == end.0)).await;
    }

    /// Every log byte of a stream on the medium, in order of pieces and files.
    async fn on_medium(&self, ls: u64) -> Vec<u8> {
        let mut files = BTreeMap::new();
        for object in self.medium.list("").await.unwrap() {
            if let Some(ArchivePath::Log { key, ls: of, file_id }) = ArchivePath::parse(&object.path)
                && of == LsId(ls)
            {
                files.insert((key.piece_id, file_id), self.medium.get(&object.path).await.unwrap());
            }
        }
        let mut log = Vec::new();
        for file in files.values() {
            assert_eq!(ArchiveFileHeader::decode(file).unwrap().start_lsn.0 as usize, log.len());
            log.extend_from_slice(&file[HEADER..]);
        }
        log
    }
}

#[tokio::test]
async fn every_led_stream_is_archived_to_the_end_and_over_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let medium = strandline_media::open(&format!("file://{}", dir.path().display())).unwrap();
    let bed = Bed::new(medium, &[1, 1001, 1002]).await;
    bed.log(1002).leader.lock().unwrap().0 = false;
    for n in 0..30 {
        bed.log(1).put(900 + n * 100, b"one");
        bed.log(1001).put(950 + n * 77, &[7; 3000]);
        bed.log(1002).put(900 + n, b"led elsewhere");
    }
    bed.reconcile(&[bed.order(1)]);
    for ls in [1, 1001] {
        bed.until_archived(ls).await;
        assert!(bed.on_medium(ls).await == bed.log(ls).bytes(), "log stream {ls}");
    }
    assert_eq!(bed.on_medium(1002).await, b"");
    assert!(bed.said(1002).is_none(), "its leader reports it");
    let said = bed.said(1).unwrap();
    assert_eq!((said.checkpoint_scn, said.piece_id, said.term), (3800, 3, 1));
    assert!(dir.path().join("piece_d1001r1p2/logstream_1001/log/1.obarc").is_file());
}

#[tokio::test]
async fn a_storm_of_faults_costs_time_and_nothing_else() {
    let bed = Bed::new(Arc::new(MemoryMedium::new("storm")), &[1001]).await;
    bed.plan.set_probability(0.2);
    bed.reconcile(&[bed.order(1)]);
    let (mut n, mut last) = (0, 0);
    bed.until("some faults", || {
        n += 1;
        bed.log(1001).put(1000 + n * 40, &[n as u8; 500]);
        let said = bed.said(1001).map_or(0, |p| p.archived_lsn);
        assert!(said >= last, "progress never falls");
        last = said;
        bed.plan.injected() > 5
    })
    .await;
    bed.plan.heal();
    bed.until_archived(1001).await;
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
}

#[tokio::test]
async fn a_new_leader_goes_on_from_the_medium_and_an_old_one_stops_at_once() {
    let medium: Arc<dyn Medium> = Arc::new(MemoryMedium::new("leaders"));
    let old = Bed::new(Arc::clone(&medium), &[1001]).await;
    old.log(1001).put(1100, b"first");
    old.reconcile(&[old.order(1)]);
    old.until_archived(1001).await;
    let reported = old.said(1001).unwrap();
    *old.log(1001).leader.lock().unwrap() = (false, Term(2));
    old.log(1001).put(1200, b"second");
    old.reconcile(&[old.order(1)]);
    assert!(old.said(1001).is_none());

    let new = Bed::over(medium, old.logs.clone());
    *new.log(1001).leader.lock().unwrap() = (true, Term(2));
    let resume = v1::LsResume {
        ls_id: 1001,
        piece_id: reported.piece_id,
        start_lsn: reported.start_lsn,
        archived_lsn: reported.archived_lsn,
        checkpoint_scn: reported.checkpoint_scn,
        ..Default::default()
    };
    new.reconcile(&[v1::RoundOrder { log_streams: vec![resume], ..new.order(1) }]);
    new.until_archived(1001).await;
    assert_eq!(new.said(1001).unwrap().term, 2);
    assert!(new.on_medium(1001).await == new.log(1001).bytes());
}

#[tokio::test]
async fn a_full_medium_is_told_with_its_reason_and_goes_away_by_itself() {
    let bed = Bed::new(Arc::new(MemoryMedium::new("full")), &[1001]).await;
    bed.log(1001).put(1100, b"fits");
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1001).await;
    let fault = Fault::Refuse(ErrorClass::Exhausted);
    bed.plan.add(FaultRule { op: Some(Op::Append), path_part: String::new(), skip: 0, times: 2, fault });
    bed.log(1001).put(1200, b"does not fit for a while");
    bed.until("trouble is told", || bed.said(1001).is_some_and(|p| p.trouble.is_some())).await;
    let said = bed.said(1001).unwrap();
    let trouble = said.trouble.unwrap();
    assert_eq!(ErrorClass::from_number(trouble.class), ErrorClass::Exhausted);
    assert!(trouble.object.contains("piece_d1001r1p1/logstream_1001/log/1.obarc") && said.trouble_since_ms > 0);
    bed.until_archived(1001).await;
    assert!(bed.said(1001).unwrap().trouble.is_none());
}

#[tokio::test]
async fn an_unmounted_destination_is_not_taken_for_an_empty_one() {
    let bed = Bed::new(Arc::new(MemoryMedium::new("unmounted")), &[1001]).await;
    bed.medium.delete("format.obbak").await.unwrap();
    bed.log(1001).put(1100, b"x");
    let resume = v1::LsResume { ls_id: 1001, piece_id: 1, ..Default::default() };
    bed.reconcile(&[v1::RoundOrder { log_streams: vec![resume], ..bed.order(1) }]);
    bed.until("trouble is told", || bed.said(1001).is_some_and(|p| p.trouble.is_some())).await;
    let trouble = bed.said(1001).unwrap().trouble.unwrap();
    assert!(trouble.what.contains("format.obbak") && trouble.todo.contains("mount"), "{trouble:?}");
    assert_eq!(bed.on_medium(1001).await, b"");
}

#[tokio::test]
async fn a_stop_a_pause_and_a_new_start_of_the_same_round() {
    let bed = Bed::new(Arc::new(MemoryMedium::new("stop")), &[1001]).await;
    bed.log(1001).put(1100, b"x");
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1001).await;
    for (state, reported) in [(3, 4), (1, 1), (2, 2)] {
        bed.log(1001).put(1200, b"y");
        bed.reconcile(&[bed.order(state)]);
        bed.until("the state is reported", || bed.said(1001).is_some_and(|p| p.state == reported)).await;
        bed.until_archived(1001).await;
    }
    bed.reconcile(&[]);
    assert!(bed.manager.progress().is_empty(), "an order that is gone is forgotten");
    bed.manager.shutdown().await;
}

#[tokio::test]
async fn log_that_was_recycled_interrupts_the_round_visibly() {
    let bed = Bed::new(Arc::new(MemoryMedium::new("recycled")), &[1001]).await;
    bed.log(1001).put(1100, b"x");
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1001).await;
    *bed.log(1001).start.lock().unwrap() = Lsn(1 << 20);
    bed.log(1001).put(1200, b"y");
    bed.until("interrupted", || bed.said(1001).is_some_and(|p| p.state == 3)).await;
    let trouble = bed.said(1001).unwrap().trouble.unwrap();
    assert_eq!(trouble.code, -4018);
    bed.reconcile(&[bed.order(1)]);
    assert_eq!(bed.said(1001).unwrap().state, 3, "it stays so");
}

#[tokio::test]
async fn the_dictionary_lies_in_every_piece_of_the_system_stream() {
    let bed = Bed::new(Arc::new(MemoryMedium::new("dictionary")), &[1, 1001]).await;
    let dictionary = v1::Dictionary { version: 3, scn: 1050, tables: vec![] };
    for ls in [1, 1001] {
        *bed.log(ls).dictionary.lock().unwrap() = Some(dictionary.clone());
        bed.log(ls).put(1060, b"piece 1");
        bed.log(ls).put(2060, b"piece 2");
    }
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1).await;
    bed.until_archived(1001).await;
    let found: Vec<String> = bed.medium.list("").await.unwrap().into_iter().map(|l| l.path).collect();
    let metas: Vec<&str> = found.iter().map(String::as_str).filter(|p| p.contains("schema_meta")).collect();
    let expected =
        ["piece_d1001r1p1/logstream_1/schema_meta/1050.obarc", "piece_d1001r1p2/logstream_1/schema_meta/1050.obarc"];
    assert_eq!(metas, expected);
    let bytes = bed.medium.get(expected[0]).await.unwrap();
    let meta: pb::SchemaMeta = small::read_small(DataType::SchemaMeta, &bytes).unwrap();
    assert_eq!((meta.tenant_id, meta.scn, meta.dictionary.unwrap().version), (1002, 1050, 3));
}
