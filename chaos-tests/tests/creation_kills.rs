//! Tenants are made under load, and a worker is killed at a random instant of the first second: every one of them serves
//! afterwards, with all of its replicas, and without help by hand.
//!
//! `STRANDLINE_CREATIONS` says how many (nightly: 500), `STRANDLINE_SEED` when whom it meets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use strandline_chaos::cluster::{EventLog, Outcome, Patience, Site, jobs};
use strandline_chaos::settings::number;
use strandline_chaos::sim::Rng;
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;

const CREATIONS: u64 = 10;
/// Tenants that are made at once.
const AT_ONCE: u64 = 5;
/// The kill comes this long after the statements, at most.
const INSTANT_MS_MAX: u64 = 1000;
const TABLE: &str = "numbers";
const LOAD: &str = "load";
const PATIENCE: Duration = Duration::from_secs(90);
const ASK: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_whose_creation_is_killed_at_a_random_instant_serve_with_all_their_replicas() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    run(&site).await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

async fn run(site: &Site) -> Outcome<()> {
    let (events, creations) = (EventLog::begin(), number("STRANDLINE_CREATIONS").unwrap_or(CREATIONS));
    let mut rng = Rng::new(number("STRANDLINE_SEED").unwrap_or(1));
    let mut cluster = site.cluster(71, "servers", 1, 3).await?;
    jobs::make_tenant(&cluster, LOAD, 2, TABLE).await?;
    let (stop, writes) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let load = tokio::spawn(write(cluster.endpoints(), Arc::clone(&stop), Arc::clone(&writes)));
    let workers: Vec<u64> = cluster.worker_ids().collect();
    for first in (0..creations).step_by(AT_ONCE as usize) {
        let tenants: Vec<String> = (first..creations.min(first + AT_ONCE)).map(|n| format!("made_{n}")).collect();
        for tenant in &tenants {
            jobs::sql(&cluster, &format!("CREATE TENANT {tenant} LOG_STREAMS = 1 REPLICAS = 3")).await?;
        }
        tokio::time::sleep(Duration::from_millis(rng.between(0, INSTANT_MS_MAX))).await;
        cluster.kill_worker(rng.pick(&workers).expect("there are workers"));
        cluster.restart_killed()?;
        for tenant in &tenants {
            until_it_serves(&cluster, tenant).await?;
        }
        until_whole(&cluster).await?;
        cluster.check_alive()?;
        for tenant in &tenants {
            jobs::sql(&cluster, &format!("DROP TENANT {tenant}")).await?;
        }
    }
    stop.store(true, Ordering::Relaxed);
    load.await.expect("the load does not panic");
    let writes = writes.load(Ordering::Relaxed);
    assert!(writes > 0, "there was no load");
    events.record(&format!("{creations} creations were killed, and all serve; {writes} writes meanwhile"));
    cluster.destroy()
}

/// Writes until it is told to stop, whatever happens to the servers.
async fn write(endpoints: Vec<String>, stop: Arc<AtomicBool>, writes: Arc<AtomicU64>) {
    let value = Bytes::from(vec![7; 512]);
    while !stop.load(Ordering::Relaxed) {
        let Ok(client) = KvClient::connect(&endpoints, LOAD).await else { continue };
        while !stop.load(Ordering::Relaxed) {
            let key = Bytes::from(format!("key {:04}", writes.load(Ordering::Relaxed) % 500));
            match tokio::time::timeout(ASK, client.put(TABLE, key, value.clone())).await {
                Ok(Ok(_)) => writes.fetch_add(1, Ordering::Relaxed),
                _ => break,
            };
        }
    }
}

/// A table is made and written.
async fn until_it_serves(cluster: &Cluster, tenant: &str) -> Outcome<()> {
    let patience = Patience::new(format!("tenant {tenant} takes a write"), PATIENCE);
    loop {
        let tried = async {
            // It may be there from the last try.
            let _ = jobs::sql(cluster, &format!("CREATE TABLE {TABLE} TABLETS = 1 TENANT = {tenant}")).await;
            let client = KvClient::connect(&cluster.endpoints(), tenant).await?;
            client.put(TABLE, Bytes::from_static(b"key"), Bytes::from_static(b"value")).await
        };
        match tokio::time::timeout(ASK, tried).await {
            Ok(Ok(_)) => return Ok(()),
            other => patience.once_more(&format!("{other:?}")).await?,
        }
    }
}

/// Every replica of every tenant runs and votes.
async fn until_whole(cluster: &Cluster) -> Outcome<()> {
    let patience = Patience::new("every replica is NORMAL", PATIENCE);
    loop {
        let replicas = cluster.admin()?.query("SELECT * FROM CDB_OB_LS_LOCATIONS").await?;
        let odd: Vec<String> = (0..replicas.len())
            .filter(|row| replicas.text(*row, "STATUS") != "NORMAL")
            .map(|row| {
                let [tenant, ls, worker] = ["TENANT_ID", "LS_ID", "SVR_ID"].map(|name| replicas.number(row, name));
                format!("{tenant}/{ls} on {worker}: {}", replicas.text(row, "STATUS"))
            })
            .collect();
        if odd.is_empty() {
            return Ok(());
        }
        patience.once_more(&odd.join(", ")).await?;
    }
}
