//! Recovery as an administrator drives it, over SQL and with real servers: tables, standbys, drills, validation, cleaning,
//! and a second cluster that adopts the destinations of the first.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use support::medium::{flip, largest};
use support::source::{Source, value};
use support::{Cluster, number, text, uri, wait};

const INVALID: i32 = 10;
const NOT_FOUND: i32 = 11;
const PERMISSION: i32 = 12;

/// One at a time: all of them work on the same few servers.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}

/// A tenant with a large table and a small one, a backup, and an archive that goes on.
struct Home {
    id: u64,
    data: PathBuf,
    archive: PathBuf,
    /// The small table holds `k = one` at this.
    one: u64,
    /// And `k = two` at this; both lie after the backup.
    two: u64,
}

const LARGE_KEYS: usize = 40;
/// As in the values of [`Source`].
const LARGE_BYTES: usize = 20_000;

impl Home {
    fn shared() -> &'static Self {
        static HOME: OnceLock<Home> = OnceLock::new();
        HOME.get_or_init(|| Self::make(Cluster::shared()))
    }

    fn make(cluster: &Cluster) -> Self {
        let id = cluster.tenant("home", 2);
        cluster.sql("CREATE TABLE small TABLETS = 3 TENANT = home");
        let (data, archive) = (cluster.dir("home/data"), cluster.dir("home/archive"));
        cluster.set_data_dest("home", &data);
        cluster.set_archive_dest("home", &archive);
        cluster.archive("home", id);
        for n in 0..LARGE_KEYS {
            cluster.put("home", &format!("k{n}"), &value(n, LARGE_BYTES));
        }
        put_in(cluster, "home", "small", "old", "kept");
        let job = cluster.back_up("home", id);
        assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
        let one = put_in(cluster, "home", "small", "k", "one");
        let two = put_in(cluster, "home", "small", "k", "two");
        cluster.sql("CREATE TABLE late TABLETS = 1 TENANT = home");
        let last = put_in(cluster, "home", "late", "x", "y");
        cluster.wait_until_archived(id, last);
        Self { id, data, archive, one, two }
    }

    fn from(&self) -> String {
        format!("'{},{}'", uri(&self.data), uri(&self.archive))
    }

    /// Writes something and waits until it is archived; its SCN.
    fn write(&self, cluster: &Cluster, key: &str, value: &str) -> u64 {
        let scn = cluster.put("home", key, value);
        cluster.wait_until_archived(self.id, scn);
        scn
    }
}

fn put_in(cluster: &Cluster, tenant: &str, table: &str, key: &str, value: &str) -> u64 {
    let message = cluster.ok(&["kv", "-t", tenant, "--table", table, "put", key, value]);
    message.trim().strip_prefix("scn ").unwrap().parse().unwrap()
}

fn get_in(cluster: &Cluster, tenant: &str, table: &str, key: &str) -> String {
    cluster.ok(&["kv", "-t", tenant, "--table", table, "get", key])
}

/// The newest row of a view, once there is none in the view of running ones and `more` than before.
fn ended(cluster: &Cluster, running: &str, history: &str) -> Value {
    wait(running, || cluster.rows(&format!("SELECT * FROM {running}")).is_empty().then_some(()));
    cluster.rows(&format!("SELECT * FROM {history} ORDER BY JOB_ID DESC")).remove(0)
}

fn tables_of(cluster: &Cluster, tenant_id: u64) -> Vec<String> {
    let rows = cluster.rows(&format!("SELECT * FROM CDB_OB_TABLES WHERE TENANT_ID = {tenant_id}"));
    rows.iter().map(|row| text(row, "TABLE_NAME")).collect()
}

