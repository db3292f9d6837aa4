//! Who leads when the clock of a worker is wrong: the leader hands over, and a replica that is held back does not stand for
//! election as long as that is ordered.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_hands_over_when_it_is_ordered_and_nothing_is_lost() {
    let cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    write(&leader, "k", "v").await;
    let to = *cluster.workers.keys().find(|id| **id != cluster.id_of(&leader)).unwrap();
    until(async || {
        leader.hand_over(to).await;
        cluster.workers[&to].engine.replica(TENANT, LS).filter(|r| r.status().is_leader)
    })
    .await;
    let leader = cluster.leader(TENANT, LS).await;
    assert_eq!(cluster.id_of(&leader), to);
    assert_eq!(read(&leader, "k").await.as_deref(), Some("v"));
    write(&leader, "k", "w").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_held_back_leaves_the_leadership_to_the_other() {
    let mut cluster = Cluster::with_stream(3).await;
    for _ in 0..4 {
        let leader = cluster.leader(TENANT, LS).await;
        write(&leader, "k", "v").await;
        cluster.settled(TENANT, LS).await;
        let leading = cluster.id_of(&leader);
        drop(leader);
        let rest: Vec<NodeId> = cluster.workers.keys().copied().filter(|id| *id != leading).collect();
        let held = cluster.workers[&rest[0]].engine.replica(TENANT, LS).unwrap();
        // What the scheduler orders, over and over.
        let orders = tokio::spawn({
            let held = Arc::clone(&held);
            async move {
                loop {
                    held.hold_back(true);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
        until(async || held.is_held_back().then_some(())).await;
        cluster.stop(leading).await;
        let next = cluster.leader(TENANT, LS).await;
        assert_eq!(cluster.id_of(&next), rest[1]);
        orders.abort();
        held.hold_back(false);
        drop((held, next));
        cluster.restart(leading).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_hold_back_that_is_not_repeated_leaves_no_log_stream_without_a_leader() {
    let mut cluster = Cluster::with_stream(3).await;
    let leading = cluster.id_of(&cluster.leader(TENANT, LS).await);
    cluster.replicas(TENANT, LS).iter().for_each(|replica| replica.hold_back(true));
    cluster.stop(leading).await;
    // On a busy machine the first leader may not be the last one.
    until(async || {
        let leader = cluster.leader(TENANT, LS).await;
        leader.write(vec![put("k", "v")], CausalityToken::default()).await.ok()
    })
    .await;
}
