//! Small tenants through everything, with real servers: no table, empty tables, tables that were dropped or emptied, one
//! key, one value of the largest size, and random ones between. What went in comes out, and nothing waits for what is not
//! there.
//!
//! A seed repeats a random tenant: it is part of the tenant's name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{Cluster, number, restore, text, uri, wait};

const NOT_FOUND: i32 = 11;
const LARGEST_VALUE: usize = 1 << 20;
/// Random tenants, by seed.
const SEEDS: [u64; 4] = [1, 2, 3, 4];
/// Tenants that are looked at side by side.
const AT_ONCE: usize = 3;

/// Something that is done to a tenant.
#[derive(Clone, Debug)]
enum Step {
    Create(&'static str),
    Drop(&'static str),
    Put(&'static str, &'static str, usize),
    Delete(&'static str, &'static str),
}

/// What a tenant holds: tables, keys, lengths of values.
type Content = BTreeMap<&'static str, BTreeMap<&'static str, usize>>;

fn follow(content: &mut Content, step: &Step) {
    match *step {
        Step::Create(table) => drop(content.insert(table, BTreeMap::new())),
        Step::Drop(table) => drop(content.remove(table)),
        Step::Put(table, key, bytes) => drop(content.get_mut(table).unwrap().insert(key, bytes)),
        Step::Delete(table, key) => drop(content.get_mut(table).unwrap().remove(key)),
    }
}

/// A tenant's life before its first backup, and between that and its last archived write.
#[derive(Clone, Debug)]
struct Life {
    name: String,
    before: Vec<Step>,
    after: Vec<Step>,
}

impl Life {
    fn new(name: &str, before: &[Step], after: &[Step]) -> Self {
        Self { name: name.to_owned(), before: before.to_vec(), after: after.to_vec() }
    }

    /// Up to four steps before the backup and after it, each possible where it stands.
    fn random(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let mut content = Content::new();
        let before = rng.steps(&mut content);
        let after = rng.steps(&mut content);
        Self { name: format!("random{seed}"), before, after }
    }
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn steps(&mut self, content: &mut Content) -> Vec<Step> {
        (0..self.below(5)).map(|_| self.step(content)).collect()
    }

    fn step(&mut self, content: &mut Content) -> Step {
        let names = ["files", "other"];
        let there: Vec<&'static str> = content.keys().copied().collect();
        let missing: Vec<&'static str> = names.into_iter().filter(|n| !content.contains_key(n)).collect();
        let step = match self.below(5) {
            0 if !missing.is_empty() => Step::Create(missing[self.below(missing.len())]),
            1 if !there.is_empty() => Step::Drop(there[self.below(there.len())]),
            2 | 3 if !there.is_empty() => {
                let (table, key) = (there[self.below(there.len())], ["a", "b"][self.below(2)]);
                Step::Put(table, key, [0, 1, 4000, LARGEST_VALUE][self.below(4)])
            }
            4 if !there.is_empty() => Step::Delete(there[self.below(there.len())], "a"),
            _ if !missing.is_empty() => Step::Create(missing[0]),
            _ => Step::Put("files", "b", 7),
        };
        follow(content, &step);
        step
    }
}

fn lives() -> Vec<Life> {
    use Step::{Create, Delete, Drop, Put};
    let fixed = [
        Life::new("none", &[], &[]),
        Life::new("later", &[], &[Create("files"), Put("files", "a", 5)]),
        Life::new("empty", &[Create("files"), Create("other")], &[]),
        Life::new("emptied", &[Create("files"), Put("files", "a", 9), Delete("files", "a")], &[]),
        Life::new("dropped", &[Create("files"), Put("files", "a", 9), Drop("files")], &[]),
        Life::new("gone", &[Create("files"), Put("files", "a", 9)], &[Drop("files")]),
        Life::new("one", &[Create("files"), Put("files", "a", 1)], &[]),
        Life::new("large", &[Create("files"), Put("files", "a", LARGEST_VALUE)], &[Put("files", "a", LARGEST_VALUE)]),
    ];
    fixed.into_iter().chain(SEEDS.map(Life::random)).collect()
}

/// A tenant with its destinations, and what it holds.
struct Tenant<'a> {
    cluster: &'a Cluster,
    name: String,
    id: u64,
    data: PathBuf,
    archive: PathBuf,
    content: Content,
}

impl<'a> Tenant<'a> {
    fn make(cluster: &'a Cluster, name: &str) -> Self {
        cluster.sql(&format!("CREATE TENANT {name} LOG_STREAMS = 1 REPLICAS = 1"));
        let id = cluster.tenant_status(name).unwrap().1;
        let (data, archive) = (cluster.dir(&format!("{name}/data")), cluster.dir(&format!("{name}/archive")));
        cluster.set_data_dest(name, &data);
        cluster.set_archive_dest(name, &archive);
        cluster.archive(name, id);
        Self { cluster, name: name.to_owned(), id, data, archive, content: Content::new() }
    }