#[test]
fn single_tables_come_back_into_an_open_tenant_at_any_point_without_the_rest() {
    let _alone = alone();
    let (cluster, home) = (Cluster::shared(), Home::shared());
    let target = cluster.tenant("tables", 2);
    let recover = |what: &str, until: u64, more: &str| {
        format!("ALTER SYSTEM RECOVER TABLE {what} TO TENANT tables FROM {} UNTIL SCN = {until} {more}", home.from())
    };
    let done = |statement: &str| {
        cluster.sql(statement);
        let job = ended(cluster, "CDB_OB_RECOVER_TABLE_JOBS", "CDB_OB_RECOVER_TABLE_JOB_HISTORY");
        assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
        job
    };
    let job = done(&recover("small", home.one, "REMAP TABLE small:small_one DESCRIPTION = 'oops'"));
    assert_eq!(get_in(cluster, "tables", "small_one", "k"), "one");
    assert_eq!(get_in(cluster, "tables", "small_one", "old"), "kept");
    assert_eq!((number(&job, "RECOVERED_KEYS"), text(&job, "DESCRIPTION")), (2, "oops".to_owned()));
    // Nothing of the large table was fetched: neither its blocks, nor log of it that lies before the backup.
    let fetched = number(&job, "FETCHED_BYTES");
    assert!(fetched > 0 && fetched < (LARGE_KEYS * LARGE_BYTES / 2) as u64, "{fetched} bytes");
    println!("recover table: {fetched} bytes fetched of a set with {} bytes of values", LARGE_KEYS * LARGE_BYTES);

    done(&recover("db.small, db.files", home.two, "REMAP TABLE small:small_two, files:large"));
    assert_eq!(get_in(cluster, "tables", "small_two", "k"), "two");
    for n in [0, LARGE_KEYS - 1] {
        assert_eq!(get_in(cluster, "tables", "large", &format!("k{n}")), value(n, LARGE_BYTES));
    }
    assert_eq!(tables_of(cluster, target), ["files", "small_one", "small_two", "large"]);
    // The recovered table is a table like any other.
    put_in(cluster, "tables", "small_two", "k", "three");
    assert_eq!(get_in(cluster, "tables", "small_two", "k"), "three");

    let refused = |statement: &str, code, words: &[&str]| cluster.sql_refused(statement).is(code, words);
    refused(&recover("late", home.two, ""), NOT_FOUND, &["no such table", "table late", "from SCN"]);
    refused(&recover("never", home.two, ""), NOT_FOUND, &["table never", "check the name"]);
    refused(&recover("small", home.two, "REMAP TABLE small:files"), INVALID, &["exists in tenant tables", "REMAP"]);
    refused(&recover("small", home.two, "REMAP TABLE other:x"), INVALID, &["renamed and not recovered", "other"]);
    refused(&recover("small", 5, ""), NOT_FOUND, &["minimum restorable time"]);
    let nobody = recover("small", home.two, "").replace("TENANT tables", "TENANT nobody");
    refused(&nobody, NOT_FOUND, &["no such tenant", "nobody"]);
    refused("ALTER SYSTEM CANCEL RECOVER TABLE tables", NOT_FOUND, &["no table recovery runs"]);
    assert_eq!(tables_of(cluster, target).len(), 4, "a refusal makes nothing");

    // Cancelled in its first moments or finished before: never half of it.
    cluster.sql(&recover("*.*", home.two, "REMAP TABLE small:s, files:f"));
    let _ = cluster.try_sql("ALTER SYSTEM CANCEL RECOVER TABLE tables");
    let job = ended(cluster, "CDB_OB_RECOVER_TABLE_JOBS", "CDB_OB_RECOVER_TABLE_JOB_HISTORY");
    let there = tables_of(cluster, target).len();
    match text(&job, "STATUS").as_str() {
        "COMPLETED" => assert_eq!(there, 6, "{job}"),
        _ => assert_eq!((there, number_or_negative(&job, "RESULT")), (4, -4072), "{job}"),
    }
}

fn number_or_negative(row: &Value, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("{column} in {row}"))
}

