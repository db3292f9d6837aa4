//! The scheduler group as a whole: formed once, honest about itself, back after a full disk.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};
use support::cluster::Cluster;
use support::tmpfs::Tmpfs;
use support::until;

const NAMES: &str = "SELECT GROUP_CONCAT(TENANT_NAME) FROM (SELECT TENANT_NAME FROM CDB_OB_TENANTS ORDER BY TENANT_ID)";

const LIVE_WORKERS: &str = "SELECT COUNT(*) FROM CDB_OB_SERVERS WHERE SVR_TYPE = 'WORKER' AND STATUS = 'ACTIVE'";

/// Readiness has to know within this.
const PROMPT: Duration = Duration::from_secs(2);

async fn create(cluster: &Cluster, node: usize, tenant: &str) {
    cluster.sql(node, &format!("CREATE TENANT {tenant} LOG_STREAMS = 1 REPLICAS = 1")).await;
}

/// One node leads, and takes a statement.
async fn leading(cluster: &Cluster) -> usize {
    let node = cluster.leader().await;
    cluster.ready(node).await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_nodes_wait_for_the_last_one_and_say_so() {
    let mut cluster = Cluster::bind(3).await;
    cluster.boot(0).await;
    cluster.boot(2).await;
    for node in [0, 2] {
        until("it says whom it waits for", || async {
            let (status, body) = cluster.page(node, "/readyz").await;
            assert_eq!(status, 503, "{body}");
            (body.contains("not formed") && body.contains("no answer from node 2 (")).then_some(())
        })
        .await;
        assert_eq!(cluster.page(node, "/healthz").await.0, 200, "waiting is no reason to be restarted");
    }
    cluster.boot(1).await;
    for node in 0..3 {
        cluster.ready(node).await;
    }
    cluster.stop_all().await;
}

/// Node `victim` loses its disk while `behind` was away for what is acknowledged last.
async fn nothing_is_lost_with_the_disk_of(victim: usize, behind: usize) {
    let mut cluster = Cluster::start(3).await;
    let third = 3 - victim - behind;
    let _worker = support::fake_worker::FakeWorker::start(1, cluster.addresses());
    let node = leading(&cluster).await;
    cluster.wait_for(node, "SELECT COUNT(*) FROM CDB_OB_SERVERS WHERE SVR_TYPE = 'WORKER'", "1").await;
    create(&cluster, node, "first").await;
    cluster.stop(behind).await;
    let node = leading(&cluster).await;
    create(&cluster, node, "acknowledged").await;
    cluster.stop(third).await;
    cluster.stop(victim).await;
    cluster.wipe(victim).await;

    cluster.restart(victim).await;
    cluster.restart(behind).await;
    let begun = Instant::now();
    // Several elections would fit in.
    while begun.elapsed() < Duration::from_secs(5) {
        for node in [victim, behind] {
            assert!(!cluster.handle(node).is_leader(), "node {node} leads without a majority of full members");
            let (status, body) = cluster.page(node, "/readyz").await;
            assert_eq!(status, 503, "node {node}: {body}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (_, body) = cluster.page(victim, "/readyz").await;
    assert!(body.contains("began empty"), "{body}");

    cluster.restart(third).await;
    for node in 0..3 {
        cluster.ready(node).await;
        assert_eq!(cluster.sql(node, NAMES).await.first().unwrap(), "first,acknowledged");
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_with_the_disk_of_any_node() {
    for (victim, behind) in [(0, 1), (1, 2), (2, 0)] {
        nothing_is_lost_with_the_disk_of(victim, behind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_majority_is_not_ready_within_two_seconds_and_is_again_when_it_is_back() {
    let mut cluster = Cluster::start(3).await;
    let leader = leading(&cluster).await;
    for node in 0..3 {
        cluster.ready(node).await;
    }
    let others: Vec<usize> = (0..3).filter(|n| *n != leader).collect();
    cluster.stop(others[0]).await;
    cluster.ready(leader).await;
    cluster.ready(others[1]).await;
    cluster.stop(leader).await;
    let lost = Instant::now();
    let message = until("it is not ready", || async {
        let (status, body) = cluster.page(others[1], "/readyz").await;
        (status == 503).then_some(body)
    })
    .await;
    // The two seconds, and what a busy machine may take to answer.
    assert!(lost.elapsed() < PROMPT * 2, "only after {:?}", lost.elapsed());
    assert!(message.contains("no leader was heard lately (silent for"), "{message}");
    let figures = cluster.page(others[1], "/metrics").await.1;
    assert!(figures.contains("strandline_scheduler_ready 0"), "{figures}");
    assert!(figures.contains("strandline_scheduler_raft_running 1"), "{figures}");
    assert_eq!(cluster.page(others[1], "/healthz").await.0, 200);
    cluster.stop(others[1]).await;
    cluster.restart(others[1]).await;
    let (status, body) = cluster.page(others[1], "/readyz").await;
    assert_eq!(status, 503, "what it knew before the restart says nothing: {body}");
    cluster.restart(leader).await;
    for node in [leader, others[1]] {
        cluster.ready(node).await;
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_group_comes_back_by_itself_once_a_full_disk_has_room() {
    let dir = tempfile::TempDir::new().unwrap();
    let mounts: Vec<Tmpfs> =
        (1..=3).map_while(|id| Tmpfs::mount(&dir.path().join(format!("scheduler{id}")), 48)).collect();
    if mounts.len() < 3 {
        return;
    }
    let mut cluster = Cluster::start_in(dir, 3).await;
    let _worker = support::fake_worker::FakeWorker::start(1, cluster.addresses());
    for tries in 0..2 {
        let full = leading(&cluster).await;
        cluster.wait_for(full, LIVE_WORKERS, "1").await;
        let why = until("the node with the full disk says so", || async {
            // Again and again: what its store deletes makes room. Then entries that it cannot write.
            mounts[full].fill();
            let node = cluster.leader().await;
            let _ = cluster.try_sql(node, &format!("CREATE TENANT x{tries} LOG_STREAMS = 1 REPLICAS = 1")).await;
            let _ = cluster.try_sql(node, &format!("DROP TENANT x{tries}")).await;
            let (status, body) = cluster.page(full, "/healthz").await;
            (status == 503).then_some(body)
        })
        .await;
        assert!(why.contains("has stopped on this node"), "{why}");
        // Another one leads, or the same one: opening its files anew may have made a little room.
        let name = format!("kept{tries}");
        let there = format!("SELECT COUNT(*) FROM CDB_OB_TENANTS WHERE TENANT_NAME = '{name}'");
        until("the group serves meanwhile", || async {
            let node = cluster.leader().await;
            let _ = cluster.try_sql(node, &format!("CREATE TENANT {name} LOG_STREAMS = 1 REPLICAS = 1")).await;
            let found = cluster.try_sql(node, &there).await.ok()?;
            (found.first().as_deref() == Some("1")).then_some(())
        })
        .await;
        mounts[full].free();
        cluster.ready(full).await;
        assert_eq!(cluster.page(full, "/healthz").await.0, 200);
        assert_eq!(cluster.sql(full, &there).await.first().unwrap(), "1");
    }
    // Two disks at once: no majority, and back by itself.
    let leader = leading(&cluster).await;
    let full: Vec<usize> = (0..3).filter(|n| *n != leader).collect();
    until("the majority is gone", || async {
        // Again and again: opening its files anew makes room on a node.
        full.iter().for_each(|n| mounts[*n].fill());
        let _ = cluster.try_sql(leader, "CREATE TENANT y LOG_STREAMS = 1 REPLICAS = 1").await;
        let _ = cluster.try_sql(leader, "DROP TENANT y").await;
        (cluster.page(leader, "/readyz").await.0 == 503).then_some(())
    })
    .await;
    full.iter().for_each(|n| mounts[*n].free());
    for node in 0..3 {
        cluster.ready(node).await;
    }
    let node = leading(&cluster).await;
    cluster.wait_for(node, LIVE_WORKERS, "1").await;
    create(&cluster, node, "last").await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_id_is_given_once() {
    let mut cluster = Cluster::start(1).await;
    leading(&cluster).await;
    let file = cluster.disk(0).join("cluster_id");
    until("the directory says to which cluster it belongs", || async { file.exists().then_some(()) }).await;
    cluster.stop(0).await;
    cluster.config(0).cluster_id = 8;
    let failure = strandline_scheduler::serve(cluster.config(0).clone()).await.err().expect("it is refused");
    assert!(failure.what.contains("cluster_id 8") && failure.todo.contains("cluster_id = 7"), "{failure}");
    cluster.config(0).cluster_id = 7;
    cluster.restart(0).await;
    leading(&cluster).await;
    cluster.stop_all().await;
}
