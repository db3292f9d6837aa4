//! The whole way over the built-in engine: write, archive, back up, lose the worker, restore to an SCN, compare.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strandline_engine::BuiltInEngine;
use strandline_engine::{
    Access, Clock, Engine, EngineConfig, GroupConfig, KvWrite, Node, NodeConfig, Replica, ReplicaSpec, RestoreStart,
    SystemClock,
};
use strandline_engine_api::TableSink;
use strandline_media::identity::{self, DestType, Identity};
use strandline_proto::TaskKey;
use strandline_proto::v1::{
    self, BackupLsResult, RecoverTableSpec, RestoreDataSpec, RestoreLogSpec, RestorePiece, TabletMap,
};
use strandline_types::{
    CausalityToken, ClusterId, DestId, ErrorClass, Failure, JobId, LsId, Lsn, NodeId, PieceClock, PieceId, RetryId,
    RoundId, Scn, TabletId, TenantId, TurnId,
};
use strandline_worker::WallClock;
use strandline_worker::archive::{ArchiveManager, Led};
use strandline_worker::backup::{run_backup_index, run_backup_log, run_backup_ls};
use strandline_worker::restore::{run_recover_table, run_restore_data, run_restore_log};
use strandline_worker::task_ctx::TaskCtx;
use support::real::{noise, until};
use tokio::sync::Notify;

const SOURCE: TenantId = TenantId(1002);
const LS: LsId = LsId(1001);
const JOB: JobId = JobId(7);
const ARCHIVE: DestId = DestId(1001);
const TABLETS: [TabletId; 3] = [TabletId(200_001), TabletId(200_002), TabletId(200_003)];
const PIECE_NS: u64 = 1_000_000_000;

/// What a tenant holds: the oracle.
type Content = BTreeMap<(TabletId, Bytes), Bytes>;

/// One worker with its engine, in a directory of its own.
struct Worker {
    dir: PathBuf,
    engine: Arc<Engine>,
}

impl Worker {
    async fn start(dir: &Path) -> Self {
        let node = Node::open(NodeConfig::new(1, dir.join("raft"))).unwrap();
        let mut config = EngineConfig::new(NodeId(1), dir.join("data"), Arc::new(SystemClock));
        config.group =
            GroupConfig { heartbeat_ms: 50, election_min_ms: 150, election_max_ms: 300, ..GroupConfig::log_stream() };
        config.write_buffer_bytes = 8 << 20;
        Self { dir: dir.to_owned(), engine: Engine::open(config, node).await.unwrap() }
    }

    async fn order(&self, tenant: TenantId, restore: Option<RestoreStart>) {
        let members = BTreeMap::from([(NodeId(1), "127.0.0.1:1".to_owned())]);
        let spec = ReplicaSpec { tenant, ls: LS, members, bootstrap: true, restore };
        self.engine.ensure_replica(spec).await.unwrap();
    }

    async fn leader(&self, tenant: TenantId) -> Arc<Replica> {
        until("a leader", async || self.engine.replica(tenant, LS).filter(|r| r.status().is_leader)).await
    }

    fn ctx(&self, name: &str) -> TaskCtx {
        let engine = Arc::new(BuiltInEngine(Arc::clone(&self.engine)));
        let open = Arc::new(|uri: &str, _: &str, _| Ok(strandline_media::open(uri)?));
        TaskCtx::new(engine, open, self.dir.join("tasks").join(name))
    }
}

fn key(tenant: TenantId, ls: LsId) -> TaskKey {
    TaskKey { job_id: JOB, tenant_id: tenant, ls_id: ls, kind: 0, turn: TurnId(1), retry: RetryId(0) }
}

/// The destinations of one tenant and the archive round over them.
struct Destinations {
    archive: String,
    data: String,
    round_start: Scn,
    manager: ArchiveManager,
}

