//! Groups on three nodes: agreement, failover, restart, partitions.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use bytes::Bytes;
use std::time::Duration;
use strandline_consensus::{LogPos, ProposeError};
use support::{Cluster, eventually, payload};

fn texts(range: std::ops::Range<usize>) -> Vec<Bytes> {
    range.map(|n| Bytes::from(n.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_leader_acknowledges_every_node_applies() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    let leader = cluster.leader("g").await;
    let group = cluster.nodes[&leader].group("g").clone();
    for n in 0..20 {
        let (_, reply) = group.propose(payload(&n.to_string())).await.unwrap();
        assert_eq!(reply.0, Bytes::from((n + 1).to_string()));
    }
    group.read_index().await.unwrap();
    assert_eq!(cluster.nodes[&leader].bodies("g"), texts(0..20));
    cluster.converges("g", &[1, 2, 3], &texts(0..20)).await;
    assert_eq!(group.role().members.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sends_proposers_and_readers_to_the_leader() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    let leader = cluster.leader("g").await;
    let follower = cluster.nodes.values().find(|n| n.id != leader).unwrap();
    eventually("the follower knows the leader", || async { follower.group("g").role().leader == Some(leader) }).await;
    let elsewhere = ProposeError::NotLeader { leader: Some(leader) };
    assert_eq!(follower.group("g").propose(payload("x")).await.unwrap_err(), elsewhere);
    assert_eq!(follower.group("g").read_index().await.unwrap_err(), elsewhere);
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_of_one_task_land_in_the_order_of_its_calls() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    let leader = cluster.leader("g").await;
    let group = cluster.nodes[&leader].group("g").clone();
    let mut waiting = Vec::new();
    for n in 0..3000 {
        waiting.push(group.propose_ordered(payload(&n.to_string())).await.unwrap());
        if waiting.len() == 500 {
            for proposal in waiting.drain(..) {
                proposal.await.unwrap();
            }
        }
    }
    assert_eq!(cluster.nodes[&leader].bodies("g"), texts(0..3000));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_entry_survives_killed_leaders() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    let mut acknowledged: Vec<Bytes> = Vec::new();
    for round in 0..3 {
        for n in 0..30 {
            let text = format!("{round}/{n}");
            cluster.propose("g", &text).await;
            acknowledged.push(text.into());
        }
        let leader = cluster.leader("g").await;
        cluster.kill(leader);
        let text = format!("{round}/after");
        cluster.propose("g", &text).await;
        acknowledged.push(text.into());
        cluster.reboot(leader, &["g"]).await;
    }
    for id in 1..=3 {
        eventually("every acknowledged entry is on every node", || async {
            let mut bodies = cluster.nodes[&id].bodies("g");
            // A proposal whose leader died may have been made twice.
            bodies.dedup();
            bodies == acknowledged
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_restart_at_new_addresses_recovers_everything() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    for n in 0..50 {
        cluster.propose("g", &n.to_string()).await;
    }
    let term = cluster.nodes[&1].group("g").role().term;
    for id in 1..=3 {
        cluster.kill(id);
    }
    for id in 1..=3 {
        cluster.reboot(id, &["g"]).await;
    }
    cluster.propose("g", "50").await;
    cluster.converges("g", &[1, 2, 3], &texts(0..51)).await;
    assert!(cluster.nodes[&1].group("g").role().term > term, "a restarted leader has to be elected again");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_groups_share_the_nodes() {
    let mut cluster = Cluster::start(3).await;
    let names: Vec<String> = (0..20).map(|n| format!("7/{n}")).collect();
    for name in &names {
        cluster.form(name).await;
    }
    for n in 0..10 {
        for name in &names {
            cluster.propose(name, &n.to_string()).await;
        }
    }
    for name in &names {
        cluster.converges(name, &[1, 2, 3], &texts(0..10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_leader_commits_nothing_and_follows_after_it() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    cluster.propose("g", "0").await;
    let old = cluster.leader("g").await;
    cluster.isolate(old);
    let others: Vec<u64> = cluster.nodes.keys().copied().filter(|id| *id != old).collect();
    let lost = cluster.nodes[&old].group("g").clone();
    let refused = tokio::spawn(async move { lost.propose(payload("lost")).await });
    eventually("the others elect a leader", || async {
        others.iter().any(|id| cluster.nodes[id].group("g").role().is_leader)
    })
    .await;
    let new = *others.iter().find(|id| cluster.nodes[*id].group("g").role().is_leader).unwrap();
    cluster.nodes[&new].group("g").propose(payload("1")).await.unwrap();
    assert!(refused.await.unwrap().is_err());
    assert!(cluster.nodes[&old].group("g").read_index().await.is_err());
    let silence = |id| cluster.nodes[&id].group("g").quorum_silence();
    eventually("the isolated leader notices the silence, or that it is none any more", || async {
        silence(old).is_none_or(|silence| silence > Duration::from_secs(1))
    })
    .await;
    eventually("the new one is heard", || async {
        silence(new).is_some_and(|silence| silence < Duration::from_secs(1))
    })
    .await;
    cluster.heal(old);
    cluster.propose("g", "2").await;
    cluster.converges("g", &[1, 2, 3], &texts(0..3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_others_misses_no_majority() {
    let mut cluster = Cluster::start(1).await;
    cluster.form("g").await;
    cluster.propose("g", "0").await;
    let leader = cluster.leader("g").await;
    assert_eq!(cluster.nodes[&leader].group("g").quorum_silence(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_follower_disturbs_nobody_when_it_comes_back() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    let leader = cluster.leader("g").await;
    let away = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    let term = cluster.nodes[&leader].group("g").role().term;
    cluster.isolate(away);
    // Long enough for several of its elections, and no member grants it even a pre-vote; its log falls behind meanwhile.
    for n in 0..100 {
        cluster.nodes[&leader].group("g").propose(payload(&n.to_string())).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    cluster.heal(away);
    cluster.converges("g", &[1, 2, 3], &texts(0..100)).await;
    assert_eq!(cluster.nodes[&leader].group("g").role().term, term);
    assert!(cluster.nodes[&leader].group("g").role().is_leader);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_hands_over_when_asked() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    let old = cluster.leader("g").await;
    cluster.propose("g", "0").await;
    let new = cluster.nodes.keys().copied().find(|id| *id != old).unwrap();
    eventually("the chosen node leads", || async {
        cluster.nodes[&old].group("g").transfer_leader(new).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        cluster.nodes[&new].group("g").role().is_leader
    })
    .await;
    cluster.propose("g", "1").await;
    cluster.converges("g", &[1, 2, 3], &texts(0..2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_replaced_while_entries_flow() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    for n in 0..10 {
        cluster.propose("g", &n.to_string()).await;
    }
    cluster.boot(4).await;
    cluster.nodes.get_mut(&4).unwrap().start_group("g").await.unwrap();
    let leader = cluster.leader("g").await;
    let leaving = (1..=3).find(|id| *id != leader).unwrap();
    let mut members = cluster.members();
    members.remove(&leaving);
    cluster.nodes[&leader].group("g").change_members(members).await.unwrap();
    cluster.nodes[&leaving].group("g").remove().await.unwrap();
    cluster.kill(leaving);
    cluster.propose("g", "10").await;
    let ids: Vec<u64> = cluster.nodes.keys().copied().collect();
    cluster.converges("g", &ids, &texts(0..11)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_one_leads_at_once_and_again_after_a_restart() {
    let mut cluster = Cluster::start(1).await;
    cluster.form("g").await;
    let at = cluster.propose("g", "0").await;
    assert_eq!(at, LogPos { term: 1, index: 2 });
    cluster.kill(1);
    cluster.reboot(1, &["g"]).await;
    cluster.propose("g", "1").await;
    cluster.converges("g", &[1], &texts(0..2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_replica_can_be_started_afresh() {
    let mut cluster = Cluster::start(1).await;
    cluster.form("g").await;
    cluster.propose("g", "0").await;
    let group = cluster.nodes[&1].group("g").clone();
    assert!(cluster.nodes.get_mut(&1).unwrap().node.id() == 1);
    group.remove().await.unwrap();
    assert!(!group.role().running || group.propose(payload("x")).await.is_err());
    let dir = cluster.nodes[&1].group_dir("g");
    cluster.nodes.get_mut(&1).unwrap().replicas.clear();
    drop(group);
    eventually("its files can be removed", || async { std::fs::remove_dir_all(&dir).is_ok() || !dir.exists() }).await;
    cluster.form("g").await;
    assert_eq!(cluster.propose("g", "again").await.term, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_dies_while_it_is_formed_is_led_again() {
    let mut cluster = Cluster::start(3).await;
    // Each group dies at another moment of its formation: before, and after its first entries.
    let names = ["g0", "g1", "g2", "g3"];
    for name in names {
        cluster.form(name).await;
    }
    for (entries, name) in names.iter().enumerate() {
        let group = cluster.nodes[&1].group(name);
        eventually("the formation goes on", || async { group.role().last_log >= Some(entries as u64 / 2) }).await;
    }
    for id in 1..=3 {
        cluster.kill(id);
    }
    for id in 1..=3 {
        cluster.reboot(id, &names).await;
    }
    for name in names {
        cluster.nodes[&1].group(name).initialize(cluster.members()).await.unwrap();
        cluster.propose(name, "0").await;
        cluster.converges(name, &[1, 2, 3], &texts(0..1)).await;
    }
}
