//! Every kind of backup with a scheduler node and a worker that pretends, checked by the readers of the format.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use prost::Message;
use strandline_format::pb;
use strandline_format::small::read_small;
use strandline_format::{DataType, cipher};
use support::cluster::{Cluster, Table};
use support::fake_worker::FakeWorker;
use support::mysql_client::{MysqlClient, Reply};
use support::reader;

async fn archiving() -> (Cluster, FakeWorker) {
    let cluster = Cluster::start(1).await;
    let worker = FakeWorker::start(1, cluster.addresses());
    cluster.wait_for(0, "SELECT COUNT(*) FROM CDB_OB_SERVERS WHERE SVR_TYPE = 'WORKER'", "1").await;
    cluster.sql(0, "CREATE TENANT t1 LOG_STREAMS = 2 REPLICAS = 1").await;
    cluster.sql(0, "CREATE TABLE files TABLETS = 4 TENANT = t1").await;
    let (_, archive) = cluster.dest("archive");
    cluster.sql(0, &format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={archive}' TENANT = t1")).await;
    cluster.sql(0, "ALTER SYSTEM ARCHIVELOG TENANT = t1").await;
    cluster.wait_for(0, "SELECT STATUS FROM CDB_OB_ARCHIVELOG", "DOING").await;
    let (_, data) = cluster.dest("data");
    cluster.sql(0, &format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}' TENANT = t1")).await;
    (cluster, worker)
}

/// Runs a backup statement to its end and gives the newest set.
async fn back_up(cluster: &Cluster, statement: &str) -> Table {
    cluster.sql(0, statement).await;
    cluster.wait_for(0, "SELECT COUNT(*) FROM CDB_OB_BACKUP_JOBS", "0").await;
    let set = cluster.sql(0, "SELECT * FROM CDB_OB_BACKUP_SET_FILES ORDER BY BACKUP_SET_ID DESC LIMIT 1").await;
    assert_eq!(set.get(0, "STATUS"), "SUCCESS", "{statement}: {}", set.get(0, "COMMENT"));
    set
}

fn info<M: Message + Default>(cluster: &Cluster, dest: &str, path: &str, kind: DataType) -> M {
    let file = std::fs::read(cluster.dest(dest).0.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    read_small(kind, &file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn full_incremental_and_synthetic_sets_make_a_tree_that_other_readers_accept() {
    let (mut cluster, _worker) = archiving().await;
    let full = back_up(&cluster, "ALTER SYSTEM BACKUP DATABASE DESCRIPTION = 'weekly'").await;
    let inc = back_up(&cluster, "ALTER SYSTEM BACKUP INCREMENTAL TENANT = t1").await;
    assert_eq!((full.get(0, "BACKUP_TYPE"), inc.get(0, "BACKUP_TYPE")), ("FULL".into(), "INC".into()));
    assert_eq!(inc.get(0, "PREV_INC_BACKUP_SET_ID"), full.get(0, "BACKUP_SET_ID"));
    let synthetic = back_up(&cluster, "ALTER SYSTEM BACKUP SYNTHETIC DATABASE").await;
    assert_eq!(synthetic.get(0, "MIN_RESTORE_SCN"), inc.get(0, "MIN_RESTORE_SCN"));
    assert!(synthetic.get(0, "COMMENT").contains("chain of set 2"), "{}", synthetic.get(0, "COMMENT"));
    reader::check("backup_conformance.py", &cluster.dest("data").0);

    let sys = cluster.sql(0, "SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY WHERE JOB_LEVEL = 'SYS_TENANT'").await;
    let own = cluster.sql(0, "SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY WHERE BACKUP_SET_ID = 1").await;
    assert_eq!((sys.rows.len(), sys.get(0, "STATUS")), (3, "COMPLETED".into()));
    assert_eq!(own.get(0, "INITIATOR_JOB_ID"), sys.get(0, "JOB_ID"));
    assert_eq!(own.get(0, "DESCRIPTION"), "weekly");
    let tasks = cluster.sql(0, "SELECT * FROM CDB_OB_BACKUP_TASK_HISTORY").await;
    assert_eq!((tasks.rows.len(), tasks.get(0, "DATA_PROGRESS")), (3, "100".into()));

    let list: pb::DiagnoseInfo =
        info(&cluster, "data", "backup_set_1_full/infos/diagnose_info.obbak", DataType::DiagnoseInfo);
    assert!(list.files.iter().any(|f| f.path == "infos/meta_info/ls_meta_infos.obbak"), "{:?}", list.files);
    for file in &list.files {
        let path = cluster.dest("data").0.join("backup_set_1_full").join(&file.path);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), file.size_bytes, "{}", file.path);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_carries_its_log_is_an_archive_of_its_own() {
    let (mut cluster, _worker) = archiving().await;
    let (usb, uri) = cluster.dest("usb");
    let set = back_up(&cluster, &format!("ALTER SYSTEM BACKUP TENANT = t1 TO '{uri}' PLUS ARCHIVELOG")).await;
    assert_eq!((set.get(0, "PLUS_ARCHIVELOG"), set.get(0, "PATH")), ("ON".into(), uri.clone()));
    reader::check("backup_conformance.py", &usb);
    reader::check("archive_conformance.py", &usb.join("backup_set_1_full/complement_log"));
    let parameter = "SELECT VALUE FROM CDB_OB_BACKUP_PARAMETER WHERE NAME = 'data_backup_dest'";
    assert_ne!(cluster.sql(0, parameter).await.first().unwrap(), uri, "DATA_BACKUP_DEST is not altered");
    let task = cluster.sql(0, "SELECT * FROM CDB_OB_BACKUP_TASK_HISTORY").await;
    assert_eq!((task.get(0, "LOG_PROGRESS"), task.get(0, "FINISH_LOG_FILE_COUNT")), ("100".into(), "3".into()));
    let both = format!("ALTER SYSTEM BACKUP TENANT = t1,t1 TO '{uri}'");
    assert!(cluster.refused(0, &both).await.what.contains("exactly one tenant"));
    let foreign = format!("ALTER SYSTEM BACKUP TENANT = t1 TO '{}'", cluster.dest("archive").1);
    assert_eq!(cluster.refused(0, &foreign).await.code, -9081, "the archive's path is not a place for sets");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_makes_one_key_per_chain_and_is_kept_nowhere() {
    let (mut cluster, worker) = archiving().await;
    let mut client = MysqlClient::login(cluster.handle(0).mysql_addr.unwrap(), "root@t1", b"").await.unwrap();
    for (statement, sets) in [("ALTER SYSTEM BACKUP DATABASE", 1u64), ("ALTER SYSTEM BACKUP INCREMENTAL DATABASE", 2)] {
        assert_eq!(client.query("SET ENCRYPTION ON IDENTIFIED BY 'very secret' ONLY").await, Reply::Ok);
        assert_eq!(client.query(statement).await, Reply::Ok);
        let count = "SELECT COUNT(*) FROM CDB_OB_BACKUP_SET_FILES WHERE STATUS = 'SUCCESS'";
        cluster.wait_for(0, count, &sets.to_string()).await;
    }
    let path = |set: &str| format!("{set}/single_backup_set_info.obbak");
    let full: pb::BackupSetInfo = info(&cluster, "data", &path("backup_set_1_full"), DataType::BackupSetInfo);
    let inc: pb::BackupSetInfo = info(&cluster, "data", &path("backup_set_2_inc"), DataType::BackupSetInfo);
    assert_eq!(full.encryption_mode, "PASSWORD_ENCRYPTION");
    assert_eq!(
        (&full.password_salt, &full.password_hash),
        (&inc.password_salt, &inc.password_hash),
        "one key per chain"
    );
    let salt: [u8; 16] = full.password_salt.as_ref().try_into().unwrap();
    let key = cipher::derive_key("very secret", &salt);
    let shown: String = cipher::fingerprint(&key).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(full.password_hash, shown);
    let view = cluster.sql(0, "SELECT DISTINCT ENCRYPTION_MODE, PASSWD FROM CDB_OB_BACKUP_SET_FILES").await;
    assert_eq!(view.rows, [["PASSWORD_ENCRYPTION".to_owned(), shown]]);
    // Another password cannot go on with the chain.
    assert_eq!(client.query("SET ENCRYPTION ON IDENTIFIED BY 'other' ONLY").await, Reply::Ok);
    assert_eq!(client.query("ALTER SYSTEM BACKUP INCREMENTAL DATABASE").await, Reply::Ok);
    cluster.wait_for(0, "SELECT COUNT(*) FROM CDB_OB_BACKUP_JOBS", "0").await;
    let newest = "SELECT BACKUP_TYPE || ': ' || COMMENT FROM CDB_OB_BACKUP_SET_FILES WHERE BACKUP_SET_ID = 3";
    let newest = cluster.sql(0, newest).await.first().unwrap();
    assert!(newest.starts_with("FULL") && newest.contains("another password"), "{newest}");
    drop(worker);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_and_schedules_are_set_shown_and_backed_up() {
    let (mut cluster, _worker) = archiving().await;
    cluster.sql(0, "ALTER SYSTEM SET backup_data_file_size = '512M' TENANT = t1").await;
    cluster.sql(0, "ALTER SYSTEM SET ha_low_thread_score = 3 TENANT = t1").await;
    back_up(&cluster, "ALTER SYSTEM BACKUP TENANT = t1").await;
    let path = "backup_set_1_full/infos/tenant_parameter.obbak";
    let parameters: pb::Parameters = info(&cluster, "data", path, DataType::Parameters);
    let found = |name: &str| parameters.parameters.iter().find(|p| p.name == name).map(|p| p.value.clone());
    assert_eq!(found("backup_data_file_size"), Some("536870912B".to_owned()));
    assert_eq!(found("ha_low_thread_score"), Some("3".to_owned()));

    let (dir, uri) = cluster.dest("parameters");
    cluster.sql(0, &format!("ALTER SYSTEM BACKUP CLUSTER PARAMETERS TO '{uri}'")).await;
    let written = std::fs::read_dir(dir.join("cluster_parameters_backup_dest")).unwrap().count();
    assert_eq!(written, 1);

    let weekly = "ALTER SYSTEM SET BACKUP SCHEDULE WEEKLY TIME ZONE = 'Europe/Berlin' ENABLE TENANT = t1";
    cluster.sql(0, weekly).await;
    let row = cluster.sql(0, "SELECT * FROM CDB_STRANDLINE_BACKUP_SCHEDULES").await;
    assert_eq!((row.get(0, "ENABLED"), row.get(0, "FULL_CRON")), ("YES".into(), "0 2 * * 6".into()));
    assert_ne!(row.get(0, "NEXT_RUN_TIMESTAMP"), "NULL");
    cluster.sql(0, "ALTER SYSTEM DROP BACKUP SCHEDULE TENANT = t1").await;
    assert!(cluster.sql(0, "SELECT * FROM CDB_STRANDLINE_BACKUP_SCHEDULES").await.rows.is_empty());
    cluster.stop_all().await;
}