impl Destinations {
    async fn new(root: &Path, worker: &Worker, tenant: TenantId) -> Self {
        let make = |name: &str| {
            let dir = root.join(format!("{name}_{tenant}"));
            std::fs::create_dir_all(&dir).unwrap();
            format!("file://{}", dir.display())
        };
        let (archive, data) = (make("archive"), make("data"));
        let us = Identity {
            cluster_name: "c".into(),
            tenant_name: "t".into(),
            cluster_id: ClusterId(1),
            tenant_id: tenant,
            dest_id: ARCHIVE,
            dest_type: DestType::Archive,
        };
        identity::claim(&*strandline_media::open(&archive).unwrap(), &us, Scn(1)).await.unwrap();
        let leader = worker.leader(tenant).await;
        let ctx = worker.ctx("archive");
        let manager = ArchiveManager::new(ctx.engine, ctx.open_medium, WallClock::start(), Arc::new(Notify::new()));
        let this = Self { archive, data, round_start: SystemClock.now(), manager };
        let led = Led { tenant, ls: LS, term: leader.status().term };
        this.manager.reconcile(&[this.round(tenant)], &[led]);
        this
    }

    fn round(&self, tenant: TenantId) -> v1::RoundOrder {
        v1::RoundOrder {
            tenant_id: tenant.0,
            dest_id: ARCHIVE.0,
            round_id: 1,
            work: v1::RoundWork::Write.into(),
            compression: v1::Compression::None.into(),
            cipher: v1::Cipher::None.into(),
            dest_uri: self.archive.clone(),
            start_scn: self.round_start.0,
            base_piece_id: 1,
            piece_interval_ns: PIECE_NS,
            lag_target_ms: 10,
            log_streams: Vec::new(),
            ..Default::default()
        }
    }

    async fn archived(&self, end: Lsn) {
        let covers = async || self.manager.progress().iter().find(|p| p.archived_lsn >= end.0).map(|_| ());
        until("archived log", covers).await;
    }

    /// Every piece up to the one after the target's.
    fn pieces(&self, target: Scn) -> Vec<RestorePiece> {
        let clock = PieceClock { round_start: self.round_start, base_piece: PieceId(1), interval_ns: PIECE_NS };
        let round_id = RoundId(1).0;
        let pieces = 1..=clock.piece_of(target).0 + 1;
        pieces.map(|piece_id| RestorePiece { dest_id: ARCHIVE.0, round_id, piece_id }).collect()
    }
}

/// Writes a deterministic mixture of puts and deletes and keeps the oracle in step.
async fn write_some(leader: &Arc<Replica>, oracle: &mut Content, from: u64, batches: u64, value_bytes: usize) -> Scn {
    let mut scn = Scn(0);
    for n in from..from + batches {
        let writes: Vec<_> = (0..8)
            .map(|i| {
                let tablet = TABLETS[((n + i) % 3) as usize];
                let key = Bytes::from(format!("key{:05}", (n * 37 + i * 11) % 900));
                let value = (!(n + i).is_multiple_of(9)).then(|| noise(n * 8 + i, value_bytes));
                KvWrite { tablet, key, value }
            })
            .collect();
        for write in &writes {
            match &write.value {
                Some(value) => oracle.insert((write.tablet, write.key.clone()), value.clone()),
                None => oracle.remove(&(write.tablet, write.key.clone())),
            };
        }
        scn = leader.write(writes, CausalityToken::default()).await.unwrap();
    }
    scn
}

async fn content(replica: &Arc<Replica>) -> Content {
    let mut all = Content::new();
    for tablet in TABLETS {
        let mut start = Vec::new();
        loop {
            let page = replica.scan(tablet, &start, b"", 0).await.unwrap();
            if let Some((last, _)) = page.pairs.last() {
                start = [&last[..], &[0]].concat();
            }
            all.extend(page.pairs.into_iter().map(|(key, value)| ((tablet, key), value)));
            if !page.more {
                break;
            }
        }
    }
    all
}

