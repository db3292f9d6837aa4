//! One bad bit or one cut file in the Raft log of a node while another node is down: nothing that was acknowledged is lost
//! in silence.
//!
//! Three nodes; the third is down while statements are acknowledged by the other two. Every file of the second one's log
//! is damaged at every third of it, one damage at a time, on a copy of the same disks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use strandline_consensus::{EntryLog, GroupConfig, LogPos, RocksLog};
use support::{Cluster, eventually, fast};

const CLUSTER: u64 = 7;
/// Acknowledged by nodes 1 and 2, with node 3 away.
const ACKNOWLEDGED: usize = 12;

fn asking() -> GroupConfig {
    GroupConfig { is_formed_by_asking: true, ..fast() }
}

fn bodies() -> Vec<Bytes> {
    let early = (0..4).map(|n| format!("before {n}"));
    let late = (0..ACKNOWLEDGED).map(|n| format!("acknowledged {n} {}", "x".repeat(300 * n)));
    early.chain(late).map(Bytes::from).collect()
}

fn text(body: &Bytes) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

fn form(cluster: &Cluster, id: u64, members: &BTreeMap<u64, String>) {
    let (group, members) = (cluster.nodes[&id].group("g").clone(), members.clone());
    tokio::spawn(async move { group.form(members, CLUSTER).await });
}

/// Disks of three nodes that are down; the last position that was acknowledged.
async fn disks() -> (Cluster, BTreeMap<u64, String>, LogPos) {
    let mut cluster = Cluster::start(3).await;
    cluster.config = asking();
    let members = cluster.members();
    cluster.start_groups(&["g"]).await;
    for id in 1..=3 {
        form(&cluster, id, &members);
    }
    let all = bodies();
    for body in &all[..4] {
        cluster.propose("g", &text(body)).await;
    }
    cluster.converges("g", &[1, 2, 3], &all[..4]).await;
    // What was written before lies in an SST now.
    cluster.kill(2);
    cluster.reboot(2, &["g"]).await;
    cluster.converges("g", &[1, 2, 3], &all[..4]).await;
    cluster.kill(3);
    let mut last = LogPos { term: 0, index: 0 };
    for body in &all[4..] {
        last = cluster.propose("g", &text(body)).await;
    }
    cluster.converges("g", &[1, 2], &all).await;
    cluster.kill(1);
    cluster.kill(2);
    released(&cluster.root()).await;
    (cluster, members, last)
}

/// A killed node's last threads hold its files for a moment.
async fn released(dir: &Path) {
    let is_held = || {
        let open =
            std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
        open.into_iter().any(|file| file.starts_with(dir))
    };
    eventually("the files are released", || async { !is_held() }).await;
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// Makes a directory hold exactly these files.
fn lay_down(root: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    std::fs::remove_dir_all(root).unwrap();
    for (path, bytes) in files {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// A bit at a third of a file turned, or the file cut there.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Bit(usize),
    Cut(usize),
}

const DAMAGES: [Damage; 7] =
    [Damage::Bit(0), Damage::Bit(1), Damage::Bit(2), Damage::Bit(3), Damage::Cut(0), Damage::Cut(1), Damage::Cut(2)];

fn damaged(bytes: &[u8], damage: Damage) -> Vec<u8> {
    let mut bad = bytes.to_vec();
    match damage {
        Damage::Bit(third) => bad[(bytes.len() - 1) * third / 3] ^= 0x10,
        Damage::Cut(third) => bad.truncate(bytes.len() * third / 3),
    }
    bad
}

/// Files without log: what RocksDB tells people.
fn is_told(path: &Path) -> bool {
    path.file_name().unwrap().to_str().unwrap().starts_with("LOG")
}

/// What a log says when it is opened: an error, a loss, or that it is whole.
#[derive(Debug, PartialEq, Eq)]
enum Opened {
    Refused,
    Loss,
    Whole,
}

fn opened(log: &Path) -> (Opened, Vec<Bytes>) {
    let Ok(log) = RocksLog::open(log) else { return (Opened::Refused, Vec::new()) };
    let message = if log.loss().is_some() { Opened::Loss } else { Opened::Whole };
    match log.read(0..u64::MAX, usize::MAX) {
        Err(_) => (Opened::Refused, Vec::new()),
        Ok(entries) => {
            let body = |e: strandline_consensus::Entry| match e.body {
                strandline_consensus::EntryBody::Normal(payload) => Some(payload.body),
                _ => None,
            };
            (message, entries.into_iter().filter_map(body).collect())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bad_bit_and_no_cut_of_a_log_takes_acknowledged_entries_away_in_silence() {
    let (mut cluster, members, last) = disks().await;
    let root = cluster.root();
    let log = root.join("2/g/log");
    // The way that a kill leaves them: the last entries are in the WAL.
    let good = files(&root);
    let (message, there) = opened(&log);
    assert_eq!((message, there), (Opened::Whole, bodies()), "undamaged");

    let (mut tried, mut counts, mut led) = (0, BTreeMap::new(), BTreeMap::new());
    let of_log = good.iter().filter(|(path, bytes)| path.starts_with(&log) && !bytes.is_empty() && !is_told(path));
    for (path, bytes) in of_log {
        for damage in DAMAGES {
            lay_down(&root, &good);
            std::fs::write(path, damaged(bytes, damage)).unwrap();
            let (message, there) = opened(&log);
            tried += 1;
            *counts.entry(format!("{message:?}")).or_insert(0) += 1;
            assert!(message != Opened::Whole || there == bodies(), "{damage:?} of {}: lost in silence", path.display());
            let kind = path.extension().map_or("other".into(), |e| e.to_string_lossy().into_owned());
            if message == Opened::Loss && led.insert(kind, damage).is_none() {
                lay_down(&root, &good);
                std::fs::write(path, damaged(bytes, damage)).unwrap();
                nothing_is_lost(&mut cluster, &members, last).await;
            }
        }
    }
    println!("{tried} damages: {counts:?}; played to the end for {led:?}");
    assert!(counts.contains_key("Loss") && counts.contains_key("Whole"), "{counts:?}");
}

/// Node 2 lost log and node 3 never had it: they do not lead each other; with node 1 everything is back.
async fn nothing_is_lost(cluster: &mut Cluster, members: &BTreeMap<u64, String>, last: LogPos) {
    for id in [2, 3] {
        cluster.reboot(id, &["g"]).await;
        form(cluster, id, members);
    }
    let health = cluster.nodes[&2].group("g").health();
    assert!(!health.is_full_member && health.loss.is_some(), "{health:?}");
    // Node 3 stands for election again and again, and node 2 refuses it.
    let window = std::time::Duration::from_millis(4 * asking().election_max_ms);
    let begun = std::time::Instant::now();
    while begun.elapsed() < window {
        assert!(cluster.nodes.values().all(|n| !n.group("g").role().is_leader), "led without what is lost");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    cluster.reboot(1, &["g"]).await;
    form(cluster, 1, members);
    cluster.converges("g", &[1, 2, 3], &bodies()).await;
    assert!(cluster.nodes[&2].group("g").role().last_log >= Some(last.index));
    eventually("it votes again", || async { cluster.nodes[&2].group("g").is_full_member() }).await;
    assert_eq!(cluster.nodes[&2].group("g").health().loss, None);
    for id in 1..=3 {
        cluster.kill(id);
    }
    released(&cluster.root()).await;
}
