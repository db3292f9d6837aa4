//! The disk of every scheduler is lost in turn, by `kill -9` and `rm -r`, at the worst moment: nothing that was
//! acknowledged may be lost, and no node may lead before a majority of full members is there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use strandline_chaos::cluster::{EventLog, Outcome, Patience, Site};
use strandline_cli::cluster::Cluster;

const PATIENCE: Duration = Duration::from_secs(60);
/// Several elections fit in.
const ELECTIONS: Duration = Duration::from_secs(6);

/// Status and body of a page of a scheduler; `None` without an answer.
fn page(cluster: &Cluster, node: u64, path: &str) -> Option<(u16, String)> {
    let mut proxy = TcpStream::connect(cluster.scheduler_http(node)?).ok()?;
    proxy.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    proxy.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    proxy.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

async fn until_ready(cluster: &Cluster, nodes: impl IntoIterator<Item = u64>) -> Outcome<()> {
    for node in nodes {
        let patience = Patience::new(format!("scheduler {node} is ready"), PATIENCE);
        loop {
            match page(cluster, node, "/readyz") {
                Some((200, _)) => break,
                other => patience.once_more(&format!("{other:?}")).await?,
            }
        }
    }
    Ok(())
}

async fn create(cluster: &Cluster, tenant: &str) -> Outcome<()> {
    cluster.admin()?.sql(&format!("CREATE TENANT {tenant} LOG_STREAMS = 1 REPLICAS = 1")).await.map(drop)
}

async fn tenants(cluster: &Cluster) -> Outcome<BTreeSet<String>> {
    let rows = cluster.admin()?.query("SELECT TENANT_NAME FROM CDB_OB_TENANTS").await?;
    Ok((0..rows.len()).map(|i| rows.text(i, "TENANT_NAME")).collect())
}

/// `victim` loses its disk; `behind` was away when the last statement was acknowledged by the two others.
async fn lose_disk(cluster: &mut Cluster, victim: u64, behind: u64) -> Outcome<()> {
    let third = 6 - victim - behind;
    let mut acknowledged = tenants(cluster).await?;
    cluster.kill_scheduler(behind);
    let name = format!("lost{victim}");
    create(cluster, &name).await?;
    acknowledged.insert(name);
    cluster.kill_scheduler(third);
    cluster.kill_scheduler(victim);
    cluster.wipe_scheduler(victim)?;

    cluster.start_scheduler(victim)?;
    cluster.start_scheduler(behind)?;
    let begun = Instant::now();
    let mut output = String::new();
    while begun.elapsed() < ELECTIONS {
        for node in [victim, behind] {
            if let Some((status, body)) = page(cluster, node, "/readyz") {
                assert_eq!(status, 503, "scheduler {node} serves without a majority of full members: {body}");
                if node == victim {
                    output = body;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(output.contains("began empty"), "scheduler {victim} says why: {output}");

    cluster.start_scheduler(third)?;
    until_ready(cluster, 1..=3).await?;
    assert_eq!(tenants(cluster).await?, acknowledged, "after the loss of disk {victim}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_with_the_disk_of_any_scheduler() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let ran = async {
        let events = EventLog::begin();
        let mut cluster = site.cluster(1, "disks", 3, 1).await?;
        until_ready(&cluster, 1..=3).await?;
        create(&cluster, "first").await?;
        for (victim, behind) in [(1, 2), (2, 3), (3, 1)] {
            lose_disk(&mut cluster, victim, behind).await?;
            events.record(&format!("scheduler {victim} lost its disk, and nothing else was lost"));
        }
        cluster.destroy()
    };
    ran.await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_and_liveness_tell_whether_a_majority_is_there() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let ran = async {
        let mut cluster = site.cluster(2, "majority", 3, 1).await?;
        until_ready(&cluster, 1..=3).await?;
        cluster.kill_scheduler(2);
        cluster.kill_scheduler(3);
        let lost = Instant::now();
        let patience = Patience::new("scheduler 1 is not ready", PATIENCE);
        while !matches!(page(&cluster, 1, "/readyz"), Some((503, _))) {
            patience.once_more("ready").await?;
        }
        // Two seconds, and what a busy machine may take to answer.
        assert!(lost.elapsed() < Duration::from_secs(4), "only after {:?}", lost.elapsed());
        assert_eq!(page(&cluster, 1, "/healthz").map(|(status, _)| status), Some(200));
        cluster.kill_scheduler(1);
        cluster.start_scheduler(1)?;
        let patience = Patience::new("scheduler 1 answers", PATIENCE);
        loop {
            match page(&cluster, 1, "/readyz") {
                Some((status, body)) => {
                    assert_eq!(status, 503, "what it knew before says nothing: {body}");
                    break;
                }
                None => patience.once_more("nothing").await?,
            }
        }
        cluster.start_scheduler(2)?;
        until_ready(&cluster, [1, 2]).await?;
        cluster.destroy()
    };
    ran.await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}
