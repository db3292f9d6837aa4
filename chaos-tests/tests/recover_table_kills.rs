//! `kill -9` of workers and of the leading scheduler during RECOVER TABLE, at the index, at the blocks and at the log: it
//! goes on after their restart and the table has every row, or it fails and no reader sees any of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;
use strandline_chaos::cluster::{HoldingProxy, Outcome, Patience, Site, jobs, server_faults};
use strandline_cli::admin::Rows;
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;

const TENANT: &str = "source";
const TABLE: &str = "numbers";
const PATIENCE: Duration = Duration::from_secs(120);
const WORKERS: u64 = 3;
const FIRST_WORKER: u64 = 101;
/// What the recovery is about to read when the fault falls. The statement itself looks at the newest log before it begins a
/// recovery, so the log is held once the recovery is at the blocks.
const MOMENTS: [&str; 3] = ["macro_range_index", BLOCKS, LOG];
const BLOCKS: &str = "macro_block_data";
const LOG: &str = "/log/";

type Pairs = BTreeMap<Bytes, Bytes>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_die_during_a_table_recovery_and_it_goes_on_or_leaves_nothing() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let started = HoldingProxy::start(&site.path().join("buckets")).await.unwrap_or_else(|f| panic!("{f}"));
    let Some(proxy) = started else { return };
    run(&site, &proxy).await.unwrap_or_else(|failure| panic!("{failure}"));
    drop(proxy);
    site.done();
}

async fn run(site: &Site, proxy: &HoldingProxy) -> Outcome<()> {
    let mut cluster = site.cluster(1, "servers", 3, WORKERS as usize).await?;
    let mut admin = cluster.admin()?;
    admin.sql(&format!("CREATE TENANT {TENANT} LOG_STREAMS = 2 REPLICAS = 3")).await?;
    admin.sql(&format!("CREATE TABLE {TABLE} TABLETS = 4 TENANT = {TENANT}")).await?;
    let (data, archive) = (proxy.uri("backup", "data")?, proxy.uri("backup", "archive")?);
    jobs::archive_to(&cluster, TENANT, std::slice::from_ref(&archive), 3600).await?;
    let client = KvClient::connect(&cluster.endpoints(), TENANT).await?;
    let mut expected = fill(&client, 0..600, "base").await?;
    jobs::begin_backup_to(&cluster, TENANT, &data).await?;
    jobs::until_backed_up(&cluster).await?;
    expected.extend(fill(&client, 500..900, "later").await?);
    let until = client.token().0;
    // What comes after the point is not in the table.
    fill(&client, 0..50, "too late").await?;
    jobs::until_covered(&mut cluster, &[0], client.token().0).await?;

    let (mut completed, mut visible) = (0, vec![TABLE.to_owned()]);
    for (n, moment) in MOMENTS.into_iter().cycle().take(2 * MOMENTS.len()).enumerate() {
        let table = format!("again_{n}");
        proxy.hold_reads(if moment == LOG { BLOCKS } else { moment });
        let from = format!("'{data},{archive}' UNTIL SCN = {} REMAP TABLE {TABLE}:{table}", until.0);
        let statement = format!("ALTER SYSTEM RECOVER TABLE {TABLE} TO TENANT {TENANT} FROM {from}");
        cluster.admin()?.sql(&statement).await?;
        until_held(proxy, moment).await?;
        if moment == LOG {
            proxy.hold_reads(moment);
            until_held(proxy, moment).await?;
        }
        // First one worker each time, then all at once: the one that does it is among them. Every other time the leading
        // scheduler, too.
        let one = FIRST_WORKER + n as u64 % WORKERS;
        let victims: Vec<u64> = cluster.worker_ids().filter(|id| n >= MOMENTS.len() || *id == one).collect();
        victims.iter().for_each(|id| cluster.kill_worker(*id));
        let scheduler = if n % 2 == 0 { server_faults::kill_leading_scheduler(&mut cluster).await? } else { 0 };
        proxy.release();
        cluster.restart_killed()?;
        let ended = until_ended(&cluster, n + 1).await?;
        let status = ended.text(0, "STATUS");
        eprintln!(
            "chaos: killed workers {victims:?} and scheduler {scheduler} at {moment}: {status}, {} rows, {} bytes fetched",
            ended.number(0, "RECOVERED_KEYS"),
            ended.number(0, "FETCHED_BYTES"),
        );
        if status == "COMPLETED" {
            let client = KvClient::connect(&cluster.endpoints(), TENANT).await?;
            let found: Pairs = client.scan(&table, b"", b"", 0).await?.into_iter().collect();
            assert!(found == expected, "{table} has {} rows, expected {}", found.len(), expected.len());
            visible.push(table);
            completed += 1;
        }
        assert_eq!(tables(&cluster).await?, visible, "a recovery is whole or invisible: {}", ended.text(0, "COMMENT"));
    }
    assert!(completed > 0, "no recovery went on");
    cluster.destroy()
}

async fn until_held(proxy: &HoldingProxy, moment: &str) -> Outcome<()> {
    let patience = Patience::new(format!("{moment} is read"), PATIENCE);
    while proxy.held() == 0 {
        patience.once_more("not yet").await?;
    }
    Ok(())
}

async fn fill(client: &KvClient, keys: std::ops::Range<u32>, word: &str) -> Outcome<Pairs> {
    let pair = |n: u32| (Bytes::from(format!("key {n:05}")), Bytes::from(format!("{word} {n} ").repeat(60)));
    let pairs: Pairs = keys.map(pair).collect();
    let writes: Vec<_> = pairs.iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect();
    for batch in writes.chunks(100) {
        client.batch(TABLE, batch.to_vec()).await?;
    }
    Ok(pairs)
}

/// The newest of `count` recoveries that have ended.
async fn until_ended(cluster: &Cluster, count: usize) -> Outcome<Rows> {
    let patience = Patience::new("the table recovery ends", PATIENCE);
    loop {
        let view = "SELECT * FROM CDB_OB_RECOVER_TABLE_JOB_HISTORY ORDER BY JOB_ID DESC";
        // A scheduler that is just taking the lead refuses.
        if let Ok(ended) = cluster.admin()?.query(view).await
            && ended.len() == count
        {
            return Ok(ended);
        }
        patience.once_more("it runs").await?;
    }
}

/// Tables that anybody sees.
async fn tables(cluster: &Cluster) -> Outcome<Vec<String>> {
    let rows = cluster.admin()?.query("SELECT * FROM CDB_OB_TABLES").await?;
    let mut names: Vec<String> = (0..rows.len()).map(|row| rows.text(row, "TABLE_NAME")).collect();
    names.sort_by_key(|name| (name != TABLE, name.clone()));
    Ok(names)
}
