//! `verify`, VALIDATE and RESTORE say the same of every form of backup: kind of set × compression × password × own log ×
//! `TO` × content × level. Then one object of every kind is damaged once, and both have to name it.
//!
//! One cluster for all cells. Their number is printed; `STRANDLINE_MATRIX=all` restores every set, otherwise every third
//! is restored, in an order in which each value of each dimension has its turn.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use strandline_format::paths::{ArchivePath, BackupPath};
use support::{Cluster, number, strandline, text, uri, wait};

const PASSWORD: &str = "open sesame";
const CODECS: [&str; 3] = ["none", "lz4", "zstd"];
/// It carries no log, whatever the sets of its chain do: the statement refuses that.
const SYNTHETIC: &str = "synthetic";
/// Tenants that are worked on side by side.
const AT_ONCE: usize = 4;
/// Of so many sets one is restored.
const SHARE: usize = 3;

/// What a tenant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// No table at all.
    Nothing,
    /// One table that grows.
    Table,
    /// One that stays, and one that is dropped between the full and the incremental set.
    Dropped,
}

const CONTENTS: [Content; 3] = [Content::Nothing, Content::Table, Content::Dropped];

/// How the sets of one destination are made.
#[derive(Clone, Copy, Debug)]
struct Form {
    has_password: bool,
    has_own_log: bool,
    goes_elsewhere: bool,
}

fn forms() -> impl Iterator<Item = Form> {
    (0..8).map(|n| Form { has_password: n & 1 > 0, has_own_log: n & 2 > 0, goes_elsewhere: n & 4 > 0 })
}

impl Form {
    fn name(self) -> String {
        let of = |is: bool, word: &'static str| if is { word } else { "" };
        let words =
            [of(self.has_password, "_sealed"), of(self.has_own_log, "_own_log"), of(self.goes_elsewhere, "_elsewhere")];
        format!("set{}", words.concat())
    }
}

/// Keys of each table.
type Tables = BTreeMap<&'static str, BTreeSet<String>>;

/// A set that was made.
struct Made {
    number: u64,
    kind: &'static str,
    scn: u64,
    tables: Tables,
}

struct Tenant {
    cluster: &'static Cluster,
    name: String,
    id: u64,
    content: Content,
    archive: PathBuf,
    tables: Tables,
    writes: u32,
}

#[derive(Default)]
struct Counts {
    cells: AtomicUsize,
    sets: AtomicUsize,
    restores: AtomicUsize,
}

impl Tenant {
    fn make(codec: &str, content: Content) -> Self {
        let cluster = Cluster::shared();
        let name = format!("{content:?}_{codec}").to_lowercase();
        cluster.sql(&format!("CREATE TENANT {name} LOG_STREAMS = 1 REPLICAS = 1"));
        let id = cluster.tenant_status(&name).unwrap().1;
        let archive = cluster.dir(&format!("{name}/archive"));
        let dest = format!("'LOCATION={} PIECE_SWITCH_INTERVAL=1h COMPRESSION={codec}'", uri(&archive));
        cluster.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = {dest} TENANT = {name}"));
        cluster.sql(&format!("ALTER SYSTEM SET backup_compression = '{codec}' TENANT = {name}"));
        cluster.archive(&name, id);
        let mut tenant = Self { cluster, name, id, content, archive, tables: Tables::new(), writes: 0 };
        if content != Content::Nothing {
            tenant.create("files");
        }
        tenant
    }

    fn create(&mut self, table: &'static str) {
        self.cluster.sql(&format!("CREATE TABLE {table} TABLETS = 2 TENANT = {}", self.name));
        self.tables.insert(table, BTreeSet::new());
        self.write(table);
    }

    fn write(&mut self, table: &'static str) {
        for _ in 0..2 {
            self.writes += 1;
            let (key, value) = (format!("k{}", self.writes), "a value that packs well ".repeat(40));
            self.cluster.ok(&["kv", "-t", &self.name, "--table", table, "put", &key, &value]);
            self.tables.get_mut(table).unwrap().insert(key);
        }
    }

