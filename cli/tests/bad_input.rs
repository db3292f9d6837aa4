//! Bad input, end to end: whatever a user or a medium gives, the answer names the object and what to do, has the exit
//! code of its class, and nothing is lost.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use strandline_media::testing::mini_store::{Conditions, MiniStore, SECRET};
use support::medium::{self, SmallDisk, flip, largest, truncate};
use support::source::{Source, value};
use support::{Cluster, archive_dest, data_dest, number, refusal, restore, strandline, text, uri, wait};

/// Exit codes of the error classes (docs/operations.md).
const INVALID: i32 = 10;
const NOT_FOUND: i32 = 11;
const PERMISSION: i32 = 12;
const CORRUPT: i32 = 13;
const TRANSIENT: i32 = 16;

#[test]
fn an_unknown_statement_is_refused_with_what_is_understood_there() {
    let cluster = Cluster::shared();
    for (statement, words) in [
        ("FROBNICATE t1", &["FROBNICATE", "character 1", "CREATE, DROP, ALTER"][..]),
        ("ALTER SYSTEM FROBNICATE", &["FROBNICATE", "character 14", "BACKUP"]),
        ("CREATE TENANT t LOG_STREAMS = many", &["many", "a number of log streams"]),
        ("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///a", &["does not end", "close it"]),
        ("", &["the end of the statement"]),
        ("SELECT * FROM NOWHERE", &["no such table", "NOWHERE", "SHOW TABLES"]),
        ("SELECT NOTHING_LIKE_IT FROM CDB_OB_TENANTS", &["no such column", "NOTHING_LIKE_IT"]),
        ("DELETE FROM CDB_OB_TENANTS", &["DELETE"]),
        ("CREATE TENANT x LOG_STREAMS = 0", &["LOG_STREAMS", "1 to"]),
        ("CREATE TENANT x LOG_STREAMS = 1 REPLICAS = 9", &["REPLICAS", "1 to 5"]),
    ] {
        cluster.sql_refused(statement).is(INVALID, words);
    }
}

#[test]
fn an_unknown_tenant_is_named_by_every_door() {
    let cluster = Cluster::shared();
    let dir = cluster.dir("unknown_tenant");
    for statement in [
        "ALTER SYSTEM ARCHIVELOG TENANT = nobody",
        "ALTER SYSTEM NOARCHIVELOG TENANT = nobody",
        "CREATE TABLE files TABLETS = 1 TENANT = nobody",
        "DROP TENANT nobody",
        "ALTER SYSTEM CANCEL RESTORE nobody",
        &archive_dest("nobody", &uri(&dir)),
        &data_dest("nobody", &uri(&dir)),
    ] {
        cluster.sql_refused(statement).is(NOT_FOUND, &["no such tenant", "nobody", "CDB_OB_TENANTS"]);
    }
    cluster.refused(&["sql", "-t", "nobody", "-e", "ALTER SYSTEM BACKUP DATABASE"]).is(NOT_FOUND, &["nobody"]);
    cluster.refused(&["kv", "-t", "nobody", "get", "k"]).is(NOT_FOUND, &["no such tenant", "nobody"]);
    assert!(medium::tree(&dir).is_empty(), "nothing was written for a tenant that there is not");
}

#[test]
fn a_uri_that_is_no_destination_is_refused_where_it_was_typed() {
    let cluster = Cluster::shared();
    cluster.tenant("bad_uri", 1);
    for (bad, word) in [
        ("ftp://host/x", "not known"),
        ("gs://bucket/x?host=h", "not known"),
        ("file://relative/path", "absolute path"),
        ("relative/path", "absolute path"),
        ("/absolute/without/scheme", "file://"),
        ("file:///a/../b", "'..'"),
        ("file:///", "root"),
        ("mem://somewhere", "memory"),
    ] {
        let words = [bad, word, "file://"];
        cluster.sql_refused(&archive_dest("bad_uri", bad)).is(INVALID, &words);
        cluster.sql_refused(&data_dest("bad_uri", bad)).is(INVALID, &words);
        let from = format!("ALTER SYSTEM RESTORE bad_uri_restored FROM '{bad},file:///nowhere'");
        cluster.sql_refused(&from).is(INVALID, &words);
    }
    // A set that carries its log needs no archive: one URI is enough, when it is a destination.
    cluster.sql_refused("ALTER SYSTEM RESTORE r FROM 'file:///one'").is(NOT_FOUND, &["format.obbak", "file:///one"]);
    let options = "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///a BINDING=maybe' TENANT = bad_uri";
    cluster.sql_refused(options).is(INVALID, &["BINDING", "Optional or Mandatory"]);
    assert!(cluster.rows("SELECT * FROM CDB_OB_ARCHIVE_DEST WHERE VALUE LIKE '%file:///a%'").is_empty());
}

