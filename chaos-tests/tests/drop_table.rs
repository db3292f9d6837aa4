//! DROP TABLE on real processes over S3: points before and after it, a chain of sets that had the table, a backup that
//! runs meanwhile, the way back with RECOVER TABLE, and a table recovery that fails and leaves nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strandline_chaos::cluster::{HoldingProxy, Outcome, Patience, Site, jobs, readers};
use strandline_cli::admin::Rows;
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_format::DataType;
use strandline_format::pb;
use strandline_format::small::read_small;
use strandline_types::{BackupJobStatus, ErrorClass, Scn};

const TENANT: &str = "source";
const KEPT: &str = "kept";
const DROPPED: &str = "dropped";
const BUCKET: &str = "backup";
/// The system's and two of the user's.
const LOG_STREAMS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(90);

type Pairs = BTreeMap<Bytes, Bytes>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_table_is_there_before_the_drop_and_nowhere_after_it() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let started = HoldingProxy::start(&site.path().join("buckets")).await.unwrap_or_else(|f| panic!("{f}"));
    let Some(proxy) = started else { return };
    let ran = match Run::new(&site, &proxy).await {
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
    client: KvClient,
    data: String,
    archive: String,
    sets: u64,
    began: Instant,
}

impl<'a> Run<'a> {
    async fn new(site: &'a Site, proxy: &'a HoldingProxy) -> Outcome<Self> {
        let cluster = site.cluster(1, "servers", 1, 3).await?;
        let mut admin = cluster.admin()?;
        admin.sql(&format!("CREATE TENANT {TENANT} LOG_STREAMS = {} REPLICAS = 3", LOG_STREAMS - 1)).await?;
        for table in [KEPT, DROPPED] {
            admin.sql(&format!("CREATE TABLE {table} TABLETS = 4 TENANT = {TENANT}")).await?;
        }
        let (data, archive) = (proxy.uri(BUCKET, "data")?, proxy.uri(BUCKET, "archive")?);
        jobs::archive_to(&cluster, TENANT, std::slice::from_ref(&archive), 3600).await?;
        admin.sql(&format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}' TENANT = {TENANT}")).await?;
        let client = KvClient::connect(&cluster.endpoints(), TENANT).await?;
        Ok(Self { site, proxy, cluster, client, data, archive, sets: 0, began: Instant::now() })
    }

    async fn all(mut self) -> Outcome<()> {
        self.points().await?;
        self.drops_meanwhile().await?;
        self.fails_and_leaves_nothing().await?;
        let buckets = self.site.path().join("buckets").join(BUCKET);
        readers::check(&buckets).unwrap_or_else(|problems| panic!("{problems}"));
        self.cluster.destroy()
    }

    /// Before the drop all rows are there, from its SCN on none is, whatever set the restore begins with.
    async fn points(&mut self) -> Outcome<()> {
        let mut kept = self.fill(KEPT, 0..400).await?;
        let mut old = self.fill(DROPPED, 0..400).await?;
        self.back_up("").await?;
        kept.extend(self.fill(KEPT, 400..500).await?);
        old.extend(self.fill(DROPPED, 400..500).await?);
        let before = self.client.token().0;
        let dropped = self.drop_table().await?;
        let refused = self.client.put(DROPPED, "k".into(), "v".into()).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::NotFound, "{refused}");
        self.sql(&format!("CREATE TABLE {DROPPED} TABLETS = 2")).await?;
        let new = self.fill(DROPPED, 1000..1010).await?;
        self.back_up("INCREMENTAL").await?;
        self.fill(KEPT, 0..1).await?;
        let end = self.client.token().0;
        jobs::until_covered(&mut self.cluster, &[0], end).await?;

        self.shows("before", before, &[(KEPT, &kept), (DROPPED, &old)]).await?;
        self.shows("just_before", dropped.prev(), &[(KEPT, &kept), (DROPPED, &old)]).await?;
        self.shows("from_then_on", dropped, &[(KEPT, &kept)]).await?;
        self.shows("at_the_end", end, &[(KEPT, &kept), (DROPPED, &new)]).await?;