#[test]
fn a_standby_follows_its_source_stands_still_goes_on_and_opens() {
    let _alone = alone();
    let (cluster, home) = (Cluster::shared(), Home::shared());
    home.write(cluster, "standby", "before");
    cluster.sql(&format!("ALTER SYSTEM RESTORE follower FROM {} WITH 'standby=true&replicas=1'", home.from()));
    let job = ended(cluster, "CDB_OB_RESTORE_PROGRESS", "CDB_OB_RESTORE_HISTORY");
    assert_eq!(text(&job, "STATUS"), "SUCCESS", "{job}");
    let (status, id) = cluster.tenant_status("follower").unwrap();
    assert_eq!(status, "STANDBY");
    let shows = |value: &str| wait(value, || (cluster.get("follower", "standby") == value).then_some(()));
    shows("before");
    cluster.refused(&["kv", "-t", "follower", "put", "standby", "mine"]);

    let follow = |until: &str| cluster.sql(&format!("ALTER SYSTEM RECOVER STANDBY TENANT = follower {until}"));
    let scn = home.write(cluster, "standby", "second");
    follow(&format!("UNTIL SCN = {scn}"));
    shows("second");
    home.write(cluster, "standby", "third");
    follow("UNTIL UNLIMITED");
    shows("third");
    let rows = cluster.rows(&format!("SELECT * FROM V$OB_LS_LOG_RESTORE_STATUS WHERE TENANT_ID = {id}"));
    assert_eq!(rows.len(), 3, "one row per log stream: {rows:?}");
    assert!(rows.iter().all(|r| number(r, "SYNC_SCN") > 0 && number(r, "LAG_SECONDS") < 120), "{rows:?}");
    let lag = wait("the metric", || cluster.gauge(&["strandline_standby_lag_seconds", "follower"]));
    assert!((0.0..120.0).contains(&lag), "{lag}");

    follow("CANCEL");
    home.write(cluster, "standby", "fourth");
    let source = || cluster.rows(&format!("SELECT * FROM CDB_OB_LOG_RESTORE_SOURCE WHERE TENANT_ID = {id}")).remove(0);
    assert_eq!(text(&source(), "STATUS"), "STOPPED");
    assert_eq!(cluster.get("follower", "standby"), "third", "it stands still");
    cluster.sql_refused("ALTER SYSTEM RECOVER STANDBY TENANT = follower UNTIL SCN = 5").is(INVALID, &["already"]);

    cluster.sql("ALTER SYSTEM ACTIVATE STANDBY TENANT = follower");
    wait("it opens", || (cluster.tenant_status("follower").unwrap().0 == "NORMAL").then_some(()));
    // Its workers hear of it with their next heartbeats.
    wait("a write", || cluster.try_put("follower", "standby", "mine").then_some(()));
    assert_eq!(cluster.get("follower", "standby"), "mine");
    assert_eq!(cluster.get("home", "standby"), "fourth", "two tenants by now");
    cluster.sql("DROP TENANT follower");
}

#[test]
fn a_drill_proves_the_newest_backup_by_itself_and_leaves_only_the_evidence() {
    let _alone = alone();
    let (cluster, home) = (Cluster::shared(), Home::shared());
    let drills = || cluster.rows(&format!("SELECT * FROM CDB_STRANDLINE_RESTORE_DRILLS WHERE TENANT_ID = {}", home.id));
    assert!(drills().is_empty());
    cluster.sql("ALTER SYSTEM SET RESTORE_DRILL_INTERVAL = '1s' TENANT = home");
    let row = wait("a drill", || {
        drills().into_iter().next().filter(|r| ["PROVEN", "FAILED"].contains(&text(r, "STATUS").as_str()))
    });
    cluster.sql("ALTER SYSTEM SET RESTORE_DRILL_INTERVAL = '0' TENANT = home");
    assert_eq!(text(&row, "STATUS"), "PROVEN", "{row}");
    assert_eq!(text(&row, "SOURCE_FINGERPRINT"), text(&row, "RESTORED_FINGERPRINT"));
    assert!(number(&row, "KEYS") > LARGE_KEYS as u64 && number(&row, "BACKUP_SET_ID") >= 1, "{row}");
    let proven = number(&row, "SCN");
    let plan = || cluster.rows("SELECT * FROM CDB_STRANDLINE_RESTORE_DRILL_PLANS").remove(0);
    assert!(number(&plan(), "PROVEN_SCN") >= proven);
    let gauge = cluster.gauge(&["strandline_proven_restorable_until_scn", "home"]).unwrap();
    assert!(gauge >= proven as f64 * 0.999, "{gauge} {proven}");
    // What the schedule has begun meanwhile is called back; its tenant goes too.
    let _ = cluster.try_sql("ALTER SYSTEM CANCEL RESTORE DRILL TENANT = home");
    wait("no drill tenant", || {
        let left = cluster.rows("SELECT * FROM CDB_OB_TENANTS WHERE TENANT_NAME LIKE 'DRILL_%'");
        left.is_empty().then_some(())
    });
    cluster.sql("ALTER SYSTEM SET RESTORE_DRILL_SCHEDULE = '0 3 * * 0' TIME ZONE = 'Europe/Berlin' TENANT = home");
    assert_eq!(text(&plan(), "CRON"), "0 3 * * 0");
    cluster.sql_refused("ALTER SYSTEM SET RESTORE_DRILL_SCHEDULE = 'soon' TENANT = home").is(INVALID, &["cron"]);
    cluster.sql("ALTER SYSTEM SET RESTORE_DRILL_SCHEDULE = '' TENANT = home");
}

