//! Damaged files of a replica: the cause is told; it is rebuilt from the others when that is ordered, and never on less
//! than it had acknowledged; alone it stays as it is.

use super::*;
use crate::HostedState;
use strandline_types::{ErrorClass, Failure};

const KEYS: usize = 40;

/// Flips one bit of the file at `at`, counted from its end when it is negative.
fn flip(path: &Path, at: i64) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = if at < 0 { bytes.len() - at.unsigned_abs() as usize } else { at as usize };
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

/// The first file in a directory whose name has this begin and end.
fn file(dir: &Path, begin: &str, end: &str) -> PathBuf {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut found: Vec<PathBuf> = names
        .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(begin) && n.ends_with(end)))
        .collect();
    found.sort();
    found.remove(0)
}

/// Its name, and what does it.
type Kind = (&'static str, fn(&Path));

/// Every kind of file that is refused when it is opened.
const KINDS: [Kind; 6] = [
    ("log", |dir| flip(&dir.join("gen-0/log/0.log"), 5000)),
    ("SST", |dir| flip(&file(&dir.join("gen-0/db"), "", ".sst"), -3)),
    ("MANIFEST", |dir| flip(&file(&dir.join("gen-0/db"), "MANIFEST", ""), 60)),
    ("CURRENT", |dir| flip(&dir.join("gen-0/db/CURRENT"), 10)),
    ("current", |dir| flip(&dir.join("current"), -1)),
    ("spec and log", |dir| {
        flip(&dir.join("spec"), 9);
        flip(&dir.join("gen-0/log/0.log"), 5000);
    }),
];

fn root(dir: &Path) -> PathBuf {
    dir.join("data").join("t1002").join("ls1001")
}

fn quarantine(dir: &Path) -> PathBuf {
    dir.join("data").join("quarantine").join("t1002-ls1001")
}

fn trouble(engine: &Engine) -> Option<Failure> {
    engine.troubles().into_iter().find(|(key, _)| *key == (TENANT, LS)).map(|(_, trouble)| trouble)
}

/// What the scheduler orders over and over once the worker has told of the damage.
async fn rebuild(cluster: &Cluster, id: NodeId) -> Option<()> {
    let engine = &cluster.workers[&id].engine;
    // A disk that fails meanwhile is asked again.
    let _ = engine.rebuild_replica(ReplicaSpec { bootstrap: false, ..cluster.spec(TENANT, LS, id, None) }).await;
    let is_whole = |h: &strandline_consensus::Health| h.is_full_member && h.caught_up == crate::CaughtUp::Done;
    let states = engine.states();
    states.iter().any(|(_, s)| matches!(s, HostedState::Runs(h) if is_whole(h))).then_some(())
}

async fn fill(cluster: &Cluster) {
    let leader = cluster.leader(TENANT, LS).await;
    for i in 0..KEYS {
        write(&leader, &format!("k{i}"), &"v".repeat(300)).await;
    }
    cluster.settled(TENANT, LS).await;
}

async fn all_there(cluster: &Cluster) {
    let leader = cluster.leader(TENANT, LS).await;
    for i in 0..KEYS {
        assert_eq!(read(&leader, &format!("k{i}")).await.map(|v| v.len()), Some(300), "k{i}");
    }
}

async fn follower(cluster: &Cluster) -> NodeId {
    let leader = cluster.id_of(&cluster.leader(TENANT, LS).await);
    *cluster.workers.keys().find(|id| **id != leader).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_damage_is_told_and_rebuilt_from_the_others_with_every_acknowledged_write() {
    for (kind, damage) in KINDS {
        let mut cluster = Cluster::with_stream(3).await;
        fill(&cluster).await;
        let victim = follower(&cluster).await;
        let dir = cluster.stop(victim).await;
        damage(&root(&dir));
        cluster.restart(victim).await;
        let engine = cluster.workers[&victim].engine.clone();
        // The usual order: it may be refused, and says what is to be told.
        let _ = engine.ensure_replica(cluster.spec(TENANT, LS, victim, None)).await;
        let told = trouble(&engine).unwrap_or_else(|| panic!("{kind}: nothing is told"));
        assert_eq!(told.class, ErrorClass::Corrupt, "{kind}: {told}");
        assert!(!quarantine(&dir).exists() && root(&dir).exists(), "{kind}: nothing is moved without an order");

        until(async || rebuild(&cluster, victim).await).await;
        assert!(
            quarantine(&dir).join("gen-0").exists(),
            "{kind}: the damaged files are kept until they are not needed"
        );
        assert_eq!(trouble(&engine), None, "{kind}");
        engine.tidy_quarantine(|_, _| true).await.unwrap();
        assert!(!quarantine(&dir).exists(), "{kind}");
        drop(engine);
        // The rebuilt one counts: with it and one other everything is there.
        let other = *cluster.workers.keys().find(|id| **id != victim).unwrap();
        cluster.stop(other).await;
        all_there(&cluster).await;
        write(&cluster.leader(TENANT, LS).await, "after", kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_is_met_by_a_read_is_told_and_rebuilt() {
    let mut cluster = Cluster::with_stream(3).await;
    fill(&cluster).await;
    let victim = follower(&cluster).await;
    let dir = cluster.stop(victim).await;
    // A block of the user's tablet: nothing looks at it when the store is opened.
    for entry in std::fs::read_dir(root(&dir).join("gen-0/db")).unwrap().map(|e| e.unwrap().path()) {
        let is_sst = entry.extension().is_some_and(|e| e == "sst");
        let name = format!("t{TABLET}");
        let is_of_tablet = || std::fs::read(&entry).unwrap().windows(name.len()).any(|w| w == name.as_bytes());
        if is_sst && is_of_tablet() {
            flip(&entry, 4);
        }
    }
    cluster.restart(victim).await;
    cluster.settled(TENANT, LS).await;
    let engine = cluster.workers[&victim].engine.clone();
    assert_eq!(trouble(&engine), None, "no read has met it");
    let leads = async || {
        let leader = cluster.leader(TENANT, LS).await;
        if cluster.id_of(&leader) == victim {
            return Some(leader);
        }
        leader.group.transfer_leader(victim.0).await.unwrap();
        None
    };
    let leader = until(leads).await;
    let refused = leader.get(TABLET, b"k0").await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Corrupt, "{refused}");
    drop(leader);
    assert_eq!(trouble(&engine).map(|t| t.class), Some(ErrorClass::Corrupt));
    until(async || rebuild(&cluster, victim).await).await;
    assert_eq!(trouble(&engine), None);
    all_there(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_replica_does_not_vote_before_it_has_what_it_had_acknowledged() {
    let mut cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    let first = cluster.id_of(&leader);
    let rest: Vec<NodeId> = cluster.workers.keys().copied().filter(|id| *id != first).collect();
    let (victim, behind) = (rest[0], rest[1]);
    cluster.stop(behind).await;
    write(&leader, "k", "acknowledged by two").await;
    drop(leader);
    cluster.stop(first).await;
    let dir = cluster.stop(victim).await;
    flip(&root(&dir).join("gen-0/log/0.log"), 4100);
    cluster.restart(victim).await;
    cluster.restart(behind).await;
    let engine = cluster.workers[&victim].engine.clone();
    engine.rebuild_replica(cluster.spec(TENANT, LS, victim, None)).await.unwrap();
    let replica = engine.replica(TENANT, LS).unwrap();
    assert!(!replica.group.is_full_member());
    assert!(replica.group.elect().await.is_err(), "it does not stand either");
    let told = trouble(&engine).expect("it is told that it is being rebuilt");
    assert_eq!(told.class, ErrorClass::Transient, "{told}");
    drop(replica);
    // A restart on the way changes nothing.
    drop(engine);
    cluster.stop(victim).await;
    cluster.restart(victim).await;
    let replica = cluster.workers[&victim].engine.replica(TENANT, LS).unwrap();
    assert!(!replica.group.is_full_member());
    drop(replica);
    cluster.restart(first).await;
    let leader = cluster.leader(TENANT, LS).await;
    assert_eq!(read(&leader, "k").await.as_deref(), Some("acknowledged by two"));
    until(async || rebuild(&cluster, victim).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_replica_is_told_of_and_never_moved() {
    for (kind, damage) in KINDS {
        let mut cluster = Cluster::with_stream(1).await;
        fill(&cluster).await;
        let dir = cluster.stop(NodeId(1)).await;
        damage(&root(&dir));
        let before = std::fs::read(root(&dir).join("gen-0/log/0.log")).unwrap();
        cluster.restart(NodeId(1)).await;
        let engine = cluster.workers[&NodeId(1)].engine.clone();
        let spec = cluster.spec(TENANT, LS, NodeId(1), None);
        // It is started again and again; even the order to rebuild it moves nothing.
        let _ = engine.rebuild_replica(spec).await;
        assert_eq!(trouble(&engine).map(|t| t.class), Some(ErrorClass::Corrupt), "{kind}");
        assert!(!quarantine(&dir).exists(), "{kind}");
        assert!(std::fs::read(root(&dir).join("gen-0/log/0.log")).unwrap() == before, "{kind}");
    }
}
