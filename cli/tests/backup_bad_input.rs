//! Bad input to backups, end to end: files that rot under a worker, a path that is another tenant's, a log that is not
//! archived, a backup that runs already. The answer names the object, and the next backup is as good as ever.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::{Path, PathBuf};
use support::source::value;
use support::{Cluster, data_dest, medium, number, text, uri, wait};

/// Exit code of the class (docs/operations.md).
const INVALID: i32 = 10;

/// A tenant with an archive and a data destination, and enough in it that it has files.
fn tenant(cluster: &Cluster, name: &str, replicas: u32) -> u64 {
    cluster.sql(&format!("CREATE TENANT {name} LOG_STREAMS = 1 REPLICAS = {replicas}"));
    cluster.sql(&format!("CREATE TABLE files TABLETS = 1 TENANT = {name}"));
    for n in 0..10 {
        cluster.put(name, &format!("k{n}"), &value(n, 100_000));
    }
    let (_, id) = cluster.tenant_status(name).unwrap();
    cluster.set_archive_dest(name, &cluster.dir(&format!("{name}_archive")));
    cluster.archive(name, id);
    cluster.set_data_dest(name, &cluster.dir(&format!("{name}_data")));
    id
}

/// Flips a bit in the largest file that each of these workers has of the tenant; gives the files' names.
fn rot(cluster: &Cluster, id: u64, workers: &[u64]) -> Vec<String> {
    let disks = cluster.dir("any").parent().unwrap().join("cluster");
    let rotten = workers.iter().map(|worker| {
        let dir = disk_of(&disks, *worker);
        let file = medium::largest(&dir, &[&format!("t{id}/"), ".sst"]);
        let middle = std::fs::metadata(&file).unwrap().len() as usize / 2;
        medium::flip(&file, middle);
        file.file_name().unwrap().to_str().unwrap().to_owned()
    });
    rotten.collect()
}

fn disk_of(disks: &Path, worker: u64) -> PathBuf {
    let entries = std::fs::read_dir(disks).unwrap().map(|e| e.unwrap().path());
    let suffix = format!("worker-{worker}");
    entries.into_iter().find(|p| p.to_str().unwrap().ends_with(&suffix)).unwrap()
}

/// The workers that follow in the tenant's user log stream, and the one that leads it.
fn hosts(cluster: &Cluster, id: u64) -> (Vec<u64>, u64) {
    let query = format!("SELECT * FROM CDB_OB_LS_LOCATIONS WHERE TENANT_ID = {id} AND LS_ID > 1");
    let rows = cluster.rows(&query);
    let of = |role: &str| {
        let rows = rows.iter().filter(|row| text(row, "ROLE") == role);
        rows.map(|row| number(row, "SVR_ID")).collect::<Vec<u64>>()
    };
    (of("FOLLOWER"), of("LEADER")[0])
}

#[test]
fn a_file_that_rots_under_the_only_replica_fails_the_backup_and_is_named() {
    let cluster = Cluster::shared();
    let id = tenant(cluster, "rotten", 1);
    // A backup makes files of what is in memory.
    assert_eq!(text(&cluster.back_up("rotten", id), "STATUS"), "COMPLETED");
    let (_, leader) = hosts(cluster, id);
    let files = rot(cluster, id, &[leader]);
    let job = cluster.back_up("rotten", id);
    assert_eq!((text(&job, "STATUS").as_str(), job["RESULT"].as_i64()), ("FAILED", Some(-4103)), "{job}");
    for word in ["tablet ", &files[0], "another replica"] {
        assert!(text(&job, "COMMENT").contains(word), "'{word}': {job}");
    }
    let data = cluster.dir("rotten_data");
    let names: Vec<String> = medium::tree(&data).into_keys().map(|p| p.display().to_string()).collect();
    assert!(names.iter().any(|n| n.contains("backup_set_2_full_end_failed")), "{names:?}");
    // What was good stays good, and an increment on it reads nothing of what is rotten.
    cluster.put("rotten", "later", "value");
    cluster.ok(&["sql", "-t", "rotten", "-e", "ALTER SYSTEM BACKUP INCREMENTAL DATABASE"]);
    let running = format!("SELECT JOB_ID FROM CDB_OB_BACKUP_JOBS WHERE TENANT_ID = {id}");
    wait("the increment ends", || cluster.rows(&running).is_empty().then_some(()));
    medium::second_reader("backup_conformance.py", &data);
    let restored = cluster.restore("rotten_back", &data, &cluster.dir("rotten_archive"));
    assert_eq!(text(&restored, "STATUS"), "SUCCESS", "{restored}");
    assert_eq!(cluster.get("rotten_back", "k3").trim(), value(3, 100_000));
}