    /// Whether a session's statements are taken.
    fn takes(&self, statements: &[&str]) -> bool {
        let each = statements.iter().flat_map(|s| ["-e", *s]);
        self.cluster.try_run(&["sql", "-t", &self.name].into_iter().chain(each).collect::<Vec<_>>())
    }

    /// The chain of one destination, and what comes back from it while each set is the newest one.
    fn back_up(&mut self, form: Form, mut look: impl FnMut(&Self, &Path, &Made)) -> PathBuf {
        let data = self.cluster.dir(&format!("{}/{}", self.name, form.name()));
        if !form.goes_elsewhere {
            self.cluster.set_data_dest(&self.name, &data);
        }
        if self.content == Content::Dropped {
            self.create("other");
        }
        look(self, &data, &self.one(form, &data, "full", ""));
        match self.content {
            Content::Nothing => {}
            Content::Table => self.write("files"),
            Content::Dropped => {
                self.cluster.sql(&format!("DROP TABLE other TENANT = {}", self.name));
                self.tables.remove("other");
            }
        }
        look(self, &data, &self.one(form, &data, "incremental", "INCREMENTAL"));
        look(self, &data, &self.one(form, &data, SYNTHETIC, "SYNTHETIC"));
        data
    }

    fn one(&self, form: Form, data: &Path, kind: &'static str, word: &str) -> Made {
        let to = if form.goes_elsewhere { format!("TO '{}'", uri(data)) } else { String::new() };
        let log = if form.has_own_log && kind != SYNTHETIC { "PLUS ARCHIVELOG" } else { "" };
        let backup = format!("ALTER SYSTEM BACKUP {word} TENANT = {} {to} {log}", self.name);
        let seal = format!("SET ENCRYPTION ON IDENTIFIED BY '{PASSWORD}' ONLY");
        let statements = if form.has_password { vec![seal.as_str(), &backup] } else { vec![backup.as_str()] };
        // A destination that was set a moment ago is not ready yet.
        wait(&backup, || self.takes(&statements).then_some(()));
        let job = self.ended("CDB_OB_BACKUP_JOBS", "CDB_OB_BACKUP_JOB_HISTORY");
        assert_eq!(text(&job, "STATUS"), "COMPLETED", "{backup}: {job}");
        let sets = format!("SELECT * FROM CDB_OB_BACKUP_SET_FILES WHERE TENANT_ID = {}", self.id);
        let set = self.cluster.rows(&format!("{sets} ORDER BY BACKUP_SET_ID DESC LIMIT 1")).remove(0);
        let wanted = if kind == "incremental" { "INC" } else { "FULL" };
        assert_eq!(text(&set, "BACKUP_TYPE"), wanted, "{backup}: {set}");
        let (number, scn) = (number(&set, "BACKUP_SET_ID"), number(&set, "MIN_RESTORE_SCN"));
        Made { number, kind, scn, tables: self.tables.clone() }
    }

    fn ended(&self, running: &str, history: &str) -> serde_json::Value {
        let of = |view: &str| format!("SELECT * FROM {view} WHERE TENANT_ID = {} ORDER BY JOB_ID DESC", self.id);
        wait(&format!("{}: {running}", self.name), || self.cluster.rows(&of(running)).is_empty().then_some(()));
        self.cluster.rows(&of(history)).remove(0)
    }

    /// How a validation of a destination ends; `None` = the statement is refused: not even its identity can be read.
    fn validate(&self, data: &Path, level: &str) -> Option<String> {
        let dest = format!("DATA_BACKUP_DEST = '{}' LEVEL = '{level}'", uri(data));
        let open = format!("SET DECRYPTION IDENTIFIED BY '{PASSWORD}'");
        if !self.takes(&[&open, &format!("ALTER SYSTEM VALIDATE BACKUPSET {dest} TENANT = {}", self.name)]) {
            return None;
        }
        let job = self.ended("CDB_OB_BACKUP_VALIDATE_JOBS", "CDB_OB_BACKUP_VALIDATE_JOB_HISTORY");
        Some(format!("{} {}", text(&job, "STATUS"), job["COMMENT"]))
    }

