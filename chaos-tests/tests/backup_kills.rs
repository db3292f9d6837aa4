//! A worker, the leading scheduler and the medium die at every stage of a backup: each job completes or ends as failed
//! with its placeholder, leaves no wrong file, the next backup succeeds, and sets whose backup met a fault come back.
//!
//! A stage is held by the one request that would end it (see `HoldingProxy`), so every fault falls where it is meant to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use strandline_chaos::cluster::{HoldingProxy, Outcome, Patience, Site, jobs, readers, server_faults};
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_types::{BackupJobStatus, Scn};

const TENANT: &str = "source";
const TABLE: &str = "numbers";
/// Made while a backup runs.
const LATER: &str = "later";
const BUCKET: &str = "backup";
const PATIENCE: Duration = Duration::from_secs(90);

/// Each stage, and the request without which it does not end.
const STAGES: [(BackupJobStatus, &str); 8] = [
    (BackupJobStatus::Init, "_full_start"),
    (BackupJobStatus::Data, "/macro_block_data"),
    (BackupJobStatus::Index, "/tenant_m"),
    (BackupJobStatus::Log, "/checkpoint/checkpoint."),
    (BackupJobStatus::CopyLog, "/complement_log/"),
    (BackupJobStatus::Infos, "/single_backup_set_info"),
    (BackupJobStatus::End, "_end_success"),
    (BackupJobStatus::Canceling, "_end_failed"),
];

#[derive(Clone, Copy, Debug)]
enum Fault {
    Worker,
    Scheduler,
    Medium,
}

#[test]
fn every_stage_of_the_job_machine_is_in_the_list() {
    let listed: BTreeSet<String> = STAGES.iter().map(|(stage, _)| stage.to_string()).collect();
    let all = BackupJobStatus::ALL.into_iter().filter(|status| !status.is_ended()).map(|status| status.to_string());
    assert_eq!(listed, all.collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_server_dies_at_any_stage_a_backup_ends_well_or_says_that_it_failed() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let started = HoldingProxy::start(&site.path().join("buckets")).await.unwrap_or_else(|f| panic!("{f}"));
    let Some(proxy) = started else { return };
    let ran = Run::new(&site, &proxy).await;
    let ran = match ran {
        Ok(run) => run.all().await,
        Err(failure) => Err(failure),
    };
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    drop(proxy);
    site.done();
}

struct Run<'a> {
    site: &'a Site,
    proxy: &'a HoldingProxy,
    cluster: Cluster,
    data: String,
    archive: String,
    expected: BTreeMap<Bytes, Bytes>,
    began: Instant,
}