#[test]
fn a_file_that_rots_under_two_of_three_replicas_costs_retries_and_no_more() {
    let cluster = Cluster::shared();
    let id = tenant(cluster, "one_good", 3);
    assert_eq!(text(&cluster.back_up("one_good", id), "STATUS"), "COMPLETED");
    let (followers, _) = hosts(cluster, id);
    assert_eq!(followers.len(), 2);
    // Followers that never had a task may have no files yet: a full backup of each makes them.
    let disks = cluster.dir("any").parent().unwrap().join("cluster");
    let with_files: Vec<u64> = followers.into_iter().filter(|w| has_files(&disk_of(&disks, *w), id)).collect();
    assert!(!with_files.is_empty(), "the first backup made files on its executor, a follower");
    rot(cluster, id, &with_files);
    let job = cluster.back_up("one_good", id);
    assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
    let tasks = format!("SELECT LS_TASKS FROM CDB_OB_BACKUP_TASK_HISTORY WHERE TENANT_ID = {id} ORDER BY JOB_ID DESC");
    let tasks = text(&cluster.rows(&tasks)[0], "LS_TASKS");
    assert!(tasks.split("; ").any(|task| !task.ends_with("retry 0")), "no task met the rotten file: {tasks}");
    medium::second_reader("backup_conformance.py", &cluster.dir("one_good_data"));
}

fn has_files(disk: &Path, id: u64) -> bool {
    let part = format!("t{id}/");
    medium::tree(disk).keys().any(|p| p.to_str().is_some_and(|p| p.contains(&part) && p.ends_with(".sst")))
}

#[test]
fn a_backup_that_cannot_be_is_refused_with_the_reason() {
    let cluster = Cluster::shared();
    let id = tenant(cluster, "owner", 1);
    cluster.tenant("newcomer", 1);
    let backup = |tenant: &str| cluster.refused(&["sql", "-t", tenant, "-e", "ALTER SYSTEM BACKUP DATABASE"]);
    backup("newcomer").is(INVALID, &["no data backup destination", "SET DATA_BACKUP_DEST"]);
    // A path has one tenant, before and after its first set.
    let taken = uri(&cluster.dir("owner_data"));
    cluster.sql_refused(&data_dest("newcomer", &taken)).is(INVALID, &[&taken, "owner", "path of its own"]);
    assert_eq!(text(&cluster.back_up("owner", id), "STATUS"), "COMPLETED");
    cluster.sql_refused(&data_dest("newcomer", &taken)).is(INVALID, &[&taken, "owner", "path of its own"]);
    let inside = uri(&cluster.dir("owner_data/inside"));
    cluster.sql_refused(&data_dest("newcomer", &inside)).is(INVALID, &[&inside, "lie in each other"]);
    cluster.set_data_dest("newcomer", &cluster.dir("newcomer_data"));
    wait("the destination is ready, the log is not archived", || {
        let refused = backup("newcomer");
        refused.text.contains("the log is not archived").then(|| refused.is(INVALID, &["ALTER SYSTEM ARCHIVELOG"]))
    });
    // One at a time, and no move of the destination under it.
    cluster.ok(&["sql", "-t", "owner", "-e", "ALTER SYSTEM BACKUP DATABASE"]);
    backup("owner").is(INVALID, &["a backup is in progress", "CANCEL BACKUP"]);
    let moved = data_dest("owner", &uri(&cluster.dir("owner_elsewhere")));
    cluster.sql_refused(&moved).is(INVALID, &["a backup is in progress"]);
    let running = format!("SELECT JOB_ID FROM CDB_OB_BACKUP_JOBS WHERE TENANT_ID = {id}");
    wait("it ends", || cluster.rows(&running).is_empty().then_some(()));
    cluster.refused(&["sql", "-t", "owner", "-e", "ALTER SYSTEM CANCEL BACKUP"]).is(11, &["no backup runs"]);
}
