//! While a tenant writes, and its archive is written, merged, frozen and cleaned, it is restored to moments of its window
//! and validated, again and again: no restore and no validation fails for that, and every restore shows exactly what was
//! acknowledged at its moment.
//!
//! On a directory and on S3. `STRANDLINE_READERS` says how often (nightly: 500 each), `STRANDLINE_SEED` to which moments.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strandline_chaos::cluster::{AckedPairs, EventLog, Outcome, Patience, Site, jobs};
use strandline_chaos::settings::number;
use strandline_chaos::sim::Rng;
use strandline_cli::admin::Rows;
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_media::testing::servers::{self, Server};
use strandline_types::Scn;

const TENANT: &str = "busy";
const TABLE: &str = "numbers";
/// Length of a piece; `STRANDLINE_PIECE_SECONDS` sets another.
const PIECE_SECONDS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(120);
/// Restores, and as many validations.
const ROUNDS: u64 = 8;
/// Every so many rounds another set is taken; in every round what is older than the window is deleted.
const ROUNDS_PER_SET: u64 = 4;
/// Of the sets so many full ones, then one that is incremental.
const FULL_SETS: u64 = 2;
const WINDOW_SECONDS: u64 = 3;
/// Restores go to the newest part of the window: the rest may be deleted between a look at it and the statement.
const MOMENTS_NS: u64 = 2_000_000_000;
/// Keys that are written over and over.
const KEYS: u64 = 400;
const BETWEEN_WRITES: Duration = Duration::from_millis(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_an_archive_in_a_directory_every_restore_and_validation_succeeds() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let uri = |name: &str| format!("file://{}", site.directory(name).unwrap().display());
    run(&site, 61, uri("data"), uri("archive")).await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_an_archive_on_s3_every_restore_and_validation_succeeds() {
    let Some(_) = servers::needed("s3s-fs") else { return };
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let root = site.directory("store").unwrap();
    std::fs::create_dir_all(root.join("bucket")).unwrap();
    let store = Server::s3_over(&root, None).expect("it was found just now");
    let uri = |path: &str| store.s3_uri("bucket", path);
    run(&site, 62, uri("data"), uri("archive")).await.unwrap_or_else(|failure| panic!("{failure}"));
    drop(store);
    site.done();
}

/// A moment between two SCNs that something was written at, or the later one.
fn moment(written: &AckedPairs, rng: &mut Rng, (from, to): (Scn, Scn)) -> Scn {
    let scns: Vec<Scn> = written.scns().into_iter().filter(|scn| (from..=to).contains(scn)).collect();
    rng.pick(&scns).unwrap_or(to)
}

/// Writes until it is told to stop.
async fn write(client: KvClient, written: Arc<AckedPairs>, stop: Arc<AtomicBool>) -> Outcome<()> {
    let mut n = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let key = Bytes::from(format!("key {:04}", n * 7 % KEYS));
        let value = Bytes::from(format!("value {n} ").repeat(40));
        let scn = client.put(TABLE, key.clone(), value.clone()).await?;
        written.add(scn, (key, value));
        n += 1;
        tokio::time::sleep(BETWEEN_WRITES).await;
    }
    Ok(())
}

struct Bed<'a> {
    site: &'a Site,
    cluster: Cluster,
    data: String,
    archive: String,
}