impl<'a> Run<'a> {
    async fn new(site: &'a Site, proxy: &'a HoldingProxy) -> Outcome<Self> {
        let cluster = site.cluster(1, "servers", 3, 3).await?;
        jobs::make_tenant(&cluster, TENANT, 1, TABLE).await?;
        let (data, archive) = (proxy.uri(BUCKET, "data")?, proxy.uri(BUCKET, "archive")?);
        jobs::archive_to(&cluster, TENANT, std::slice::from_ref(&archive), 3600).await?;
        let dest = format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}' TENANT = {TENANT}");
        cluster.admin()?.sql(&dest).await?;
        let client = KvClient::connect(&cluster.endpoints(), TENANT).await?;
        let pair = |n: u32| (Bytes::from(format!("key {n:05}")), Bytes::from(n.to_string().repeat(200)));
        let expected: BTreeMap<Bytes, Bytes> = (0..500).map(pair).collect();
        let pairs: Vec<_> = expected.iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect();
        for batch in pairs.chunks(50) {
            client.batch(TABLE, batch.to_vec()).await?;
        }
        Ok(Self { site, proxy, cluster, data, archive, expected, began: Instant::now() })
    }

    async fn all(mut self) -> Outcome<()> {
        let mut set = 1;
        self.changes_meanwhile(set).await?;
        let mut failed = Vec::new();
        for (stage, request) in STAGES {
            for fault in [Fault::Worker, Fault::Scheduler, Fault::Medium] {
                set += 1;
                let status = self.strike(set, stage, request, fault).await?;
                if status == "COMPLETED" {
                    failed.push(set);
                }
                set += 1;
                self.cluster.admin()?.sql(&format!("ALTER SYSTEM BACKUP TENANT = {TENANT}")).await?;
                assert_eq!(self.until_ended(set).await?, "COMPLETED", "the backup after {stage} and {fault:?}");
            }
        }
        self.tell(&format!("{} of {} sets with a fault are whole", failed.len(), 3 * STAGES.len()));
        assert!(failed.len() >= 2 * STAGES.len(), "what a retry repairs does not end a job: {failed:?}");
        let buckets = self.site.path().join("buckets").join(BUCKET);
        readers::check(&buckets).unwrap_or_else(|problems| panic!("{problems}"));
        self.back(failed[0]).await?;
        self.back(failed[failed.len() - 1]).await?;
        self.cluster.destroy()
    }

    /// A table that is made while log streams are copied costs another turn, and the set has it.
    async fn changes_meanwhile(&mut self, set: u64) -> Outcome<()> {
        self.proxy.hold("/macro_block_data");
        self.cluster.admin()?.sql(&format!("ALTER SYSTEM BACKUP TENANT = {TENANT}")).await?;
        // Both log streams have taken their points.
        self.until_held(BackupJobStatus::Data, 2).await?;
        self.cluster.admin()?.sql(&format!("CREATE TABLE {LATER} TABLETS = 2 TENANT = {TENANT}")).await?;
        self.proxy.release();
        assert_eq!(self.until_ended(set).await?, "COMPLETED");
        let query = format!("SELECT * FROM CDB_OB_BACKUP_SET_FILES WHERE BACKUP_SET_ID = {set}");
        let turn = self.cluster.admin()?.query(&query).await?.number(0, "DATA_TURN_ID");
        assert_eq!(turn, 2, "the data dictionary of the first turn does not know the table");
        self.back(set).await?;
        let client = KvClient::connect(&self.cluster.endpoints(), &format!("back_{set}")).await?;
        assert!(client.scan(LATER, b"", b"", 0).await?.is_empty());
        self.tell(&format!("set {set} has the table that was made meanwhile, in turn {turn}"));
        Ok(())
    }

    fn tell(&self, what: &str) {
        eprintln!("chaos: {:6.2} s: {what}", self.began.elapsed().as_secs_f64());
    }

    /// One backup with a fault at a stage; gives how it ended.
    async fn strike(&mut self, set: u64, stage: BackupJobStatus, request: &str, fault: Fault) -> Outcome<String> {
        self.proxy.hold(if stage == BackupJobStatus::Canceling { "/macro_block_data" } else { request });
        let backup = format!("ALTER SYSTEM BACKUP TENANT = {TENANT} PLUS ARCHIVELOG");
        self.cluster.admin()?.sql(&backup).await?;
        if stage == BackupJobStatus::Canceling {
            self.until_held(BackupJobStatus::Data, 1).await?;
            self.proxy.hold(request);
            self.cluster.admin()?.sql(&format!("ALTER SYSTEM CANCEL BACKUP TENANT = {TENANT}")).await?;
        }
        self.until_held(stage, 1).await?;
        let victim = match fault {
            Fault::Worker => format!("worker {}", self.kill_executor().await?),
            Fault::Scheduler => {
                format!("scheduler {}", server_faults::kill_leading_scheduler(&mut self.cluster).await?)
            }
            Fault::Medium => {
                self.proxy.kill_server();
                "medium".to_owned()
            }
        };
        self.proxy.release();
        if matches!(fault, Fault::Medium) {
            self.proxy.until_refused(2).await?;
            self.proxy.start_server();
        }
        self.cluster.restart_killed()?;
        let status = self.until_ended(set).await?;
        self.tell(&format!("set {set}: {victim} died in {stage}: {status}"));
        self.check_ends(set, &status);
        Ok(status)
    }

    /// Waits until the job is at this stage and so many requests of those that would end it are held.
    async fn until_held(&self, stage: BackupJobStatus, requests: u64) -> Outcome<()> {
        let patience = Patience::new(format!("the backup is held in {stage}"), PATIENCE);
        let mut admin = self.cluster.admin()?;
        loop {
            let tasks = admin.query("SELECT * FROM CDB_OB_BACKUP_TASKS").await?;
            let status = tasks.text(0, "STATUS");
            if status == stage.to_string() && self.proxy.held() >= requests {
                return Ok(());
            }
            patience.once_more(&format!("{status}: {}", tasks.text(0, "COMMENT"))).await?;
        }
    }

    /// The worker that has a task of the backup; where the stage has none, the one that leads the tenant.
    async fn kill_executor(&mut self) -> Outcome<u64> {
        let tasks = self.cluster.admin()?.query("SELECT * FROM __ALL_VIRTUAL_BACKUP_SCHEDULE_TASK").await?;
        let busy =
            (0..tasks.len()).find_map(|row| tasks.text(row, "DESTINATION").strip_prefix("worker ")?.parse().ok());
        match busy {
            Some(worker) => {
                self.cluster.kill_worker(worker);
                Ok(worker)
            }
            None => server_faults::kill_leading_worker(&mut self.cluster, TENANT).await,
        }
    }

    async fn until_ended(&mut self, set: u64) -> Outcome<String> {
        let patience = Patience::new(format!("the backup of set {set} ends"), PATIENCE);
        let mut admin = self.cluster.admin()?;
        loop {
            let query = format!("SELECT * FROM CDB_OB_BACKUP_TASK_HISTORY WHERE BACKUP_SET_ID = {set}");
            let ended = admin.query(&query).await?;
            if !ended.is_empty() {
                return Ok(ended.text(0, "STATUS"));
            }
            let tasks = admin.query("SELECT * FROM CDB_OB_BACKUP_TASKS").await?;
            patience.once_more(&format!("{}: {}", tasks.text(0, "STATUS"), tasks.text(0, "COMMENT"))).await?;
            self.cluster.check_alive()?;
        }
    }

    /// A set has exactly one end, and it is the one that the job says.
    fn check_ends(&self, set: u64, status: &str) {
        let dir = self.site.path().join("buckets").join(BUCKET).join("data/backup_sets");
        let names = std::fs::read_dir(&dir).expect("there are sets").map(|e| e.unwrap().file_name());
        let start = format!("backup_set_{set}_full_end_");
        let ends: Vec<String> = names.filter_map(|n| Some(n.to_str()?.strip_prefix(&start)?.to_owned())).collect();
        let good = if status == "COMPLETED" { "success_" } else { "failed_" };
        assert!(ends.len() == 1 && ends[0].starts_with(good), "set {set} is {status}, its ends are {ends:?}");
    }

    /// Restores what a set holds whose backup met a fault.
    async fn back(&mut self, set: u64) -> Outcome<()> {
        let tenant = format!("back_{set}");
        let query = format!("SELECT * FROM CDB_OB_BACKUP_SET_FILES WHERE BACKUP_SET_ID = {set}");
        let until = Scn(self.cluster.admin()?.query(&query).await?.number(0, "MIN_RESTORE_SCN"));
        jobs::begin_restore_from(&self.cluster, &tenant, &self.data, &self.archive, until).await?;
        jobs::until_restored(&mut self.cluster, &tenant).await?;
        let client = KvClient::connect(&self.cluster.endpoints(), &tenant).await?;
        let pairs: BTreeMap<Bytes, Bytes> = client.scan(TABLE, b"", b"", 0).await?.into_iter().collect();
        assert!(pairs == self.expected, "set {set} shows {} of {} pairs", pairs.len(), self.expected.len());
        self.tell(&format!("set {set} came back"));
        Ok(())
    }
}
