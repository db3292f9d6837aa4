//! What was acknowledged survives: leaders, restarts, crashes.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_survive_their_leader() {
    let mut cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    for i in 0..50 {
        write(&leader, &format!("k{i}"), "before").await;
    }
    let id = cluster.id_of(&leader);
    drop(leader);
    cluster.stop(id).await;
    let leader = cluster.leader(TENANT, LS).await;
    for i in 50..80 {
        write(&leader, &format!("k{i}"), "after").await;
    }
    for i in 0..80 {
        let expected = if i < 50 { "before" } else { "after" };
        assert_eq!(read(&leader, &format!("k{i}")).await.as_deref(), Some(expected), "k{i}");
    }
    cluster.restart(id).await;
    cluster.settled(TENANT, LS).await;
    let back = cluster.workers[&id].engine.replica(TENANT, LS).unwrap();
    let (value, _) = back.machine.store().get(TABLET, b"k79").unwrap();
    assert_eq!(value.as_deref(), Some(&b"after"[..]), "a replica that was away catches up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_does_not_wait_for_a_majority_that_is_gone() {
    let mut cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    let id = cluster.id_of(&leader);
    let writer = tokio::spawn(async move {
        loop {
            if let Err(e) = leader.write(vec![put("k", "v")], CausalityToken::default()).await {
                return e.to_string();
            }
        }
    });
    for other in [1, 2, 3].map(NodeId).into_iter().filter(|n| *n != id) {
        cluster.stop(other).await;
    }
    let said = writer.await.unwrap();
    assert!(said.contains("majority") && said.contains("may still be committed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_come_back_before_any_scheduler_speaks() {
    let mut cluster = Cluster::with_stream(3).await;
    let scn = write(&cluster.leader(TENANT, LS).await, "k", "v").await;
    for id in [1, 2, 3].map(NodeId) {
        cluster.stop(id).await;
    }
    for id in [1, 2, 3].map(NodeId) {
        cluster.restart(id).await;
    }
    let leader = cluster.leader(TENANT, LS).await;
    assert_eq!(read(&leader, "k").await.as_deref(), Some("v"));
    assert!(write(&leader, "k", "w").await > scn);
}

/// The files of a worker as a killed process would leave them.
fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_nothing_although_its_tablets_were_not_flushed() {
    let mut cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    for i in 0..100 {
        write(&leader, &format!("k{i}"), "v").await;
    }
    leader.machine.flush().unwrap();
    for i in 100..200 {
        write(&leader, &format!("k{i}"), "v").await;
    }
    let log = log_of(&leader, Lsn::ZERO).await;
    drop(leader);
    let image = cluster.root.path().join("image");
    copy_tree(&cluster.workers[&NodeId(1)].dir, &image);
    let dir = cluster.stop(NodeId(1)).await;
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(&image, &dir).unwrap();
    cluster.restart(NodeId(1)).await;
    let leader = cluster.leader(TENANT, LS).await;
    for i in 0..200 {
        assert_eq!(read(&leader, &format!("k{i}")).await.as_deref(), Some("v"), "k{i}");
    }
    assert!(log_of(&leader, Lsn::ZERO).await.starts_with(&log));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_last_write_never_reached_the_disk_comes_back() {
    let mut cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    for i in 0..20 {
        write(&leader, &format!("k{i}"), "v").await;
    }
    cluster.settled(TENANT, LS).await;
    let id = *cluster.workers.keys().find(|id| **id != cluster.id_of(&leader)).unwrap();
    let image = cluster.root.path().join("image");
    copy_tree(&cluster.workers[&id].dir, &image);
    let dir = cluster.stop(id).await;
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(&image, &dir).unwrap();
    let block = dir.join("data/t1002/ls1001/gen-0/log/0.log");
    // What was not durable is above every mark.
    std::fs::remove_file(dir.join("data/t1002/ls1001/gen-0/log/durable")).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(block).unwrap();
    file.set_len(file.metadata().unwrap().len() - 10).unwrap();
    cluster.restart(id).await;
    write(&leader, "last", "v").await;
    cluster.settled(TENANT, LS).await;
    let back = cluster.workers[&id].engine.replica(TENANT, LS).unwrap();
    assert!(log_of(&back, Lsn::ZERO).await == log_of(&leader, Lsn::ZERO).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_may_be_repeated_and_a_removed_replica_leaves_nothing() {
    let cluster = Cluster::with_stream(1).await;
    let worker = &cluster.workers[&NodeId(1)];
    let replica = worker.engine.replica(TENANT, LS).unwrap();
    cluster.order(TENANT, LS, None).await;
    assert!(Arc::ptr_eq(&replica, &worker.engine.replica(TENANT, LS).unwrap()));
    drop(replica);
    for _ in 0..2 {
        worker.engine.remove_replica(TENANT, LS).await.unwrap();
        assert!(worker.engine.replica(TENANT, LS).is_none());
    }
    assert!(!worker.dir.join("data").join("t1002").exists());
    cluster.order(TENANT, LS, None).await;
    let leader = cluster.leader(TENANT, LS).await;
    assert_eq!(read(&leader, "k").await, None, "a new replica begins empty");
}