#[test]
fn a_destination_that_is_not_there_or_cannot_be_written_is_refused_and_nothing_is_made() {
    let cluster = Cluster::shared();
    cluster.tenant("no_dest", 1);
    let dir = cluster.dir("no_dest");
    let missing = dir.join("not/mounted");
    let file = dir.join("file");
    std::fs::write(&file, "a file").unwrap();
    for (path, code, word) in [
        (missing.clone(), NOT_FOUND, "mounted"),
        (file.clone(), INVALID, "Not a directory"),
        (file.join("below"), INVALID, "Not a directory"),
    ] {
        let words = [path.to_str().unwrap(), word];
        cluster.sql_refused(&archive_dest("no_dest", &uri(&path))).is(code, &words);
        cluster.sql_refused(&data_dest("no_dest", &uri(&path))).is(code, &words);
    }
    assert!(!dir.join("not").exists(), "a mount point that is away must not become a local directory");
    assert_eq!(std::fs::read(&file).unwrap(), b"a file");
    cluster.sql_refused("ALTER SYSTEM ARCHIVELOG TENANT = no_dest").is(INVALID, &["no archive destination", "no_dest"]);

    let Some(disk) = SmallDisk::mount(cluster.dir("no_dest/read_only"), "1m") else { return };
    disk.remount("ro");
    let words = [disk.dir.to_str().unwrap(), "Read-only", "right to read and write"];
    cluster.sql_refused(&archive_dest("no_dest", &uri(&disk.dir))).is(PERMISSION, &words);
    disk.remount("rw");
    cluster.set_archive_dest("no_dest", &disk.dir);
}

#[test]
fn a_foreign_destination_is_refused_and_stays_as_it_is() {
    let cluster = Cluster::shared();
    cluster.tenant("owner", 1);
    cluster.tenant("stranger", 1);
    let owned = cluster.dir("foreign/owned");
    cluster.set_archive_dest("owner", &owned);
    let copy = cluster.dir("foreign/copy");
    medium::copy(&owned, &copy);
    let full = cluster.dir("foreign/full");
    std::fs::write(full.join("thesis.txt"), "years of work").unwrap();
    let nested = cluster.dir("foreign/owned/below");
    let before = medium::tree(&cluster.dir("foreign"));
    for (dir, words) in [
        (&owned, &["tenant owner", "path of its own"][..]),
        (&copy, &["(owner)", "another path"]),
        (&full, &["thesis.txt", "format.obbak", "an empty one"]),
        (&nested, &["tenant owner", "lie in each other", "path of its own"]),
    ] {
        let words = [&[dir.to_str().unwrap()], words].concat();
        cluster.sql_refused(&archive_dest("stranger", &uri(dir))).is(INVALID, &words);
        cluster.sql_refused(&data_dest("stranger", &uri(dir))).is(INVALID, &words);
    }
    assert!(medium::tree(&cluster.dir("foreign")) == before, "a foreign destination was written to");
    let from = restore("stranger_restored", &full, &owned, "");
    cluster.sql_refused(&from).is(NOT_FOUND, &["format.obbak", full.to_str().unwrap()]);
}

#[test]
fn a_target_outside_the_window_is_refused_with_the_nearest_restorable_scn() {
    let (cluster, source) = (Cluster::shared(), Source::shared());
    let to = |until: &str| cluster.sql_refused(&restore("window", &source.data, &source.archive, until));
    let (first, last) = (source.min_restore_scn.to_string(), source.checkpoint_scn.to_string());
    let early = format!("UNTIL SCN = {}", source.min_restore_scn - 1);
    to(&early).is(NOT_FOUND, &["minimum restorable time", &first]);
    let late = format!("UNTIL SCN = {}", source.checkpoint_scn + 1);
    to(&late).is(NOT_FOUND, &["no enough log", "maximum restorable time", &last]);
    to("UNTIL TIME = '1999-12-31 23:59:59'").is(NOT_FOUND, &["minimum restorable time", &first, "1999-12-31"]);
    to("UNTIL TIME = '2200-01-01 00:00:00'").is(NOT_FOUND, &["maximum restorable time", &last, "2200-01-01"]);
    to("UNTIL TIME = 'yesterday'").is(INVALID, &["yesterday", "YYYY-MM-DD", "UTC"]);
    let swapped = restore("window", &source.archive, &source.data, "");
    cluster.sql_refused(&swapped).is(INVALID, &["archive_log", "in this order", source.archive.to_str().unwrap()]);
    let over = restore("source", &source.data, &source.archive, "");
    cluster.sql_refused(&over).is(INVALID, &["source", "exists", "another name"]);
    assert_eq!(cluster.tenant_status("window"), None);
}

