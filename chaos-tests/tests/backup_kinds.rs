//! Every kind of backup that SQL offers, on servers of the real binary, and what a restore from each one shows: full,
//! incremental, synthetic, encrypted, with its own log, of a list of tenants, of all of them, and scheduled while the
//! leading scheduler dies. Every file that they leave can be read by `strandline inspect` and by the second readers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use strandline_chaos::cluster::{EventLog, Outcome, Patience, Site, jobs, program, readers, server_faults};
use strandline_cli::admin::{Admin, Rows};
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_types::{ErrorClass, Scn};

const TABLE: &str = "numbers";
const PATIENCE: Duration = Duration::from_secs(90);
const PASSWORD: &str = "a very secret password";
/// Archived, backed up in every way.
const ALPHA: &str = "alpha";
/// Encrypted.
const BETA: &str = "beta";
/// Scheduled.
const GAMMA: &str = "gamma";
/// Not archived.
const DELTA: &str = "delta";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_every_kind_of_backup_holds_comes_back() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let ran = run(&site).await;
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

async fn run(site: &Site) -> Outcome<()> {
    let mut world = World::start(site).await?;
    world.chain_and_synthetic().await?;
    world.encrypted().await?;
    world.with_its_log().await?;
    world.several_tenants().await?;
    world.scheduled().await?;
    world.cluster_parameters().await?;
    world.read_by_others();
    world.cluster.destroy()
}

type Content = BTreeMap<Bytes, Bytes>;

struct World<'a> {
    site: &'a Site,
    cluster: Cluster,
    /// What each tenant holds now.
    content: BTreeMap<&'static str, Content>,
    ids: BTreeMap<&'static str, u64>,
    events: EventLog,
}

impl<'a> World<'a> {
    async fn start(site: &'a Site) -> Outcome<Self> {
        let cluster = site.cluster(1, "servers", 3, 2).await?;
        let (content, ids, events) = (BTreeMap::new(), BTreeMap::new(), EventLog::begin());
        let mut world = Self { site, cluster, content, ids, events };
        for tenant in [ALPHA, BETA, GAMMA, DELTA] {
            let mut admin = world.cluster.admin()?;
            admin.sql(&format!("CREATE TENANT {tenant} LOG_STREAMS = 1 REPLICAS = 1")).await?;
            admin.sql(&format!("CREATE TABLE {TABLE} TABLETS = 2 TENANT = {tenant}")).await?;
            let row = format!("SELECT TENANT_ID FROM CDB_OB_TENANTS WHERE TENANT_NAME = '{tenant}'");
            world.ids.insert(tenant, admin.query(&row).await?.number(0, "TENANT_ID"));
            world.write(tenant, 0..200).await?;
        }
        for tenant in [ALPHA, BETA, GAMMA] {
            let archive = world.place("archive", tenant);
            let mut admin = world.cluster.admin()?;
            let dest = format!("LOCATION={} PIECE_SWITCH_INTERVAL=3600s", uri(&archive));
            admin.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{dest}' TENANT = {tenant}")).await?;
            admin.sql(&format!("ALTER SYSTEM ARCHIVELOG TENANT = {tenant}")).await?;
            let round = format!("SELECT STATUS FROM CDB_OB_ARCHIVELOG WHERE TENANT_ID = {}", world.ids[tenant]);
            let patience = Patience::new("the round is open", PATIENCE);
            while admin.query(&round).await?.text(0, "STATUS") != "DOING" {
                patience.once_more(tenant).await?;
            }
            let data = uri(&world.place("data", tenant));
            admin.sql(&format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}' TENANT = {tenant}")).await?;
        }
        world.events.record("three tenants are archived");
        Ok(world)
    }

    fn place(&self, kind: &str, tenant: &str) -> PathBuf {
        let dir = self.site.path().join(kind).join(tenant);
        std::fs::create_dir_all(&dir).expect("a directory can be made");
        dir
    }

