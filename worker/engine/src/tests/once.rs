//! A request that comes again is done once (ADR 29): at the same leader, at the next one, while it is on its way, after
//! restarts, and on a replica that began from a snapshot.

use super::*;
use crate::{EngineError, SessionId, WriteId, WriteIdentity};
use strandline_format::entry::EntryKind;

const SESSION: SessionId = SessionId(7);

fn request(number: u64) -> WriteIdentity {
    WriteIdentity { id: WriteId { session: SESSION, number }, settled: 1, uncertain_ms: 0 }
}

fn again(number: u64) -> WriteIdentity {
    WriteIdentity { uncertain_ms: 100, ..request(number) }
}

async fn send(replica: &Arc<Replica>, value: &str, identity: WriteIdentity) -> crate::Result<Scn> {
    replica.write_once(vec![put("k", value)], CausalityToken::default(), Some(identity)).await
}

async fn value(replica: &Arc<Replica>) -> Option<String> {
    let (value, _) = replica.get(TABLET, b"k").await.unwrap();
    value.map(|v| String::from_utf8(v.to_vec()).unwrap())
}

/// Entries with client writes in the log of a replica.
fn batches(replica: &Arc<Replica>) -> usize {
    use strandline_consensus::{EntryBody, EntryLog};
    let log = replica.machine.log();
    let last = log.state().unwrap().last.unwrap().index;
    let entries = log.read(0..last + 1, usize::MAX).unwrap();
    let is_batch = |body: &EntryBody| matches!(body, EntryBody::Normal(p) if p.kind == EntryKind::ClientBatch.number());
    entries.iter().filter(|entry| is_batch(&entry.body)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_again_never_replaces_what_somebody_else_wrote_since() {
    let mut cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    let first = send(&leader, "mine", request(1)).await.unwrap();
    let other = write(&leader, "k", "other").await;
    assert!(other > first);
    assert_eq!(send(&leader, "mine", again(1)).await.unwrap(), first, "the answer of the first time");
    assert_eq!((value(&leader).await.as_deref(), batches(&leader)), (Some("other"), 2));

    let id = cluster.id_of(&leader);
    drop(leader);
    cluster.stop(id).await;
    let next = cluster.leader(TENANT, LS).await;
    assert_eq!(send(&next, "mine", again(1)).await.unwrap(), first, "the next leader knows it from the log");
    assert_eq!(value(&next).await.as_deref(), Some("other"));
    drop(next);

    for id in [1, 2, 3].map(NodeId) {
        if cluster.workers.contains_key(&id) {
            cluster.stop(id).await;
        }
    }
    for id in [1, 2, 3].map(NodeId) {
        cluster.restart(id).await;
    }
    cluster.order(TENANT, LS, None).await;
    let leader = cluster.leader(TENANT, LS).await;
    assert_eq!(send(&leader, "mine", again(1)).await.unwrap(), first, "so does everybody after a restart");
    assert_eq!((value(&leader).await.as_deref(), batches(&leader)), (Some("other"), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_twice_at_the_same_moment_share_one_entry_and_one_answer() {
    let cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    for number in 1..=50 {
        let sent = (0..4).map(|_| send(&leader, "v", request(number)));
        let scns = futures::future::try_join_all(sent).await.unwrap();
        assert!(scns.windows(2).all(|w| w[0] == w[1]), "{scns:?}");
    }
    assert_eq!(batches(&leader), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_of_a_request_without_a_majority_is_unknown_and_sending_it_again_is_linearizable() {
    let mut cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    write(&leader, "k", "before").await;
    let me = cluster.id_of(&leader);
    let others: Vec<NodeId> = [1, 2, 3].map(NodeId).into_iter().filter(|id| *id != me).collect();
    // Requests follow each other while the others go: one of them is proposed and finds no majority.
    let settled = |number| WriteIdentity { settled: number, ..request(number) };
    let mine = |number: u64| format!("mine {number}");
    let sending = tokio::spawn(async move {
        for number in 1.. {
            if let Err(lost) = send(&leader, &mine(number), settled(number)).await {
                return (number, lost);
            }
        }
        unreachable!("it has an end");
    });
    for id in &others {
        cluster.stop(*id).await;
    }
    let (number, lost) = sending.await.unwrap();
    assert!(matches!(lost, EngineError::Unknown { .. }), "{number}: {lost}");
    for id in &others {
        cluster.restart(*id).await;
    }
    cluster.order(TENANT, LS, None).await;
    let leader = cluster.leader(TENANT, LS).await;
    let mine = mine(number);
    let was_done = value(&leader).await == Some(mine.clone());
    let other = write(&leader, "k", "other").await;
    let scn = send(&leader, &mine, WriteIdentity { settled: number, ..again(number) }).await.unwrap();
    // An entry that was not committed yet may have been committed just before the other write.
    assert!(!was_done || scn < other, "what was read is not done again");
    let wanted = if scn < other { "other" } else { &mine };
    assert_eq!(value(&leader).await.as_deref(), Some(wanted), "done before: {was_done}");
    assert_eq!(batches(&leader) as u64, number + 2, "each one once, the first write and the other one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_its_client_has_settled_is_refused_when_it_comes_late() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    send(&leader, "v", request(1)).await.unwrap();
    send(&leader, "w", WriteIdentity { settled: 2, ..request(2) }).await.unwrap();
    let late = send(&leader, "v", again(1)).await.unwrap_err();
    assert!(late.to_string().contains("settled"), "{late}");
    assert_eq!(value(&leader).await.as_deref(), Some("w"));
}