async fn back_up(worker: &Worker, tenant: TenantId, dest: &Destinations) -> BackupLsResult {
    let spec = v1::BackupLsSpec {
        dest_uri: dest.data.clone(),
        backup_set_id: 1,
        incremental: false,
        min_checkpoint_scn: worker.leader(tenant).await.status().max_scn.0,
        data_file_bytes: 1 << 20,
        compression: v1::Compression::None.into(),
        ..Default::default()
    };
    let result = run_backup_ls(&worker.ctx("backup"), &spec, key(tenant, LS)).await.unwrap();
    let parts = vec![v1::LsTurn { ls_id: LS.0, turn: 1, retry: 0 }];
    let spec = v1::BackupIndexSpec {
        dest_uri: dest.data.clone(),
        backup_set_id: 1,
        incremental: false,
        parts,
        ..Default::default()
    };
    run_backup_index(&worker.ctx("index"), &spec, key(tenant, LsId(0))).await.unwrap();
    result
}

fn data_spec(dest: &Destinations) -> RestoreDataSpec {
    RestoreDataSpec {
        data_uri: dest.data.clone(),
        backup_set_id: 1,
        turn: 1,
        source_ls_id: LS.0,
        ls_turn: 1,
        ..Default::default()
    }
}

fn log_spec(dest: &Destinations, backup: &BackupLsResult, target: Scn) -> RestoreLogSpec {
    RestoreLogSpec {
        archive_uri: dest.archive.clone(),
        pieces: dest.pieces(target),
        source_ls_id: LS.0,
        base: backup.base,
        target_scn: target.0,
        ..Default::default()
    }
}

/// Rebuilds the tablets of one log stream for `tenant`; twice, because a task may be repeated.
async fn restore_data(worker: &Worker, dest: &Destinations, backup: &BackupLsResult, tenant: TenantId) {
    let base = backup.base.unwrap();
    let waiting = RestoreStart { job: JOB, base: base.into(), start: false };
    worker.order(tenant, Some(waiting)).await;
    let spec = data_spec(dest);
    for _ in 0..2 {
        run_restore_data(&worker.ctx("data"), &spec, key(tenant, LS)).await.unwrap();
    }
    worker.order(tenant, Some(RestoreStart { start: true, ..waiting })).await;
}

/// Replays the archive up to `target`, also twice.
async fn restore_log(
    worker: &Worker,
    dest: &Destinations,
    backup: &BackupLsResult,
    tenant: TenantId,
    target: Scn,
) -> Arc<Replica> {
    let leader = worker.leader(tenant).await;
    let spec = log_spec(dest, backup, target);
    for _ in 0..2 {
        let result = run_restore_log(&worker.ctx("log"), &spec, key(tenant, LS)).await.unwrap();
        assert!(result.replayed_scn <= target.0);
        assert_eq!(result.replayed_scn, leader.replayed().unwrap().scn.0, "what the heartbeat reports");
    }
    leader
}

/// Restores one log stream into `tenant` and gives its leader, open.
async fn restore(
    worker: &Worker,
    dest: &Destinations,
    backup: &BackupLsResult,
    tenant: TenantId,
    target: Scn,
) -> Arc<Replica> {
    restore_data(worker, dest, backup, tenant).await;
    let leader = restore_log(worker, dest, backup, tenant, target).await;
    leader.set_access(Access::Open);
    leader
}

/// What recovered tables hold, by name.
type Tables = BTreeMap<(String, Bytes), Bytes>;

/// Tables in memory.
#[derive(Clone, Default)]
struct MemoryTables(Arc<Mutex<Tables>>);

impl TableSink for MemoryTables {
    fn put(&self, table: String, pairs: Vec<(Bytes, Bytes)>) -> BoxFuture<'static, Result<(), Failure>> {
        let pairs = pairs.into_iter().map(|(key, value)| ((table.clone(), key), value));
        self.0.lock().unwrap().extend(pairs);
        futures::future::ready(Ok(())).boxed()
    }
}