    /// Restores one set, from itself where it carries its log, and compares.
    fn restore(&self, form: Form, data: &Path, made: &Made) {
        let name = format!("{}_{}", self.name, made.number);
        let is_alone = form.has_own_log && made.kind != SYNTHETIC;
        let archive = if is_alone { String::new() } else { format!(",{}", uri(&self.archive)) };
        let restore = format!("ALTER SYSTEM RESTORE {name} FROM '{}{archive}' UNTIL SCN = {}", uri(data), made.scn);
        let open = format!("SET DECRYPTION IDENTIFIED BY '{PASSWORD}'");
        self.cluster.ok(&["sql", "-e", &open, "-e", &restore]);
        let history = format!("SELECT * FROM CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '{name}'");
        let job = wait(&format!("the restore {name}"), || self.cluster.rows(&history).pop());
        assert!(text(&job, "STATUS").ends_with("SUCCESS"), "{form:?} {}: {job}", made.kind);
        let sets = text(&job, "BACKUP_SET_LIST");
        assert!(sets.contains(&format!("backup_set_{}_", made.number)), "{form:?} {}: {sets}", made.kind);
        let restored = self.cluster.tenant_status(&name).unwrap().1;
        let tables = format!("SELECT TABLE_NAME FROM CDB_OB_TABLES WHERE TENANT_ID = {restored}");
        let tables: BTreeSet<String> = self.cluster.rows(&tables).iter().map(|r| text(r, "TABLE_NAME")).collect();
        assert_eq!(tables, made.tables.keys().map(ToString::to_string).collect(), "{form:?} {}", made.kind);
        for (table, keys) in &made.tables {
            let found = self.cluster.ok(&["--output", "json", "kv", "-t", &name, "--table", table, "scan"]);
            let found: Vec<serde_json::Value> = serde_json::from_str(&found).unwrap();
            assert_eq!(&found.iter().map(|p| text(p, "key")).collect::<BTreeSet<_>>(), keys, "{form:?} {}", made.kind);
        }
        self.cluster.sql(&format!("DROP TENANT {name}"));
    }
}