    async fn write(&mut self, tenant: &'static str, keys: std::ops::Range<u32>) -> Outcome<()> {
        let client = KvClient::connect(&self.cluster.endpoints(), tenant).await?;
        let pair = |n: u32| (Bytes::from(format!("key {n:05}")), Bytes::from(format!("{tenant} {n} ").repeat(40)));
        let pairs: Vec<_> = keys.map(pair).collect();
        self.content.entry(tenant).or_default().extend(pairs.iter().cloned());
        for batch in pairs.chunks(50) {
            let writes = batch.iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect();
            client.batch(TABLE, writes).await?;
        }
        Ok(())
    }

    /// Runs a backup statement to the end of what it starts for these tenants; gives the newest set of the first.
    async fn back_up(&self, admin: &mut Admin, statement: &str, tenants: &[&'static str]) -> Outcome<Rows> {
        admin.sql(statement).await?;
        for tenant in tenants {
            let running = format!("SELECT * FROM CDB_OB_BACKUP_TASKS WHERE TENANT_ID = {}", self.ids[tenant]);
            let patience = Patience::new(format!("{statement} ends"), PATIENCE);
            loop {
                let running = admin.query(&running).await?;
                if running.is_empty() {
                    break;
                }
                patience.once_more(&format!("{}: {}", running.text(0, "STATUS"), running.text(0, "COMMENT"))).await?;
            }
        }
        let set = self.newest_set(tenants[0]).await?;
        assert_eq!(set.text(0, "STATUS"), "SUCCESS", "{statement}: {}", set.text(0, "COMMENT"));
        self.events.record(&format!("{statement}: set {}", set.text(0, "BACKUP_SET_ID")));
        Ok(set)
    }

    async fn newest_set(&self, tenant: &str) -> Outcome<Rows> {
        let of = format!("SELECT * FROM CDB_OB_BACKUP_SET_FILES WHERE TENANT_ID = {}", self.ids[tenant]);
        self.cluster.admin()?.query(&format!("{of} ORDER BY BACKUP_SET_ID DESC LIMIT 1")).await
    }

    fn restore_statement(name: &str, from: &str, until: Scn) -> String {
        format!("ALTER SYSTEM RESTORE {name} FROM '{from}' UNTIL SCN = {until} WITH 'pool_list=default&replicas=1'")
    }

    /// Restores and compares; the job names the set that it took.
    async fn comes_back(
        &mut self,
        admin: &mut Admin,
        (name, from): (&str, &str),
        set: &Rows,
        expected: &Content,
    ) -> Outcome<()> {
        let until = Scn(set.number(0, "MIN_RESTORE_SCN"));
        admin.sql(&Self::restore_statement(name, from, until)).await?;
        jobs::until_restored(&mut self.cluster, name).await?;
        let history = format!("SELECT * FROM CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '{name}'");
        let sets = admin.query(&history).await?.text(0, "BACKUP_SET_LIST");
        let wanted = format!("backup_set_{}_", set.text(0, "BACKUP_SET_ID"));
        assert!(sets.contains(&wanted), "{name} came from {sets}, not from {wanted}");
        let client = KvClient::connect(&self.cluster.endpoints(), name).await?;
        let pairs: Content = client.scan(TABLE, b"", b"", 0).await?.into_iter().collect();
        assert!(pairs == *expected, "{name} shows {} of {} pairs", pairs.len(), expected.len());
        self.events.record(&format!("{name} came back"));
        Ok(())
    }

    fn from(&self, tenant: &str) -> String {
        format!("{},{}", uri(&self.place("data", tenant)), uri(&self.place("archive", tenant)))
    }

    async fn chain_and_synthetic(&mut self) -> Outcome<()> {
        let (mut admin, from) = (self.cluster.admin()?, self.from(ALPHA));
        let mut moments = Vec::new();
        let full = format!("ALTER SYSTEM BACKUP TENANT = {ALPHA} DESCRIPTION = 'before the fair'");
        let incremental = format!("ALTER SYSTEM BACKUP INCREMENTAL TENANT = {ALPHA}");
        for (n, statement) in [&full, &incremental, &incremental].into_iter().enumerate() {
            let set = self.back_up(&mut admin, statement, &[ALPHA]).await?;
            assert_eq!(set.text(0, "BACKUP_TYPE"), if n == 0 { "FULL" } else { "INC" });
            moments.push((format!("alpha_{n}"), set, self.content[ALPHA].clone()));
            let first = 150 + 100 * n as u32;
            self.write(ALPHA, first..first + 100).await?;
        }
        let described = "SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY WHERE DESCRIPTION = 'before the fair'";
        let described = admin.query(&format!("{described} AND TENANT_ID = {}", self.ids[ALPHA])).await?;
        assert_eq!((described.len(), described.text(0, "STATUS")), (1, "COMPLETED".to_owned()));
        for (name, set, content) in &moments {
            self.comes_back(&mut admin, (name.as_str(), from.as_str()), set, content).await?;
        }
        let statement = format!("ALTER SYSTEM BACKUP SYNTHETIC TENANT = {ALPHA}");
        let set = self.back_up(&mut admin, &statement, &[ALPHA]).await?;
        assert_eq!(set.text(0, "BACKUP_TYPE"), "FULL");
        // As old as the newest of its chain, and it needs nothing of it.
        let (_, newest, content) = &moments[2];
        assert_eq!(set.text(0, "MIN_RESTORE_SCN"), newest.text(0, "MIN_RESTORE_SCN"));
        self.comes_back(&mut admin, ("alpha_synthetic", from.as_str()), &set, content).await
    }

    async fn encrypted(&mut self) -> Outcome<()> {
        let (mut admin, from) = (self.cluster.admin()?.of_tenant(BETA), self.from(BETA));
        admin.sql(&format!("SET ENCRYPTION ON IDENTIFIED BY '{PASSWORD}' ONLY")).await?;
        self.back_up(&mut admin, "ALTER SYSTEM BACKUP DATABASE", &[BETA]).await?;
        self.write(BETA, 150..300).await?;
        let set = self.back_up(&mut admin, "ALTER SYSTEM BACKUP INCREMENTAL DATABASE", &[BETA]).await?;
        assert_eq!(
            (set.text(0, "BACKUP_TYPE"), set.text(0, "ENCRYPTION_MODE").as_str()),
            ("INC".into(), "PASSWORD_ENCRYPTION")
        );

        let restore = Self::restore_statement("beta_back", &from, Scn(set.number(0, "MIN_RESTORE_SCN")));
        let mut keyless = self.cluster.admin()?;
        let lost = keyless.sql(&restore).await.unwrap_err();
        assert!(lost.class == ErrorClass::Permission && lost.todo.contains("SET DECRYPTION"), "{lost}");
        keyless.sql("SET DECRYPTION IDENTIFIED BY 'another password'").await?;
        let wrong = keyless.sql(&restore).await.unwrap_err();
        assert!(wrong.class == ErrorClass::Permission && wrong.object.contains("backup set"), "{wrong}");
        let mut owner = self.cluster.admin()?;
        owner.sql(&format!("SET DECRYPTION IDENTIFIED BY 'another password', '{PASSWORD}'")).await?;
        let content = self.content[BETA].clone();
        self.comes_back(&mut owner, ("beta_back", from.as_str()), &set, &content).await
    }

    /// PLUS ARCHIVELOG into another path: the set alone is enough.
    async fn with_its_log(&mut self) -> Outcome<()> {
        let (mut admin, stick) = (self.cluster.admin()?, uri(&self.place("data", "stick")));
        let statement = format!("ALTER SYSTEM BACKUP TENANT = {ALPHA} TO '{stick}' PLUS ARCHIVELOG");
        let set = self.back_up(&mut admin, &statement, &[ALPHA]).await?;
        assert_eq!((set.text(0, "PLUS_ARCHIVELOG"), set.text(0, "PATH")), ("ON".to_owned(), stick.clone()));
        let content = self.content[ALPHA].clone();
        self.comes_back(&mut admin, ("alpha_stick", stick.as_str()), &set, &content).await
    }

    async fn several_tenants(&mut self) -> Outcome<()> {
        let mut admin = self.cluster.admin()?;
        let list = format!("ALTER SYSTEM BACKUP TENANT = {ALPHA},{GAMMA}");
        self.back_up(&mut admin, &list, &[ALPHA, GAMMA]).await?;
        let (before, refused) = (self.newest_set(ALPHA).await?, format!("{list},{DELTA}"));
        let refused = admin.sql(&refused).await.unwrap_err();
        assert!(refused.what.contains("backup can not start"), "{refused}");
        assert_eq!(self.newest_set(ALPHA).await?.text(0, "BACKUP_SET_ID"), before.text(0, "BACKUP_SET_ID"));

        // From the system tenant: every tenant that can, and the job says which could not.
        self.back_up(&mut admin, "ALTER SYSTEM BACKUP DATABASE", &[ALPHA, BETA, GAMMA]).await?;
        let jobs =
            "SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY WHERE JOB_LEVEL = 'SYS_TENANT' ORDER BY JOB_ID DESC LIMIT 1";
        let job = admin.query(jobs).await?;
        assert!(job.text(0, "COMMENT").contains(&self.ids[DELTA].to_string()), "{}", job.text(0, "COMMENT"));
        let children =
            format!("SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY WHERE INITIATOR_JOB_ID = {}", job.text(0, "JOB_ID"));
        let children = admin.query(&children).await?;
        let tenants: BTreeSet<u64> = (0..children.len()).map(|row| children.number(row, "TENANT_ID")).collect();
        assert!(tenants.is_superset(&[ALPHA, BETA, GAMMA].map(|t| self.ids[t]).into()), "{tenants:?}");
        let (from, content) = (self.from(GAMMA), self.content[GAMMA].clone());
        let set = self.newest_set(GAMMA).await?;
        self.comes_back(&mut admin, ("gamma_back", from.as_str()), &set, &content).await
    }

    /// The leader starts it at its minute, dies at once, and the next leader goes on with it and starts no other.
    async fn scheduled(&mut self) -> Outcome<()> {
        let before = self.newest_set(GAMMA).await?.number(0, "BACKUP_SET_ID");
        let mut admin = self.cluster.admin()?;
        let key = self.site.path().join("backup.key");
        std::fs::write(&key, format!("{PASSWORD}\n")).expect("a file can be written");
        let sealed = format!("ENCRYPTION KEY = 'file:{}'", key.display());
        let every_minute = format!("FULL = '* * * * *' TIME ZONE = 'Europe/Berlin' MISSED RUN = SKIP {sealed}");
        admin.sql(&format!("ALTER SYSTEM SET BACKUP SCHEDULE {every_minute} ENABLE TENANT = {GAMMA}")).await?;
        let running = format!("SELECT * FROM CDB_OB_BACKUP_JOBS WHERE TENANT_ID = {}", self.ids[GAMMA]);
        let patience = Patience::new("the minute comes", PATIENCE);
        while admin.query(&running).await?.is_empty() {
            patience.once_more("no job").await?;
        }
        let leader = server_faults::kill_leading_scheduler(&mut self.cluster).await?;
        self.events.record(&format!("scheduler {leader} died when the schedule had started its backup"));
        self.cluster.restart_killed()?;
        let patience = Patience::new("the scheduled backup ends", PATIENCE);
        while !admin.query(&running).await?.is_empty() {
            patience.once_more("it runs").await?;
        }
        admin.sql(&format!("ALTER SYSTEM DISABLE BACKUP SCHEDULE TENANT = {GAMMA}")).await?;
        while !admin.query(&running).await?.is_empty() {
            patience.once_more("the last one runs").await?;
        }
        let runs = admin.query("SELECT * FROM CDB_STRANDLINE_BACKUP_SCHEDULE_RUNS").await?;
        let due: BTreeSet<String> = (0..runs.len()).map(|row| runs.text(row, "DUE_TIMESTAMP")).collect();
        let jobs: BTreeSet<u64> = (0..runs.len()).map(|row| runs.number(row, "JOB_ID")).collect();
        assert!((1..=2).contains(&runs.len()), "{} runs in about a minute", runs.len());
        assert!(due.len() == runs.len() && jobs.len() == runs.len(), "{due:?} {jobs:?}");
        let set = self.newest_set(GAMMA).await?;
        assert_eq!(set.number(0, "BACKUP_SET_ID") - before, runs.len() as u64, "one set per run");
        assert_eq!(set.text(0, "STATUS"), "SUCCESS", "{}", set.text(0, "COMMENT"));
        assert_eq!(set.text(0, "ENCRYPTION_MODE"), "PASSWORD_ENCRYPTION");
        let (from, content) = (self.from(GAMMA), self.content[GAMMA].clone());
        admin.sql(&format!("SET DECRYPTION IDENTIFIED BY '{PASSWORD}'")).await?;
        self.comes_back(&mut admin, ("gamma_scheduled", from.as_str()), &set, &content).await
    }

    async fn cluster_parameters(&self) -> Outcome<()> {
        let place = self.site.path().join("parameters");
        std::fs::create_dir_all(&place).expect("a directory can be made");
        let statement = format!("ALTER SYSTEM BACKUP CLUSTER PARAMETERS TO '{}'", uri(&place));
        self.cluster.admin()?.sql(&statement).await?;
        let written = files(&place);
        assert_eq!(written.len(), 1, "{written:?}");
        let shown = inspect(&written[0]);
        assert!(shown.to_string().contains("chaos-servers"), "the name of the cluster: {shown}");
        Ok(())
    }

    /// Each kind of file by `strandline inspect`, each tree by the second readers.
    fn read_by_others(&self) {
        let mut kinds = BTreeSet::new();
        for file in files(&self.site.path().join("data")).into_iter().chain(files(&self.site.path().join("archive"))) {
            let name = file.file_name().unwrap().to_str().unwrap();
            let kind: String = name.chars().filter(|c| !c.is_ascii_digit()).collect();
            if kinds.insert(kind) {
                let shown = inspect(&file);
                assert!(shown.as_object().is_some_and(|fields| fields.len() > 2), "{}: {shown}", file.display());
            }
        }
        for part in
            ["locality_info", "diagnose_info", "tenant_parameter", "table_list", "deleted_tablet_info", "ls_attr"]
        {
            assert!(kinds.iter().any(|kind| kind.contains(part)), "no {part} among {kinds:?}");
        }
        self.events.record(&format!("inspect has read {} kinds of files", kinds.len()));
        for tenant in [ALPHA, BETA, GAMMA, "stick"] {
            let data = self.place("data", tenant);
            readers::check_data(&data).unwrap_or_else(|problems| panic!("{problems}"));
        }
        for tenant in [ALPHA, BETA, GAMMA] {
            let archive = self.place("archive", tenant);
            readers::check_archive(&archive).unwrap_or_else(|problems| panic!("{problems}"));
        }
        let stick = self.place("data", "stick");
        for set in std::fs::read_dir(&stick).unwrap().map(|e| e.unwrap().path().join("complement_log")) {
            if set.is_dir() {
                readers::check_archive(&set).unwrap_or_else(|problems| panic!("{problems}"));
            }
        }
    }
}

fn uri(dir: &Path) -> String {
    format!("file://{}", dir.display())
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for path in std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() { dirs.push(path) } else { found.push(path) }
        }
    }
    found
}

fn inspect(file: &Path) -> serde_json::Value {
    let program = program::find().unwrap_or_else(|f| panic!("{f}"));
    let out = Command::new(program).args(["--output", "json", "inspect"]).arg(file).output().expect("it runs");
    assert!(out.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}
