//! A group forms once: by all members or not at all, and never again after a lost disk.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use strandline_consensus::{FormWait, GroupConfig};
use support::{Cluster, eventually, fast, payload};

const CLUSTER: u64 = 7;

fn asking() -> GroupConfig {
    GroupConfig { is_formed_by_asking: true, ..fast() }
}

/// Has a node ask its peers, as long as it runs.
fn form(cluster: &Cluster, id: u64, members: &BTreeMap<u64, String>) {
    let (group, members) = (cluster.nodes[&id].group("g").clone(), members.clone());
    tokio::spawn(async move { group.form(members, CLUSTER).await });
}

async fn boot(cluster: &mut Cluster, id: u64, members: &BTreeMap<u64, String>) {
    cluster.reboot(id, &["g"]).await;
    form(cluster, id, members);
}

/// Three fresh nodes, asking each other.
async fn fresh() -> (Cluster, BTreeMap<u64, String>) {
    let mut cluster = Cluster::start(3).await;
    cluster.config = asking();
    let members = cluster.members();
    cluster.start_groups(&["g"]).await;
    for id in 1..=3 {
        form(&cluster, id, &members);
    }
    (cluster, members)
}

/// Looks for as long as several elections would take.
async fn nobody_leads(cluster: &Cluster) {
    let window = Duration::from_millis(3 * (asking().election_max_ms * 2));
    let begun = Instant::now();
    while begun.elapsed() < window {
        for (id, node) in &cluster.nodes {
            assert!(!node.group("g").role().is_leader, "node {id} leads without a majority of full members");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_group_waits_for_its_last_member_and_says_for_whom() {
    let mut cluster = Cluster::start(3).await;
    cluster.config = asking();
    let members = cluster.members();
    cluster.kill(3);
    cluster.start_groups(&["g"]).await;
    form(&cluster, 1, &members);
    form(&cluster, 2, &members);
    for id in [1, 2] {
        eventually("it says that node 3 did not answer", || async {
            let waits = cluster.nodes[&id].group("g").health().forming;
            matches!(waits, Some(FormWait::Silent(who)) if who.keys().eq([&3]))
        })
        .await;
    }
    nobody_leads(&cluster).await;
    boot(&mut cluster, 3, &members).await;
    cluster.propose("g", "a").await;
    cluster.converges("g", &[1, 2, 3], &[Bytes::from("a")]).await;
    for node in cluster.nodes.values() {
        eventually("no member waits", || async { node.group("g").health().forming.is_none() }).await;
        assert!(node.group("g").is_full_member());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_two_clusters_do_not_form_one_group() {
    let mut cluster = Cluster::start(2).await;
    cluster.config = asking();
    let members = cluster.members();
    cluster.start_groups(&["g"]).await;
    form(&cluster, 1, &members);
    let other = cluster.nodes[&2].group("g").clone();
    tokio::spawn(async move { other.form(members, CLUSTER + 1).await });
    for id in [1, 2] {
        eventually("it says so", || async {
            let waits = cluster.nodes[&id].group("g").health().forming;
            matches!(waits, Some(FormWait::OtherCluster { .. }))
        })
        .await;
    }
}

/// The disk of `victim` is lost while `behind`, a full member, was away for what is acknowledged last.
async fn nothing_is_lost_with_the_disk_of(victim: u64, behind: u64) {
    let (mut cluster, members) = fresh().await;
    let third = (1..=3).find(|id| ![victim, behind].contains(id)).unwrap();
    cluster.propose("g", "before").await;
    cluster.converges("g", &[1, 2, 3], &[Bytes::from("before")]).await;
    cluster.kill(behind);
    let leads = |c: &Cluster, id: u64| c.nodes[&id].group("g").role().is_leader;
    eventually("one of the two leads", || async { leads(&cluster, victim) || leads(&cluster, third) }).await;
    let acknowledged = Instant::now();
    loop {
        let leader = if leads(&cluster, victim) { victim } else { third };
        match cluster.nodes[&leader].group("g").propose(payload("acknowledged")).await {
            Ok(_) => break,
            Err(e) => assert!(acknowledged.elapsed() < support::DEADLINE, "{e}"),
        }
    }
    cluster.kill(third);
    cluster.kill(victim);
    cluster.wipe(victim).await;

    boot(&mut cluster, victim, &members).await;
    boot(&mut cluster, behind, &members).await;
    nobody_leads(&cluster).await;
    assert!(!cluster.nodes[&victim].group("g").is_full_member(), "node {victim} began empty");

    boot(&mut cluster, third, &members).await;
    eventually("everything acknowledged is everywhere", || async {
        cluster.nodes.values().all(|node| {
            let mut bodies = node.bodies("g");
            // A proposal whose leader was not sure was made twice.
            bodies.dedup();
            bodies == ["before", "acknowledged"].map(Bytes::from)
        })
    })
    .await;
    eventually("it votes again", || async { cluster.nodes[&victim].group("g").is_full_member() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_with_the_disk_of_any_node() {
    for (victim, behind) in [(1, 2), (2, 3), (3, 1)] {
        nothing_is_lost_with_the_disk_of(victim, behind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_without_its_log_never_forms_a_group_again() {
    let (mut cluster, members) = fresh().await;
    cluster.propose("g", "a").await;
    cluster.converges("g", &[1, 2, 3], &[Bytes::from("a")]).await;
    for id in 1..=3 {
        let dir = cluster.nodes[&id].group_dir("g");
        cluster.kill(id);
        eventually("the log can be removed", || async { std::fs::remove_dir_all(&dir).is_ok() || !dir.exists() }).await;
    }
    for id in 1..=3 {
        boot(&mut cluster, id, &members).await;
    }
    nobody_leads(&cluster).await;
    for node in cluster.nodes.values() {
        assert_eq!(node.group("g").role().last_log, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_killed_at_its_birth_is_led_all_the_same() {
    for round in 0..3 {
        let (mut cluster, members) = fresh().await;
        let someone = |c: &Cluster| c.nodes.values().any(|n| n.group("g").is_full_member());
        eventually("one is a full member", || async { someone(&cluster) }).await;
        if round > 0 {
            eventually("the group is formed", || async { cluster.nodes[&1].group("g").role().last_log.is_some() })
                .await;
        }
        for id in 1..=3 {
            cluster.kill(id);
        }
        for id in 1..=3 {
            boot(&mut cluster, id, &members).await;
        }
        cluster.propose("g", "a").await;
    }
}
