//! The whole way with three scheduler nodes and workers that pretend: archive, pieces, backup, restore, over failovers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::atomic::Ordering;
use support::cluster::Cluster;
use support::fake_worker::FakeWorker;
use support::{reader, until};

async fn with_workers(workers: u64) -> (Cluster, Vec<FakeWorker>) {
    let cluster = Cluster::start(3).await;
    let workers: Vec<FakeWorker> = (1..=workers).map(|id| FakeWorker::start(id, cluster.addresses())).collect();
    let node = cluster.leader().await;
    let known = "SELECT COUNT(*) FROM CDB_OB_SERVERS WHERE SVR_TYPE = 'WORKER'";
    cluster.wait_for(node, known, &workers.len().to_string()).await;
    (cluster, workers)
}

async fn with_archive(interval: &str) -> (Cluster, Vec<FakeWorker>) {
    let (cluster, workers) = with_workers(3).await;
    let node = cluster.follower().await;
    cluster.sql(node, "CREATE TENANT t1 LOG_STREAMS = 2 REPLICAS = 3").await;
    cluster.sql(node, "CREATE TABLE files TABLETS = 4 TENANT = t1").await;
    let (_, uri) = cluster.dest("archive");
    let set =
        format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={uri} PIECE_SWITCH_INTERVAL={interval}' TENANT = t1");
    cluster.sql(node, &set).await;
    cluster.sql(node, "ALTER SYSTEM ARCHIVELOG TENANT = t1").await;
    cluster.wait_for(node, "SELECT STATUS FROM oceanbase.CDB_OB_ARCHIVELOG", "DOING").await;
    (cluster, workers)
}

const CHECKPOINT: &str = "SELECT CHECKPOINT_SCN FROM CDB_OB_ARCHIVELOG_SUMMARY ORDER BY ROUND_ID DESC LIMIT 1";