async fn run(site: &Site, id: u64, data: String, archive: String) -> Outcome<()> {
    // One cluster at a time: each of them keeps the machine busy.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let (events, rounds) = (EventLog::begin(), number("STRANDLINE_READERS").unwrap_or(ROUNDS));
    let mut rng = Rng::new(number("STRANDLINE_SEED").unwrap_or(1));
    let bed = Bed { site, cluster: site.cluster(id, "servers", 1, 3).await?, data, archive };
    jobs::make_tenant(&bed.cluster, TENANT, 2, TABLE).await?;
    bed.begin().await?;
    let (written, stop) = (Arc::<AckedPairs>::default(), Arc::<AtomicBool>::default());
    let client = KvClient::connect(&bed.cluster.endpoints(), TENANT).await?;
    let writer = tokio::spawn(write(client, Arc::clone(&written), Arc::clone(&stop)));
    let patience = Patience::new("a cleaning has removed something", PATIENCE);
    let (mut n, mut cleanings) = (0, 0);
    // What is removed first is as old as the window: a quick machine has done its rounds before.
    while n < rounds || cleanings == 0 {
        if n >= rounds {
            patience.once_more("all rounds are done").await?;
        }
        if n % ROUNDS_PER_SET == 0 {
            bed.take_set(n / ROUNDS_PER_SET).await?;
        }
        // One that still runs is as good.
        drop(jobs::sql(&bed.cluster, &format!("ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT = {TENANT}")).await);
        let (restored, validated) = tokio::join!(bed.restore(n, &mut rng, &written), bed.validate());
        validated?;
        let (target, scn) = restored?;
        written.compare(&bed.cluster, (&target, TABLE), scn).await?;
        cleanings = bed.query("SELECT * FROM CDB_OB_BACKUP_DELETE_JOB_HISTORY").await?.len();
        n += 1;
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.expect("the writer does not panic")?;
    let writes = written.scns().len();
    events.record(&format!("{n} restores, {n} validations, {cleanings} cleanings, {writes} writes meanwhile"));
    bed.cluster.destroy()
}

impl Bed<'_> {
    async fn query(&self, statement: &str) -> Outcome<Rows> {
        self.cluster.admin()?.query(statement).await
    }

    async fn begin(&self) -> Outcome<()> {
        let (data, archive) = (&self.data, &self.archive);
        let seconds = number("STRANDLINE_PIECE_SECONDS").unwrap_or(PIECE_SECONDS);
        let location = format!("LOCATION={archive} PIECE_SWITCH_INTERVAL={seconds}s COMPRESSION=lz4");
        jobs::sql(&self.cluster, &format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{location}' TENANT = {TENANT}"))
            .await?;
        jobs::sql(&self.cluster, &format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}' TENANT = {TENANT}")).await?;
        jobs::sql(&self.cluster, &format!("ALTER SYSTEM ARCHIVELOG TENANT = {TENANT}")).await?;
        jobs::until_rounds(&mut self.cluster.admin()?, "it archives", (1, "DOING")).await?;
        let policy = format!("ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW = '{WINDOW_SECONDS}s'");
        jobs::sql(&self.cluster, &format!("ALTER SYSTEM {policy} TENANT = {TENANT}")).await
    }

    async fn succeeds(&self, begin: &str, history: &str) -> Outcome<()> {
        let (status, comment) = jobs::run_to_end(&mut self.cluster.admin()?, begin, history, PATIENCE).await?;
        assert!(jobs::is_success(&status), "{begin}: {status}: {comment}");
        Ok(())
    }

    async fn take_set(&self, n: u64) -> Outcome<()> {
        let kind = if n % (FULL_SETS + 1) == FULL_SETS { "INCREMENTAL " } else { "" };
        let history = "SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY";
        self.succeeds(&format!("ALTER SYSTEM BACKUP {kind}TENANT = {TENANT}"), history).await
    }

    async fn validate(&self) -> Outcome<()> {
        let history = "SELECT * FROM CDB_OB_BACKUP_VALIDATE_JOB_HISTORY";
        self.succeeds(&format!("ALTER SYSTEM VALIDATE BACKUP TENANT = {TENANT}"), history).await
    }

    async fn restore(&self, n: u64, rng: &mut Rng, written: &AckedPairs) -> Outcome<(String, Scn)> {
        let (target, scn) = (format!("again_{n}"), moment(written, rng, self.window()));
        let history = format!("SELECT * FROM CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '{target}'");
        let from = format!("'{},{}' UNTIL SCN = {scn}", self.data, self.archive);
        let begin = format!("ALTER SYSTEM RESTORE {target} FROM {from} WITH 'pool_list=default&replicas=1'");
        self.succeeds(&begin, &history).await?;
        Ok((target, scn))
    }

    /// What can be restored, and for a while.
    fn window(&self) -> (Scn, Scn) {
        let output =
            Command::new(self.site.program()).args(["window", "--json", &self.data, &self.archive]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let window: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(window["problems"].as_array().map(Vec::len), Some(0), "{window}");
        let newest = window["intervals"].as_array().unwrap().last().expect("an interval");
        let [from, to] = ["from_scn", "to_scn"].map(|name| newest[name].as_u64().unwrap());
        (Scn(from.max(to - MOMENTS_NS)), Scn(to))
    }
}
