//! Catching up by snapshot, groups that begin from a base, replicas that lost their disk.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use bytes::Bytes;
use std::collections::BTreeMap;
use strandline_consensus::{GroupConfig, GroupError, LogPos};
use support::{Cluster, Machine, eventually, payload};

const BASE: LogPos = LogPos { term: 1, index: 1 };

fn texts(range: std::ops::Range<usize>) -> Vec<Bytes> {
    range.map(|n| Bytes::from(n.to_string())).collect()
}

async fn propose_many(cluster: &Cluster, range: std::ops::Range<usize>) {
    let leader = cluster.leader("g").await;
    for n in range {
        cluster.nodes[&leader].group("g").propose(payload(&n.to_string())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_behind_the_purged_log_catches_up_by_the_files_of_a_snapshot() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    let leader = cluster.leader("g").await;
    let away = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    cluster.kill(away);
    propose_many(&cluster, 0..550).await;
    // Several frames of the wire.
    let large = "x".repeat(2 << 20);
    for _ in 0..3 {
        cluster.nodes[&leader].group("g").propose(payload(&large)).await.unwrap();
    }
    cluster.purge("g", leader).await;
    cluster.reboot(away, &["g"]).await;
    let mut bodies = texts(0..550);
    bodies.extend([large.clone().into(), large.clone().into(), large.into()]);
    cluster.converges("g", &[away], &bodies).await;
    eventually("it came by snapshot", || async { cluster.nodes[&away].group("g").role().purged.is_some() }).await;
    cluster.propose("g", "after").await;
    bodies.push("after".into());
    cluster.converges("g", &[1, 2, 3], &bodies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_replica_restarts_from_its_snapshot() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    propose_many(&cluster, 0..120).await;
    cluster.converges("g", &[1, 2, 3], &texts(0..120)).await;
    for id in 1..=3 {
        cluster.purge("g", id).await;
    }
    propose_many(&cluster, 120..130).await;
    for id in 1..=3 {
        cluster.kill(id);
    }
    for id in 1..=3 {
        cluster.reboot(id, &["g"]).await;
    }
    propose_many(&cluster, 130..140).await;
    cluster.converges("g", &[1, 2, 3], &texts(0..140)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_group_goes_on_after_its_base() {
    let mut cluster = Cluster::start(3).await;
    restore(&mut cluster).await;
    let leader = cluster.leader("g").await;
    let (pos, _) = cluster.nodes[&leader].group("g").propose(payload("new")).await.unwrap();
    // The base is entry 1, the leader's first entry is 2.
    assert!(pos.term > BASE.term && pos.index >= 3);
    let bodies: Vec<Bytes> = ["restored 0", "restored 1", "new"].map(Bytes::from).into();
    cluster.converges("g", &[1, 2, 3], &bodies).await;

    // A replica that is wiped now comes back by snapshot: its log cannot begin before the base.
    let wiped = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    cluster.kill(wiped);
    cluster.wipe(wiped).await;
    cluster.reboot(wiped, &["g"]).await;
    cluster.converges("g", &[wiped], &bodies).await;

    for id in 1..=3 {
        cluster.kill(id);
    }
    for id in 1..=3 {
        cluster.reboot(id, &["g"]).await;
    }
    cluster.leader("g").await;
    cluster.converges("g", &[1, 2, 3], &bodies).await;
}

/// Gives every replica the base, then has one stand. On a slow machine the first two may elect a leader by themselves
/// before the third one has the base: it is refused there then, and takes the base from the leader.
async fn restore(cluster: &mut Cluster) {
    cluster.start_groups(&["g"]).await;
    let members = cluster.members();
    for node in cluster.nodes.values() {
        let (group, dir) = (node.group("g"), node.group_dir("g").join("base"));
        Machine::lay_down(&dir, &["restored 0", "restored 1"]);
        for _ in 0..2 {
            let installed = group.install_base(&dir, BASE, members.clone()).await;
            let role = group.role();
            assert!(installed.is_ok() || role.term > BASE.term, "{installed:?} {role:?}");
            assert!(role.leader.is_none() || role.term > BASE.term, "no node leads the term of the base: {role:?}");
        }
    }
    cluster.nodes[&1].group("g").elect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_election_of_a_restored_group_waits_for_nobodys_lease() {
    let mut cluster = Cluster::start(3).await;
    // Longer than any test waits: a lease that was respected, or a timeout that was waited for, would be seen.
    let patient = GroupConfig {
        heartbeat_ms: 100,
        election_min_ms: 600_000,
        election_max_ms: 1_200_000,
        is_formed_by_asking: false,
    };
    for node in cluster.nodes.values_mut() {
        node.start_group_as("g", patient.clone()).await.unwrap();
    }
    let members = cluster.members();
    for node in cluster.nodes.values() {
        let (group, dir) = (node.group("g"), node.group_dir("g").join("base"));
        Machine::lay_down(&dir, &["restored"]);
        group.install_base(&dir, BASE, members.clone()).await.unwrap();
    }
    cluster.nodes[&1].group("g").elect().await.unwrap();
    assert_eq!(cluster.leader("g").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_survives_a_restart_before_the_first_election() {
    let mut cluster = Cluster::start(1).await;
    cluster.start_groups(&["g"]).await;
    let dir = cluster.nodes[&1].group_dir("g").join("base");
    Machine::lay_down(&dir, &["a"]);
    let members: BTreeMap<u64, String> = [(1, "127.0.0.1:1".to_owned()), (2, "127.0.0.1:1".to_owned())].into();
    cluster.nodes[&1].group("g").install_base(&dir, BASE, members).await.unwrap();
    cluster.kill(1);
    cluster.reboot(1, &["g"]).await;
    let role = cluster.nodes[&1].group("g").role();
    assert_eq!((role.last_applied, role.members.len()), (Some(BASE), 2));
    cluster.converges("g", &[1], &["a".into()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_empty_replica_begins_from_a_base() {
    let mut cluster = Cluster::start(1).await;
    cluster.form("g").await;
    cluster.propose("g", "0").await;
    let dir = cluster.nodes[&1].group_dir("g").join("base");
    Machine::lay_down(&dir, &["a"]);
    let later = LogPos { term: 9, index: 90 };
    let refused = cluster.nodes[&1].group("g").install_base(&dir, later, cluster.members()).await;
    assert!(matches!(refused, Err(GroupError::Invalid { .. })), "{refused:?}");
    cluster.converges("g", &[1], &texts(0..1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_replica_catches_up_from_the_log_that_is_there() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    propose_many(&cluster, 0..100).await;
    let leader = cluster.leader("g").await;
    let wiped = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    cluster.kill(wiped);
    cluster.wipe(wiped).await;
    cluster.reboot(wiped, &["g"]).await;
    propose_many(&cluster, 100..110).await;
    cluster.converges("g", &[1, 2, 3], &texts(0..110)).await;
    // It votes again: with the old leader gone, it and the third node are the majority.
    cluster.kill(leader);
    propose_many(&cluster, 110..111).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_replica_does_not_vote_acknowledged_entries_away() {
    let mut cluster = Cluster::start(3).await;
    cluster.form("g").await;
    let leader = cluster.leader("g").await;
    let others: Vec<u64> = cluster.nodes.keys().copied().filter(|id| *id != leader).collect();
    let (slow, wiped) = (others[0], others[1]);
    propose_many(&cluster, 0..10).await;
    cluster.converges("g", &[1, 2, 3], &texts(0..10)).await;
    cluster.isolate(slow);
    propose_many(&cluster, 10..20).await;
    cluster.converges("g", &[leader, wiped], &texts(0..20)).await;
    // Entries 10..20 are acknowledged, on the leader and on the replica that is lost now.
    cluster.kill(wiped);
    cluster.wipe(wiped).await;
    cluster.kill(leader);
    cluster.reboot(wiped, &["g"]).await;
    cluster.heal(slow);
    for _ in 0..5 {
        let before = cluster.nodes[&slow].group("g").role().term;
        cluster.nodes[&slow].group("g").elect().await.unwrap();
        eventually("a vote was asked for", || async { cluster.nodes[&slow].group("g").role().term > before }).await;
    }
    assert!(!cluster.nodes[&slow].group("g").role().is_leader);
    assert!(cluster.nodes[&wiped].group("g").elect().await.is_err());
    cluster.reboot(leader, &["g"]).await;
    propose_many(&cluster, 20..21).await;
    cluster.converges("g", &[1, 2, 3], &texts(0..21)).await;
}
