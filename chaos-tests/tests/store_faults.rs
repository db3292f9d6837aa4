//! Between the servers and a real object store everything goes wrong that can: answers get lost, late, doubled, cut, short,
//! flipped, stale, missing, refused and slow. Every job ends, by itself, as a success or with a cause; no verdict is
//! wrong; what was written while it went wrong is whole; and a restore shows what was acknowledged, at any SCN.
//!
//! In CI all faults come together, before S3 and before Azure. With `STRANDLINE_STORE_FAULTS=each` (nightly) each comes
//! alone as well, in 5 of 100 requests that it can meet; names such as `refused,slow` give these alone.
//! `STRANDLINE_SEED` says which requests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::process::Command;
use std::time::Duration;
use strandline_chaos::cluster::{AckedPairs, EventLog, Fault, Outcome, Patience, Plan, Rule, Site, StoreProxy, jobs};
use strandline_chaos::settings::number;
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_media::testing::servers::{self, Server};
use strandline_types::Scn;

const TABLE: &str = "numbers";
const PIECE_SECONDS: u64 = 4;
const PATIENCE: Duration = Duration::from_secs(240);
/// Keys of one stretch of writing.
const KEYS: u64 = 60;
const ALONE_PER_MILLE: u64 = 50;
const TOGETHER_PER_MILLE: u64 = 8;
/// A job that names a cause is begun again so often.
const TRIES: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_before_s3_every_job_ends_and_every_restore_is_right() {
    let Some(_) = servers::needed("s3s-fs") else { return };
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let root = site.directory("store").unwrap();
    std::fs::create_dir_all(root.join("bucket")).unwrap();
    let store = Server::s3_over(&root, None).expect("it was found just now");
    let uri = |path: &str| store.s3_uri("bucket", path);
    run(&site, store.port, uri("data"), uri("archive")).await.unwrap_or_else(|failure| panic!("{failure}"));
    drop(store);
    site.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_before_azure_every_job_ends_and_every_restore_is_right() {
    let Some(_) = servers::needed("azurite-blob") else { return };
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let store = servers::azurite().expect("it was found just now");
    let (data, archive) = (store.azure_uri("media", "data").await, store.azure_uri("media", "archive").await);
    run(&site, store.port, data, archive).await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

/// Which faults come, and under which name.
fn rounds() -> Vec<(String, Vec<Rule>)> {
    let together = Fault::ALL.map(|fault| Rule::everywhere(fault, TOGETHER_PER_MILLE)).to_vec();
    let alone = |fault| (format!("{fault:?}").to_lowercase(), vec![Rule::everywhere(fault, ALONE_PER_MILLE)]);
    let mut rounds = vec![("together".to_owned(), together)];
    rounds.extend(Fault::ALL.map(alone));
    let asked = std::env::var("STRANDLINE_STORE_FAULTS").unwrap_or_else(|_| "together".to_owned());
    if asked != "each" {
        let asked: Vec<&str> = asked.split(',').collect();
        let unknown: Vec<_> = asked.iter().filter(|name| rounds.iter().all(|(known, _)| known != *name)).collect();
        assert!(unknown.is_empty(), "STRANDLINE_STORE_FAULTS: {unknown:?} is no fault, nor 'together' or 'each'");
        rounds.retain(|(name, _)| asked.contains(&name.as_str()));
    }
    rounds
}

async fn run(site: &Site, port: u16, data: String, archive: String) -> Outcome<()> {
    let seed = number("STRANDLINE_SEED").unwrap_or(1);
    let proxy = StoreProxy::before(port).await?;
    let mut bed =
        Bed { site, cluster: site.cluster(51, "servers", 1, 3).await?, proxy, port, events: EventLog::begin() };
    for (name, rules) in rounds() {
        bed.life(&name, Plan::new(rules, seed), &data, &archive).await?;
    }
    bed.cluster.destroy()
}

struct Bed<'a> {
    site: &'a Site,
    cluster: Cluster,
    proxy: StoreProxy,
    port: u16,
    events: EventLog,
}

impl Bed<'_> {
    /// The same destination behind the proxy, in a folder of its own.
    fn behind(&self, uri: &str, name: &str) -> String {
        let (place, rest) = uri.split_once('?').unwrap_or((uri, ""));
        format!("{place}/{name}?{rest}")
            .replace(&format!("127.0.0.1:{}", self.port), &format!("127.0.0.1:{}", self.proxy.port))
    }

    /// The whole life of one tenant under one plan.
    async fn life(&mut self, name: &str, plan: Plan, data: &str, archive: &str) -> Outcome<()> {
        let (data, archive) = (self.behind(data, name), self.behind(archive, name));
        jobs::make_tenant(&self.cluster, name, 1, TABLE).await?;
        jobs::sql(
            &self.cluster,
            &format!(
                "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={archive} PIECE_SWITCH_INTERVAL={PIECE_SECONDS}s \
             COMPRESSION=zstd' TENANT = {name}"
            ),
        )
        .await?;
        jobs::sql(&self.cluster, &format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}' TENANT = {name}")).await?;
        jobs::sql(&self.cluster, &format!("ALTER SYSTEM ARCHIVELOG TENANT = {name}")).await?;
        self.proxy.set(plan);
        let written = AckedPairs::default();
        let mut told = Vec::new();
        for (n, kind) in ["", "INCREMENTAL", "INCREMENTAL", ""].iter().enumerate() {
            self.write(name, n as u64, &written).await?;
            told.extend(self.backup(name, kind).await?);
        }
        self.write(name, 9, &written).await?;
        let scns = written.scns();
        let (middle, newest) = (scns[scns.len() / 2], scns[scns.len() - 1]);
        self.until_covered(name, newest).await?;
        told.extend(self.validate(name).await?);
        for (n, scn) in [newest, middle].into_iter().enumerate() {
            let target = format!("{name}_{n}");
            told.extend(self.restore(&target, &data, &archive, scn).await?);
            written.compare(&self.cluster, (&target, TABLE), scn).await?;
        }
        let met: u64 = self.proxy.met().values().sum();
        self.proxy.set(Plan::new(Vec::new(), 0));
        // Everything is well again: what lies there is whole, whatever happened while it was written.
        self.until_covered(name, newest).await?;
        assert!(self.validate(name).await?.is_empty(), "nothing goes wrong any more");
        for uri in [&data, &archive] {
            self.is_sound(uri);
        }
        self.events.record(&format!("{name}: {met} faults so far; jobs that named a cause: {told:?}"));
        Ok(())
    }

    async fn write(&self, tenant: &str, stretch: u64, written: &AckedPairs) -> Outcome<()> {
        let client = KvClient::connect(&self.cluster.endpoints(), tenant).await?;
        for n in 0..KEYS {
            // Some keys are written again and again.
            let key = Bytes::from(format!("key {:04}", if n % 4 == 0 { n } else { stretch * KEYS + n }));
            let value = Bytes::from(format!("{stretch} {n} ").repeat(60));
            let scn = client.put(TABLE, key.clone(), value.clone()).await?;
            written.add(scn, (key, value));
        }
        Ok(())
    }

    /// Repeats a job until it succeeds; gives the causes that it named before. A statement that is refused is no try: a
    /// round may take its time until it is open.
    async fn until_success(&self, begin: &str, history: &str) -> Outcome<Vec<String>> {
        let (mut causes, mut tries) = (Vec::new(), 0);
        let mut admin = self.cluster.admin()?;
        let patience = Patience::new(format!("{begin} is accepted"), PATIENCE);
        while tries < TRIES {
            match jobs::run_to_end(&mut admin, begin, history, PATIENCE).await {
                Ok((status, _)) if jobs::is_success(&status) => return Ok(causes),
                Ok((_, comment)) => {
                    is_a_cause(&comment);
                    causes.push(comment);
                    tries += 1;
                }
                Err(refused) => {
                    let told = refused.to_string();
                    is_a_cause(&told);
                    patience.once_more(&told).await?;
                    causes.extend(Some(told).filter(|told| causes.last() != Some(told)));
                }
            }
        }
        panic!("{begin}: {TRIES} tries, and none succeeded: {causes:#?}");
    }

    async fn backup(&self, tenant: &str, kind: &str) -> Outcome<Vec<String>> {
        let history = "SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY";
        self.until_success(&format!("ALTER SYSTEM BACKUP {kind} TENANT = {tenant}"), history).await
    }

    /// Nothing is damaged here: a validation that says so is wrong, and so is a set or piece that is broken afterwards.
    async fn validate(&self, tenant: &str) -> Outcome<Vec<String>> {
        let history = "SELECT * FROM CDB_OB_BACKUP_VALIDATE_JOB_HISTORY";
        let begin = format!("ALTER SYSTEM VALIDATE BACKUP TENANT = {tenant}");
        let causes = self.until_success(&begin, history).await?;
        let damages = self.cluster.admin()?.query("SELECT * FROM CDB_STRANDLINE_BACKUP_DAMAGES").await?;
        let told: Vec<String> = (0..damages.len()).map(|row| damages.text(row, "WHAT")).collect();
        assert!(told.is_empty(), "nothing is damaged: {told:?}");
        Ok(causes)
    }

    async fn restore(&self, target: &str, data: &str, archive: &str, scn: Scn) -> Outcome<Vec<String>> {
        let history = format!("SELECT * FROM CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '{target}'");
        let begin = format!(
            "ALTER SYSTEM RESTORE {target} FROM '{data},{archive}' UNTIL SCN = {scn} WITH 'pool_list=default&replicas=2'"
        );
        self.until_success(&begin, &history).await
    }

    async fn until_covered(&mut self, tenant: &str, scn: Scn) -> Outcome<()> {
        let patience = Patience::new(format!("the checkpoint of {tenant} covers SCN {scn}"), PATIENCE);
        let query = format!(
            "SELECT l.* FROM CDB_OB_ARCHIVELOG l JOIN CDB_OB_TENANTS t ON l.TENANT_ID = t.TENANT_ID \
             WHERE t.TENANT_NAME = '{tenant}'"
        );
        loop {
            let rounds = self.cluster.admin()?.query(&query).await?;
            let (status, at) = (rounds.text(0, "STATUS"), rounds.number(0, "CHECKPOINT_SCN"));
            assert!(
                rounds.len() == 1 && !["INTERRUPTED", "STOP"].contains(&status.as_str()),
                "the round goes on: {status}"
            );
            if at >= scn.0 {
                return Ok(());
            }
            self.cluster.check_alive()?;
            patience.once_more(&format!("{status} {at} {}", rounds.text(0, "COMMENT"))).await?;
        }
    }

    fn is_sound(&self, uri: &str) {
        let verify = Command::new(self.site.program()).args(["verify", uri]).output().expect("it runs");
        let output = [verify.stdout, verify.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(verify.status.success(), "{uri}: {:?} {output}", verify.status);
    }
}

/// A job that failed says why, and never that bytes are damaged that are not.
fn is_a_cause(told: &str) {
    assert!(!told.is_empty(), "a job failed without a cause");
    for verdict in ["damaged", "checksum", "take a new full backup", "BROKEN"] {
        assert!(!told.contains(verdict), "nothing is damaged here: {told}");
    }
}