async fn checkpoint(cluster: &Cluster, node: usize) -> u64 {
    cluster.sql(node, CHECKPOINT).await.first().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_freeze_over_a_failover_and_the_second_reader_finds_no_problem() {
    let (mut cluster, _workers) = with_archive("1s").await;
    let before = checkpoint(&cluster, cluster.leader().await).await;

    let old = cluster.leader().await;
    cluster.stop(old).await;
    let node = cluster.leader().await;
    until("the checkpoint goes on under the new leader", || async {
        (checkpoint(&cluster, node).await > before).then_some(())
    })
    .await;
    cluster.restart(old).await;

    let frozen = "SELECT COUNT(*) >= 3 FROM CDB_OB_ARCHIVELOG_PIECE_FILES WHERE STATUS = 'FROZEN'";
    cluster.wait_for(node, frozen, "1").await;
    let touching = "SELECT COUNT(*) FROM CDB_OB_ARCHIVELOG_PIECE_FILES a JOIN CDB_OB_ARCHIVELOG_PIECE_FILES b \
                    ON b.PIECE_ID = a.PIECE_ID + 1 WHERE a.END_SCN <> b.START_SCN";
    assert_eq!(cluster.sql(node, touching).await.first().unwrap(), "0", "consecutive pieces touch exactly");

    cluster.sql(node, "ALTER SYSTEM NOARCHIVELOG TENANT = t1").await;
    cluster.wait_for(node, "SELECT STATUS FROM CDB_OB_ARCHIVELOG_SUMMARY", "STOP").await;
    let left = "SELECT COUNT(*) FROM CDB_OB_ARCHIVELOG_PIECE_FILES WHERE STATUS <> 'FROZEN'";
    assert_eq!(cluster.sql(node, left).await.first().unwrap(), "0", "a stopped round has only frozen pieces");
    reader::check("archive_conformance.py", &cluster.dest("archive").0);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_archive_has_no_problem_either_and_a_second_round_goes_on() {
    let (mut cluster, workers) = with_archive("2s").await;
    let node = cluster.leader().await;
    cluster.sql(node, "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'DEFER' TENANT = t1").await;
    cluster.wait_for(node, "SELECT STATUS FROM CDB_OB_ARCHIVELOG", "SUSPEND").await;
    let paused = checkpoint(&cluster, node).await;
    cluster.sql(node, "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'ENABLE' TENANT = t1").await;
    cluster.wait_for(node, "SELECT STATUS FROM CDB_OB_ARCHIVELOG", "DOING").await;
    until("the checkpoint goes on", || async { (checkpoint(&cluster, node).await > paused).then_some(()) }).await;

    cluster.sql(node, "ALTER SYSTEM NOARCHIVELOG").await;
    cluster.wait_for(node, "SELECT STATUS FROM CDB_OB_ARCHIVELOG_SUMMARY WHERE ROUND_ID = 1", "STOP").await;
    cluster.sql(node, "ALTER SYSTEM ARCHIVELOG").await;
    cluster.wait_for(node, "SELECT STATUS FROM CDB_OB_ARCHIVELOG WHERE ROUND_ID = 2", "DOING").await;
    until("the second round's checkpoint", || async { (checkpoint(&cluster, node).await > paused).then_some(()) })
        .await;
    drop(workers);
    cluster.stop_all().await;
    reader::check("archive_conformance.py", &cluster.dest("archive").0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_and_a_restore_come_through_a_failover() {
    let (mut cluster, _workers) = with_archive("1d").await;
    let node = cluster.follower().await;
    let (data, data_uri) = cluster.dest("data");
    let (archive, archive_uri) = cluster.dest("archive");
    cluster.sql(node, &format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data_uri}' TENANT = t1")).await;
    cluster.sql(node, "ALTER SYSTEM BACKUP DATABASE").await;
    let old = cluster.leader().await;
    cluster.stop(old).await;
    let node = cluster.leader().await;
    let status = "SELECT DISTINCT STATUS FROM CDB_OB_BACKUP_JOB_HISTORY WHERE TENANT_ID > 1";
    cluster.wait_for(node, status, "COMPLETED").await;
    let set = cluster.sql(node, "SELECT * FROM CDB_OB_BACKUP_SET_FILES").await;
    assert_eq!((set.get(0, "STATUS"), set.get(0, "FILE_STATUS")), ("SUCCESS".into(), "AVAILABLE".into()));
    reader::check("backup_conformance.py", &data);
    reader::check("archive_conformance.py", &archive);

    let min: u64 = set.get(0, "MIN_RESTORE_SCN").parse().unwrap();
    let from = format!("FROM '{data_uri},{archive_uri}'");
    let early =
        cluster.refused(node, &format!("ALTER SYSTEM RESTORE t2 {from} UNTIL SCN = 1000 WITH 'replicas=1'")).await;
    assert!(early.to_string().contains(&min.to_string()), "the nearest restorable SCN is named: {early}");
    let late = u64::MAX / 4;
    let late =
        cluster.refused(node, &format!("ALTER SYSTEM RESTORE t2 {from} UNTIL SCN = {late} WITH 'replicas=1'")).await;
    assert!(!late.todo.is_empty(), "{late}");
    let swapped = format!("ALTER SYSTEM RESTORE t2 FROM '{archive_uri},{data_uri}' WITH 'replicas=1'");
    assert_eq!(cluster.refused(node, &swapped).await.code, -9081);

    cluster.restart(old).await;
    cluster.sql(node, &format!("ALTER SYSTEM RESTORE t2 {from} UNTIL SCN = {min} WITH 'replicas=1'")).await;
    let again = format!("ALTER SYSTEM RESTORE t2 {from} WITH 'replicas=1'");
    assert!(!cluster.refused(node, &again).await.what.is_empty());
    cluster.wait_for(node, "SELECT STATUS FROM CDB_OB_RESTORE_HISTORY", "SUCCESS").await;
    cluster.wait_for(node, "SELECT STATUS FROM CDB_OB_TENANTS WHERE TENANT_NAME = 't2'", "NORMAL").await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_tasks_fail_ends_with_a_reason_and_a_failed_placeholder() {
    let (mut cluster, workers) = with_archive("1d").await;
    let node = cluster.leader().await;
    let (data, data_uri) = cluster.dest("data");
    cluster.sql(node, &format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data_uri}'")).await;
    for worker in &workers {
        worker.fail_tasks.store(true, Ordering::Relaxed);
    }
    cluster.sql(node, "ALTER SYSTEM BACKUP DATABASE").await;
    let ended = until("the job to end", || async {
        let jobs = cluster.sql(node, "SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY").await;
        (!jobs.rows.is_empty()).then_some(jobs)
    })
    .await;
    assert_eq!(ended.get(0, "STATUS"), "FAILED");
    assert!(ended.get(0, "COMMENT").contains("damaged"), "the reason is shown: {ended:?}");
    until("the end placeholder", || async {
        let names = std::fs::read_dir(data.join("backup_sets")).ok()?;
        names.flatten().any(|n| n.file_name().to_string_lossy().contains("_end_failed_")).then_some(())
    })
    .await;
    reader::check("backup_conformance.py", &data);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_stopped_whole_comes_back_as_it_was() {
    let (mut cluster, _workers) = with_archive("1d").await;
    let node = cluster.leader().await;
    let before = checkpoint(&cluster, node).await;
    cluster.stop_all().await;
    for node in 0..3 {
        cluster.restart(node).await;
    }
    let node = cluster.leader().await;
    assert_eq!(cluster.sql(node, "SELECT TENANT_NAME FROM CDB_OB_TENANTS").await.first().unwrap(), "t1");
    until("the checkpoint goes on", || async { (checkpoint(&cluster, node).await > before).then_some(()) }).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_that_goes_away_is_shown_and_the_round_goes_on_when_it_is_back() {
    let (mut cluster, _workers) = with_archive("1d").await;
    let node = cluster.leader().await;
    let (path, _) = cluster.dest("archive");
    let away = path.with_extension("away");
    std::fs::rename(&path, &away).unwrap();
    let comment = "SELECT COMMENT FROM CDB_OB_ARCHIVELOG";
    until("the trouble is shown", || async {
        let shown = cluster.sql(node, comment).await.first()?;
        shown.contains("cannot ").then_some(())
    })
    .await;
    let stuck = checkpoint(&cluster, node).await;
    // The other servers do not notice.
    cluster.sql(node, "CREATE TENANT t2 LOG_STREAMS = 1 REPLICAS = 1").await;
    std::fs::rename(&away, &path).unwrap();
    until("the checkpoint goes on", || async { (checkpoint(&cluster, node).await > stuck).then_some(()) }).await;
    until("the trouble is over", || async {
        cluster.sql(node, comment).await.first().filter(|c| !c.contains("cannot "))
    })
    .await;
    cluster.stop_all().await;
    reader::check("archive_conformance.py", &path);
}