/// Runs a validation and gives the row of the job.
fn validated(cluster: &Cluster, statements: &[&str]) -> Value {
    let args: Vec<&str> = ["sql"].into_iter().chain(statements.iter().flat_map(|s| ["-e", s])).collect();
    cluster.ok(&args);
    ended(cluster, "CDB_OB_BACKUP_VALIDATE_JOBS", "CDB_OB_BACKUP_VALIDATE_JOB_HISTORY")
}

#[test]
fn validation_finds_what_is_damaged_in_sets_pieces_sealed_sets_and_carried_log() {
    let _alone = alone();
    let cluster = Cluster::shared();
    let id = cluster.tenant("looked_at", 1);
    let (data, archive) = (cluster.dir("validate/data"), cluster.dir("validate/archive"));
    cluster.set_data_dest("looked_at", &data);
    cluster.set_archive_dest("looked_at", &archive);
    cluster.archive("looked_at", id);
    for n in 0..8 {
        cluster.put("looked_at", &format!("k{n}"), &value(n, 20_000));
    }
    let seal = "SET ENCRYPTION ON IDENTIFIED BY 'secret' ONLY";
    cluster.ok(&["sql", "-t", "looked_at", "-e", seal, "-e", "ALTER SYSTEM BACKUP DATABASE PLUS ARCHIVELOG"]);
    let job = ended(cluster, "CDB_OB_BACKUP_JOBS", "CDB_OB_BACKUP_JOB_HISTORY");
    assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");

    let all = "ALTER SYSTEM VALIDATE BACKUP LEVEL = 'physical' TENANT = looked_at";
    let (right, wrong) = ("SET DECRYPTION IDENTIFIED BY 'secret'", "SET DECRYPTION IDENTIFIED BY 'guess'");
    for statements in [
        &[all][..],
        &[right, all],
        &["ALTER SYSTEM VALIDATE BACKUP LEVEL = 'basic' TENANT = looked_at"],
        &[right, "ALTER SYSTEM VALIDATE BACKUPSET = '1' TENANT = looked_at"],
        &["ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE TENANT = looked_at"],
    ] {
        let job = validated(cluster, statements);
        assert_eq!((text(&job, "STATUS"), number_or_negative(&job, "RESULT")), ("COMPLETED".to_owned(), 0), "{job}");
    }
    cluster.refused(&["sql", "-e", wrong, "-e", all]).is(PERMISSION, &["backup set 1", "another password"]);

    let damaged = |level: &str, file: &Path, words: &[&str]| {
        let job =
            validated(cluster, &[right, &format!("ALTER SYSTEM VALIDATE BACKUP LEVEL = '{level}' TENANT = looked_at")]);
        assert_eq!(text(&job, "STATUS"), "FAILED", "{} at {level}: {job}", file.display());
        let rows = format!("{:?}", cluster.rows("SELECT * FROM CDB_STRANDLINE_BACKUP_DAMAGES"));
        assert!(words.iter().all(|w| rows.contains(w)), "{words:?} in {rows}");
    };
    let sets = || cluster.rows(&format!("SELECT FILE_STATUS FROM CDB_OB_BACKUP_SET_FILES WHERE TENANT_ID = {id}"));
    let carried = largest(&data, &["complement_log", "logstream_1001"]);
    let block = largest(&data, &["macro_block_data"]);
    let log = largest(&archive, &["logstream_1001"]);
    for file in [&carried, &block, &log] {
        let good = std::fs::read(file).unwrap();
        flip(file, good.len() / 3);
        damaged("physical", file, &[file.file_name().unwrap().to_str().unwrap()]);
        let worth = if file == &log { "AVAILABLE" } else { "BROKEN" };
        assert_eq!(text(&sets()[0], "FILE_STATUS"), worth, "{}", file.display());
        std::fs::remove_file(file).unwrap();
        if file != &log {
            damaged("basic", file, &["missing"]);
        }
        std::fs::write(file, &good).unwrap();
    }
    validated(cluster, &[right, all]);
    assert_eq!(text(&sets()[0], "FILE_STATUS"), "AVAILABLE", "what was repaired is good again");
    cluster.sql("ALTER SYSTEM NOARCHIVELOG TENANT = looked_at");
}

