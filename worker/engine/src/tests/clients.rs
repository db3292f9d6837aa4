//! The key-value service and its client.

use super::*;
use ::bytes::Bytes;
use strandline_types::ErrorClass;

fn dictionary(version: u64) -> v1::Dictionary {
    let tablet = |n: u64| v1::Tablet { tablet_id: 200_001 + n, ls_id: if n.is_multiple_of(2) { 1001 } else { 1 } };
    let tables = vec![v1::Table { table_id: 500_001, name: "t".to_owned(), tablets: (0..4).map(tablet).collect() }];
    v1::Dictionary { version, scn: 0, tables, next_tablet_id: 200_005 }
}

async fn tenant() -> Cluster {
    let cluster = Cluster::with_stream(3).await;
    cluster.order(TENANT, LsId::SYS, None).await;
    cluster.leader(TENANT, LsId::SYS).await;
    for replica in cluster.replicas(TENANT, LsId::SYS) {
        replica.set_dictionary(&dictionary(3)).await.unwrap();
    }
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dictionary_is_logged_once_and_only_when_it_is_newer() {
    let cluster = tenant().await;
    let leader = cluster.leader(TENANT, LsId::SYS).await;
    let stored = leader.dictionary().unwrap();
    assert_eq!((stored.version, leader.status().dictionary_version), (3, 3));
    assert_eq!(stored.scn, leader.status().max_scn.0, "it carries the SCN of its entry");
    let end = leader.status().end_lsn;
    leader.set_dictionary(&dictionary(3)).await.unwrap();
    leader.set_dictionary(&dictionary(2)).await.unwrap();
    assert_eq!(leader.status().end_lsn, end);
    cluster.settled(TENANT, LsId::SYS).await;
    assert!(cluster.replicas(TENANT, LsId::SYS).iter().all(|r| r.dictionary() == Some(stored.clone())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_tablets_over_all_log_streams() {
    let cluster = tenant().await;
    let client = cluster.client(TENANT, &[LsId::SYS, LS]);
    let writes: Vec<_> =
        (0..300).map(|i| (Bytes::from(format!("k{i:03}")), Some(Bytes::from(format!("v{i}"))))).collect();
    let scn = client.batch("t", writes.clone()).await.unwrap();
    assert_eq!(client.token().0, scn);
    assert_eq!(client.get("t", b"k123").await.unwrap().as_deref(), Some(&b"v123"[..]));
    client.delete("t", Bytes::from_static(b"k001")).await.unwrap();
    assert_eq!(client.get("t", b"k001").await.unwrap(), None);
    let all = client.scan("t", b"", b"", 0).await.unwrap();
    let expected: Vec<_> = writes.into_iter().filter(|w| w.0 != "k001").map(|(k, v)| (k, v.unwrap())).collect();
    assert_eq!(all, expected, "in key order over all tablets");
    let some = client.scan("t", b"k010", b"k020", 5).await.unwrap();
    assert_eq!(some, expected[9..14]);
    let missing = client.get("nothing", b"k").await.unwrap_err();
    assert_eq!(missing.class(), ErrorClass::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_follows_a_new_leader() {
    let mut cluster = tenant().await;
    let client = cluster.client(TENANT, &[LsId::SYS, LS]);
    let put = async |i: u64| client.put("t", format!("k{i}").into(), Bytes::from_static(b"v")).await.unwrap();
    for i in 0..20 {
        put(i).await;
    }
    let leader = cluster.leader(TENANT, LS).await;
    let id = cluster.id_of(&leader);
    drop(leader);
    cluster.stop(id).await;
    for i in 20..40 {
        put(i).await;
    }
    assert_eq!(client.scan("t", b"", b"", 0).await.unwrap().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_with_its_bound() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    let token = CausalityToken::default();
    let refused = async |writes: Vec<KvWrite>| leader.write(writes, token).await.unwrap_err().class();
    assert_eq!(refused(vec![]).await, ErrorClass::Invalid);
    assert_eq!(refused(vec![put("", "v")]).await, ErrorClass::Invalid);
    assert_eq!(refused(vec![put(&"k".repeat(4097), "v")]).await, ErrorClass::Invalid);
    assert_eq!(refused(vec![put("k", &"v".repeat((1 << 20) + 1))]).await, ErrorClass::Invalid);
    let half: Vec<_> = (0..3).map(|i| put(&i.to_string(), &"v".repeat(800_000))).collect();
    assert_eq!(refused(half).await, ErrorClass::Invalid);
    let inner = KvWrite { tablet: TabletId::INNER, ..put("applied", "v") };
    assert_eq!(refused(vec![inner]).await, ErrorClass::Invalid);
    let largest: Vec<_> = (0..2).map(|i| put(&i.to_string(), &"v".repeat(1_000_000))).collect();
    leader.write(largest, token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_tenant_neither_reads_nor_writes() {
    let mut cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    leader.set_access(Access::Closed);
    assert_eq!(leader.get(TABLET, b"k").await.unwrap_err().class(), ErrorClass::Transient);
    assert!(leader.write(vec![put("k", "v")], CausalityToken::default()).await.is_err());
    drop(leader);
    cluster.stop(NodeId(1)).await;
    cluster.restart(NodeId(1)).await;
    let leader = cluster.leader(TENANT, LS).await;
    assert_eq!(leader.access(), Access::Closed, "remembered over a restart");
    leader.set_access(Access::Open);
    write(&leader, "k", "v").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_refused_with_words_while_the_log_waits_for_its_archive_and_has_no_room() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    write(&leader, "k", "before").await;
    leader.bound_log(Lsn(0), Some(1));
    let refused = leader.write(vec![put("k", "refused")], CausalityToken::default()).await.unwrap_err();
    let refused = strandline_types::Failure::from(refused);
    assert_eq!(refused.class, ErrorClass::Exhausted);
    assert!(refused.what.contains("waits for its archive") && refused.todo.contains("destination"), "{refused}");
    let scn = leader.status().max_scn;
    leader.keep_alive_to(scn.next()).await.unwrap();
    assert_eq!(leader.status().max_scn, scn.next(), "the group itself lives on");
    leader.bound_log(leader.status().end_lsn, Some(1 << 20));
    write(&leader, "k", "after").await;
    assert_eq!(read(&leader, "k").await.as_deref(), Some("after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_waits_for_its_archive_to_make_room_and_is_then_done() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    write(&leader, "k", "before").await;
    leader.bound_log(Lsn(0), Some(1));
    let waits = tokio::spawn({
        let leader = Arc::clone(&leader);
        async move { leader.write(vec![put("k", "after")], CausalityToken::default()).await }
    });
    until(async || leader.writes_that_wait().then_some(())).await;
    assert_eq!(read(&leader, "k").await.as_deref(), Some("before"));
    leader.bound_log(leader.status().end_lsn, Some(1 << 20));
    waits.await.unwrap().unwrap();
    assert_eq!(read(&leader, "k").await.as_deref(), Some("after"));
}
