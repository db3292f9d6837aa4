//! A random history of one tenant of a real cluster: tables that come and go, writes and deletes, pieces that end, full
//! and incremental backups, sets that are deleted; drawn from a seed. [`History::live`] lives it, [`History::prove`] restores it.
//!
//! A test that kills servers meanwhile does so from outside: a history only repeats what may be repeated. It must not look
//! into a server; what it knows of its backups it reads in the views that any administrator has.

mod proof;
mod sets;
mod tables;

pub use proof::Proof;

use super::jobs::until_rounds;
use super::oracle::Op;
use super::{Outcome, Site};
use crate::sim::Rng;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strandline_cli::admin::{Admin, Rows};
use strandline_engine::KvClient;
use strandline_types::Scn;
use tables::Life;

const PATIENCE: Duration = Duration::from_secs(120);
const STEPS: u64 = 12;
/// Few enough that keys are overwritten and deleted again and again.
const KEYS_PER_TABLE: u64 = 60;
const WRITES: std::ops::Range<u64> = 10..50;
const TABLES_MAX: usize = 4;
/// Longer than the shortest piece.
const REST_MS: std::ops::Range<u64> = 200..2500;

/// One tenant and everything it did.
pub struct History {
    seed: u64,
    name: String,
    rng: Rng,
    endpoints: Vec<String>,
    /// A session of `sys`: restores are not the tenant's business.
    sys: Admin,
    /// A session of the tenant.
    admin: Admin,
    client: KvClient,
    home: PathBuf,
    tables: Vec<Life>,
    ops: Vec<Op>,
    told: Vec<String>,
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write,
    Rest,
    CreateTable,
    DropTable,
    Full,
    Incremental,
    DeleteSet,
}

/// How often each of them is drawn.
const STEPS_BY_WEIGHT: [Step; 12] = [
    Step::Write,
    Step::Write,
    Step::Write,
    Step::Rest,
    Step::Rest,
    Step::CreateTable,
    Step::DropTable,
    Step::DropTable,
    Step::Full,
    Step::Incremental,
    Step::Incremental,
    Step::DeleteSet,
];

impl History {
    /// A new tenant with one table that archives its log, all by the seed.
    ///
    /// # Errors
    /// A refusal.
    pub async fn begin(site: &Site, endpoints: &[String], seed: u64) -> Outcome<Self> {
        let (name, mut rng) = (format!("history_{seed}"), Rng::new(seed));
        for destination in ["archive", "data"] {
            site.directory(&format!("{name}/{destination}"))?;
        }
        let home = site.path().join(&name);
        let mut sys = Admin::new(endpoints)?.patient(PATIENCE);
        let log_streams = rng.between(1, 3);
        sys.sql(&format!("CREATE TENANT {name} LOG_STREAMS = {log_streams} REPLICAS = 3")).await?;
        let admin = Admin::new(endpoints)?.patient(PATIENCE).of_tenant(&name);
        let client = KvClient::connect(endpoints, &name).await?;
        let endpoints = endpoints.to_vec();
        let (tables, ops, told) = (Vec::new(), Vec::new(), Vec::new());
        let mut this = Self { seed, name, rng, endpoints, sys, admin, client, home, tables, ops, told };
        this.create_table().await?;
        let (archive, data, piece) = (this.uri("archive"), this.uri("data"), this.rng.between(1, 4));
        let dest = format!("LOCATION={archive} PIECE_SWITCH_INTERVAL={piece}s");
        this.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{dest}'")).await?;
        this.sql("ALTER SYSTEM ARCHIVELOG").await?;
        this.sql(&format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}'")).await?;
        this.until_round("DOING").await?;
        Ok(this)
    }

    /// The tenant.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its destinations lie here, as `archive` and `data`.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What happened, in short.
    #[must_use]
    pub fn events(&self) -> String {
        let (tables, writes) = (self.tables.len(), self.ops.len());
        let dropped = tables - self.living().count();
        let told = self.told.join(", ");
        format!("seed {}: {tables} tables, {dropped} of them dropped, {writes} writes, {told}", self.seed)
    }

    /// Lives the whole history, and stops the archive at its end.
    ///
    /// # Errors
    /// Something failed that must not.
    pub async fn live(&mut self) -> Outcome<()> {
        self.write().await?;
        for _ in 0..STEPS {
            let step = self.rng.pick(&STEPS_BY_WEIGHT).unwrap_or(Step::Write);
            self.step(step).await?;
        }
        if self.usable_sets().await?.is_empty() {
            self.back_up(Step::Full).await?;
        }
        self.write().await?;
        self.sql("ALTER SYSTEM NOARCHIVELOG").await?;
        self.until_round("STOP").await
    }

    async fn step(&mut self, step: Step) -> Outcome<()> {
        match step {
            Step::Write => self.write().await,
            Step::CreateTable if self.living().count() < TABLES_MAX => self.create_table().await,
            Step::CreateTable => Ok(()),
            Step::DropTable => self.drop_a_table().await,
            Step::Rest => {
                // Not a wait for anything: time in which pieces end and nothing else happens.
                let ms = self.rng.between(REST_MS.start, REST_MS.end);
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(())
            }
            Step::Full | Step::Incremental => self.back_up(step).await,
            Step::DeleteSet => self.delete_a_set().await,
        }
    }

    /// Puts and deletes of a few keys, one after the other.
    async fn write(&mut self) -> Outcome<()> {
        for _ in 0..self.rng.between(WRITES.start, WRITES.end) {
            let living: Vec<(u64, String)> = self.living().map(|t| (t.id, t.name.clone())).collect();
            let Some((id, table)) = self.rng.pick(&living) else { return Ok(()) };
            let key = Bytes::from(format!("key{:03}", self.rng.between(0, KEYS_PER_TABLE)));
            let value = (!self.rng.chance(200)).then(|| self.value());
            let token = self.client.token().0;
            let written = match value.clone() {
                Some(value) => self.client.put(&table, key.clone(), value).await,
                None => self.client.delete(&table, key.clone()).await,
            };
            let acked = match written {
                Ok(scn) => scn,
                Err(e) if e.class().is_retryable() => Scn::MAX,
                Err(e) => return Err(e.into()),
            };
            self.ops.push(Op { key: in_table(id, &key), value, token, acked });
        }
        Ok(())
    }

    /// Unique, so that an old value is never taken for a new one; now and then as long as a block.
    fn value(&mut self) -> Bytes {
        let longest = if self.rng.chance(50) { 20_000 } else { 600 };
        let length = self.rng.between(0, longest) as usize;
        Bytes::from(format!("{}:{}", self.ops.len(), "v".repeat(length)))
    }

    fn uri(&self, destination: &str) -> String {
        format!("file://{}", self.home.join(destination).display())
    }

    async fn sql(&mut self, statement: &str) -> Outcome<()> {
        self.admin.sql(statement).await.map(drop)
    }

    async fn query(&mut self, view: &str) -> Outcome<Rows> {
        self.admin.query(&format!("SELECT * FROM {view}")).await
    }

    /// The only round of the tenant, once it has this status.
    async fn until_round(&mut self, status: &str) -> Outcome<()> {
        let what = format!("{}: the round is {status}", self.name);
        until_rounds(&mut self.admin, &what, (1, status)).await
    }
}

/// Keys of all tables in one oracle; two tables of one name are two.
fn in_table(table: u64, key: &[u8]) -> Bytes {
    [table.to_string().as_bytes(), b"/", key].concat().into()
}
