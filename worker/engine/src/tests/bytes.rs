//! The same LSN holds the same bytes on every replica, however a replica came to its log.

use super::*;
use strandline_consensus::EntryLog;
use strandline_format::palf::GroupWalker;
use strandline_types::PalfBase;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_lsn_holds_the_same_bytes_on_every_replica() {
    let mut cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    let writes = (0..200).map(|i| {
        let leader = leader.clone();
        async move { write(&leader, &format!("k{i}"), &"v".repeat(i * 10)).await }
    });
    futures::future::join_all(writes).await;
    let id = cluster.id_of(&leader);
    drop(leader);
    cluster.stop(id).await;
    write(&cluster.leader(TENANT, LS).await, "in", "another term").await;
    cluster.restart(id).await;
    let end = cluster.settled(TENANT, LS).await;
    let mut logs = Vec::new();
    for replica in cluster.replicas(TENANT, LS) {
        logs.push(log_of(&replica, Lsn::ZERO).await);
    }
    assert!(logs.iter().all(|log| *log == logs[0]), "replicas disagree");
    assert_eq!(logs[0].len() as u64, end.0);
    let mut walker = GroupWalker::new(&logs[0], Lsn::ZERO, Some(PalfBase::default()));
    while walker.next_group().unwrap().is_some() {}
    assert_eq!(walker.lsn(), end);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_too_far_behind_gets_tablets_and_log_in_a_snapshot() {
    let mut cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    let late = *cluster.workers.keys().find(|id| **id != cluster.id_of(&leader)).unwrap();
    write(&leader, "early", "v").await;
    cluster.stop(late).await;
    for i in 0..30 {
        write(&leader, &format!("k{i}"), &"v".repeat(100_000)).await;
    }
    let upto = leader.group.snapshot_now().await.unwrap().index;
    leader.group.purge(upto).await.unwrap();
    until(async || leader.machine.log().state().unwrap().purged.filter(|p| p.index == upto)).await;
    write(&leader, "last", "v").await;
    cluster.restart(late).await;
    cluster.settled(TENANT, LS).await;
    let replica = cluster.workers[&late].engine.replica(TENANT, LS).unwrap();
    assert_eq!(replica.machine.log().state().unwrap().purged.unwrap().index, upto, "it came as a snapshot");
    assert_eq!(replica.log_start(), Lsn::ZERO, "the log that is not recycled came along");
    assert!(log_of(&replica, Lsn::ZERO).await == log_of(&leader, Lsn::ZERO).await);
    for key in ["early", "k0", "k29", "last"] {
        assert!(replica.machine.store().get(TABLET, key.as_bytes()).unwrap().0.is_some(), "{key}");
    }
    drop(replica);
    cluster.stop(late).await;
    cluster.restart(late).await;
    cluster.settled(TENANT, LS).await;
    let replica = cluster.workers[&late].engine.replica(TENANT, LS).unwrap();
    assert!(log_of(&replica, Lsn::ZERO).await == log_of(&leader, Lsn::ZERO).await);
}
