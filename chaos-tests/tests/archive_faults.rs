//! A store that dies, stands still and comes back while a tenant is archived and written to: every acknowledged write
//! has to come back from it, the round says what is wrong meanwhile, and the second readers find nothing wrong.
//!
//! The store is s3s-fs (scripts/test-servers.sh): its bucket is a directory, so that what lies in it can be read as a
//! copy of the bucket. Processes are real and are hurt by their own ids only.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use strandline_chaos::cluster::{Outcome, Patience, Site, blows, jobs, readers};
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_media::testing::servers::{self, Server};
use strandline_types::Scn;
use tokio::task::JoinHandle;

const TENANT: &str = "cloud";
const TABLE: &str = "numbers";
const LOG_STREAMS: usize = 2;
const PIECE_SECONDS: u64 = 60;
/// The store is away so long.
const OUTAGE: Duration = Duration::from_secs(10);
/// Longer than a worker's leadership lasts without it: others lead when it wakes up.
const SLEEP: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(120);

/// One writer: numbered keys, and what was acknowledged.
struct Writer {
    stop: Arc<AtomicBool>,
    acked: Arc<Mutex<BTreeMap<u64, Scn>>>,
    task: JoinHandle<()>,
}

impl Writer {
    async fn start(cluster: &Cluster) -> Outcome<Self> {
        let client = KvClient::connect(&cluster.endpoints(), TENANT).await?;
        let (stop, acked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeMap::new())));
        let (stopped, done) = (Arc::clone(&stop), Arc::clone(&acked));
        let task = tokio::spawn(async move {
            let mut n = 0;
            while !stopped.load(Ordering::Acquire) {
                // A write without an answer may have been done: its key is written again with the same value.
                if let Ok(scn) = client.put(TABLE, key(n), value(n)).await {
                    done.lock().unwrap().insert(n, scn);
                    n += 1;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Ok(Self { stop, acked, task })
    }

    /// The largest SCN that was acknowledged.
    fn scn(&self) -> Scn {
        self.acked.lock().unwrap().values().copied().max().unwrap_or(Scn::MIN)
    }

    async fn go_on(&self, more: usize) -> Outcome<()> {
        let from = self.acked.lock().unwrap().len();
        let patience = Patience::new(format!("{more} more writes"), PATIENCE);
        loop {
            let now = self.acked.lock().unwrap().len();
            if now >= from + more {
                return Ok(());
            }
            patience.once_more(&format!("{now} of {}", from + more)).await?;
        }
    }

    /// Everything that was acknowledged.
    async fn finish(self) -> BTreeMap<u64, Scn> {
        self.stop.store(true, Ordering::Release);
        self.task.await.unwrap();
        std::mem::take(&mut *self.acked.lock().unwrap())
    }
}

fn key(n: u64) -> Bytes {
    Bytes::from(format!("key{n:08}"))
}

fn value(n: u64) -> Bytes {
    Bytes::from(format!("value of {n} ").repeat(40))
}

fn tell(began: Instant, what: &str) {
    eprintln!("chaos: {:6.2} s: {what}", began.elapsed().as_secs_f64());
}

/// Bucket `b` below the site's directory.
fn bucket(site: &Site) -> PathBuf {
    site.path().join("b")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_dies_stalls_and_comes_back_and_every_acknowledged_write_does_too() {
    if servers::needed("s3s-fs").is_none() {
        return;
    }
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    run(&site).await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

async fn run(site: &Site) -> Outcome<()> {
    let began = Instant::now();
    let store = Server::s3_over(site.path(), None).expect("it was found just now");
    let (port, archive, data) = (store.port, store.s3_uri("b", "archive"), store.s3_uri("b", "data"));
    let mut cluster = site.cluster(1, "cloud", 1, 3).await?;
    jobs::make_tenant(&cluster, TENANT, LOG_STREAMS, TABLE).await?;
    jobs::archive_to(&cluster, TENANT, &archive, PIECE_SECONDS).await?;
    let writer = Writer::start(&cluster).await?;
    writer.go_on(50).await?;
    jobs::begin_backup_to(&cluster, TENANT, &data).await?;
    jobs::until_backed_up(&cluster).await?;
    tell(began, "archived and backed up to S3");

    drop(store);
    tell(began, "the store is killed");
    writer.go_on(200).await?;
    until_the_round_says_why(&cluster).await?;
    tokio::time::sleep(OUTAGE).await;
    let store = Server::s3_over(site.path(), Some(port)).expect("it was found before");
    let back = Instant::now();
    until_covered(&mut cluster, writer.scn()).await?;
    tell(began, &format!("caught up {:.1} s after the store is back", back.elapsed().as_secs_f64()));

    let asleep = pause(&store);
    writer.go_on(200).await?;
    tokio::time::sleep(SLEEP).await;
    drop(asleep);
    until_covered(&mut cluster, writer.scn()).await?;
    tell(began, "the store stood still for a while, and the archive goes on");

    old_leader_wakes_up(&mut cluster, &writer).await?;
    tell(began, "a leader slept, others went on, it woke up");

    let acked = writer.finish().await;
    let last = acked.values().copied().max().expect("somebody wrote");
    until_covered(&mut cluster, last).await?;
    jobs::stop_archive(&cluster, TENANT).await?;
    readers::check(&bucket(site)).unwrap_or_else(|problems| panic!("{problems}"));
    jobs::begin_restore_from(&cluster, "again", &data, &archive, last).await?;
    jobs::until_restored(&mut cluster, "again").await?;
    let pairs = KvClient::connect(&cluster.endpoints(), "again").await?.scan(TABLE, b"", b"", 0).await?;
    let expected: Vec<(Bytes, Bytes)> = acked.keys().map(|n| (key(*n), value(*n))).collect();
    assert!(pairs == expected, "{} pairs came back, {} were acknowledged", pairs.len(), expected.len());
    tell(began, &format!("{} acknowledged writes came back", expected.len()));
    cluster.destroy()
}

/// A leader that was away writes to the archive of streams that others lead by now.
async fn old_leader_wakes_up(cluster: &mut Cluster, writer: &Writer) -> Outcome<()> {
    let victim = blows::leading_worker(cluster, TENANT).await?;
    let paused = blows::pause_worker(cluster, victim)?;
    blows::until_led_by_others(cluster, TENANT, victim).await?;
    writer.go_on(100).await?;
    until_covered(cluster, writer.scn()).await?;
    drop(paused);
    writer.go_on(100).await?;
    until_covered(cluster, writer.scn()).await
}

async fn until_the_round_says_why(cluster: &Cluster) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    let patience = Patience::new("the round says what is wrong", PATIENCE);
    loop {
        let round = admin.query("SELECT * FROM CDB_OB_ARCHIVELOG").await?;
        let (status, comment) = (round.text(0, "STATUS"), round.text(0, "COMMENT"));
        assert_eq!(status, "DOING", "an outage ends no round: {comment}");
        if !comment.is_empty() {
            eprintln!("chaos: the round says: {comment}");
            assert!(!comment.contains("access_key=sk"), "{comment}");
            return Ok(());
        }
        patience.once_more("nothing").await?;
    }
}

async fn until_covered(cluster: &mut Cluster, scn: Scn) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    let patience = Patience::new(format!("the checkpoint covers SCN {scn}"), PATIENCE);
    loop {
        let round = admin.query("SELECT * FROM CDB_OB_ARCHIVELOG").await?;
        let checkpoint = Scn(round.number(0, "CHECKPOINT_SCN"));
        if checkpoint >= scn {
            return Ok(());
        }
        cluster.check_alive()?;
        patience.once_more(&format!("{checkpoint}: {}", round.text(0, "COMMENT"))).await?;
    }
}

/// A process that stands still until this is dropped.
struct Asleep(Pid);

impl Drop for Asleep {
    fn drop(&mut self) {
        // Fails only when the process is gone.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

fn pause(store: &Server) -> Asleep {
    let pid = i32::try_from(store.pid()).ok().and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, Signal::STOP).expect("it runs");
    Asleep(pid)
}