#[test]
fn a_damaged_or_missing_block_fails_the_restore_by_name_and_the_original_still_restores() {
    let (cluster, source) = (Cluster::shared(), Source::shared());
    let (data, archive) = source.copy("damaged_block");
    let block = largest(&data, &["minor_data_turn", "macro_block_data"]);
    let name = block.to_str().unwrap();
    let middle = std::fs::metadata(&block).unwrap().len() as usize / 2;
    flip(&block, middle);
    cluster.restore_fails("damaged", &data, &archive, &["checksum", name, "another copy"]);
    std::fs::remove_file(&block).unwrap();
    cluster.restore_fails("damaged", &data, &archive, &["No such file", name]);
    source.restores_whole("damaged");
}

#[test]
fn damage_in_the_log_fails_or_refuses_the_restore_by_name_and_the_original_still_restores() {
    let (cluster, source) = (Cluster::shared(), Source::shared());
    let (data, archive) = source.copy("damaged_log");
    let log = largest(&archive, &["logstream_", "/log/"]);
    let whole = std::fs::read(&log).unwrap();
    let name = log.to_str().unwrap();
    // Before the last bytes of the newest log, which are looked at first, it is found while it is replayed.
    flip(&log, whole.len() - 300_000);
    cluster.restore_fails("log_damaged", &data, &archive, &["checksum", "lsn", name, "another copy"]);
    let refused = |words: &[&str]| {
        let refused = cluster.sql_refused(&restore("log_damaged", &data, &archive, ""));
        refused.is(CORRUPT, &[&["cannot be restored to its end", "another copy"], words].concat());
    };
    std::fs::write(&log, &whole).unwrap();
    truncate(&log, whole.len() as u64 - 10_000);
    refused(&[name]);
    std::fs::write(&log, &whole).unwrap();
    flip(&log, whole.len() - 10_000);
    refused(&["checksum", "lsn", name]);
    std::fs::remove_file(&log).unwrap();
    let refused = cluster.sql_refused(&restore("log_damaged", &data, &archive, ""));
    refused.is(CORRUPT, &["no enough log", "BROKEN", "another copy", log.parent().unwrap().to_str().unwrap()]);
    assert_eq!(cluster.tenant_status("log_damaged"), None);
    source.restores_whole("log_damaged");
}

#[test]
fn a_damaged_catalogue_refuses_the_statement_by_name() {
    let (cluster, source) = (Cluster::shared(), Source::shared());
    let (data, archive) = source.copy("damaged_catalogue");
    for part in ["single_backup_set_info", "ls_meta_infos", "/data/format.obbak"] {
        let file = largest(data.parent().unwrap(), &[part.trim_start_matches("/data")]);
        let file = if part.starts_with('/') { data.join("format.obbak") } else { file };
        let whole = std::fs::read(&file).unwrap();
        flip(&file, whole.len() - 1);
        let refused = cluster.sql_refused(&restore("catalogue", &data, &archive, ""));
        refused.is(CORRUPT, &["checksum", file.to_str().unwrap()]);
        std::fs::write(&file, whole).unwrap();
    }
    assert_eq!(cluster.tenant_status("catalogue"), None);
}