/// Two of the three tablets.
fn as_tables(content: &Content) -> Tables {
    let name = |tablet: TabletId| match tablet {
        t if t == TABLETS[0] => Some("first"),
        t if t == TABLETS[2] => Some("third"),
        _ => None,
    };
    let pair = |((tablet, key), value): (&(TabletId, Bytes), &Bytes)| {
        Some(((name(*tablet)?.to_owned(), key.clone()), value.clone()))
    };
    content.iter().filter_map(pair).collect()
}

/// Recovers two tablets into tables; also tells how many bytes that took from the medium.
async fn recover_tables(worker: &Worker, dest: &Destinations, backup: &BackupLsResult, target: Scn) -> (Tables, u64) {
    let map = |tablet: TabletId, table: &str| TabletMap { source_tablet_id: tablet.0, target_table: table.to_owned() };
    let spec = RecoverTableSpec {
        source_ls_id: LS.0,
        data: Some(data_spec(dest)),
        log: Some(log_spec(dest, backup, target)),
        tablets: vec![map(TABLETS[0], "first"), map(TABLETS[2], "third"), map(TabletId(200_099), "never was")],
        target_tenant_id: 1500,
    };
    let tables = MemoryTables::default();
    let opened = tables.clone();
    let mut ctx = worker.ctx("tables");
    ctx.open_tables = Arc::new(move |tenant| {
        assert_eq!(tenant, TenantId(1500));
        futures::future::ready(Ok(Arc::new(opened.clone()) as Arc<dyn TableSink>)).boxed()
    });
    let result = run_recover_table(&ctx, &spec, key(TenantId(1500), LS)).await.unwrap();
    std::fs::remove_dir_all(&ctx.scratch).unwrap();
    let tables = tables.0.lock().unwrap().clone();
    assert_eq!(result.keys, tables.len() as u64);
    assert!(result.replayed_scn <= target.0);
    (tables, result.bytes_fetched)
}

