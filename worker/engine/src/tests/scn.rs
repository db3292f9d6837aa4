//! SCNs: they rise, they follow causes, idle streams keep up.

use super::*;
use crate::EngineError;
use strandline_types::ErrorClass;
use strandline_types::limits::{KEEP_ALIVE_IDLE_MS, MAX_CLOCK_OFFSET_MS};

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_has_a_larger_scn_than_its_cause() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    let first = write(&leader, "a", "1").await;
    let cause = CausalityToken(Scn(first.0 + 5_000_000_000));
    let effect = leader.write(vec![put("b", "2")], cause).await.unwrap();
    assert!(effect > cause.0);
    assert!(write(&leader, "c", "3").await > effect, "the stream never falls behind itself");
    cluster.workers[&NodeId(1)].clock.advance(-60_000);
    assert!(write(&leader, "d", "4").await > effect, "a clock that goes back changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_a_clock_far_ahead_is_refused() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    let ahead = Scn(crate::SystemClock.now().0 + Scn::from_ms(MAX_CLOCK_OFFSET_MS + 5_000).0);
    let refused = leader.write(vec![put("a", "1")], CausalityToken(ahead)).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Invalid, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_behind_its_tenant_gets_a_keep_alive_with_exactly_that_scn() {
    let cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    let last = write(&leader, "a", "1").await;
    let target = Scn(last.0 + 1_000_000);
    for replica in cluster.replicas(TENANT, LS) {
        replica.keep_alive_to(target).await.unwrap();
    }
    assert_eq!(leader.status().max_scn, target);
    let end = leader.status().end_lsn;
    leader.keep_alive_to(target).await.unwrap();
    leader.keep_alive_to(Scn(5)).await.unwrap();
    assert_eq!(leader.status().end_lsn, end, "a stream that is there appends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_idle_tenant_log_stream_1_moves_by_itself_and_the_others_wait_to_be_told() {
    let cluster = Cluster::with_stream(1).await;
    cluster.order(TENANT, LsId::SYS, None).await;
    let user = cluster.leader(TENANT, LS).await;
    let sys = cluster.leader(TENANT, LsId::SYS).await;
    let last = write(&user, "a", "1").await;
    sys.keep_alive_to(last).await.unwrap();
    cluster.workers[&NodeId(1)].clock.advance(KEEP_ALIVE_IDLE_MS as i64 + 1000);
    let moved = until(async || Some(sys.status().max_scn).filter(|scn| *scn > last)).await;
    assert!(moved.as_ms() >= last.as_ms() + KEEP_ALIVE_IDLE_MS);
    assert_eq!(user.status().max_scn, last, "if each began, all would follow all");
    user.keep_alive_to(moved).await.unwrap();
    assert_eq!(user.status().max_scn, moved);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sends_writers_and_readers_to_the_leader() {
    let cluster = Cluster::with_stream(3).await;
    let leader = cluster.id_of(&cluster.leader(TENANT, LS).await);
    let follower = cluster.workers.values().find(|w| w.id != leader).unwrap();
    let follower = follower.engine.replica(TENANT, LS).unwrap();
    let refused = follower.write(vec![put("a", "1")], CausalityToken::default()).await.unwrap_err();
    assert!(matches!(refused, EngineError::NotLeader { leader: Some(l), .. } if l == leader), "{refused:?}");
    let refused = follower.get(TABLET, b"a").await.unwrap_err();
    assert!(matches!(refused, EngineError::NotLeader { leader: Some(l), .. } if l == leader), "{refused:?}");
}