#[test]
fn a_full_archive_disk_is_shown_writing_goes_on_and_the_archive_catches_up() {
    let cluster = Cluster::shared();
    let Some(disk) = SmallDisk::mount(cluster.dir("full_archive"), "600k") else { return };
    let id = cluster.tenant("full_archive", 1);
    cluster.set_archive_dest("full_archive", &disk.dir);
    cluster.archive("full_archive", id);
    let value = "x".repeat(100_000);
    let mut last = 0;
    for n in 0..12 {
        last = cluster.put("full_archive", &format!("k{n}"), &value);
    }
    let round = wait("the trouble shows", || {
        let round = cluster.round(id);
        (!text(&round, "COMMENT").is_empty()).then_some(round)
    });
    for word in ["No space left", disk.dir.to_str().unwrap(), "free space"] {
        assert!(text(&round, "COMMENT").contains(word), "{round}");
    }
    assert_eq!(text(&round, "STATUS"), "DOING", "an archive round outlives a full disk");
    assert!(number(&round, "CHECKPOINT_SCN") < last);
    let waiting = cluster.rows(&format!("SELECT * FROM CDB_STRANDLINE_WAITING WHERE TENANT_ID = {id}"));
    assert!(text(&waiting[0], "WAITING_ON").contains("No space left"), "{waiting:?}");
    assert!(text(&waiting[0], "SINCE").starts_with("20"), "{waiting:?}");
    last = cluster.put("full_archive", "while it is full", "is written");
    assert_eq!(cluster.get("full_archive", "while it is full"), "is written");

    disk.remount("size=32m");
    cluster.wait_until_archived(id, last);
    wait("the trouble is over", || text(&cluster.round(id), "COMMENT").is_empty().then_some(()));
    cluster.sql("ALTER SYSTEM NOARCHIVELOG TENANT = full_archive");
    wait("STOP", || (text(&cluster.round(id), "STATUS") == "STOP").then_some(()));
    medium::second_reader("archive_conformance.py", &disk.dir);
}

#[test]
fn a_backup_onto_a_full_disk_fails_whole_and_the_next_one_elsewhere_succeeds() {
    let cluster = Cluster::shared();
    let Some(disk) = SmallDisk::mount(cluster.dir("full_data"), "300k") else { return };
    let id = cluster.tenant("full_data", 1);
    cluster.set_archive_dest("full_data", &cluster.dir("full_data_archive"));
    cluster.archive("full_data", id);
    for n in 0..6 {
        cluster.put("full_data", &format!("k{n}"), &value(n, 100_000));
    }
    cluster.set_data_dest("full_data", &disk.dir);
    let job = cluster.back_up("full_data", id);
    assert_eq!(text(&job, "STATUS"), "FAILED", "{job}");
    for word in ["No space left", disk.dir.to_str().unwrap(), "free space", "started again"] {
        assert!(text(&job, "COMMENT").contains(word), "'{word}': {job}");
    }
    let names: Vec<_> = medium::tree(&disk.dir).into_keys().map(|p| p.display().to_string()).collect();
    assert!(!names.iter().any(|n| n.contains("end_success")), "a set that is not whole must not say so: {names:?}");
    assert!(names.iter().any(|n| n.contains("end_failed")), "{names:?}");

    let good = cluster.dir("full_data_good");
    cluster.set_data_dest("full_data", &good);
    let job = cluster.back_up("full_data", id);
    assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
    medium::second_reader("backup_conformance.py", &good);
}

#[test]
fn inspect_tells_garbage_damage_and_absence_apart() {
    let source = Source::shared();
    let (data, archive) = source.copy("inspected");
    let inspect = |file: &Path| refusal(&["inspect", file.to_str().unwrap()]);
    let name = |file: &Path| file.display().to_string();

    let missing = data.join("backup_set_1_full/not_there.obbak");
    inspect(&missing).is(NOT_FOUND, &["No such file", &name(&missing)]);
    let stranger = data.join("holiday.jpg");
    std::fs::write(&stranger, [7; 100]).unwrap();
    inspect(&stranger).is(INVALID, &["not a name of", &name(&stranger)]);
    inspect(&data).is(INVALID, &["Is a directory", &name(&data)]);

    let block = largest(&data, &["minor_data_turn", "macro_block_data"]);
    assert!(strandline(&["inspect", block.to_str().unwrap()]).status.success());
    flip(&block, 9_000);
    inspect(&block).is(CORRUPT, &["checksum", &name(&block)]);
    std::fs::write(&block, [0x5a; 8_192]).unwrap();
    inspect(&block).is(CORRUPT, &[&name(&block)]);
    std::fs::write(&block, []).unwrap();
    inspect(&block).is(CORRUPT, &[&name(&block)]);

    let log = largest(&archive, &["logstream_", "/log/"]);
    assert!(strandline(&["inspect", log.to_str().unwrap()]).status.success());
    flip(&log, 50_000);
    inspect(&log).is(CORRUPT, &["checksum", "lsn", &name(&log)]);
}