    fn step(&mut self, step: &Step) {
        let (cluster, name) = (self.cluster, self.name.as_str());
        match *step {
            Step::Create(table) => drop(cluster.sql(&format!("CREATE TABLE {table} TABLETS = 2 TENANT = {name}"))),
            Step::Drop(table) => drop(cluster.sql(&format!("DROP TABLE {table} TENANT = {name}"))),
            Step::Put(table, key, bytes) => {
                let file = cluster.dir(name).join("value");
                std::fs::write(&file, "x".repeat(bytes)).unwrap();
                cluster.ok_with_input(&["kv", "-t", name, "--table", table, "put", key, "-"], &file);
            }
            Step::Delete(table, key) => drop(cluster.ok(&["kv", "-t", name, "--table", table, "delete", key])),
        }
        follow(&mut self.content, step);
    }

    fn statement(&self, statement: &str) {
        self.cluster.ok(&["sql", "-t", &self.name, "-e", statement]);
    }

    /// The newest row of a history once nothing is left in the view of running jobs.
    fn ended(&self, running: &str, history: &str) -> Value {
        let of = |view: &str| format!("SELECT * FROM {view} WHERE TENANT_ID = {} ORDER BY JOB_ID DESC", self.id);
        wait(&format!("{}: {running}", self.name), || self.cluster.rows(&of(running)).is_empty().then_some(()));
        self.cluster.rows(&of(history)).remove(0)
    }

    fn back_up(&self, what: &str) {
        self.statement(&format!("ALTER SYSTEM BACKUP {what} DATABASE"));
        let job = self.ended("CDB_OB_BACKUP_JOBS", "CDB_OB_BACKUP_JOB_HISTORY");
        assert_eq!(text(&job, "STATUS"), "COMPLETED", "{}: {job}", self.name);
    }

    fn validate(&self) {
        self.statement("ALTER SYSTEM VALIDATE BACKUP LEVEL = 'physical'");
        let job = self.ended("CDB_OB_BACKUP_VALIDATE_JOBS", "CDB_OB_BACKUP_VALIDATE_JOB_HISTORY");
        assert_eq!(text(&job, "STATUS"), "COMPLETED", "{}: {job}", self.name);
    }

    fn drill(&self) {
        self.statement("ALTER SYSTEM RUN RESTORE DRILL");
        let drills = format!("SELECT * FROM CDB_STRANDLINE_RESTORE_DRILLS WHERE TENANT_ID = {}", self.id);
        let ended =
            || self.cluster.rows(&drills).pop().filter(|d| ["PROVEN", "FAILED"].contains(&text(d, "STATUS").as_str()));
        let drill = wait(&format!("{}: a drill", self.name), ended);
        assert_eq!(text(&drill, "STATUS"), "PROVEN", "{}: {drill}", self.name);
    }
}

/// Tables and keys of a tenant, as clients see them.
fn check(cluster: &Cluster, tenant: &str, content: &Content) {
    let id = cluster.tenant_status(tenant).unwrap().1;
    let rows =
        cluster.rows(&format!("SELECT TABLE_NAME FROM CDB_OB_TABLES WHERE TENANT_ID = {id} ORDER BY TABLE_NAME"));
    let tables: Vec<String> = rows.iter().map(|row| text(row, "TABLE_NAME")).collect();
    assert_eq!(tables, content.keys().map(ToString::to_string).collect::<Vec<_>>(), "tables of {tenant}");
    for (table, keys) in content {
        let kv =
            |args: &[&str]| cluster.ok(&[&["--output", "json", "kv", "-t", tenant, "--table", table], args].concat());
        let found: Value = serde_json::from_str(&kv(&["scan"])).unwrap();
        let found: BTreeMap<String, usize> =
            found.as_array().unwrap().iter().map(|p| (text(p, "key"), text(p, "value").len())).collect();
        let expected: BTreeMap<String, usize> = keys.iter().map(|(k, bytes)| ((*k).to_owned(), *bytes)).collect();
        assert_eq!(found, expected, "table {table} of {tenant}");
    }
    if content.is_empty() {
        let refused = cluster.refused(&["kv", "-t", tenant, "scan"]);
        refused.is(NOT_FOUND, &["the tenant has no table", "CREATE TABLE"]);
        let dir = cluster.dir(&format!("{tenant}-export"));
        cluster
            .refused(&["kv", "-t", tenant, "export", dir.to_str().unwrap()])
            .is(NOT_FOUND, &["the tenant has no table"]);
    } else if content.values().all(BTreeMap::is_empty) {
        let dir = cluster.dir(&format!("{tenant}-export"));
        let table = content.keys().next().unwrap();
        cluster.ok(&["kv", "-t", tenant, "--table", table, "export", dir.to_str().unwrap()]);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "nothing comes out of nothing");
    }
}

