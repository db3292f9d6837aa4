//! Whatever step of a creation a server is killed at, it serves after the next start, without a hand.
//!
//! The steps are enumerated: the server is killed before the first step that it takes on its files, then before the
//! second one, until a creation runs through. `STRANDLINE_KILL_STRIDE` says how many steps are passed over between two
//! tries; 1 = every single one (nightly), the default tries a share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::path::Path;
use std::time::Duration;
use strandline_chaos::cluster::{EventLog, KillStep, Outcome, Patience, Site, jobs};
use strandline_chaos::settings::number;
use strandline_cli::cluster::Cluster;
use strandline_cli::cluster::config::Identity;
use strandline_engine::KvClient;
use strandline_types::{ErrorClass, Failure, Scn};

const PATIENCE: Duration = Duration::from_secs(60);
const WORKER: u64 = 101;
const TABLE: &str = "files";

/// Steps from one try to the next.
fn stride(share: usize) -> usize {
    number("STRANDLINE_KILL_STRIDE").unwrap_or(share).max(1)
}

fn failed(what: &str, object: String) -> Failure {
    Failure::new(ErrorClass::Corrupt, what, object, "look at the logs of the servers")
}

fn start(cluster: &mut Cluster) -> Outcome<()> {
    cluster.kill_worker(WORKER);
    cluster.restart_killed()
}

/// True once a write is acknowledged; false when the worker has died before.
async fn serves(cluster: &mut Cluster, tenant: &str) -> Outcome<bool> {
    let patience = Patience::new(format!("tenant {tenant} takes a write"), PATIENCE);
    loop {
        if cluster.check_alive().is_err() {
            return Ok(false);
        }
        let tried = async {
            // A restored tenant has it; who died before it was made gets it now.
            let _ = jobs::sql(cluster, &format!("CREATE TABLE {TABLE} TABLETS = 1 TENANT = {tenant}")).await;
            let client = KvClient::connect(&cluster.endpoints(), tenant).await?;
            client.put(TABLE, Bytes::from_static(b"key"), Bytes::from_static(b"value")).await
        };
        match tokio::time::timeout(Duration::from_secs(3), tried).await {
            Ok(Ok(_)) => return Ok(true),
            other => patience.once_more(&format!("{other:?}")).await?,
        }
    }
}

/// No replica is left on the disk of the worker: whatever comes there next is of the next tenant.
async fn until_empty(replicas: &Path) -> Outcome<()> {
    let patience = Patience::new("the replicas of a dropped tenant are gone", PATIENCE);
    loop {
        let names = |dir: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|e| e.file_name().to_string_lossy().into_owned()).filter(|name| name != "trash").collect()
        };
        // What is removed is renamed first.
        let left = [names(replicas), names(&replicas.join("trash"))].concat();
        if left.is_empty() {
            return Ok(());
        }
        patience.once_more(&format!("{left:?}")).await?;
    }
}

/// A cluster of one scheduler and one worker whose disk is known.
struct Bed {
    site: Site,
    kill: KillStep,
    cluster: Cluster,
}

impl Bed {
    async fn new(id: u64) -> Outcome<Self> {
        let site = Site::new()?;
        let kill = KillStep::new(&site)?;
        let identity = Identity { id, name: "kill-points".to_owned() };
        let dir = site.directory("cluster")?;
        let cluster = Cluster::start_program(kill.program(), identity, &dir, 1, 1).await?;
        Ok(Self { site, kill, cluster })
    }

    /// Makes a tenant with `make` while the worker dies before every `stride`-th step of it; it has to serve after the
    /// next start. Gives the tries.
    async fn try_all(&mut self, stride: usize, make: impl AsyncFn(&Cluster, &str) -> Outcome<()>) -> Outcome<usize> {
        let replicas = self.site.path().join("cluster/disks/worker-101/replicas");
        let mut tries = 0;
        for step in (1..).step_by(stride) {
            let tenant = format!("k{step}");
            until_empty(&replicas).await?;
            self.kill.arm("worker", step, "/worker-101/replicas/")?;
            start(&mut self.cluster)?;
            make(&self.cluster, &tenant).await?;
            let ran_through = serves(&mut self.cluster, &tenant).await?;
            self.kill.disarm()?;
            start(&mut self.cluster)?;
            if !serves(&mut self.cluster, &tenant).await? {
                return Err(failed("the worker ended by itself", tenant));
            }
            jobs::sql(&self.cluster, &format!("DROP TENANT {tenant}")).await?;
            tries += 1;
            if ran_through {
                return Ok(tries);
            }
        }
        Ok(tries)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_creation_is_killed_at_any_step_serves_after_the_next_start() {
    let ran = async {
        let events = EventLog::begin();
        let mut bed = Bed::new(31).await?;
        let make = async |cluster: &Cluster, tenant: &str| {
            jobs::sql(cluster, &format!("CREATE TENANT {tenant} LOG_STREAMS = 1 REPLICAS = 1")).await
        };
        let tries = bed.try_all(stride(12), make).await?;
        events.record(&format!("{tries} creations were killed, and all served"));
        assert!(tries > 5, "{tries}");
        bed.site.done();
        Outcome::Ok(())
    };
    ran.await.unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_killed_at_any_step_ends_with_what_was_backed_up() {
    let ran = async {
        let events = EventLog::begin();
        let mut bed = Bed::new(32).await?;
        jobs::sql(&bed.cluster, "CREATE TENANT source LOG_STREAMS = 1 REPLICAS = 1").await?;
        assert!(serves(&mut bed.cluster, "source").await?);
        let (data, archive) = (bed.site.data(), bed.site.archive());
        jobs::archive(&bed.cluster, "source", &archive, 3600).await?;
        jobs::begin_backup(&bed.cluster, "source", &data).await?;
        let until: Scn = jobs::until_backed_up(&bed.cluster).await?;
        jobs::stop_archive(&bed.cluster, "source").await?;
        jobs::sql(&bed.cluster, "DROP TENANT source").await?;
        let from = format!("FROM 'file://{},file://{}' UNTIL SCN = {until}", data.display(), archive.display());
        let make = async |cluster: &Cluster, tenant: &str| {
            jobs::sql(cluster, &format!("ALTER SYSTEM RESTORE {tenant} {from} WITH 'replicas=1'")).await
        };
        let tries = bed.try_all(stride(25), make).await?;
        events.record(&format!("{tries} restores were killed, and all ended well"));
        assert!(tries > 5, "{tries}");
        bed.site.done();
        Outcome::Ok(())
    };
    ran.await.unwrap_or_else(|failure| panic!("{failure}"));
}