#[test]
fn a_wrong_command_line_or_a_cluster_that_is_not_there_has_an_exit_code_of_its_own() {
    for wrong in [&["frobnicate"][..], &["kv", "put", "key"], &["sql"], &["kv", "import"], &["dev", "--no-such-option"]]
    {
        refusal(wrong).is(2, &["error", "--help"]);
    }
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("no_cluster");
    let nowhere = nowhere.to_str().unwrap();
    refusal(&["--dir", nowhere, "sql", "-e", "SHOW TABLES"])
        .is(INVALID, &["no cluster is named", nowhere, "--endpoint"]);
    refusal(&["--dir", nowhere, "kv", "export", "/tmp/x"]).is(INVALID, &["no cluster is named", nowhere]);
    let dead = ["--endpoint", "127.0.0.1:9", "--timeout", "1", "kv", "get", "k"];
    refusal(&dead).is(TRANSIENT, &["not reachable", "127.0.0.1:9"]);
    refusal(&["--endpoint", "in[valid", "kv", "get", "k"]).is(INVALID, &["in[valid", "invalid URI", "port"]);
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    refusal(&["--dir", file.to_str().unwrap(), "dev"]).is(INVALID, &["File exists", file.to_str().unwrap()]);
    refusal(&["--dir", dir.path().to_str().unwrap(), "dev", "--fresh"]).is(INVALID, &["no directory of a development"]);
    assert!(file.exists(), "--fresh removes only what a development cluster made");
}

#[test]
fn keys_and_files_beyond_the_bounds_are_refused_and_what_was_there_stays() {
    let cluster = Cluster::shared();
    cluster.tenant("bounds", 1);
    let put = |key: &str, value: &str| cluster.refused(&["kv", "-t", "bounds", "put", key, value]);
    put("", "v").is(INVALID, &["key", "1 to 4096"]);
    put(&"k".repeat(5_000), "v").is(INVALID, &["5000", "1 to 4096"]);
    cluster.refused(&["kv", "-t", "bounds", "get", "no such key"]).is(NOT_FOUND, &["no such key"]);
    let table = ["kv", "-t", "bounds", "--table", "nothing", "get", "k"];
    cluster.refused(&table).is(NOT_FOUND, &["no such table", "nothing"]);
    let import = ["kv", "-t", "bounds", "import", "/no/such/directory"];
    cluster.refused(&import).is(NOT_FOUND, &["/no/such/directory"]);
    let full = cluster.dir("bounds_export");
    std::fs::write(full.join("mine"), "mine").unwrap();
    cluster.refused(&["kv", "-t", "bounds", "export", full.to_str().unwrap()]).is(INVALID, &["not empty"]);
    assert_eq!(std::fs::read(full.join("mine")).unwrap(), b"mine");
    assert_eq!(cluster.get("bounds", "first"), "value");
}

