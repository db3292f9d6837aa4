//! The digest of a replica's content: exactly as of an SCN, on every replica the same.

use super::*;
use std::sync::atomic::AtomicU64;
use strandline_engine_api::StopSignal;
use strandline_types::Fingerprint;

async fn look(replica: &Arc<Replica>, scn: Option<Scn>) -> crate::Result<(Scn, Fingerprint)> {
    replica.fingerprint(scn, StopSignal::default(), Arc::new(AtomicU64::new(0))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_has_the_same_digest_as_of_an_scn_while_writes_go_on() {
    let cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    let mut scns = Vec::new();
    for i in 0..20 {
        scns.push(write(&leader, &format!("k{i}"), "before").await);
    }
    let at = Scn(leader.machine.log().last_scn().0 + Scn::from_ms(300).0);
    let looks = cluster.replicas(TENANT, LS).into_iter().map(async |r| look(&r, Some(at)).await.unwrap());
    let writer = async {
        let mut model = Vec::new();
        for i in 0..5000 {
            let scn = write(&leader, &format!("k{}", i % 50), &format!("v{i}")).await;
            model.push((i, scn));
            if scn > at {
                break;
            }
        }
        model
    };
    let (seen, model) = tokio::join!(futures::future::join_all(looks), writer);
    assert!(model.last().unwrap().1 > at, "writes went past the SCN");
    assert!(seen.iter().all(|s| *s == seen[0] && s.0 == at), "{seen:?}");

    // The same content, written by another hand into another tenant, in another order.
    let mut content: BTreeMap<String, String> = (0..20).map(|i| (format!("k{i}"), "before".to_owned())).collect();
    content.extend(model.iter().filter(|(_, scn)| *scn <= at).map(|(i, _)| (format!("k{}", i % 50), format!("v{i}"))));
    let other = TenantId(1009);
    cluster.order(other, LS, None).await;
    let twin = cluster.leader(other, LS).await;
    write(&twin, "gone", "x").await;
    for (key, value) in content.iter().rev() {
        write(&twin, key, value).await;
    }
    twin.write(vec![KvWrite { value: None, ..put("gone", "") }], CausalityToken::default()).await.unwrap();
    assert_eq!(look(&twin, None).await.unwrap().1, seen[0].1);
    write(&twin, "k3", "other").await;
    assert_ne!(look(&twin, None).await.unwrap().1, seen[0].1);

    let passed = look(&leader, Some(at)).await.unwrap_err();
    assert_eq!(passed.class(), strandline_types::ErrorClass::Invalid, "{passed}");
    let (now, _) = look(&leader, None).await.unwrap();
    assert_eq!(look(&leader, Some(now)).await.unwrap().0, now, "nothing has changed since");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_nobody_wants_any_more_lets_the_writes_go_on() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    let scn = write(&leader, "k", "v").await;
    let stop = StopSignal::default();
    let far = Scn(scn.0 + Scn::from_ms(3_600_000).0);
    let waiting = tokio::spawn({
        let (leader, stop) = (leader.clone(), stop.clone());
        async move { leader.fingerprint(Some(far), stop, Arc::default()).await }
    });
    until(async || leader.machine.is_pausing().then_some(())).await;
    assert!(look(&leader, Some(far)).await.unwrap_err().class().is_retryable(), "one at a time");
    stop.stop();
    assert!(waiting.await.unwrap().is_err());
    assert!(!leader.machine.is_pausing());
    write(&leader, "k", "w").await;
}