/// Names of the directories right below one.
fn dirs(root: &Path) -> Vec<String> {
    let names = std::fs::read_dir(root).unwrap().map(|e| e.unwrap());
    let mut names: Vec<String> =
        names.filter(|e| e.path().is_dir()).map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn cleaned(cluster: &Cluster, statement: &str) -> Value {
    cluster.sql(statement);
    ended(cluster, "CDB_OB_BACKUP_DELETE_JOBS", "CDB_OB_BACKUP_DELETE_JOB_HISTORY")
}

#[test]
fn cleaning_says_first_what_it_would_do_and_leaves_no_directory() {
    let _alone = alone();
    let cluster = Cluster::shared();
    let id = cluster.tenant("cleaned", 1);
    let (data, archive) = (cluster.dir("clean/data"), cluster.dir("clean/archive"));
    cluster.set_data_dest("cleaned", &data);
    cluster.set_archive_dest("cleaned", &archive);
    cluster.archive("cleaned", id);
    for n in 0..3 {
        cluster.put("cleaned", "k", &format!("v{n}"));
        let job = cluster.back_up("cleaned", id);
        assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
    }
    let sets = ["backup_set_1_full", "backup_set_2_full", "backup_set_3_full"];
    let there = || dirs(&data).into_iter().filter(|d| d.starts_with("backup_set_")).collect::<Vec<_>>();
    assert_eq!(there(), sets);
    let preview = cluster.rows("ALTER SYSTEM DELETE BACKUPSET 1 TENANT = cleaned PREVIEW");
    assert!(format!("{preview:?}").contains("backup_set_1_full"), "{preview:?}");
    assert_eq!(there(), sets, "a preview does nothing");

    let job = cleaned(cluster, "ALTER SYSTEM DELETE BACKUPSET 1 TENANT = cleaned");
    assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
    assert_eq!(there(), sets[1..], "no empty directory stays");

    // With a window of one second everything but the newest set is older, sooner or later. The window ends with the log that
    // is there: a tenant that writes moves it.
    cluster.sql("ALTER SYSTEM ADD DELETE BACKUP POLICY 'default' RECOVERY_WINDOW = '1s' TENANT = cleaned");
    wait("the policy is done", || {
        cluster.put("cleaned", "k", "moves the window");
        cluster.try_sql("ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT = cleaned");
        (there() == sets[2..]).then_some(())
    });
    let job = ended(cluster, "CDB_OB_BACKUP_DELETE_JOBS", "CDB_OB_BACKUP_DELETE_JOB_HISTORY");
    assert_eq!(
        (text(&job, "STATUS"), text(&job, "TYPE")),
        ("COMPLETED".to_owned(), "DELETE OBSOLETE BACKUP".to_owned())
    );
    let preview = format!("{:?}", cluster.rows("ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT = cleaned PREVIEW"));
    assert!(preview.contains("backup_set_3_full") && preview.contains("window is restored with it"), "{preview}");
    cluster.sql("ALTER SYSTEM DROP DELETE BACKUP POLICY 'default' TENANT = cleaned");
    cluster
        .sql_refused("ALTER SYSTEM DELETE BACKUPSET 3 TENANT = cleaned")
        .is(INVALID, &["id=3", "nothing could be restored"]);
    cluster.sql_refused("ALTER SYSTEM CANCEL DELETE BACKUP TENANT = cleaned").is(NOT_FOUND, &["cleaned"]);

    let elsewhere = cluster.dir("clean/elsewhere");
    cluster.set_data_dest("cleaned", &elsewhere);
    let all = format!("ALTER SYSTEM DELETE BACKUP ALL DATA_BACKUP_DEST = '{}' TENANT = cleaned", uri(&data));
    cluster.sql_refused(&all).is(INVALID, &["nothing could be restored", "full backup"]);
    let job = cluster.back_up("cleaned", id);
    assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
    assert_eq!(text(&cleaned(cluster, &all), "STATUS"), "COMPLETED");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "a destination that is emptied is empty");
    cluster.sql("ALTER SYSTEM NOARCHIVELOG TENANT = cleaned");
}