#[test]
fn a_destination_is_looked_at_from_every_worker() {
    let cluster = Cluster::shared();
    let dir = cluster.dir("looked_at");
    let seen = cluster.ok(&["dest", "check", &uri(&dir), "--workers", "--json"]);
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    let workers = seen["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 3, "{seen:#}");
    for place in workers {
        let findings = place["findings"].as_array().unwrap();
        assert!(findings.len() > 8 && findings.iter().all(|f| f["verdict"] == "good"), "{place:#}");
    }
    assert!(medium::tree(&dir).is_empty(), "a probe leaves nothing");
}

#[test]
fn what_archiving_refuses_names_the_option_and_the_bounds() {
    let cluster = Cluster::shared();
    let id = cluster.tenant("options", 1);
    let (dir, elsewhere) = (cluster.dir("options/archive"), cluster.dir("options/elsewhere"));
    let set = |dir: &Path, options: &str| {
        format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={} {options}' TENANT = options", uri(dir))
    };
    for (options, words) in [
        ("PIECE_SWITCH_INTERVAL=8d", &["8d", "not supported", "7d"][..]),
        ("PIECE_SWITCH_INTERVAL=0s", &["0s", "not supported"]),
        ("COMPRESSION=gzip", &["gzip", "lz4"]),
        ("ENCRYPTION=aes256", &["KEY=file:"]),
        ("ENCRYPTION=aes256 KEY=topsecret", &["KEY=file:"]),
        ("KEY=file:/etc/key", &["ENCRYPTION"]),
        ("BINDING=Mandatory SPOOL_AGE=1h", &["SPOOL_AGE", "never lets log go"]),
    ] {
        cluster.sql_refused(&set(&dir, options)).is(INVALID, words);
    }
    assert!(medium::tree(&dir).is_empty(), "what is refused leaves nothing behind");
    cluster.sql(&set(&dir, "PIECE_SWITCH_INTERVAL=1m"));
    cluster.archive("options", id);
    let running = ["change archive dest when archive is running", "round 1", "NOARCHIVELOG"];
    cluster.sql_refused(&set(&elsewhere, "")).is(INVALID, &running);
    cluster.sql_refused("ALTER SYSTEM ARCHIVELOG TENANT = options").is(INVALID, &["ARCHIVELOG mode already"]);
    let attribute =
        format!("ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST PATH = '{}' SET ATTRIBUTE = 'max_iops=9'", uri(&elsewhere));
    cluster.refused(&["sql", "-t", "options", "-e", &attribute]).is(NOT_FOUND, &["no destination"]);
    assert!(medium::tree(&elsewhere).is_empty());
    assert_eq!(text(&cluster.round(id), "STATUS"), "DOING");
}

#[test]
fn a_bucket_that_lies_about_conditions_is_refused_by_name_and_no_key_is_shown() {
    let cluster = Cluster::shared();
    cluster.tenant("lied_to", 1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(MiniStore::start(false, Conditions::Ignored));
    let uri = store.uri("x", "");
    for statement in [archive_dest("lied_to", &uri), data_dest("lied_to", &uri)] {
        let refused = cluster.sql_refused(&statement);
        refused.is(INVALID, &["If-None-Match", "s3://b/x"]);
        assert!(!refused.text.contains(SECRET), "{}", refused.text);
    }
}

#[test]
fn an_encrypted_archive_restores_with_its_key_and_is_refused_with_another() {
    let cluster = Cluster::shared();
    let id = cluster.tenant("sealed", 1);
    let (data, archive) = (cluster.dir("sealed/data"), cluster.dir("sealed/archive"));
    let key = |name: &str, words: &str| {
        let path = cluster.dir("sealed").join(name);
        std::fs::write(&path, words).unwrap();
        format!("file:{}", path.display())
    };
    let (right, wrong) = (key("right", "correct horse battery staple"), key("wrong", "incorrect horse"));
    let options = format!("COMPRESSION=zstd ENCRYPTION=aes256 KEY={right}");
    cluster.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={} {options}' TENANT = sealed", uri(&archive)));
    cluster.set_data_dest("sealed", &data);
    cluster.archive("sealed", id);
    assert_eq!(text(&cluster.back_up("sealed", id), "STATUS"), "COMPLETED");
    let last = cluster.put("sealed", "after the backup", &"a secret worth keeping ".repeat(1000));
    cluster.wait_until_archived(id, last);
    let round = cluster.round(id);
    assert_eq!(text(&round, "COMPRESSION"), "zstd");
    assert!(number(&round, "OUTPUT_BYTES") < number(&round, "INPUT_BYTES"), "what lies there is counted: {round}");
    for (path, bytes) in medium::tree(&archive) {
        let shown = bytes.windows(14).any(|w| w == b"a secret worth");
        assert!(!shown, "{} shows what it should hide", path.display());
    }

    let with = |key: &str| restore("unsealed", &data, &archive, &format!("WITH 'replicas=1{key}'"));
    cluster.sql_refused(&with("")).is(PERMISSION, &["encrypted", "no key was given", "key_source=file:"]);
    cluster.sql_refused(&with(&format!("&key_source={wrong}"))).is(PERMISSION, &["another key", "piece"]);
    assert_eq!(cluster.tenant_status("unsealed"), None);
    cluster.sql(&with(&format!("&key_source={right}")));
    wait("the restored tenant opens", || cluster.tenant_status("unsealed").filter(|(status, _)| status == "NORMAL"));
    assert_eq!(cluster.get("unsealed", "after the backup"), "a secret worth keeping ".repeat(1000));
    cluster.sql("ALTER SYSTEM NOARCHIVELOG TENANT = sealed");
}
