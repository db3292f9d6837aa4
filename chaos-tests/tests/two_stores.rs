//! Data on one object store and log on another, each with its own keys and its own region, the log's keys in a file that
//! only its address names: whatever reads both reaches each of them in its own way up to the last request.
//!
//! Restore, table recovery, standby, drill, validation of a named destination, and another cluster that imports one. The
//! stores are s3s-fs (scripts/test-servers.sh) behind proxies that refuse other regions and keys.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::time::Duration;
use strandline_chaos::cluster::{Admission, HoldingProxy, Outcome, Patience, Site, jobs};
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_types::Scn;

const TENANT: &str = "source";
const TABLE: &str = "numbers";
const PATIENCE: Duration = Duration::from_secs(120);

struct Stores {
    data: HoldingProxy,
    log: HoldingProxy,
    data_uri: String,
    log_uri: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reader_reaches_two_stores_each_with_its_own_region_and_keys() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let Some(stores) = Stores::start(&site).await.unwrap_or_else(|f| panic!("{f}")) else { return };
    run(&site, &stores).await.unwrap_or_else(|failure| panic!("{failure}"));
    for (proxy, what) in [(&stores.data, "data"), (&stores.log, "log")] {
        let wrong = proxy.turned_away();
        assert!(wrong.is_empty(), "requests to the {what} store were signed for another one: {wrong:#?}");
    }
    drop(stores);
    site.done();
}

impl Stores {
    /// `None` = there is no such server, and the reason was printed.
    async fn start(site: &Site) -> Outcome<Option<Self>> {
        let admission = |id: &str, region: &str| Admission {
            id: id.to_owned(),
            secret: format!("{id}-secret"),
            region: region.to_owned(),
        };
        let Some(data) =
            HoldingProxy::start_for(&site.directory("data-store")?, admission("alpha", "eu-alpha-1")).await?
        else {
            return Ok(None);
        };
        let Some(log) = HoldingProxy::start_for(&site.directory("log-store")?, admission("beta", "eu-beta-2")).await?
        else {
            return Ok(None);
        };
        let keys = site.path().join("beta-keys");
        std::fs::write(&keys, "access_id=beta\naccess_key=beta-secret\n").expect("the site can be written to");
        let data_uri = data.bare_uri("backup", "data")?;
        let data_uri = format!("{data_uri}&s3_region=eu-alpha-1&max_iops=5000&access_id=alpha&access_key=alpha-secret");
        let log_uri = log.bare_uri("backup", "archive")?;
        let log_uri = format!("{log_uri}&s3_region=eu-beta-2&access_key_file={}", keys.display());
        Ok(Some(Self { data, log, data_uri, log_uri }))
    }

    fn from(&self) -> String {
        format!("FROM '{},{}'", self.data_uri, self.log_uri)
    }
}

