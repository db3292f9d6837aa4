//! A whole worker with the real engine under a stand-in for the scheduler: orders in, replicas, archive and reports out.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use bytes::Bytes;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use strandline_engine::KvWrite;
use strandline_media::identity::{self, DestType, Identity};
use strandline_proto::v1;
use strandline_proto::v1::cluster_server::{Cluster, ClusterServer};
use strandline_types::{CausalityToken, ClusterId, DestId, LsId, Scn, TabletId, TenantId};
use strandline_worker::{WorkerConfig, WorkerHandle, serve};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

const TENANT: TenantId = TenantId(1002);
const LS: LsId = LsId(1001);
const TABLET: TabletId = TabletId(200_001);

/// Answers every heartbeat with the orders that the test has set, and remembers the report.
#[derive(Clone, Default)]
struct FakeScheduler {
    orders: Arc<Mutex<v1::WorkerOrders>>,
    heard: Arc<Mutex<Option<v1::WorkerReport>>>,
    beats: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl Cluster for FakeScheduler {
    async fn heartbeat(&self, request: Request<v1::WorkerReport>) -> Result<Response<v1::WorkerOrders>, Status> {
        let report = request.into_inner();
        let mut orders = self.orders.lock().unwrap();
        orders.workers = vec![v1::Peer { node_id: report.worker_id, address: report.address.clone() }];
        *self.heard.lock().unwrap() = Some(report);
        self.beats.fetch_add(1, Ordering::Relaxed);
        Ok(Response::new(orders.clone()))
    }
}

impl FakeScheduler {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder().add_service(ClusterServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    fn set(&self, change: impl FnOnce(&mut v1::WorkerOrders)) {
        change(&mut self.orders.lock().unwrap());
    }

    fn archive(&self, ls: LsId) -> Option<v1::ArchiveProgress> {
        self.heard.lock().unwrap().as_ref()?.archive.iter().find(|p| p.ls_id == ls.0).cloned()
    }

    fn leads(&self, ls: LsId) -> bool {
        let heard = self.heard.lock().unwrap();
        heard.as_ref().is_some_and(|r| r.replicas.iter().any(|r| r.ls_id == ls.0 && r.is_leader))
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn config(dir: &Path, scheduler: SocketAddr) -> WorkerConfig {
    WorkerConfig {
        node_id: 101,
        data_dir: dir.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        advertise: None,
        http_listen: Some("127.0.0.1:0".parse().unwrap()),
        // The first one is dead: the worker has to find the other.
        schedulers: vec!["127.0.0.1:1".into(), scheduler.to_string()],
    }
}

fn replica(ls: LsId) -> v1::ReplicaOrder {
    v1::ReplicaOrder {
        tenant_id: TENANT.0,
        ls_id: ls.0,
        members: vec![101],
        bootstrap: true,
        open: true,
        ..Default::default()
    }
}

fn round(uri: &str, start_scn: u64, piece_ms: u64) -> v1::RoundOrder {
    v1::RoundOrder {
        tenant_id: TENANT.0,
        dest_id: 1001,
        round_id: 1,
        work: v1::RoundWork::Write.into(),
        compression: v1::Compression::None.into(),
        cipher: v1::Cipher::None.into(),
        dest_uri: uri.to_owned(),
        start_scn,
        base_piece_id: 1,
        piece_interval_ns: piece_ms * 1_000_000,
        lag_target_ms: 100,
        log_streams: Vec::new(),
        ..Default::default()
    }
}

async fn write(worker: &WorkerHandle, ls: LsId, n: u64) -> Scn {
    let replica = worker.engine().replica(TENANT, ls).unwrap();
    let key = Bytes::from(format!("key {n}"));
    let batch = vec![KvWrite { tablet: TABLET, key, value: Some(Bytes::from(vec![n as u8; 20_000])) }];
    replica.write(batch, CausalityToken::default()).await.unwrap()
}

async fn http_get(address: SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The second, independent reader of archives, where it is installed (always in CI).
fn second_reader(dest: &Path) {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let dir = std::env::var_os("STRANDLINE_CONFORMANCE").map_or(beside, PathBuf::from);
    let script = dir.join("archive_conformance.py");
    // The Python that the project's scripts set up, else the system's.
    let own = std::env::var_os("STRANDLINE_CACHE").map(|c| PathBuf::from(c).join("python/bin/python"));
    let python = own.filter(|p| p.is_file()).unwrap_or_else(|| "python3".into());
    let modules = Command::new(&python).args(["-c", "import crc32c, xxhash"]).output();
    if !script.is_file() || !modules.is_ok_and(|o| o.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "in CI the second reader of archives must run");
        println!("skipped: the second reader of archives or its modules are not here");
        return;
    }
    let out = Command::new(&python).arg(script).arg(dest).arg("--log-only").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_archives_what_it_is_ordered_to_and_goes_on_after_a_restart() {
    let (data, dest) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let uri = format!("file://{}", dest.path().display());
    let us = Identity {
        cluster_name: "c".into(),
        tenant_name: "t".into(),
        cluster_id: ClusterId(1),
        tenant_id: TENANT,
        dest_id: DestId(1001),
        dest_type: DestType::Archive,
    };
    identity::claim(&*strandline_media::open(&uri).unwrap(), &us, Scn(1)).await.unwrap();
    let scheduler = FakeScheduler::default();
    let address = scheduler.start().await;
    let worker = serve(config(data.path(), address)).await.unwrap();
    let http = worker.http_addr.unwrap();
    assert!(http_get(http, "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(http_get(http, "/readyz").await.starts_with("HTTP/1.1 503"), "there is no leader yet");

    let dictionary = v1::Dictionary {
        version: 1,
        scn: 0,
        tables: vec![v1::Table {
            table_id: 1,
            name: "files".into(),
            tablets: vec![v1::Tablet { tablet_id: TABLET.0, ls_id: LS.0 }],
        }],
        next_tablet_id: TABLET.0 + 1,
    };
    scheduler.set(|o| {
        (o.is_leader, o.scheduler_term, o.state_born_ms) = (true, 5, 1000);
        let system = v1::ReplicaOrder { dictionary: Some(dictionary), ..replica(LsId::SYS) };
        o.replicas = vec![system, replica(LS)];
    });
    until("both streams have a leader", || scheduler.leads(LsId::SYS) && scheduler.leads(LS)).await;
    until("ready", || worker.is_ready()).await;
    assert!(http_get(http, "/readyz").await.starts_with("HTTP/1.1 200"));
    until("the dictionary is logged", || {
        worker.engine().replica(TENANT, LsId::SYS).is_some_and(|r| r.status().dictionary_version == 1)
    })
    .await;

    let start = write(&worker, LS, 0).await;
    scheduler.set(|o| o.rounds = vec![round(&uri, start.0, 300)]);
    let mut last = start;
    for n in 1..150 {
        last = write(&worker, LS, n).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until("the last write is archived", || scheduler.archive(LS).is_some_and(|p| p.checkpoint_scn >= last.0)).await;
    until("the system stream too", || scheduler.archive(LsId::SYS).is_some_and(|p| p.archived_lsn > 0)).await;
    let text = http_get(http, "/metrics").await;
    assert!(text.contains("strandline_worker_replicas_led 2"), "{text}");
    assert!(text.contains("strandline_archive_pending_bytes"), "{text}");
    let before = scheduler.archive(LS).unwrap();
    worker.shutdown().await;

    let worker = serve(config(data.path(), address)).await.unwrap();
    until("it leads again", || worker.engine().replica(TENANT, LS).is_some_and(|r| r.status().is_leader)).await;
    for n in 150..200 {
        last = write(&worker, LS, n).await;
    }
    until("archived in a new term", || {
        scheduler.archive(LS).is_some_and(|p| p.checkpoint_scn >= last.0 && p.term > before.term)
    })
    .await;
    assert_eq!(scheduler.archive(LS).unwrap().start_lsn, before.start_lsn);
    second_reader(dest.path());
    let pieces = std::fs::read_dir(dest.path()).unwrap().count();
    assert!(pieces > 4, "piece switches happened");

    scheduler.set(|o| (o.scheduler_term, o.replicas) = (4, Vec::new()));
    let beats = scheduler.beats.load(Ordering::Relaxed);
    until("the old orders were seen", || scheduler.beats.load(Ordering::Relaxed) > beats + 3).await;
    assert_eq!(worker.engine().replicas().len(), 2, "orders of an old scheduler term are refused");
    scheduler.set(|o| (o.scheduler_term, o.state_born_ms) = (6, 2000));
    let beats = scheduler.beats.load(Ordering::Relaxed);
    until("the new State's orders were seen", || scheduler.beats.load(Ordering::Relaxed) > beats + 3).await;
    assert_eq!(worker.engine().replicas().len(), 2, "orders of a scheduler group that lost its State are refused");
    scheduler.set(|o| o.state_born_ms = 1000);
    until("replicas that are not ordered are removed", || worker.engine().replicas().is_empty()).await;
    worker.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_cannot_start_says_why() {
    let data = tempfile::tempdir().unwrap();
    let scheduler: SocketAddr = "127.0.0.1:2".parse().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    let failure = serve(WorkerConfig { listen, ..config(data.path(), scheduler) }).await.unwrap_err();
    assert!(failure.object.contains(&listen.to_string()) && !failure.todo.is_empty(), "{failure}");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "who cannot listen leaves nothing behind");
    // The one that had the address ends just after the first try.
    let (started, ()) =
        tokio::join!(serve(WorkerConfig { listen, ..config(data.path(), scheduler) }), async { drop(taken) });
    started.unwrap().shutdown().await;
    serve(config(data.path(), scheduler)).await.unwrap().shutdown().await;
    let failure = serve(WorkerConfig { node_id: 102, ..config(data.path(), scheduler) }).await.unwrap_err();
    assert!(failure.what.contains("belongs to worker 101"), "{failure}");
}