/// Verifies a destination; what is damaged in it, as printed.
fn verify(data: &Path, level: &str, password: &Path) -> Option<String> {
    let password = password.to_str().unwrap();
    let output = strandline(&["verify", "--level", level, "--password-file", password, &uri(data)]);
    let message = String::from_utf8(output.stdout).unwrap();
    match output.status.code() {
        Some(0) => None,
        Some(3) => Some(message),
        other => panic!("{other:?}: {message} {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Everything that a tenant with this content under this compression can be backed up as.
fn cells_of(codec: &str, content: Content, counts: &Counts) {
    let mut tenant = Tenant::make(codec, content);
    let password = tenant.cluster.dir(&tenant.name).join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    let all = std::env::var("STRANDLINE_MATRIX").is_ok_and(|share| share == "all");
    let codec_at = CODECS.iter().position(|c| *c == codec).unwrap();
    for (n, form) in forms().enumerate() {
        // Codec, content and form shift the turn: every kind of set meets each of them.
        let (mut turn, mut sets) = (n + codec_at + content as usize, 0);
        let data = tenant.back_up(form, |tenant, data, set| {
            if all || turn % SHARE == 0 {
                tenant.restore(form, data, set);
                counts.restores.fetch_add(1, Ordering::Relaxed);
            }
            (turn, sets) = (turn + 1, sets + 1);
        });
        counts.sets.fetch_add(sets, Ordering::Relaxed);
        for level in ["basic", "physical"] {
            let found = verify(&data, level, &password);
            assert_eq!(found, None, "{codec} {content:?} {form:?} {level}");
            let message = tenant.validate(&data, level).unwrap_or_else(|| "refused".to_owned());
            assert!(message.starts_with("COMPLETED"), "{codec} {content:?} {form:?} {level}: {message}");
            counts.cells.fetch_add(sets, Ordering::Relaxed);
        }
        let is_full_of_everything = form.has_password && form.has_own_log && !form.goes_elsewhere;
        if content == Content::Dropped && codec == "zstd" && is_full_of_everything {
            damage_each_kind(&tenant, &data, &password);
        }
    }
    tenant.cluster.sql(&format!("ALTER SYSTEM NOARCHIVELOG TENANT = {}", tenant.name));
}

/// One object of every kind in every kind of set: a bit turned, then gone.
fn damage_each_kind(tenant: &Tenant, data: &Path, password: &Path) {
    let mut kinds: BTreeMap<String, PathBuf> = BTreeMap::new();
    // A name that is all there is to say has no bit that could turn.
    for path in support::medium::tree(data).into_iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(path, _)| path) {
        let kind = kind_of(path.to_str().unwrap());
        kinds.entry(kind).or_insert(path);
    }
    let (mut found, mut missed) = (0, Vec::new());
    for (kind, path) in &kinds {
        let file = data.join(path);
        let good = std::fs::read(&file).unwrap();
        support::medium::flip(&file, good.len() / 2);
        let message = verify(data, "physical", password);
        // The connection probe is evidence of nothing; it is read all the same.
        if message.is_some_and(|message| message.contains(path.to_str().unwrap())) {
            found += 1;
        } else {
            missed.push(format!("verify, flipped: {kind} {}", path.display()));
        }
        if !kind.starts_with("CheckFile") {
            let message = tenant.validate(data, "physical");
            if message.as_ref().is_some_and(|message| !message.starts_with("FAILED")) {
                missed.push(format!("VALIDATE, flipped: {kind} {}: {message:?}", path.display()));
            }
            std::fs::remove_file(&file).unwrap();
            if verify(data, "basic", password).is_none() {
                missed.push(format!("verify, gone: {kind} {}", path.display()));
            }
        }
        std::fs::write(&file, &good).unwrap();
    }
    println!("{found} of {} kinds of objects were damaged and found", kinds.len());
    assert!(missed.is_empty(), "{missed:#?}");
    assert_eq!(verify(data, "physical", password), None, "everything was put back");
}

/// What an object is called by the layout, and in which kind of set it lies.
fn kind_of(path: &str) -> String {
    let parsed = match BackupPath::parse(path).unwrap_or_else(|| panic!("{path} is no name of the layout")) {
        BackupPath::ComplementLog { .. } => {
            let inner = path.split_once("/complement_log/").unwrap().1;
            format!("complement {:?}", ArchivePath::parse(inner).unwrap())
        }
        BackupPath::LsIndex { kind, index, .. } => format!("LsIndex_{kind:?}_{index:?}"),
        BackupPath::TenantIndex { kind, index, .. } => format!("TenantIndex_{kind:?}_{index:?}"),
        BackupPath::MacroBlockData { kind, n, .. } => format!("MacroBlockData_{kind:?}_{n}"),
        other => format!("{other:?}"),
    };
    let words = if parsed.starts_with("complement") { 2 } else { 1 };
    let name: Vec<&str> = parsed.split([' ', '{']).take(words).collect();
    let set = path.split(['/', '_']).find(|word| word.parse::<u64>().is_ok());
    format!("{} of set {}", name.join(" "), set.unwrap_or("-"))
}

#[test]
fn verify_validate_and_restore_say_the_same_of_every_form_of_backup() {
    let tenants: Vec<(&str, Content)> = CODECS.iter().flat_map(|c| CONTENTS.map(|content| (*c, content))).collect();
    let (counts, next) = (Counts::default(), AtomicUsize::new(0));
    Cluster::shared();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((codec, content)) = tenants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    cells_of(codec, *content, &counts);
                }
            });
        }
    });
    let [cells, sets, restores] = [&counts.cells, &counts.sets, &counts.restores].map(|n| n.load(Ordering::Relaxed));
    println!("{cells} cells of {sets} sets agree; {restores} sets were restored and compared");
    assert_eq!(cells, 3 * 3 * 2 * 2 * 2 * 3 * 2, "every cell was looked at");
}