fn restored(cluster: &Cluster, name: &str, data: &Path, archive: &Path, until: &str, content: &Content) {
    cluster.sql(&restore(name, data, archive, until));
    let history = format!("SELECT * FROM CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '{name}'");
    let progress = format!("SELECT * FROM CDB_OB_RESTORE_PROGRESS WHERE RESTORE_TENANT_NAME = '{name}'");
    let job = wait(&format!("the restore {name}"), || {
        for row in cluster.rows(&progress) {
            assert!(!row.to_string().contains("NaN"), "{row}");
        }
        cluster.rows(&history).pop()
    });
    assert!(text(&job, "STATUS").ends_with("SUCCESS"), "{name}: {job}");
    assert_eq!(cluster.tenant_status(name).unwrap().0, "NORMAL");
    check(cluster, name, content);
    cluster.sql(&format!("DROP TENANT {name}"));
}

/// The whole way of one tenant.
fn live(cluster: &Cluster, life: &Life) {
    println!("{life:?}");
    let name = life.name.as_str();
    let mut tenant = Tenant::make(cluster, name);
    life.before.iter().for_each(|step| tenant.step(step));
    check(cluster, name, &tenant.content);
    tenant.back_up("");
    let sets = format!("SELECT MIN_RESTORE_SCN FROM CDB_OB_BACKUP_SET_FILES WHERE TENANT_ID = {}", tenant.id);
    let (at_backup, scn) = (tenant.content.clone(), number(&cluster.rows(&sets)[0], "MIN_RESTORE_SCN"));

    life.after.iter().for_each(|step| tenant.step(step));
    tenant.back_up("INCREMENTAL");
    let verified = support::strandline(&["verify", &uri(&tenant.data), &uri(&tenant.archive)]);
    assert!(verified.status.success(), "{name}: {}", String::from_utf8_lossy(&verified.stdout));
    tenant.validate();
    restored(
        cluster,
        &format!("{name}_then"),
        &tenant.data,
        &tenant.archive,
        &format!("UNTIL SCN = {scn}"),
        &at_backup,
    );
    restored(cluster, &format!("{name}_now"), &tenant.data, &tenant.archive, "", &tenant.content);
    tenant.drill();
    tenant.back_up("SYNTHETIC");
    let verified = support::strandline(&["verify", &uri(&tenant.data), &uri(&tenant.archive)]);
    assert!(verified.status.success(), "{name}: {}", String::from_utf8_lossy(&verified.stdout));
    tenant.validate();
    restored(cluster, &format!("{name}_one"), &tenant.data, &tenant.archive, "", &tenant.content);
}

#[test]
fn what_went_into_a_small_tenant_comes_out_of_its_backup_and_nothing_waits_for_more() {
    let cluster = Cluster::shared();
    let lives = lives();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(life) = lives.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    live(cluster, life);
                }
            });
        }
    });
}

#[test]
fn empty_tables_are_recovered_and_of_no_table_it_is_said_that_there_is_none() {
    let cluster = Cluster::shared();
    let (mut none, mut empty) = (Tenant::make(cluster, "e0"), Tenant::make(cluster, "e1"));
    empty.step(&Step::Create("files"));
    for tenant in [&mut none, &mut empty] {
        tenant.back_up("");
    }
    cluster.tenant("target", 1);
    let recover = |what: &str, from: &Tenant<'_>, more: &str| {
        let sources = format!("'{},{}'", uri(&from.data), uri(&from.archive));
        format!("ALTER SYSTEM RECOVER TABLE {what} TO TENANT target FROM {sources} {more}")
    };
    cluster.sql(&recover("files", &empty, "REMAP TABLE files:nothing"));
    let running = "SELECT JOB_ID FROM CDB_OB_RECOVER_TABLE_JOBS";
    wait("the recovery of an empty table", || cluster.rows(running).is_empty().then_some(()));
    let job = cluster.rows("SELECT * FROM CDB_OB_RECOVER_TABLE_JOB_HISTORY ORDER BY JOB_ID DESC").remove(0);
    assert_eq!((text(&job, "STATUS").as_str(), number(&job, "RECOVERED_KEYS")), ("COMPLETED", 0), "{job}");
    let scanned = cluster.ok(&["--output", "json", "kv", "-t", "target", "--table", "nothing", "scan"]);
    assert_eq!(scanned.trim(), "[]");
    let of_nothing = cluster.sql_refused(&recover("*.*", &none, ""));
    of_nothing.is(NOT_FOUND, &["has no tables there"]);
    cluster.sql_refused(&recover("files", &none, "REMAP TABLE files:x")).is(NOT_FOUND, &["no such table"]);
}
