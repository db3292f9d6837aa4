//! A bit of a replica's files is bad after a `kill -9`: the views say which and what becomes of it, the replica is rebuilt
//! from the others by itself, and every acknowledged write is there, also when another worker then goes away. The only
//! replica of a log stream is told of and left as it is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;
use strandline_chaos::cluster::{EventLog, Outcome, Patience, Site, jobs};
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;

const TENANT: &str = "rot";
const TABLE: &str = "numbers";
const LS: u64 = 1001;
const PATIENCE: Duration = Duration::from_secs(60);

/// A name, and what it does to a replica.
type Damage = (&'static str, fn(&Path));

/// Flips one bit of a file: its byte `at`, or its last one.
fn flip(path: &Path, at: Option<usize>) {
    let mut bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let at = at.unwrap_or(bytes.len() - 1);
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

/// The only directory of log stream 1001 below a worker's disk.
fn replica(dir: &Path) -> PathBuf {
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
            if entry.ends_with(format!("ls{LS}")) && !at.ends_with("quarantine") {
                return entry;
            }
            open.push(entry);
        }
    }
    panic!("{} holds no replica", dir.display())
}

fn manifest(replica: &Path) -> PathBuf {
    let mut names = std::fs::read_dir(replica.join("gen-0/db")).unwrap().map(|e| e.unwrap().path());
    names.find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("MANIFEST"))).unwrap()
}

/// Status and comment of the replica on a worker.
async fn shown(cluster: &Cluster, worker: u64) -> Outcome<(String, String)> {
    let statement = format!("SELECT STATUS, COMMENT FROM CDB_OB_LS_LOCATIONS WHERE LS_ID = {LS} AND SVR_ID = {worker}");
    let rows = cluster.admin()?.query(&statement).await?;
    Ok((rows.text(0, "STATUS"), rows.text(0, "COMMENT")))
}

async fn until_shown(cluster: &Cluster, worker: u64, what: &str, holds: impl Fn(&str, &str) -> bool) -> Outcome<()> {
    let patience = Patience::new(format!("worker {worker}: {what}"), PATIENCE);
    loop {
        let (status, comment) = shown(cluster, worker).await?;
        if holds(&status, &comment) {
            return Ok(());
        }
        patience.once_more(&format!("{status}: {comment}")).await?;
    }
}

async fn write(client: &KvClient, from: usize) -> Outcome<usize> {
    for n in from..from + 20 {
        client.put(TABLE, format!("k{n}").into(), format!("v{n}").into()).await?;
    }
    Ok(from + 20)
}

async fn all_there(client: &KvClient, count: usize) -> Outcome<()> {
    for n in 0..count {
        let value = client.get(TABLE, format!("k{n}").as_bytes()).await?;
        assert_eq!(value.as_deref(), Some(format!("v{n}").as_bytes()), "k{n}");
    }
    Ok(())
}

async fn waiting(cluster: &Cluster) -> Outcome<String> {
    let rows = cluster.admin()?.query("SELECT WAITING_ON FROM CDB_STRANDLINE_WAITING").await?;
    Ok((0..rows.len()).map(|row| rows.text(row, "WAITING_ON")).collect::<Vec<_>>().join("\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_replicas_are_rebuilt_by_themselves_and_nothing_acknowledged_is_lost() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let ran = async {
        let events = EventLog::begin();
        let mut cluster = site.cluster(1, "rot", 1, 3).await?;
        jobs::make_tenant(&cluster, TENANT, 1, TABLE).await?;
        let client = KvClient::connect(&cluster.endpoints(), TENANT).await?;
        let mut count = write(&client, 0).await?;
        let damages: [Damage; 3] = [
            ("log", |replica| flip(&replica.join("gen-0/log/0.log"), Some(5000))),
            ("current", |replica| flip(&replica.join("current"), None)),
            ("MANIFEST", |replica| flip(&manifest(replica), Some(60))),
        ];
        let workers: Vec<u64> = cluster.worker_ids().collect();
        for ((kind, damage), victim) in damages.into_iter().zip(workers.iter().copied()) {
            cluster.kill_worker(victim);
            count = write(&client, count).await?;
            let disk = site.path().join(format!("rot/disks/worker-{victim}"));
            damage(&replica(&disk));
            cluster.restart_killed()?;
            // What the views say before the worker has reported is of the time before it was killed.
            let log = site.path().join(format!("rot/worker-{victim}.log"));
            let patience = Patience::new(format!("{kind}: worker {victim} puts the replica aside"), PATIENCE);
            while !std::fs::read_to_string(&log).unwrap().contains("a damaged replica is put aside") {
                patience.once_more("nothing is put aside").await?;
            }
            until_shown(&cluster, victim, "it is whole again", |status, _| status == "NORMAL").await?;
            let history = cluster.admin()?.query("SELECT * FROM DBA_OB_ROOTSERVICE_EVENT_HISTORY").await?;
            let reported = (0..history.len()).filter(|row| history.text(*row, "EVENT") == "replica_damaged").count();
            assert!(reported > 0, "{kind}: no event");
            events.record(&format!("{kind} of worker {victim} was damaged, and it is whole again"));
        }
        count = write(&client, count).await?;
        // The two that were damaged first are left alone with what they had acknowledged.
        cluster.kill_worker(workers[2]);
        all_there(&client, count).await?;
        write(&client, count).await?;
        cluster.destroy()
    };
    ran.await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_replica_is_shown_as_damaged_and_left_as_it_is() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let ran = async {
        let mut cluster = site.cluster(2, "rot", 1, 1).await?;
        let mut admin = cluster.admin()?;
        admin.sql(&format!("CREATE TENANT {TENANT} LOG_STREAMS = 1 REPLICAS = 1")).await?;
        admin.sql(&format!("CREATE TABLE {TABLE} TABLETS = 1 TENANT = {TENANT}")).await?;
        let client = KvClient::connect(&cluster.endpoints(), TENANT).await?;
        let count = write(&client, 0).await?;
        let victim = cluster.worker_ids().next().unwrap();
        cluster.kill_worker(victim);
        let replica = replica(&site.path().join(format!("rot/disks/worker-{victim}")));
        flip(&replica.join("current"), None);
        cluster.restart_killed()?;
        let is_told = |status: &str, comment: &str| status == "DAMAGED" && comment.contains("checksum");
        until_shown(&cluster, victim, "it is damaged", is_told).await?;
        let on = waiting(&cluster).await?;
        assert!(on.contains("which is damaged") && on.contains("nothing is moved"), "{on}");
        // What was done to it can be taken back: it is all there.
        cluster.kill_worker(victim);
        assert!(replica.join("gen-0/log/0.log").exists());
        flip(&replica.join("current"), None);
        cluster.restart_killed()?;
        until_shown(&cluster, victim, "it runs again", |status, _| status == "NORMAL").await?;
        all_there(&client, count).await?;
        cluster.destroy()
    };
    ran.await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}