        let from = format!("{},{}", self.data, self.archive);
        self.recover(&format!("'{from}' UNTIL SCN = {before} REMAP TABLE {DROPPED}:again"), "COMPLETED").await?;
        assert!(self.rows_of(&self.client, "again").await? == old, "it comes back into the tenant that lost it");
        self.tell("restored around a drop, and recovered what was dropped");
        Ok(())
    }

    /// What is dropped while log streams are copied costs another turn, and the set does not have it.
    async fn drops_meanwhile(&mut self) -> Outcome<()> {
        self.proxy.hold("/macro_block_data");
        self.sql("ALTER SYSTEM BACKUP DATABASE").await?;
        self.sets += 1;
        // All log streams have taken their points.
        let patience = Patience::new("the backup is held", PATIENCE);
        while self.proxy.held() < LOG_STREAMS {
            let tasks = self.query("DBA_OB_BACKUP_TASKS").await?;
            patience.once_more(&format!("{}: {}", tasks.text(0, "STATUS"), tasks.text(0, "COMMENT"))).await?;
        }
        let tasks = self.query("DBA_OB_BACKUP_TASKS").await?;
        assert_eq!(tasks.text(0, "STATUS"), BackupJobStatus::Data.to_string());
        self.drop_table().await?;
        self.proxy.release();
        self.until_backed_up().await?;
        let sets = self.query(&format!("DBA_OB_BACKUP_SET_FILES WHERE BACKUP_SET_ID = {}", self.sets)).await?;
        assert_eq!(sets.number(0, "DATA_TURN_ID"), 2, "the first turn has the table");
        let min = Scn(sets.number(0, "MIN_RESTORE_SCN"));
        assert_eq!(self.tablets_of_the_last_set(2), self.tablets().await?, "no block of it");
        let (kept, again) = (self.rows_of(&self.client, KEPT).await?, self.rows_of(&self.client, "again").await?);
        jobs::until_covered(&mut self.cluster, &[0], min).await?;
        self.shows("of_turn_2", min, &[(KEPT, &kept), ("again", &again)]).await?;
        self.tell("a drop under a backup cost a turn");
        Ok(())
    }

    /// One log stream of the source is damaged: what came from the other was written, and goes again.
    async fn fails_and_leaves_nothing(&mut self) -> Outcome<()> {
        let broken = self.site.directory("broken")?;
        copy_tree(&self.site.path().join("buckets").join(BUCKET).join("data"), &broken);
        let damaged = spoil(&broken, "logstream_1002");
        assert!(damaged > 0, "the log stream has blocks");
        let from = format!("file://{},{}", broken.display(), self.archive);
        let written = self.recover(&format!("'{from}' REMAP TABLE again:never"), "FAILED").await?;
        self.until_dropped().await?;
        self.back_up("").await?;
        assert_eq!(self.tablets_of_the_last_set(1), self.tablets().await?, "nothing of it is left");
        self.tell(&format!("a table recovery that failed after {written} rows left nothing"));
        Ok(())
    }

    fn tell(&self, what: &str) {
        eprintln!("chaos: {:6.2} s: {what}", self.began.elapsed().as_secs_f64());
    }

    async fn sql(&self, statement: &str) -> Outcome<()> {
        self.cluster.admin()?.of_tenant(TENANT).sql(statement).await.map(drop)
    }

    async fn query(&self, from: &str) -> Outcome<Rows> {
        self.cluster.admin()?.of_tenant(TENANT).query(&format!("SELECT * FROM {from}")).await
    }

    async fn fill(&self, table: &str, keys: std::ops::Range<u32>) -> Outcome<Pairs> {
        let pair = |n: u32| (Bytes::from(format!("key {n:05}")), Bytes::from(format!("{table} {n} ").repeat(40)));
        let pairs: Pairs = keys.map(pair).collect();
        let writes: Vec<_> = pairs.iter().map(|(k, v)| (k.clone(), Some(v.clone()))).collect();
        for batch in writes.chunks(100) {
            self.client.batch(table, batch.to_vec()).await?;
        }
        Ok(pairs)
    }

    async fn rows_of(&self, client: &KvClient, table: &str) -> Outcome<Pairs> {
        Ok(client.scan(table, b"", b"", 0).await?.into_iter().collect())
    }

    /// Drops the table; gives the SCN of the dictionary that does without it, once no log stream has tablets of it.
    async fn drop_table(&self) -> Outcome<Scn> {
        self.sql(&format!("DROP TABLE {DROPPED}")).await?;
        let patience = Patience::new("the dictionary does without the table", PATIENCE);
        let scn = loop {
            let dictionary = self.client.dictionary().await?;
            if dictionary.tables.iter().all(|t| t.name != DROPPED) {
                break Scn(dictionary.scn);
            }
            patience.once_more("it has it").await?;
        };
        self.until_dropped().await?;
        Ok(scn)
    }

    async fn until_dropped(&self) -> Outcome<()> {
        let patience = Patience::new("the tablets are dropped", PATIENCE);
        loop {
            let waits = self.cluster.admin()?.query("SELECT * FROM CDB_STRANDLINE_WAITING").await?;
            let on = (0..waits.len()).map(|row| waits.text(row, "WAITING_ON")).find(|on| on.contains("their tablets"));
            let Some(on) = on else { return Ok(()) };
            patience.once_more(&on).await?;
        }
    }

    async fn back_up(&mut self, kind: &str) -> Outcome<()> {
        self.sql(&format!("ALTER SYSTEM BACKUP {kind} DATABASE")).await?;
        self.sets += 1;
        self.until_backed_up().await
    }

    async fn until_backed_up(&self) -> Outcome<()> {
        let patience = Patience::new(format!("set {} is made", self.sets), PATIENCE);
        loop {
            let ended = self.query(&format!("DBA_OB_BACKUP_TASK_HISTORY WHERE BACKUP_SET_ID = {}", self.sets)).await?;
            if !ended.is_empty() {
                assert_eq!(ended.text(0, "STATUS"), "COMPLETED", "{}", ended.text(0, "COMMENT"));
                return Ok(());
            }
            patience.once_more("it runs").await?;
        }
    }

    /// Recovers a table, up to this end; gives how many rows were written.
    async fn recover(&self, from: &str, status: &str) -> Outcome<u64> {
        let table = if status == "FAILED" { "again" } else { DROPPED };
        let statement = format!("ALTER SYSTEM RECOVER TABLE {table} TO TENANT {TENANT} FROM {from}");
        let mut admin = self.cluster.admin()?;
        admin.sql(&statement).await?;
        let patience = Patience::new("the table recovery ends", PATIENCE);
        loop {
            let view = "SELECT * FROM CDB_OB_RECOVER_TABLE_JOB_HISTORY ORDER BY JOB_ID DESC";
            if admin.query("SELECT * FROM CDB_OB_RECOVER_TABLE_JOBS").await?.is_empty() {
                let ended = admin.query(view).await?;
                assert_eq!(ended.text(0, "STATUS"), status, "{}", ended.text(0, "COMMENT"));
                return Ok(ended.number(0, "RECOVERED_KEYS"));
            }
            patience.once_more("it runs").await?;
        }
    }

    /// A restore to an SCN has these tables with these rows and no others.
    async fn shows(&mut self, tenant: &str, scn: Scn, expected: &[(&str, &Pairs)]) -> Outcome<()> {
        jobs::begin_restore_from(&self.cluster, tenant, &self.data, &self.archive, scn).await?;
        jobs::until_restored(&mut self.cluster, tenant).await?;
        let client = KvClient::connect(&self.cluster.endpoints(), tenant).await?;
        let tables: BTreeSet<String> = client.dictionary().await?.tables.into_iter().map(|t| t.name).collect();
        let names: BTreeSet<String> = expected.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(tables, names, "{tenant}");
        for (table, rows) in expected {
            let found = self.rows_of(&client, table).await?;
            assert!(found == **rows, "{tenant}: {table} has {} of {} rows", found.len(), rows.len());
        }
        self.cluster.admin()?.sql(&format!("DROP TENANT {tenant}")).await.map(drop)
    }

    /// Tablets that the tenant's dictionary names.
    async fn tablets(&self) -> Outcome<BTreeSet<u64>> {
        let tables = self.client.dictionary().await?.tables;
        Ok(tables.iter().flat_map(|t| &t.tablets).map(|t| t.tablet_id).collect())
    }

    /// Tablets that the newest set, a full one, has blocks of.
    fn tablets_of_the_last_set(&self, turn: u32) -> BTreeSet<u64> {
        let set = format!("data/backup_set_{}_full", self.sets);
        let set = self.site.path().join("buckets").join(BUCKET).join(set);
        let metas = set.join("infos/meta_info/ls_meta_infos.obbak");
        let metas: pb::LsMetaInfos = read_small(DataType::LsMetaInfos, &std::fs::read(metas).unwrap()).unwrap();
        assert!(metas.log_streams.iter().any(|m| m.turn == turn), "some log stream is of turn {turn}");
        metas.log_streams.iter().flat_map(|m| m.tablet_ids.iter().copied()).collect()
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn copy_tree(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
}

/// Turns a byte in every page of the data files of a log stream; gives how many.
fn spoil(dir: &Path, log_stream: &str) -> usize {
    let is_data = |p: &PathBuf| {
        let text = p.display().to_string();
        text.contains(log_stream) && text.contains("macro_block_data") && !text.contains("sys_data")
    };
    let mut turned = 0;
    for file in files_below(dir).into_iter().filter(is_data) {
        let mut bytes = std::fs::read(&file).unwrap();
        // The header and the trailer stay: the file is whole, its blocks are not.
        let end = bytes.len().saturating_sub(4096);
        for at in (4096 + 200..end).step_by(4096) {
            bytes[at] ^= 0x40;
            turned += 1;
        }
        std::fs::write(&file, bytes).unwrap();
    }
    turned
}