async fn run(site: &Site, stores: &Stores) -> Outcome<()> {
    let mut cluster = site.cluster(1, "servers", 1, 1).await?;
    let sql = async |statement: String| cluster.admin()?.sql(&statement).await.map(drop);
    sql(format!("CREATE TENANT {TENANT} LOG_STREAMS = 1 REPLICAS = 1")).await?;
    sql(format!("CREATE TABLE {TABLE} TABLETS = 1 TENANT = {TENANT}")).await?;
    jobs::archive_to(&cluster, TENANT, std::slice::from_ref(&stores.log_uri), 3600).await?;
    write(&cluster, "in the set").await?;
    jobs::begin_backup_to(&cluster, TENANT, &stores.data_uri).await?;
    jobs::until_backed_up(&cluster).await?;
    let until = write(&cluster, "in the log").await?;
    jobs::until_covered(&mut cluster, &[0], until).await?;

    let sql = async |statement: String| cluster.admin()?.sql(&statement).await.map(drop);
    let from = stores.from();
    sql(format!("ALTER SYSTEM RESTORE copy {from} UNTIL SCN = {until} WITH 'replicas=1'")).await?;
    jobs::until_restored(&mut cluster, "copy").await?;
    shows(&cluster, "copy", TABLE, &["in the log", "in the set"]).await?;

    let sql = async |statement: String| cluster.admin()?.sql(&statement).await.map(drop);
    let remap = format!("REMAP TABLE {TABLE}:again");
    sql(format!("ALTER SYSTEM RECOVER TABLE {TABLE} TO TENANT {TENANT} {from} UNTIL SCN = {until} {remap}")).await?;
    ends_as(&cluster, "CDB_OB_RECOVER_TABLE_JOB_HISTORY", "COMPLETED").await?;
    shows(&cluster, TENANT, "again", &["in the log", "in the set"]).await?;

    sql(format!("ALTER SYSTEM VALIDATE BACKUP DATA_BACKUP_DEST = '{}' TENANT = {TENANT}", stores.data_uri)).await?;
    ends_as(&cluster, "CDB_OB_BACKUP_VALIDATE_JOB_HISTORY", "COMPLETED").await?;

    sql(format!("ALTER SYSTEM RESTORE shadow {from} UNTIL SCN = {until} WITH 'replicas=1&standby=true'")).await?;
    jobs::until_restored(&mut cluster, "shadow").await?;
    let sql = async |statement: String| cluster.admin()?.sql(&statement).await.map(drop);
    sql("ALTER SYSTEM RECOVER STANDBY TENANT = shadow UNTIL UNLIMITED".to_owned()).await?;
    write(&cluster, "for the standby").await?;
    shows(&cluster, "shadow", TABLE, &["for the standby", "in the log", "in the set"]).await?;
    sql(format!("ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION={}' TENANT = shadow", stores.log_uri)).await?;
    write(&cluster, "and once more").await?;
    shows(&cluster, "shadow", TABLE, &["and once more", "for the standby", "in the log", "in the set"]).await?;

    sql(format!("ALTER SYSTEM RUN RESTORE DRILL TENANT = {TENANT}")).await?;
    ends_as(&cluster, "CDB_STRANDLINE_RESTORE_DRILLS", "PROVEN").await?;
    cluster.destroy()?;

    let other = site.cluster(2, "other", 1, 1).await?;
    let sql = async |statement: String| other.admin()?.sql(&statement).await.map(drop);
    sql(format!("ALTER SYSTEM IMPORT CATALOG '{}' AS adopted", stores.data_uri)).await?;
    sql("ALTER SYSTEM VALIDATE BACKUP TENANT = adopted".to_owned()).await?;
    ends_as(&other, "CDB_OB_BACKUP_VALIDATE_JOB_HISTORY", "COMPLETED").await?;
    other.destroy()
}

/// Writes one key of this name; gives the SCN of the write.
async fn write(cluster: &Cluster, key: &str) -> Outcome<Scn> {
    let client = KvClient::connect(&cluster.endpoints(), TENANT).await?;
    client.batch(TABLE, vec![(Bytes::from(key.to_owned()), Some(Bytes::from_static(b"x")))]).await?;
    Ok(client.token().0)
}

/// Waits until a table holds these keys and no others.
async fn shows(cluster: &Cluster, tenant: &str, table: &str, keys: &[&str]) -> Outcome<()> {
    let patience = Patience::new(format!("table {table} of {tenant} holds {keys:?}"), PATIENCE);
    loop {
        let scanned = match KvClient::connect(&cluster.endpoints(), tenant).await {
            Ok(client) => client.scan(table, b"", b"", 0).await.map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        let seen = scanned.map(|all| all.into_iter().map(|(k, _)| String::from_utf8_lossy(&k).into_owned()).collect());
        let seen: Result<Vec<String>, String> = seen;
        if seen.as_deref() == Ok(&keys.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>()[..]) {
            return Ok(());
        }
        patience.once_more(&format!("{seen:?}")).await?;
    }
}

/// Waits until the only job of a view has ended, and as what it should.
async fn ends_as(cluster: &Cluster, view: &str, status: &str) -> Outcome<()> {
    let patience = Patience::new(format!("{view} shows {status}"), PATIENCE);
    loop {
        let rows = cluster.admin()?.query(&format!("SELECT * FROM {view}")).await?;
        let seen = rows.text(0, "STATUS");
        assert!(!matches!(seen.as_str(), "FAILED" | "CANCELED"), "{view}: {}", rows.text(0, "COMMENT"));
        if seen == status {
            return Ok(());
        }
        patience.once_more(&seen).await?;
    }
}