fn log_bytes(restored: &Arc<Replica>, backup: &BackupLsResult) -> u64 {
    restored.replayed().unwrap().lsn.0 - backup.base.unwrap().lsn
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_comes_back_as_it_was_at_every_scn_that_is_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let source = Worker::start(&root.path().join("source")).await;
    source.order(SOURCE, None).await;
    let leader = source.leader(SOURCE).await;
    let dest = Destinations::new(root.path(), &source, SOURCE).await;
    let mut oracle = Content::new();
    write_some(&leader, &mut oracle, 0, 300, 3000).await;
    let backup = back_up(&source, SOURCE, &dest).await;
    assert!(backup.macro_block_count > 2 && backup.checkpoint_scn >= leader.status().max_scn.0, "{backup:?}");

    let mut moments = vec![(Scn(backup.checkpoint_scn), oracle.clone())];
    for round in 1..=3 {
        // Long enough apart that the moments lie in different pieces.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let scn = write_some(&leader, &mut oracle, round * 1000, 60, 5000).await;
        moments.push((scn, oracle.clone()));
        moments.push((scn.next(), oracle.clone()));
    }
    write_some(&leader, &mut oracle, 9000, 20, 100).await;
    dest.archived(leader.status().end_lsn).await;
    dest.manager.shutdown().await;
    drop(leader);
    source.engine.shutdown().await;
    std::fs::remove_dir_all(&source.dir).unwrap();

    let other = Worker::start(&root.path().join("other")).await;
    for (n, (target, expected)) in moments.into_iter().enumerate() {
        let restored = restore(&other, &dest, &backup, TenantId(1100 + n as u64), target).await;
        let got = content(&restored).await;
        assert!(got == expected, "moment {n}: {} of {} pairs", got.len(), expected.len());
        let (tables, fetched) = recover_tables(&other, &dest, &backup, target).await;
        assert!(tables == as_tables(&expected), "tables of moment {n}");
        let set = strandline_media::open(&dest.data).unwrap().list("").await.unwrap();
        let all: u64 = set.iter().map(|o| o.bytes).sum();
        assert!(fetched - log_bytes(&restored, &backup) < all * 8 / 10, "{fetched} of {all} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_tenant_can_be_archived_backed_up_and_restored_again() {
    let root = tempfile::tempdir().unwrap();
    let worker = Worker::start(&root.path().join("w")).await;
    worker.order(SOURCE, None).await;
    let leader = worker.leader(SOURCE).await;
    let dest = Destinations::new(root.path(), &worker, SOURCE).await;
    let mut oracle = Content::new();
    write_some(&leader, &mut oracle, 0, 30, 500).await;
    let first = back_up(&worker, SOURCE, &dest).await;
    let target = write_some(&leader, &mut oracle, 100, 30, 500).await;
    write_some(&leader, &mut oracle.clone(), 200, 5, 500).await;
    dest.archived(leader.status().end_lsn).await;

    // The second generation's own archive begins while log is still replayed into it.
    let second_tenant = TenantId(1003);
    let leader = restore(&worker, &dest, &first, second_tenant, target).await;
    assert!(content(&leader).await == oracle);
    let second_dest = Destinations::new(root.path(), &worker, second_tenant).await;
    let second = back_up(&worker, second_tenant, &second_dest).await;
    let target = write_some(&leader, &mut oracle, 300, 30, 500).await;
    write_some(&leader, &mut oracle.clone(), 400, 5, 500).await;
    second_dest.archived(leader.status().end_lsn).await;

    let leader = restore(&worker, &second_dest, &second, TenantId(1004), target).await;
    assert!(content(&leader).await == oracle);
    let (tables, _) = recover_tables(&worker, &second_dest, &second, target).await;
    assert!(tables == as_tables(&oracle), "log that was replayed into the source counts once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_carries_its_log_restores_without_the_archive() {
    let root = tempfile::tempdir().unwrap();
    let worker = Worker::start(&root.path().join("w")).await;
    worker.order(SOURCE, None).await;
    let leader = worker.leader(SOURCE).await;
    let dest = Destinations::new(root.path(), &worker, SOURCE).await;
    let mut oracle = Content::new();
    write_some(&leader, &mut oracle, 0, 40, 500).await;
    let backup = back_up(&worker, SOURCE, &dest).await;
    // Over a change of pieces.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let target = write_some(&leader, &mut oracle, 100, 40, 500).await;
    write_some(&leader, &mut oracle.clone(), 200, 5, 500).await;
    let spec = v1::BackupLogSpec {
        archive_uri: dest.archive.clone(),
        dest_uri: dest.data.clone(),
        backup_set_id: 1,
        pieces: dest.pieces(target),
        source_ls_id: LS.0,
        start_lsn: backup.base.unwrap().lsn,
        end_scn: target.0,
        ..Default::default()
    };
    let beyond = v1::BackupLogSpec { end_scn: u64::MAX, backup_set_id: 9, ..spec.clone() };
    dest.archived(leader.status().end_lsn).await;
    let missing = run_backup_log(&worker.ctx("log_copy"), &beyond, key(SOURCE, LS)).await.unwrap_err();
    assert_eq!(missing.class, ErrorClass::NotFound, "{missing}");
    let copied = run_backup_log(&worker.ctx("log_copy"), &spec, key(SOURCE, LS)).await.unwrap();
    assert!(copied.end_scn >= target.0 && copied.start_lsn == spec.start_lsn, "{copied:?}");
    assert_eq!(run_backup_log(&worker.ctx("log_copy"), &spec, key(SOURCE, LS)).await.unwrap(), copied, "repeated");
    dest.manager.shutdown().await;
    std::fs::remove_dir_all(dest.archive.strip_prefix("file://").unwrap()).unwrap();

    let alone = Destinations { archive: format!("{}/backup_set_1_full/complement_log", dest.data), ..dest };
    let restored = restore(&worker, &alone, &backup, TenantId(1100), target).await;
    assert!(content(&restored).await == oracle);
}