#[test]
fn another_cluster_adopts_what_it_never_saw_lists_validates_restores_and_cleans_it() {
    let _alone = alone();
    let (data, archive) = Source::shared().copy("adopted");
    let mine = data.parent().unwrap();
    let other = Cluster::start();
    let message = other.ok(&["catalog", "import", data.to_str().unwrap(), "--name", "lost"]);
    assert!(message.contains("1 sets"), "{message}");
    other.ok(&["catalog", "import", &uri(&archive)]);
    other.sql_refused(&format!("ALTER SYSTEM IMPORT CATALOG '{}' AS another", uri(&archive))).is(INVALID, &["lost"]);
    other.refused(&["catalog", "import", mine.to_str().unwrap()]).is(NOT_FOUND, &["format.obbak"]);
    let (status, id) = other.tenant_status("lost").unwrap();
    assert_eq!(status, "IMPORTED");
    let listed = other.ok(&["catalog", "list"]);
    assert!(listed.contains("source") && listed.contains("backup_data") && listed.contains("archive_log"), "{listed}");
    let rows = |view: &str| other.rows(&format!("SELECT * FROM {view} WHERE TENANT_ID = {id}"));
    assert_eq!(text(&rows("CDB_OB_BACKUP_SET_FILES")[0], "STATUS"), "SUCCESS");
    assert!(!rows("CDB_OB_ARCHIVELOG_PIECE_FILES").is_empty());

    let job = validated(&other, &["ALTER SYSTEM VALIDATE BACKUP TENANT = lost"]);
    assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
    let job = other.restore("source", &data, &archive);
    assert_eq!(text(&job, "STATUS"), "SUCCESS", "{job}");
    for n in [0, 3, 30] {
        assert_eq!(other.get("source", &format!("k{n}")), value(n, LARGE_BYTES));
    }

    let block = largest(&data, &["macro_block_data"]);
    flip(&block, 5000);
    let job = validated(&other, &["ALTER SYSTEM VALIDATE BACKUP TENANT = lost"]);
    assert_eq!(text(&job, "STATUS"), "FAILED", "{job}");
    assert_eq!(text(&rows("CDB_OB_BACKUP_SET_FILES")[0], "FILE_STATUS"), "BROKEN");

    let all = format!("ALTER SYSTEM DELETE BACKUP ALL DATA_BACKUP_DEST = '{}' TENANT = lost", uri(&data));
    other.sql_refused(&all).is(INVALID, &["without the right to delete", "ALLOW DELETE"]);
    other.ok(&["catalog", "import", &uri(&data), "--allow-delete"]);
    // The catalogue as it lies there is believed again: the set counts as whole until somebody looks.
    other.sql_refused(&all).is(INVALID, &["nothing could be restored"]);
    let job = validated(&other, &["ALTER SYSTEM VALIDATE BACKUP TENANT = lost"]);
    assert_eq!(text(&job, "STATUS"), "FAILED", "{job}");
    assert_eq!(text(&cleaned(&other, &all), "STATUS"), "COMPLETED");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "nothing stays");
    assert!(rows("CDB_OB_BACKUP_SET_FILES").iter().all(|r| text(r, "FILE_STATUS") == "DELETED"));
    assert!(archive.join("format.obbak").exists(), "what was not named stays");
    other.ok(&["catalog", "drop", &uri(&archive)]);
    wait("it is forgotten", || other.tenant_status("lost").is_none().then_some(()));
    assert!(archive.join("format.obbak").exists(), "forgetting deletes nothing");
}

#[test]
fn a_medium_that_vanishes_in_the_middle_of_a_restore_fails_it_and_leaves_no_tenant() {
    let _alone = alone();
    let cluster = Cluster::shared();
    let (data, archive) = Source::shared().copy("vanishes/medium");
    let root = cluster.dir("vanishes");
    // The restore may be faster than this process; then it is done again.
    for attempt in 0..10 {
        let tenant = format!("vanished_{attempt}");
        cluster.sql(&support::restore(&tenant, &data, &archive, ""));
        std::fs::rename(root.join("medium"), root.join("away")).unwrap();
        let job = ended(cluster, "CDB_OB_RESTORE_PROGRESS", "CDB_OB_RESTORE_HISTORY");
        std::fs::rename(root.join("away"), root.join("medium")).unwrap();
        if text(&job, "STATUS") == "SUCCESS" {
            continue;
        }
        let comment = text(&job, "COMMENT");
        assert!(comment.contains(root.to_str().unwrap()), "it names what is gone: {comment}");
        wait("the half tenant goes", || cluster.tenant_status(&tenant).is_none().then_some(()));
        return;
    }
    panic!("ten restores were faster than one rename");
}
